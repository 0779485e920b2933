"""A pause as the Elector takes part in it, against a real ZooKeeper."""

import json
import os
import time

import pytest

from supervisor_zkelect.core import control, pauses, places
from supervisor_zkelect.core.control import Life, Order, Pause, Stamp
from supervisor_zkelect.elector import Barred, NotBegun, NotLeader
from supervisor_zkelect.zookeeper import giving, pause_giving
from supervisor_zkelect.zookeeper.given import Given
from supervisor_zkelect.zookeeper.pausing import NotPaused, PauseOver

LIFE = Life("machine", "boot", "boot-4-1-2")


@pytest.fixture
def hand(zk, root):
    """Writes the control by hand, as a tool does."""

    class Hand:
        path, election = f"{root}/e/ack-state/control", f"{root}/e/election"

        def __call__(self, *changes):
            data, stat = zk.get(self.path)
            for change in changes:
                data = control.amended(data, None, change)
            zk.set(self.path, data, stat.version)

        def read(self):
            data, stat = zk.get(self.path)
            return control.read(data, Stamp(stat.czxid, stat.version))

        def queue(self):
            return sorted(zk.get_children(self.election))

        def delete(self, path):
            zk.delete(path)

        def ask(self, lasts=None):
            self(pauses.ask(Pause(Order("p", "root@h", "zk", round(1000 * time.time())), lasts)))

    return Hand()


def candidate(join, node, knows=True, prefix="n"):
    orders = {"orders": 1} if knows else {}
    one = join(prefix=prefix, data=json.dumps({"v": 1, "node": node, "address": f"{node}:1", **orders}).encode())
    one.prepare()
    one.create_proposal()
    return one


def leading(join, hand, node="a"):
    one = candidate(join, node)
    assert one.try_be_leader(claiming=True).leads
    one.claim(node, f"{node}:1")
    one.ack_leader(f"{node}:1")
    return one


def test_nobody_leads_behind_the_barrier_by_whichever_rule(join, hand, zk):
    one, other = leading(join, hand), candidate(join, "b")
    token = one.token
    hand.ask()
    one.consent("p", "a", LIFE)
    found = hand.read()
    assert (found.asked, found.paused.node, found.paused.token, found.paused.life) == (None, "a", token, LIFE)
    barrier = places.barrier_of(one.proposal)
    assert hand.queue() == [one.proposal, barrier, other.proposal], "sorted by whole names, as the Go elector does"
    standing = other.try_be_leader()
    assert standing.watching.endswith(barrier) and standing.paused and standing.lasting == "" and standing.place == 3
    one.withdraw()
    assert hand.queue() == [other.proposal] and hand.read().paused.token == 0, "every release takes its own consent back"
    standing.changed.result(timeout=20)
    assert other.try_be_leader(claiming=True).leads
    with pytest.raises(Barred, match="paused by root@h: zk"):
        other.claim("b", "b:1")
    with pytest.raises(Barred):
        other.predecessor()
    assert other.holder().node == "a" and other.read_ack() == b"a:1", "nothing is emptied"
    hand(pauses.end)
    assert other.claim("b", "b:1").node == "a"


def test_the_barrier_holds_alone_where_the_control_is_wiped_and_the_session_is_over(join, hand, zk):
    one, other = leading(join, hand), candidate(join, "b")
    hand.ask()
    one.consent("p", "a", LIFE)
    token, path = one.token, one.proposal_path
    hand.delete(path)
    hand.delete(hand.path)
    other.prepare()
    assert other.try_be_leader().paused
    assert [(barrier.node, barrier.token) for barrier in other.barriers()] == [("a", token)]
    refused = pause_giving.give(other, Given("resume"))
    assert not refused.ok and "a's" not in refused.text and "--node-is-dead" in refused.text
    other.take_back_consent(token, True)
    assert other.try_be_leader().leads and other.holder() is None and other.read_ack() == b""


@pytest.mark.parametrize("how", ["taken back", "another term", "no proposal", "switchover begun", "late", "over"])
def test_what_is_no_consent(join, hand, how):
    one = leading(join, hand)
    if how == "over":
        hand.ask(1)
        one.consent("p", "a", LIFE)
        time.sleep(0.01)
        with pytest.raises(PauseOver):
            one.consent("p", "a", LIFE)
        return
    if how != "late":
        hand.ask()
    if how == "taken back":
        hand(pauses.end)
    elif how == "another term":
        hand(pauses.consent(hand.read().asked, "b", one.token + 1, LIFE))
    elif how == "no proposal":
        hand.delete(one.proposal_path)
    elif how == "switchover begun":
        hand(control.order_switchover(control.Switchover(Order("s"), "b", begun=one.token)))
    else:
        hand(pauses.ask(Pause(Order("p", at=1))))
    before = hand.read().paused
    with pytest.raises((NotPaused, NotLeader)):
        one.consent("p", "a", LIFE)
    assert hand.read().paused == before and not [name for name in hand.queue() if places.is_barrier(name)]


def test_a_consent_that_is_asked_for_again_is_written_again(join, hand):
    one = leading(join, hand)
    hand.ask()
    one.consent("p", "a", LIFE)
    first = hand.read().stamp
    one.consent("p", "a", LIFE)
    assert hand.read().stamp.version == first.version + 1 and len(hand.queue()) == 2
    other = candidate(join, "b")
    assert not other.end_pause_in_time(first), "it has no end"


def test_whose_time_is_over_is_ended_by_the_version_that_was_read(join, hand):
    one, other = leading(join, hand), candidate(join, "b")
    hand.ask(60_000)
    one.consent("p", "a", LIFE)
    stamp = hand.read().stamp
    one.consent("p", "a", LIFE)
    assert not other.end_pause_in_time(stamp) and hand.read().paused
    assert other.end_pause_in_time(hand.read().stamp) and hand.read().paused is None
    assert hand.queue() == [one.proposal, other.proposal]


def test_another_control_of_the_same_version_is_not_the_one_that_was_read(join, hand, zk):
    one, other = leading(join, hand), candidate(join, "b")
    hand.ask(60_000)
    one.consent("p", "a", LIFE)
    data, stat = zk.get(hand.path)
    zk.delete(hand.path)
    zk.create(hand.path, b"")
    for _ in range(stat.version):
        zk.set(hand.path, data)
    assert hand.read().stamp.version == stat.version
    assert not other.end_pause_in_time(Stamp(stat.czxid, stat.version)) and hand.read().paused


def test_it_resumes_in_one_transaction(join, hand):
    one, other = leading(join, hand), candidate(join, "b")
    hand.ask()
    one.consent("p", "a", LIFE)
    standing = other.try_be_leader()
    one.resume()
    assert hand.read().paused is None and hand.queue() == [one.proposal, other.proposal]
    assert one.holder().node == "a" and one.read_ack() == b"a:1"
    standing.changed.result(timeout=20)
    one.resume()
    hand.delete(one.proposal_path)
    with pytest.raises(NotLeader):
        one.resume()


def test_no_handover_is_begun_in_a_pause(join, hand):
    one = leading(join, hand)
    candidate(join, "b")
    hand.ask()
    one.consent("p", "a", LIFE)
    with pytest.raises(NotBegun, match="paused"):
        one.begin(control.RESIGNATION, "", "a")
    for given in (Given("switchover", "b"), Given("maintenance on", "a")):
        assert "nobody steps down" in giving.give(one, given).text
    assert giving.give(one, Given("maintenance on", "b")).ok


def test_a_primary_that_knows_no_orders_is_not_paused_and_a_standby_is_named(join, hand):
    stranger = candidate(join, "go", knows=False)
    other = candidate(join, "b")
    refused = pause_giving.give(other, Given("pause", force=True))
    assert not refused.ok and "go leads and knows no orders" in refused.text
    stranger.withdraw()
    assert other.try_be_leader(claiming=True).leads
    other.claim("b", "b:1")
    candidate(join, "go", knows=False)
    asked = pause_giving.give(other, Given("pause", id="p"))
    assert asked.ok and asked.id == "p"
    assert "b has not consented yet" in pause_giving.came_of(other, Given("pause"), "p").text
    other.consent("p", "b", LIFE)
    waits = pause_giving.came_of(other, Given("pause"), "p")
    assert waits.exit == 7 and "has not confirmed" in waits.text
    from supervisor_zkelect.core import nodes

    other.tell_of_node("b", nodes.NodeEntry(state="primary", paused="p"))
    done = pause_giving.came_of(other, Given("pause"), "p")
    assert done.ok and "keeps go from leading" in done.text and "loses its data" in done.text


def test_where_nobody_leads_only_force_pauses(join, hand):
    one = candidate(join, "a")
    assert "nobody leads" in pause_giving.give(one, Given("pause")).text
    assert pause_giving.give(one, Given("pause", force=True)).ok and hand.read().paused.token == 0
    assert "already" in pause_giving.give(one, Given("pause")).text
    assert pause_giving.give(one, Given("resume")).ok and hand.read().paused is None
    assert not pause_giving.give(one, Given("resume")).ok


def test_force_needs_the_name_of_the_dead_and_leaves_a_newer_consent_alone(join, hand):
    one, other = leading(join, hand), candidate(join, "b")
    hand.ask()
    one.consent("p", "a", LIFE)
    force = Given("resume by force", fence=True)
    assert pause_giving.give(other, Given("resume", id="r")).id == "r"
    assert hand.read().paused.resume == "r"
    facts = pause_giving.give(other, force)
    assert not facts.ok and "two will run" in facts.text and f"token {one.token}" in facts.text and "a fence is set" in facts.text
    assert not pause_giving.give(other, force._replace(node="b")).ok
    assert not other.resume_by_force(one.token + 1)
    from supervisor_zkelect.core import nodes

    one.tell_of_node("a", nodes.NodeEntry(state="primary"))
    assert "its listener lives" in pause_giving.give(other, force._replace(node="a")).text and hand.read().paused
    token = one.token
    one.close()
    hand_over = time.monotonic() + 20
    while other.told_by("a").live and time.monotonic() < hand_over:
        os.sched_yield()
    done = pause_giving.give(other, force._replace(node="a"))
    assert done.ok and hand.read().paused is None and other.holder().token == token, "the next term begins as after a dirty end"
    assert other.try_be_leader(claiming=True).leads and other.claim("b", "b:1").token == token
