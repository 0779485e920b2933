"""Who is better, and stepping behind him, where others in the queue are not as they should be."""

import json

import pytest

from supervisor_zkelect.core import control, history, messages
from supervisor_zkelect.elector import AccessDenied, NotConnected, ProposalGone, Stays, ZooKeeperFailed
from supervisor_zkelect.listener import election_worker
from tests.unit.zookeeper.cluster import ROOT, STATE, Cluster
from tests.unit.zookeeper.memory import Client

QUEUE = f"{ROOT}/election"


def data(node, priority):
    return json.dumps({"v": 1, "node": node, "address": f"{node}:1", "orders": 1, "priority": priority}).encode()


def join(cluster, node, priority):
    return cluster.join(node, data=data(node, priority))


@pytest.fixture
def two():
    """p leads, and a is next, whose priority is 50."""
    cluster = Cluster("p")
    join(cluster, "a", 50)
    return cluster


def names(found):
    return [one.node for one in found]


def stranger(cluster, written, owner):
    return cluster.ensemble.create(f"{QUEUE}/n", written, owner, sequence=True)


def test_what_may_not_be_read_is_not_better_and_stops_nobody(two):
    two.ensemble.denied.add(("read", stranger(two, data("x", 900), 0x999)))
    join(two, "b", 200)
    a = two.nodes["a"]
    assert names(a.better(50)) == ["b"]
    two.end("p")
    posted = []
    election_worker.query(a, "orders", 3, a.token, 50, posted.append)
    assert posted[0].event.leads and posted[0].event.better == two.nodes["b"].proposal


def test_what_may_not_be_read_keeps_nobody_from_the_queue_and_no_resignation_from_being_counted(two):
    two.ensemble.denied.add(("read", stranger(two, data("x", 900), 0x999)))
    two.nodes["c"] = c = two._elector(Client(two.ensemble), data("c", 100))
    assert isinstance(election_worker.propose(c, 1, "c", False), messages.Proposed)
    assert names(two.nodes["p"].members()) == ["p", "a", "", "c"]


@pytest.mark.parametrize("written", [b"", b"{}", b'{"node": "x", "priority": 900}', b'{"v": 1, "priority": 900}', b"\xff"])
def test_what_is_no_nodes_proposal_is_not_better(two, written):
    stranger(two, written, 0x999)
    assert two.nodes["a"].better(50) == []


def test_nobody_steps_past_what_goes_with_nobodys_session(two):
    join(two, "b", 150)
    stranger(two, b"", 0)
    join(two, "c", 200)
    assert names(two.nodes["a"].better(50)) == ["b"] and two.nodes["b"].better(150) == []


def test_nobody_steps_to_the_end_past_what_goes_with_nobodys_session(two):
    join(two, "b", 150)
    stays, a = stranger(two, b"", 0), two.nodes["a"]
    before = a.proposal
    with pytest.raises(Stays, match=stays.rpartition("/")[2]):
        a.step_behind("", "a")
    assert a.proposal == before
    two.ensemble.delete(stays)
    a.step_behind("", "a")
    assert names(a.members()) == ["p", "b", "a"]


FAILED = {"v": 1, "token": 1, "node": "b", "ended": {"why": "sick", "failed": True}}


def failed(cluster, node):
    term = {**FAILED, "node": node, "token": cluster.nodes["p"].token}
    cluster.nodes["a"].amend_history(lambda data: history.amended(data, [term]), 1.0)


def test_nobody_steps_behind_one_whose_last_term_has_failed_until_that_is_forgotten(two):
    b, a = join(two, "b", 200), two.nodes["a"]
    failed(two, "b")
    better = a.better(50)[0].name
    with pytest.raises(Stays, match="the last term of b has failed"):
        a.step_behind(better, "a", 60.0)
    assert names(a.members()) == ["p", "a", "b"]
    a.amend_control(lambda found: control.begin_maintenance("b", control.Order("m")))
    a.amend_control(lambda found: control.end_maintenance("b", b.token))
    a.step_behind(better, "a", 60.0)
    assert names(a.members()) == ["p", "b", "a"]


def test_the_next_better_one_goes_first_instead(two):
    join(two, "c", 150)
    join(two, "b", 200)
    join(two, "d", 150)
    failed(two, "b")
    a = two.nodes["a"]
    stepped = a.step_behind(a.better(50)[0].name, "a", 60.0)
    assert stepped == (a.proposal, a.term_in_progress()) and json.loads(a.proposed)["priority"] == 50
    assert names(a.members()) == ["p", "c", "b", "d", "a"]
    assert a.better(50) == []


@pytest.mark.parametrize("error, raised", [(ZooKeeperFailed("no"), False), (AccessDenied("no"), False), (NotConnected("no"), True)])
def test_what_is_not_told_of_those_behind_does_not_keep_the_next_from_leading(two, monkeypatch, error, raised):
    def better(own):
        raise error

    two.end("p")
    a, posted = two.nodes["a"], []
    monkeypatch.setattr(a, "better", better)
    join(two, "b", 200)
    told = election_worker.attempt("orders", 3, lambda: election_worker.query(a, "orders", 3, a.token, 50, posted.append))
    assert (told is not None, [one.event.leads for one in posted]) == (raised, [] if raised else [True])


@pytest.mark.parametrize("says, serves", [
    ({"state": "primary"}, True), ({"state": "demoting", "step": "stopping"}, False), ({"state": "promoting"}, False),
    ({"state": "primary", "trouble": "health check failed: no"}, False), (None, True),
])
def test_who_serves_is_primary_and_well_by_its_own_word(two, says, serves):
    p, a = two.nodes["p"], two.nodes["a"]
    if says is None:
        two.ensemble.delete(f"{STATE}/nodes/p/live")
        two.ensemble.delete(f"{STATE}/nodes/p")
    else:
        two.tell("p", **says)
    assert a.serving() == (p.token if serves else 0)


def test_the_word_of_an_earlier_session_does_not_count(two):
    two.tell("p", state="primary")
    path = f"{STATE}/nodes/p"
    two.ensemble.set(path, two.ensemble.znodes[path].data.replace(f"{two.nodes['p'].session_id:x}".encode(), b"77"))
    assert two.nodes["a"].serving() == 0


@pytest.mark.parametrize("end", ["release", "withdraw"])
def test_a_step_whose_answer_was_lost_leaves_no_proposal_behind_when_its_node_leaves(two, end):
    a, b = two.nodes["a"], join(two, "b", 200)
    client = a._client
    mine = a._mine
    name = a.step_behind(b.proposal, "a").name
    # It does not know that the step was done.
    a._hold(mine)
    assert name != a.proposal and names(a.members()) == ["p", "b", "a"]
    if end == "release":
        election_worker.release(a, 3, False, "")
    else:
        election_worker.withdraw(a, 3)
    assert names(b.members()) == ["p", "b"] and a.proposal is None and client is a._client


def test_who_has_no_proposal_left_is_told_so(two):
    a = two.nodes["a"]
    two.ensemble.delete(a.proposal_path)
    with pytest.raises(ProposalGone):
        election_worker.release(a, 3, False, "")
    assert election_worker.withdraw(a, 4) == messages.Released(4)
