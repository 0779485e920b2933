"""What operators have ordered, as the Elector takes part in it, against a real ZooKeeper."""

import json

import pytest
from kazoo.security import make_acl

from supervisor_zkelect.core import control
from supervisor_zkelect.core.control import Order, Restart, Switchover
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.elector import Barred, NotBegun, NotLeader, ProposalGone
from supervisor_zkelect.zookeeper import giving, results
from supervisor_zkelect.zookeeper.given import Given

ASIDE = control.begin_maintenance("a", Order("m"))


@pytest.fixture
def hand(zk, root):
    """Writes the control by hand, as another client does."""

    class Hand:
        path = f"{root}/e/ack-state/control"

        def __call__(self, *changes):
            data, stat = zk.get(self.path)
            for change in changes:
                data = control.amended(data, None, change)
            zk.set(self.path, data, stat.version)

        def anew(self, data=b"", version=0):
            zk.delete(self.path)
            zk.create(self.path, data)
            for _ in range(version):
                zk.set(self.path, data)

        def read(self):
            return json.loads(zk.get(self.path)[0] or b"{}")

    return Hand()


def candidate(join, node, knows=True):
    orders = {"orders": 1} if knows else {}
    one = join(data=json.dumps({"v": 1, "node": node, "address": f"{node}:1", **orders}).encode())
    one.prepare()
    one.create_proposal()
    return one


def test_who_is_in_maintenance_claims_nothing(join, hand):
    one = candidate(join, "a")
    hand(ASIDE)
    assert one.try_be_leader(claiming=True).leads
    with pytest.raises(Barred, match="maintenance"):
        one.claim("a", "a:1")
    assert one.holder() is None and one.claim("b", "b:1") is None


@pytest.mark.parametrize("data", [b"garbage", b'{"v": 99}'])
def test_a_control_that_cannot_be_used_promotes_nobody(join, hand, data):
    one = candidate(join, "a")
    hand.anew(data)
    assert one.try_be_leader(claiming=True).leads
    for call in (lambda: one.claim("a", "a:1"), lambda: one.predecessor(node="a") or one.claim("a", "a:1")):
        with pytest.raises(Barred):
            call()
    one.reset_control()
    assert one.claim("a", "a:1") is None


def test_an_order_that_comes_between_look_and_claim_counts(join, hand):
    one = candidate(join, "a")
    assert one.try_be_leader(claiming=True).leads
    hand(ASIDE)
    with pytest.raises(Barred):
        one.claim("a", "a:1")
    assert one.holder() is None


def test_a_control_that_was_made_anew_with_the_same_version_is_noticed(join, hand):
    """The claim is written, as versions are all that a transaction can check; and nothing is begun by it."""
    one = candidate(join, "a")
    hand(control.end_switchover)
    assert one.try_be_leader(claiming=True).leads
    hand.anew(control.amended(b"", None, ASIDE), version=1)
    with pytest.raises(Barred):
        one.claim("a", "a:1")
    assert one.holder().node == "a"
    one.release()
    assert one.holder() is None


def test_a_control_that_is_gone_is_made_by_the_claim(join, hand, zk):
    one = candidate(join, "a")
    zk.delete(hand.path)
    assert one.try_be_leader(claiming=True).leads and one.claim("a", "a:1") is None
    assert zk.get(hand.path)[0] == b""


def test_a_term_that_is_gone_on_with_asks_for_no_orders(join, hand):
    one = candidate(join, "a")
    one.try_be_leader()
    one.claim("a", "a:1")
    hand(ASIDE)
    assert one.claim("a", "a:1", adopting=True) is None
    with pytest.raises(Barred):
        one.claim("a", "a:1")


def test_a_fence_is_held_back_as_the_claim_is(join, hand):
    one = candidate(join, "a")
    one.try_be_leader()
    one.claim("z", "z:1")
    one.ack_leader("z:1")
    two = candidate(join, "a")
    one.withdraw()
    assert two.try_be_leader(claiming=True).leads
    hand(ASIDE)
    with pytest.raises(Barred):
        two.predecessor(node="a")
    assert two.read_ack() == b"z:1"
    hand(control.end_maintenance("a"))
    assert two.predecessor(node="a").node == "z" and two.read_ack() == b""


def test_a_switchover_is_marked_and_the_target_leads_at_once(join, hand):
    one, two, three = (candidate(join, name) for name in "abc")
    one.try_be_leader()
    one.claim("a", "a:1")
    hand(control.order_switchover(Switchover(Order("s", at=one.server_time()), "c")))
    target = one.begin("switchover", "s", "a")
    assert target == three.proposal and hand.read()["switchover"]["begun"] == one.token
    assert one.begin("switchover", "s", "a") == target
    standing = two.try_be_leader()
    one.release(successor=target)
    assert "deleted" in standing.changed.result(timeout=20)
    with pytest.raises(ProposalGone):
        two.try_be_leader()
    assert three.try_be_leader(claiming=True).leads
    three.claim("c", "c:1")
    assert three.led_to.order.id == "s" and "switchover" not in hand.read()


@pytest.mark.parametrize("why, told", [
    ("taken back", "taken back"), ("aside", "in maintenance"), ("away", "does not stand in the queue"), ("strange", "knows no orders"),
    ("late", "ten minutes"),
])
def test_what_cannot_be_begun_changes_nothing(join, hand, why, told):
    one, two, three = candidate(join, "a"), candidate(join, "b", why != "strange"), candidate(join, "c")
    one.try_be_leader()
    at = one.server_time() - (control.LATE + 1000 if why == "late" else 0)
    order = control.order_switchover(Switchover(Order("another" if why == "taken back" else "s", at=at), "c"))
    aside = [control.begin_maintenance("c", Order("m"))] if why == "aside" else []
    hand(order, *aside)
    if why == "away":
        three.withdraw()
    before = hand.read()
    with pytest.raises(NotBegun, match=told):
        one.begin("switchover", "s", "a")
    assert hand.read() == before and two.proposal in [member.name for member in one.members()]


def test_nobody_may_take_over_who_is_in_maintenance(join, hand):
    one = candidate(join, "a")
    one.try_be_leader()
    with pytest.raises(NotBegun, match="no other candidate stands in the queue"):
        one.begin("resignation", "", "a")
    two = candidate(join, "b")
    hand(control.begin_maintenance("b", Order("m")))
    with pytest.raises(NotBegun, match="in maintenance"):
        one.begin("resignation", "", "a")
    hand(control.end_maintenance("b"))
    assert one.begin("resignation", "", "a") == two.proposal


def test_a_successor_that_is_gone_keeps_nobody_from_being_released(join):
    one, two, three = (candidate(join, name) for name in "abc")
    one.try_be_leader()
    gone = three.proposal
    three.withdraw()
    one.release(successor=gone)
    assert two.try_be_leader().leads


def test_an_order_is_given_and_looked_after(join, hand):
    one, two = candidate(join, "a"), candidate(join, "b")
    one.try_be_leader()
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    tool = join()
    given = Given("switchover", "b", "root@h", "a test")
    answer = giving.give(tool, given)
    assert answer.id and results.came_of(tool, given, answer.id, answer.term) is None
    # Given once more, by a listener that was restarted meanwhile, it is the same order; another one is refused.
    assert giving.give(tool, given._replace(id=answer.id))[3:5] == (answer.id, one.token)
    another = giving.give(tool, Given("switchover", "a"))
    assert not another.ok and "another switchover is ordered" in another.text
    one.release(successor=one.begin("switchover", answer.id, "a"))
    two.try_be_leader()
    two.claim("b", "b:1")
    assert results.came_of(tool, given, answer.id, answer.term) is None
    two.ack_leader("b:1")
    assert results.came_of(tool, given, answer.id, answer.term)[:2] == (True, 0)
    two.tell_outcome(Outcome(answer.id, True, "b leads, says b", "b", "b:1"))
    assert results.came_of(tool, given, answer.id, answer.term).text == "b leads, says b"


def test_a_switchover_that_is_taken_back_is_told_as_not_done(join, hand):
    one, _ = candidate(join, "a"), candidate(join, "b")
    one.try_be_leader()
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    tool, given = join(), Given("switchover")
    answer = giving.give(tool, given)
    hand(control.end_switchover)
    assert results.came_of(tool, given, answer.id, answer.term)[:2] == (False, 1)
    answer = giving.give(tool, given)
    assert giving.give(tool, Given("cancel")).ok
    assert results.came_of(tool, given, answer.id, answer.term)[:3] == (False, 1, "it was taken back")


@pytest.mark.parametrize("given, told", [
    (Given("maintenance on", "typo"), "no node typo is known in"), (Given("switchover", "a"), "a leads already"),
    (Given("maintenance off", "b"), "b is not in maintenance"), (Given("cancel"), "no switchover is ordered"),
])
def test_what_cannot_be_is_refused(join, hand, given, told):
    candidate(join, "a").try_be_leader()
    candidate(join, "b")
    assert told in giving.give(join(), given).text and hand.read() == {}


def test_maintenance_that_is_over_is_in_nobodys_way(join, hand):
    one, _ = candidate(join, "a"), candidate(join, "b")
    one.try_be_leader()
    hand(control.begin_maintenance("b", Order("m", until=one.server_time() - 1)))
    assert giving.give(join(), Given("switchover", "b")).id


def test_a_primary_that_knows_no_orders_is_given_none(join):
    candidate(join, "a", knows=False).try_be_leader()
    candidate(join, "b")
    assert "knows no orders" in giving.give(join(), Given("switchover", "b")).text


def test_a_control_that_may_not_be_written_needs_no_mark_of_maintenance(join, hand, zk):
    one, two = candidate(join, "a"), candidate(join, "b")
    one.try_be_leader()
    one.claim("a", "a:1")
    hand(ASIDE)
    zk.set_acls(hand.path, [make_acl("world", "anyone", read=True, admin=True)])
    assert one.begin(control.STAND_ASIDE, "m", "a") == two.proposal
    one.release(successor=two.proposal)
    assert two.try_be_leader(claiming=True).leads


def test_what_goes_with_nobodys_session_stands_in_the_way_and_is_not_deleted(join, hand, zk):
    one, two = candidate(join, "a"), None
    one.try_be_leader()
    lasting = zk.create(f"{one.election_znode}/n-", b"", sequence=True)
    two = candidate(join, "b")
    with pytest.raises(NotBegun, match="delete it"):
        one.begin("resignation", "", "a")
    one.release(successor=two.proposal)
    assert zk.exists(lasting)


def test_a_control_that_may_not_be_read_bars_and_hinders_no_adoption(join, hand, zk, root):
    one = candidate(join, "a")
    one.try_be_leader()
    one.claim("a", "a:1")
    zk.set_acls(hand.path, [make_acl("world", "anyone", admin=True)])
    try:
        assert one.try_be_leader(claiming=True).leads and one.claim("a", "a:1", adopting=True) is None
        with pytest.raises(Barred, match="cannot be read"):
            one.claim("a", "a:1")
    finally:
        zk.set_acls(hand.path, [make_acl("world", "anyone", all=True)])


# Restarts


def primary(join):
    one = candidate(join, "a")
    assert one.try_be_leader(claiming=True).leads
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    return one


def test_a_restart_is_marked_begun_and_the_ack_emptied_at_once(join, hand):
    one = primary(join)
    hand(control.order_restart(Restart(Order("r", at=one.server_time()), None, 0, one.token)))
    one.begin_restart("r")
    assert hand.read()["restart"]["begun"] == one.token and one.read_ack() == b"" and one.holder().token == one.token
    one.ack_leader("a:1")
    # Its answer may have been lost.
    one.begin_restart("r")
    assert one.read_ack() == b""
    one.ack_leader("a:1")
    one.tell_outcome(Outcome("r", True, "done"))
    assert "restart" not in hand.read() and one.read_ack() == b"a:1" and one.outcomes()[-1].id == "r"


@pytest.mark.parametrize("order, why", [
    (None, "taken back"), (Restart(Order("other")), "taken back"), (Restart(Order("r", at=5)), "more than ten minutes"),
])
def test_a_restart_that_does_not_stand_or_is_late_empties_nothing(join, hand, order, why):
    one = primary(join)
    if order is not None:
        hand(control.order_restart(order))
    before = hand.read()
    with pytest.raises(NotBegun, match=why):
        one.begin_restart("r")
    assert one.read_ack() == b"a:1" and hand.read() == before


def test_who_does_not_lead_any_more_marks_no_restart(join, hand, zk):
    one = primary(join)
    hand(control.order_restart(Restart(Order("r", at=one.server_time()))))
    zk.delete(one.proposal_path)
    with pytest.raises(NotLeader):
        one.begin_restart("r")
    assert one.read_ack() == b"a:1" and "begun" not in hand.read()["restart"]


def test_a_restart_puts_a_holder_back_that_somebody_has_changed(join, hand, zk, root):
    one = primary(join)
    hand(control.order_restart(Restart(Order("r", at=one.server_time()))))
    zk.delete(f"{root}/e/ack-state/holder")
    one.begin_restart("r")
    assert one.holder().token == one.token and one.read_ack() == b""
