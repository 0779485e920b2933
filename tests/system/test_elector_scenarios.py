"""What a user of the Go package tests of his program, with the Elector: its four calls, alone, among their own kind, and in one
election with the Go elector's rules."""

import pytest
from kazoo.client import KazooClient

from supervisor_zkelect import Elector
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.elector import NotLeader, ProposalGone
from tests.goelector import GoElector

TIME = 30.0


def ack(zk, root):
    return zk.get(f"{root}/e/ack")[0]


def test_new_elector_makes_the_znodes_and_no_proposal(join, zk, root):
    join()
    assert zk.exists(f"{root}/e/ack") and zk.get_children(f"{root}/e/election") == []


def test_one_candidate_leads_and_acks(join, zk, root):
    one = join()
    assert one.create_proposal() == "n-0000000000"
    assert one.try_be_leader()
    one.ack_leader("a:1")
    assert ack(zk, root) == b"a:1"


def test_a_second_proposal_of_one_elector_is_the_first(join, zk, root):
    one = join()
    assert one.create_proposal() == one.create_proposal()
    assert zk.get_children(f"{root}/e/election") == [one.proposal]


def test_of_two_the_first_leaves_and_the_second_is_woken_and_acks(join, zk, root):
    first, second = join(), join()
    first.create_proposal()
    second.create_proposal()
    assert first.try_be_leader()
    standing = second.try_be_leader()
    assert not standing and standing.watching == first.proposal_path
    first.ack_leader("a:1")
    first.close()
    assert standing.changed.result(TIME) and second.try_be_leader()
    second.ack_leader("b:1")
    assert ack(zk, root) == b"b:1"


def test_an_ack_by_who_does_not_lead_is_refused(join, zk, root):
    first, second = join(), join()
    first.create_proposal()
    second.create_proposal()
    first.ack_leader("a:1")
    with pytest.raises(NotLeader):
        second.ack_leader("b:1")
    with pytest.raises(NotLeader):
        join().ack_leader("c:1")
    assert ack(zk, root) == b"a:1"


def test_of_many_exactly_one_leads_and_they_follow_in_their_order(join, zk, root):
    many = [join() for _ in range(6)]
    for one in many:
        one.create_proposal()
    while many:
        assert [bool(one.try_be_leader()) for one in many] == [True] + [False] * (len(many) - 1)
        many[0].ack_leader(many[0].proposal)
        assert ack(zk, root) == many[0].proposal.encode()
        many.pop(0).release()


def test_who_loses_its_session_leads_no_more(join, zk, root, zk_server):
    first, second = join(), join()
    first.create_proposal()
    second.create_proposal()
    first.ack_leader("a:1")
    standing = second.try_be_leader()
    thief = KazooClient(hosts=zk_server.hosts, timeout=4, client_id=first._client.client_id)
    thief.start(timeout=TIME)
    thief.stop()
    thief.close()
    assert standing.changed.result(TIME) and second.try_be_leader()
    second.ack_leader("b:1")
    until(lambda: first.proposal is None, TIME, "the first to know")
    for call, error in ((lambda: first.ack_leader("a:2"), NotLeader), (first.try_be_leader, ProposalGone)):
        with pytest.raises(error):
            call()
    assert ack(zk, root) == b"b:1"
    # In its next session it is a candidate like any other.
    first.create_proposal()
    assert not first.try_be_leader()
    second.release()
    assert first.wait_to_lead(TIME)


def test_a_proposal_that_an_operator_deletes_is_told(join, zk):
    one = join()
    one.create_proposal()
    standing = one.try_be_leader()
    zk.delete(one.proposal_path)
    assert standing.changed.result(TIME)
    with pytest.raises(ProposalGone):
        one.try_be_leader()


@pytest.fixture
def go(zk_server, root):
    """Makes candidates by the Go elector's rules."""
    made = []

    def make():
        made.append(GoElector(zk_server.hosts, f"{root}/e/election", "x", f"{root}/e/ack").propose())
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_an_election_with_the_go_elector_hands_over_to_and_fro(join, go, zk, root):
    first = join(prefix="x", separator="")
    first.create_proposal()
    second = go()
    third = join(prefix="x", separator="")
    third.create_proposal()
    assert first.try_be_leader() and not second.leads() and not third.try_be_leader()
    first.ack_leader("a:1")
    first.release()
    assert second.leads() and ack(zk, root) == b""
    second.acknowledge("go:1")
    standing = third.try_be_leader()
    assert not standing
    with pytest.raises(NotLeader):
        third.ack_leader("c:1")
    second.close()
    assert standing.changed.result(TIME)
    assert third.run(lambda: (third.ack_leader("c:1"), ack(zk, root))[1]) == b"c:1"
    # Nobody is left, and no address.
    assert zk.get_children(f"{root}/e/election") == [] and ack(zk, root) == b""


def test_whole_terms_among_go_candidates(join, go, zk, root):
    first = go()
    one = join(prefix="x", separator="")
    last = None

    def work():
        assert zk.get_children(f"{root}/e/election") == [one.proposal]
        return one.token

    first.close()
    assert one.run(work) > 0
    last = go()
    assert last.leads()


def test_the_connection_string_of_the_go_package(zk_server, zk, root):
    """Servers with commas, as there; or a list of them."""
    for number, servers in enumerate((zk_server.hosts, [zk_server.hosts])):
        with Elector.connect(servers, 4.0, f"{root}/{number}/election", "n", f"{root}/{number}/ack") as one:
            one.create_proposal()
            assert one.try_be_leader()
