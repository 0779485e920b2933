"""The election recipe against a real ZooKeeper, and beside other clients' candidates."""

import contextlib
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.relay import Relay
from lab.zookeeper import ZooKeeper
from supervisor_zkelect import elector as elector_module
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.elector import Elector, Holder, NotConnected, NotLeader, ProposalGone
from supervisor_zkelect.zookeeper import proposal


def names(zk, root):
    return zk.get_children(f"{root}/e/election")


def test_makes_both_znodes_and_leaves_an_ack_alone(join, zk, root):
    join()
    zk.set(f"{root}/e/ack", b"kept")
    join()
    assert zk.get(f"{root}/e/ack")[0] == b"kept"


def test_a_proposal_is_made_once_per_session(join, zk, root):
    one = join(separator="_", data=b"{}")
    name = one.create_proposal()
    assert name.startswith("n_") and len(name) == 12
    assert one.create_proposal() == name == one.proposal
    data, stat = zk.get(f"{root}/e/election/{name}")
    assert data == b"{}" and stat.ephemeralOwner == one.session_id and one.token == stat.czxid


def test_a_create_whose_reply_was_lost_leaves_one_proposal(join, zk, root):
    one = join()
    one._client.create(f"{root}/e/election/n-", ephemeral=True, sequence=True)
    one._client.create(f"{root}/e/election/n-", ephemeral=True, sequence=True)
    assert one.create_proposal() == "n-0000000000"
    assert names(zk, root) == ["n-0000000000"]


def test_the_lowest_number_leads_and_only_the_next_in_line_wakes(join):
    first, second, third = join(), join(), join()
    for one in (first, second, third):
        one.create_proposal()
    assert first.try_be_leader().leads
    behind, last = second.try_be_leader(), third.try_be_leader()
    assert (behind.leads, behind.watching, behind.place, behind.candidates) == (False, first.proposal_path, 2, 3)
    assert last.watching == second.proposal_path
    first.withdraw()
    assert "deleted" in behind.changed.result(timeout=20)
    assert second.try_be_leader().leads
    assert not last.changed.done()


def test_other_clients_candidates_take_part_and_strangers_are_ignored(join, zk, root, caplog):
    one = join()
    zk.create(f"{root}/e/election/x", ephemeral=True, sequence=True)
    zk.create(f"{root}/e/election/readme")
    one.create_proposal()
    standing = one.try_be_leader()
    assert not standing.leads and standing.watching == f"{root}/e/election/x0000000000"
    one.try_be_leader()
    assert caplog.text.count("readme is no proposal") == 1


def test_a_node_that_does_not_lead_leaves_the_ack_untouched(join, zk, root):
    first, second = join(), join()
    first.create_proposal()
    first.ack_leader("a:1")
    with pytest.raises(NotLeader):
        second.ack_leader("b:1")
    second.create_proposal()
    with pytest.raises(NotLeader):
        second.ack_leader("b:1")
    assert second.read_ack() == b"a:1"
    zk.delete(first.proposal_path)
    with pytest.raises(NotLeader):
        first.ack_leader("a:2")
    with pytest.raises(NotLeader):
        first.clear_ack()
    assert second.read_ack() == b"a:1"


def test_a_proposal_deleted_by_hand_is_told(join, zk):
    one = join()
    one.create_proposal()
    standing = one.try_be_leader()
    zk.delete(one.proposal_path)
    assert "deleted" in standing.changed.result(timeout=20)
    with pytest.raises(ProposalGone):
        one.try_be_leader()
    assert one.proposal is None
    one.create_proposal()
    assert one.try_be_leader().leads


def test_a_proposal_of_another_session_does_not_lead(join, zk, root):
    one = join()
    one.create_proposal()
    path = one.proposal_path
    zk.delete(path)
    zk.create(path, ephemeral=True)
    with pytest.raises(ProposalGone):
        one.try_be_leader()


def test_claim_and_release_tell_clean_from_dirty(join, zk, root):
    first, second = join(), join()
    first.create_proposal()
    second.create_proposal()
    assert first.claim("a", "a:1") is None
    first.ack_leader("a:1")
    assert first.holder() == ("a", first.token, "a:1")
    first.withdraw()
    left = second.claim("b", "b:1")
    assert left.node == "a" and second.read_ack() == b"" and second.holder().node == "b"
    second.ack_leader("b:1")
    second.release()
    assert second.holder() is None and second.read_ack() == b"" and second.proposal is None
    with pytest.raises(ProposalGone):
        second.release()


def test_the_next_proposal_takes_nothing_over_from_the_former_term(join):
    one = join()
    one.create_proposal()
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    one.release()
    one.create_proposal()
    assert one.claimed is None
    one.ack_leader("a:2")
    assert (one.read_ack(), one.holder()) == (b"a:2", None)


def test_release_leaves_another_nodes_ack_and_holder(join):
    first, second = join(), join()
    first.create_proposal()
    second.create_proposal()
    first.claim("a", "a:1")
    first.ack_leader("a:1")
    second.release()
    assert first.read_ack() == b"a:1" and first.holder().node == "a"


def test_without_a_holder_the_one_who_leads_empties_the_ack(join, zk, root):
    first, second = join(), join()
    first.create_proposal()
    second.create_proposal()
    zk.set(f"{root}/e/ack", b"a:1")
    second.release()
    assert second.read_ack() == b"a:1"
    first.adopt_proposal()
    first.release()
    assert first.read_ack() == b"" and names(zk, root) == []


def test_an_ack_that_a_lagging_server_did_not_have_is_emptied(join, zk, root, monkeypatch):
    """The answer to its write was lost with the connection."""
    one = join()
    one.create_proposal()
    one.claim("a", "a:1")
    look = one._look_at_term

    def from_the_past(*arguments):
        monkeypatch.undo()
        term = look(*arguments)
        zk.set(f"{root}/e/ack", b"a:1")
        return term

    monkeypatch.setattr(one, "_look_at_term", from_the_past)
    one.release()
    assert one.read_ack() == b"" and names(zk, root) == []


def again(zk, root):
    """The election znode is made anew by hand, and counts from zero again."""
    zk.delete(f"{root}/e/election", recursive=True)
    zk.create(f"{root}/e/election")


@pytest.mark.parametrize("late", [
    "release", "release the acked", "withdraw", "ack", "clear", "claim", "claim at once", "repair", "step behind",
])
def test_another_proposal_of_the_same_name_is_not_touched(join, zk, root, late):
    one, other = join(), join()
    assert one.create_proposal() == "n-0000000000" and one.try_be_leader(claiming=late == "claim at once").leads
    if "claim" not in late:
        one.claim("a", "a:1")
    if "acked" in late:
        one.ack_leader("a:1")
    again(zk, root)
    assert other.create_proposal() == "n-0000000000" and other.try_be_leader().leads
    other.claim("b", "b:1")
    other.ack_leader("b:1")
    calls = {
        "release": one.release, "withdraw": one.withdraw, "ack": lambda: one.ack_leader("a:1"), "clear": one.clear_ack,
        "claim": lambda: one.claim("a", "a:1"), "repair": lambda: one.repair("a:1"), "step behind": one.step_behind,
    }
    calls["claim at once"], calls["release the acked"] = calls["claim"], calls["release"]
    if late == "withdraw":
        calls[late]()
    else:
        with pytest.raises(ProposalGone if "release" in late or "step" in late else NotLeader):
            calls[late]()
    assert one.proposal is None
    assert zk.exists(other.proposal_path).czxid == other.token
    assert (other.read_ack(), other.holder().node) == (b"b:1", "b")


def test_a_release_that_a_link_held_up_leaves_another_term_alone(join, zk_server, zk, root):
    """All is made anew meanwhile, so that names and versions are those that the node has written itself."""
    other = join()
    with Relay(zk_server.hosts) as relay:
        one = Elector.connect(relay.address, 4.0, f"{root}/e/election", "n", f"{root}/e/ack")
        one.create_proposal()
        one.try_be_leader()
        one.claim("a", "a:1")
        one.ack_leader("a:1")
        before = [zk.exists(f"{root}/e/{name}").version for name in ("ack", "ack-state/holder")]
        relay.hold()
        zk.delete(f"{root}/e", recursive=True)
        other.prepare()
        assert other.create_proposal() == one.proposal and other.try_be_leader().leads
        other.claim("b", "b:1")
        other.ack_leader("b:1")
        assert [zk.exists(f"{root}/e/{name}").version for name in ("ack", "ack-state/holder")] == before
        asked = threading.Event()
        for name in ("get_async", "transaction"):
            ask = getattr(one._client, name)
            setattr(one._client, name, lambda *words, ask=ask, **options: asked.set() or ask(*words, **options))
        with ThreadPoolExecutor(1) as pool:
            released = pool.submit(one.release)
            assert asked.wait(20)
            relay.release()
            assert isinstance(released.exception(timeout=20), (ProposalGone, NotConnected))
        assert zk.exists(other.proposal_path).czxid == other.token
        assert (other.read_ack(), other.holder().node) == (b"b:1", "b")
        one.close()


def test_what_changed_since_the_look_at_the_queue_counts(join, zk, root):
    one, late = join(), join()
    one.create_proposal()
    late.create_proposal()
    zk.create(f"{root}/e/ack-state/holder", b'{"node": "b", "token": 7, "address": "b:1"}')
    assert one.try_be_leader(claiming=True).leads
    zk.set(f"{root}/e/ack-state/holder", b'{"node": "c", "token": 8, "address": "c:1"}')
    zk.set(f"{root}/e/ack", b"c:1")
    assert one.claim("a", "a:1").node == "c"
    assert (one.read_ack(), one.holder().token) == (b"", one.token)
    one.release()
    zk.create(f"{root}/e/ack-state/holder", b'{"node": "c", "token": 8, "address": "c:1"}')
    assert late.try_be_leader(claiming=True).leads
    assert late.predecessor().node == "c"
    assert late.try_be_leader(claiming=True).leads
    zk.delete(late.proposal_path)
    with pytest.raises(NotLeader):
        late.claim("b", "b:1")
    assert late.holder().node == "c"


def test_what_the_look_at_the_queue_told_is_not_asked_again(join, zk, root, monkeypatch):
    one = join()
    one.create_proposal()
    assert one.try_be_leader(claiming=True).leads
    monkeypatch.setattr(one._client, "get_async", lambda *_, **__: pytest.fail("asked again"))
    one.claim("a", "a:1")
    monkeypatch.undo()
    assert one.holder().node == "a"


def test_who_was_second_asks_for_all_of_it_at_once(join, monkeypatch):
    one, two = join(), join()
    one.create_proposal()
    two.create_proposal()
    standing = two.try_be_leader()
    one.withdraw()
    standing.changed.result(timeout=20)
    calls, before, listed = [], [], two._listed
    for name in ("get_children_async", "get_async", "exists_async"):
        ask = getattr(two._client, name)
        monkeypatch.setattr(
            two._client, name, lambda path, ask=ask, **options: calls.append(path) or ask(path, **options)
        )
    monkeypatch.setattr(two, "_listed", lambda answer, limit: before.extend(calls) or listed(answer, limit))
    assert two.try_be_leader(claiming=True).leads
    # In this order, as what is said of the term is to be no older than the queue.
    assert before == [two.election_znode, two.holder_znode, two.proposal_path, two.election_ack, two.control_znode] == calls


def test_a_look_that_fails_leaves_no_watch(join, monkeypatch):
    one, two = join(), join()
    one.create_proposal()
    two.create_proposal()
    standing = two.try_be_leader()
    made = []

    class Noted(proposal.Watch):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    def fail(answer, limit):
        raise NotConnected("in a test")

    monkeypatch.setattr(proposal, "Watch", Noted)
    monkeypatch.setattr(two, "_listed", fail)
    with pytest.raises(NotConnected):
        two.try_be_leader(claiming=True)
    assert len(made) == 1 and made[0].changed.cancelled() and not standing.changed.done()
    one.withdraw()
    assert standing.changed.result(timeout=20)


def test_an_elector_that_is_dropped_leaves_nothing_in_its_client(zk, root):
    """Whoever asks one question of an election may make one for it, again and again."""
    before = len(zk.state_listeners)
    for _ in range(3):
        Elector(zk, f"{root}/e/election", "n", f"{root}/e/ack")
    gc.collect()
    assert len(zk.state_listeners) == before


@pytest.mark.parametrize("leave", [lambda one: one.withdraw(), lambda one: one.step_behind()], ids=["withdraw", "step"])
def test_who_leaves_its_place_watches_nobody_for_it(join, leave):
    """ZooKeeper tells of the former neighbour all the same; the client does nothing for it."""
    queue = [join() for _ in range(3)]
    for one in queue:
        one.create_proposal()
    standing = queue[1].try_be_leader()
    leave(queue[1])
    assert standing.changed.result(timeout=0) == "the proposal was given up"


def test_what_others_changed_is_written_again(join, zk, root):
    one = join()
    one.create_proposal()
    one.try_be_leader()
    one.claim("a", "a:1")
    zk.set(f"{root}/e/ack-state/holder", b"somebody's")
    one.ack_leader("a:1")
    assert (one.read_ack(), one.holder().token) == (b"a:1", one.token)
    zk.delete(f"{root}/e/ack-state/holder")
    zk.set(f"{root}/e/ack", b"c:1")
    one.repair("a:1")
    assert (one.read_ack(), one.holder().token) == (b"a:1", one.token)
    one.release()
    assert (one.read_ack(), one.holder()) == (b"", None)


def test_a_change_of_ack_or_holder_is_told_once(join, zk, root):
    one = join()
    _, _, former = one.watch_term()
    holder, ack, changed = one.watch_term()
    assert former.cancelled() and (holder, ack) == (None, b"")
    zk.create(f"{root}/e/ack-state/holder", b'{"node": "b", "token": 7, "address": "b:1"}')
    assert "created" in changed.result(timeout=20)
    holder, ack, changed = one.watch_term()
    assert (holder, ack) == (Holder("b", 7, "b:1"), b"")
    zk.set(f"{root}/e/ack", b"x")
    assert "changed" in changed.result(timeout=20)
    holder, ack, changed = one.watch_term()
    assert (holder, ack) == (Holder("b", 7, "b:1"), b"x")
    zk.delete(f"{root}/e/ack-state/holder")
    assert "deleted" in changed.result(timeout=20)


def test_who_steps_behind_stands_at_the_end_by_another_proposal(join, zk, root):
    one, other = join(data=b"{}"), join()
    first, token = one.create_proposal(), one.token
    other.create_proposal()
    assert one.try_be_leader().leads
    behind = other.try_be_leader()
    name = one.step_behind().name
    assert behind.changed.result(timeout=20) and other.try_be_leader().leads
    assert sorted(names(zk, root)) == [other.proposal, name] and first not in names(zk, root)
    data, stat = zk.get(one.proposal_path)
    assert data == b"{}" and stat.ephemeralOwner == one.session_id and one.token == stat.czxid > token
    assert one.try_be_leader().watching == other.proposal_path


def test_who_steps_behind_empties_a_stale_ack_and_leaves_the_holder(join):
    """Else clients would be sent to the predecessor until one of the others claims the term."""
    dead, one, other = join(), join(), join()
    for each in (dead, one, other):
        each.create_proposal()
    dead.claim("a", "a:1")
    dead.ack_leader("a:1")
    dead.withdraw()
    assert one.try_be_leader(claiming=True).leads
    one.step_behind()
    assert one.read_ack() == b"" and one.holder().node == "a"
    assert other.try_be_leader(claiming=True).leads and other.claim("b", "b:1").node == "a"


def test_who_leads_knows_whether_somebody_was_acked_since_it_proposed(join, zk, root):
    """Not whether somebody led: a promotion that fails writes no ack. Other implementations write theirs as it comes."""
    one, other = join(), join()

    def acked():
        one.create_proposal()
        assert one.try_be_leader(claiming=True).leads
        return one.acked_since

    assert not acked()
    one.step_behind()
    assert not acked()
    one.withdraw()
    other.create_proposal()
    one.create_proposal()
    other.claim("b", "b:1")
    other.release()
    assert not acked()
    zk.set(f"{root}/e/ack", b"go:1")
    assert acked()
    one.step_behind()
    assert not acked()


def test_members_stand_in_order(join):
    first, second = join(data=b'{"node": "a", "address": "a:1"}'), join(data=b"no json")
    first.create_proposal()
    second.create_proposal()
    members = second.members()
    assert [(m.node, m.address, m.mine) for m in members] == [("a", "a:1", False), ("", "", True)]
    assert members[0].token == first.token and members[0].session == first.session_id


def test_a_chroot_is_made(zk_server, zk, root):
    one = Elector.connect(f"{zk_server.hosts}{root}/deep", 4.0, "/e/election", "n", "/e/ack")
    one.create_proposal()
    assert zk.get_children(f"{root}/deep/e/election") == [one.proposal]
    one.close()
    assert zk.get_children(f"{root}/deep/e/election") == []


def test_the_watch_outlives_a_restart_of_zookeeper(tmp_path):
    """A server that is about to begin may take a connection and never answer on it, which costs kazoo the session: the relay
    lets clients to it when it serves."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ZooKeeper(tmp_path, tick_ms=500, extra={"maxSessionTimeout": 60000}))
        relay = stack.enter_context(Relay(server.hosts))
        first, second = (Elector.connect(relay.address, 60.0, "/e/election", "n", "/e/ack") for _ in "12")
        stack.callback(first.close)
        stack.callback(second.close)
        first.create_proposal()
        second.create_proposal()
        standing = second.try_be_leader()
        server.kill()
        with pytest.raises((NotConnected, elector_module.TimedOut)):
            second._zk.timeout = 1.0
            second.members()
        second._zk.timeout = 60.0
        until(lambda: not first._client.connected and not second._client.connected, 30, "both to notice")
        relay.hold()
        server.start()
        relay.release()
        until(lambda: first._client.connected and second._client.connected, 120, "both to be connected again")
        assert not standing.changed.done()
        first.withdraw()
        assert "deleted" in standing.changed.result(timeout=60)


def test_no_server_is_said(tmp_path):
    with pytest.raises(NotConnected, match="127.0.0.1:1"):
        Elector.connect("127.0.0.1:1", 0.5, "/e/election", "n", "/e/ack")


def test_credentials_keep_others_from_writing(zk_server, zk, root):
    one = Elector.connect(
        zk_server.hosts, 4.0, f"{root}/e/election", "n", f"{root}/e/ack", digest="u:secret", acl="creator+read"
    )
    one.create_proposal()
    other = Elector.connect(zk_server.hosts, 4.0, f"{root}/e/election", "n", f"{root}/e/ack", digest="u:wrong")
    with pytest.raises(elector_module.AccessDenied):
        other.create_proposal()
    one.ack_leader("a:1")
    assert other.read_ack() == b"a:1"
    one.withdraw()
    other.close()
    one._client.delete(f"{root}/e", recursive=True)
    one.close()


@pytest.mark.parametrize("wrong, told", [
    ({"servers": ""}, "servers"), ({"servers": "127.0.0.1:99999"}, "bad port"), ({"timeout": "10"}, "seconds"),
    ({"timeout": 0}, "seconds"), ({"acl": "creater"}, "creator"), ({"acl": "creator"}, "digest"),
    ({"digest": "secret"}, "user:password"), ({"data": "text"}, "bytes"),
])
def test_bad_arguments_are_refused(zk_server, root, wrong, told):
    arguments = {"servers": zk_server.hosts, "timeout": 4.0, **wrong}
    with pytest.raises(elector_module.BadArgument, match=told) as refused:
        Elector.connect(election_znode=f"{root}/e", election_prefix="n", election_ack=f"{root}/a", **arguments)
    assert "secret" not in str(refused.value)


def test_an_ack_that_is_neither_text_nor_bytes(join):
    one = join()
    one.create_proposal()
    assert one.try_be_leader().leads
    with pytest.raises(elector_module.BadArgument, match="text or bytes"):
        one.ack_leader(5)


def test_a_closed_elector_says_so(join):
    one = join()
    one.close()
    for call in (one.create_proposal, one.read_ack, one.members):
        with pytest.raises(NotConnected, match="closed"):
            call()


@pytest.mark.parametrize("path", ["relative", "/ends/", "/two//slashes"])
def test_bad_paths_are_refused(path):
    with pytest.raises(elector_module.BadArgument, match="absolute"):
        Elector(None, path, "n", "/ack")


def test_a_term_that_is_claimed_again_with_another_address_has_that(join):
    one = join()
    one.create_proposal()
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    assert one.claim("a", "a:2") is None
    assert (one.read_ack(), one.holder()) == (b"a:1", ("a", one.token, "a:2"))
    one.ack_leader("a:2")
    assert one.read_ack() == b"a:2"
    one.release()
    assert (one.read_ack(), one.holder()) == (b"", None)


def test_the_address_of_a_term_changes_in_holder_and_ack_at_once(join, zk, root):
    one = join()
    one.create_proposal()
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    one.repair("a:2", "a:2")
    assert (one.read_ack(), one.holder()) == (b"a:2", ("a", one.token, "a:2"))
    assert zk.get(f"{root}/e/ack")[1].mzxid == zk.get(f"{root}/e/ack-state/holder")[1].mzxid
    zk.delete(f"{root}/e/ack-state/holder")
    one.repair("a:2")
    assert one.holder() == ("a", one.token, "a:2")
    zk.delete(f"{root}/e/election/{one.proposal}")
    with pytest.raises(NotLeader):
        one.repair("a:3", "a:3")
    assert (one.read_ack(), one.holder().address) == (b"a:2", "a:2")


def test_a_look_at_the_queue_tells_the_place_as_it_is_though_nobody_was_woken(join, zk, root):
    first, second, third = join(), join(), join()
    assert first.look_at_queue()[2:] == (None, 0)
    for one in (first, second, third):
        one.create_proposal()
    standing = third.try_be_leader()
    zk.create(f"{root}/e/election/readme")
    assert [one.look_at_queue()[2:] for one in (first, second, third)] == [(1, 3), (2, 3), (3, 3)]
    zk.create(f"{root}/e/election/n-", ephemeral=True, sequence=True)
    first.withdraw()
    until(lambda: third.look_at_queue()[2:] == (2, 3), 20, "the server that third asks to know of it")
    assert (standing.place, standing.changed.done()) == (3, False)
    assert first.look_at_queue()[2:] == (None, 3)
    second.step_behind()
    until(lambda: second.look_at_queue()[2:] == (3, 3), 20, "second to be last")
