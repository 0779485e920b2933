"""What an election keeps for itself: the state's place, whose holder stands there, and a predecessor that notes none."""

import json
import uuid

import pytest
from kazoo.client import KazooClient

from supervisor_zkelect.elector import AnotherElection, BadArgument, Elector, Holder


@pytest.fixture
def join(zk_server, root):
    """Makes electors, by default in one election; each has a session of its own."""
    made = []

    def make(znode="e1", ack="ack1", prefix="n", **options):
        made.append(Elector.connect(zk_server.hosts, 4.0, f"{root}/{znode}", prefix, f"{root}/{ack}", **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def lead(elector):
    elector.create_proposal()
    assert elector.try_be_leader().leads
    return elector


def tree(zk, path):
    """All znodes below a path, with their data."""
    found = {}
    for name in zk.get_children(path):
        found[f"{path}/{name}"] = zk.get(f"{path}/{name}")[0]
        found.update(tree(zk, f"{path}/{name}"))
    return found


# The place


def test_everything_but_ack_and_proposals_stands_below_the_state(join, zk, root):
    one = lead(join())
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    one.amend_history(lambda data: b"[]", 4.0)
    found = set(tree(zk, root))
    expected = {"e1", f"e1/{one.proposal}", "ack1", "ack1-state", "ack1-state/holder", "ack1-state/history", "ack1-state/control"}
    assert found == {f"{root}/{name}" for name in expected}


def test_the_state_may_stand_elsewhere(join, zk, root, zk_server):
    one = lead(join(election_state=f"{root}/deep/own"))
    one.claim("a", "a:1")
    assert zk.exists(f"{root}/deep/own/holder") and not zk.exists(f"{root}/ack1-state")
    inside = Elector.connect(f"{zk_server.hosts}{root}/chroot", 4.0, "/e", "n", "/ack", election_state="/s")
    lead(inside).claim("a", "a:1")
    assert json.loads(zk.get(f"{root}/chroot/s/holder")[0])["election"] == f"{root}/chroot/e"
    inside.close()


def test_the_state_has_the_acl_of_the_others(join, zk, root):
    one = join(digest="u:secret", acl="creator+read")
    assert zk.get_acls(f"{root}/ack1-state")[0] == zk.get_acls(f"{root}/ack1")[0]
    assert "world" not in {acl.id.scheme for acl in zk.get_acls(f"{root}/ack1-state")[0] if acl.perms != 1}
    assert zk.get_acls(f"{root}/ack1-state/control")[0] == zk.get_acls(f"{root}/ack1-state")[0]
    one._client.delete(f"{root}/ack1-state", recursive=True)


@pytest.mark.parametrize("state", ["/e", "/e/x", "/ack", "/ack/x", "/", "relative", "/a//b"])
def test_a_state_in_the_way_is_refused(state):
    with pytest.raises(BadArgument, match="election_state"):
        Elector(None, "/e", "n", "/ack", election_state=state)
    with pytest.raises(BadArgument, match="election_state"):
        Elector(None, "/s/e", "n", "/s/a/ack", election_state="/s")


@pytest.mark.parametrize("acks", [("ack1", "ack2"), ("a/ack", "a/ack/ack"), ("ack", "ack-")])
def test_elections_whose_acks_are_neighbours_never_meet(join, zk, acks):
    one, two = lead(join("e1", acks[0])), lead(join("e2", acks[1]))
    for name, elector in (("a", one), ("b", two)):
        assert elector.predecessor() is None and elector.claim(name, f"{name}:1") is None
        elector.ack_leader(f"{name}:1")
    assert one.holder().node == "a" and two.holder().node == "b"
    two.release()
    assert one.holder() == Holder("a", one.token, "a:1") and (one.read_ack(), two.read_ack()) == (b"a:1", b"")


# Another election's holder in this one's place


@pytest.fixture
def two(join):
    """One that leads and is acked, and the leader of another election with the same ack."""
    one, other = lead(join("e1")), lead(join("e2"))
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    return one, other


@pytest.mark.parametrize("call", [
    lambda other: other.predecessor(), lambda other: other.claim("b", "b:1"),
])
def test_who_shares_an_ack_is_refused_while_the_other_lives(two, call):
    one, other = two
    with pytest.raises(AnotherElection, match=f"{one.election_znode}, in which candidates stand.*election_state of its own"):
        call(other)
    assert other.taken_by() and not one.taken_by()
    assert (one.read_ack(), one.holder(), other.holder()) == (b"a:1", ("a", one.token, "a:1"), None)


@pytest.mark.parametrize("leave", [
    lambda other: other.release(), lambda other: other.withdraw(), lambda other: other.step_behind(),
])
def test_who_is_refused_takes_nothing_with_it(two, leave):
    one, other = two
    leave(other)
    assert (one.read_ack(), one.holder()) == (b"a:1", ("a", one.token, "a:1"))


def test_a_holder_of_another_election_is_not_written_over_by_a_repair(two, zk, root):
    one, _ = two
    record = {"v": 1, "election": f"{root}/e2", "node": "b", "token": 7, "address": "b:1"}
    zk.set(one.holder_znode, json.dumps(record).encode())
    for call in (lambda: one.repair("a:1"), lambda: one.ack_leader("a:1")):
        with pytest.raises(AnotherElection):
            call()
    assert json.loads(zk.get(one.holder_znode)[0]) == record


def test_after_a_clean_release_the_other_one_leads(two):
    one, other = two
    one.release()
    assert other.predecessor() is None and other.claim("b", "b:1") is None


def test_what_an_election_without_candidates_left_is_replaced_and_no_predecessor(two, caplog):
    one, other = two
    one.withdraw()
    assert other.predecessor() is None and other.claim("b", "b:1") is None
    assert other.holder().node == "b" and other.read_ack() == b""
    assert f"was that of {one.election_znode}" in caplog.text


def test_a_dirty_end_is_its_own_elections_while_that_has_candidates(two, join):
    one, other = two
    heir = join("e1")
    heir.create_proposal()
    one.withdraw()
    with pytest.raises(AnotherElection):
        other.claim("b", "b:1")
    assert heir.try_be_leader().leads and heir.predecessor().node == "a"


@pytest.mark.parametrize("election", [5, "", "x", "/", "/a//b", "/a/../b", "/a\x00", "/" + "a" * 2000])
def test_an_election_that_cannot_be_is_an_unknown_node(join, zk, root, election):
    one = lead(join())
    zk.create(one.holder_znode, json.dumps({"election": election, "node": "b", "token": 7, "address": "b:1"}).encode())
    assert one.predecessor() == Holder("", 0, "") and one.claim("a", "a:1") is not None


def test_an_election_that_cannot_be_seen_may_live(join, zk, root, zk_server):
    """Its znode is outside of what a client with a chroot can reach."""
    one = lead(join())
    one.claim("a", "a:1")
    zk.ensure_path(f"{root}/c")
    client = KazooClient(hosts=f"{zk_server.hosts}{root}/c", timeout=4)
    client.start(timeout=30)
    try:
        inside = Elector(client, "/e", "n", "/ack")
        inside.prepare()
        zk.create(f"{root}/c/ack-state/holder", zk.get(one.holder_znode)[0])
        with pytest.raises(AnotherElection, match="cannot see"):
            lead(inside).claim("b", "b:1")
    finally:
        client.stop()
        client.close()


# A predecessor that notes no holder


def acked_by_another(zk, elector, address=b"go:1"):
    """As the Go elector leaves it."""
    zk.set(elector.election_ack, address)


def test_an_ack_without_a_holder_is_a_dirty_end(join, zk):
    one = lead(join())
    acked_by_another(zk, one)
    assert one.predecessor() == Holder("", 0, "go:1")
    assert one.read_ack() == b"" and one.holder() == Holder("", 0, "go:1")
    # Asked again, as after a fence that failed.
    assert one.predecessor() == Holder("", 0, "go:1") and one.predecessor(0) is None
    assert one.claim("a", "a:1") == Holder("", 0, "go:1") and one.holder().node == "a"


def test_a_claim_alone_tells_of_it_too(join, zk):
    one = lead(join())
    acked_by_another(zk, one)
    assert one.claim("a", "a:1") == Holder("", 0, "go:1") and one.read_ack() == b""


@pytest.mark.parametrize("leave", [
    lambda one: one.predecessor() and one.withdraw(), lambda one: one.step_behind(), lambda one: one.release(),
], ids=["dies before it fenced", "steps behind", "ends before it claimed"])
def test_nobody_forgets_it_before_it_is_fenced(join, zk, leave):
    one, heir = lead(join()), join()
    heir.create_proposal()
    acked_by_another(zk, one)
    leave(one)
    assert heir.read_ack() == b"" and heir.try_be_leader(claiming=True).leads
    assert heir.predecessor() == Holder("", 0, "go:1")


def test_both_are_told_where_another_program_led_after_a_dirty_end(join, zk):
    one, heir = lead(join()), join()
    heir.create_proposal()
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    token = one.token
    one.withdraw()
    acked_by_another(zk, one)
    assert heir.try_be_leader(claiming=True).leads
    assert heir.predecessor() == Holder("a", token, "a:1") and heir.read_ack() == b""
    assert heir.predecessor(token) == Holder("", 0, "go:1")
    assert heir.predecessor(0) is None and heir.claim("b", "b:1") is not None


def test_what_an_operator_made_the_ack_with_is_nobodys(join, zk, root):
    zk.create(f"{root}/ack1", b"nobody yet", makepath=True)
    one = lead(join())
    assert one.predecessor() is None and one.claim("a", "a:1") is None and one.read_ack() == b""


def test_an_own_ack_is_no_dirty_end(join):
    """Of who uses the recipe without holders."""
    one, other = lead(join()), join()
    other.create_proposal()
    one.ack_leader("a:1")
    one.release()
    assert other.try_be_leader(claiming=True).leads and other.predecessor() is None


def test_who_writes_the_ack_again_is_not_fenced(join, zk):
    """A primary of another election with the same ack, and a state of its own."""
    one = lead(join(election_state="/" + uuid.uuid4().hex))
    acked_by_another(zk, one)
    assert one.predecessor() is not None
    acked_by_another(zk, one)
    with pytest.raises(AnotherElection, match="does not stand in"):
        one.predecessor()
    assert one.read_ack() == b"go:1"
    zk.delete(one.election_state, recursive=True)


def test_what_another_program_left_after_that_is_fenced_all_the_same(join, zk):
    """The one who noted it died, another program led, and left its ack."""
    one, heir = lead(join()), join()
    heir.create_proposal()
    acked_by_another(zk, one)
    one.predecessor()
    one.withdraw()
    acked_by_another(zk, one, b"go:2")
    assert heir.try_be_leader(claiming=True).leads
    assert heir.predecessor() == Holder("", 0, "go:1") and heir.predecessor(0) == Holder("", 0, "go:2")
    assert heir.predecessor(0) is None


@pytest.mark.parametrize("ack", [b"\xff", b"a\nb", b"\x1b[2J", b"a\x00b", b"x" * 5000])
def test_an_ack_that_is_no_address_is_not_repeated(join, zk, ack):
    one = lead(join())
    acked_by_another(zk, one, ack)
    assert one.predecessor() == Holder("", 0, "") and one.read_ack() == b""


# Candidates of other programs

LOCK = f"{uuid.UUID(int=7).hex}__lock__"
LATCH = f"_c_{uuid.UUID(int=7)}-latch-"


@pytest.mark.parametrize("stem", ["a", "a-", LOCK, LATCH])
def test_who_leads_by_another_rule_is_given_way_to(join, zk, root, stem):
    one = join()
    one.create_proposal()
    name = zk.create(f"{root}/e1/{stem}", ephemeral=True, sequence=True).rpartition("/")[2]
    standing = one.try_be_leader(claiming=True)
    assert (standing.leads, standing.place, standing.rival) == (False, 1, name)
    assert standing.watching == f"{root}/e1/{name}"
    with pytest.raises(Exception, match="not the lowest|another program"):
        one.ack_leader("a:1")
    found = one.look_at_queue()
    assert found.rival == name and name[:60] in found.trouble
    zk.delete(f"{root}/e1/{name}")
    assert "deleted" in standing.changed.result(timeout=20)
    assert one.try_be_leader().leads and one.look_at_queue()[:2] == ("", "")


@pytest.mark.parametrize("stem, ephemeral, data", [
    ("x", True, b""), ("n", True, b""), ("a", False, b""), ("a", True, b'{"v": 1, "node": "c", "address": "c:1"}'),
], ids=["sorts behind", "without the separator", "persistent", "of this plugin"])
def test_whose_place_is_the_same_is_told_only(join, zk, root, stem, ephemeral, data):
    one = join()
    one.create_proposal()
    name = zk.create(f"{root}/e1/{stem}", data, ephemeral=ephemeral, sequence=True).rpartition("/")[2]
    assert one.try_be_leader().leads
    found = one.look_at_queue()
    assert found.rival == "" and name in found.trouble


def test_a_queue_that_is_the_same_is_not_listed_again(join, monkeypatch):
    one = join()
    one.create_proposal()
    one.look_at_queue()
    changes = []
    monkeypatch.setattr(one._client, "get_children_async", lambda *_, **__: pytest.fail("listed again"))
    assert one.look_at_queue()[:2] == ("", "")
    one.glance_at_queue(lambda: changes.append(1))
    one.read_ack()
    assert not changes
