"""Terms in pages, and an election as a whole, read from znodes in which there may be anything."""

import json
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import history, nodes
from supervisor_zkelect.elector import AccessDenied, TimedOut
from supervisor_zkelect.operators.outcome import DONE
from supervisor_zkelect.operators.verbs import VERBS, Reply
from tests.unit.core.test_history import long_term
from tests.unit.zookeeper.tree import an_election, elector_of

STATE = "/zkelect/orders/ack-state"


@pytest.fixture
def tree():
    return an_election()


@pytest.fixture
def elector(tree):
    return elector_of(tree)


def write(elector, token):
    elector.amend_history(lambda data: history.amended(data, [long_term(token)]), 5)
    elector.page_history()


def test_a_thousand_terms_are_kept_and_read_from_the_latest_on(elector, tree):
    for token in range(1, 1601):
        write(elector, token)
    assert [one["token"] for one in elector.terms(1000)] == list(range(1600, 600, -1))
    assert max(len(data) for data, _ in tree.znodes.values()) <= 64 << 10
    assert len([path for path in tree.znodes if "/history/" in path]) < 16
    tree.asked = 0
    assert [one["token"] for one in elector.terms(5)] == list(range(1600, 1595, -1)) and tree.asked == 1, "no page is read for what is not shown"


def test_the_end_of_a_term_that_has_left_is_told_of_it_still(elector):
    for token in range(1, 300):
        write(elector, token)
    elector.amend_history(lambda data: history.amended(data, [{"token": 3, "ended": {"why": "found later"}}]), 5)
    (term,) = [one for one in elector.terms(1000) if one["token"] == 3]
    assert term["ended"]["why"] == "found later" and term["begun"] == long_term(3)["begun"]


def test_who_comes_second_moves_nothing(elector, tree):
    elector.amend_history(lambda data: history.write([long_term(token) for token in range(140, 0, -1)]), 5)
    page = history.page(tree.znodes[f"{STATE}/history"][0])
    tree.put(f"{STATE}/history/{page.name}", b"of another")
    before = tree.znodes[f"{STATE}/history"][0]
    assert elector.page_history() is False and tree.znodes[f"{STATE}/history"][0] == before


def test_what_was_noted_meanwhile_is_not_lost(elector, tree):
    elector.amend_history(lambda data: history.write([long_term(token) for token in range(140, 0, -1)]), 5)
    transaction = tree.transaction

    def later():
        tree.put(f"{STATE}/history", history.write([long_term(141)]))
        return transaction()

    tree.transaction = later
    assert elector.page_history() is False and [one["token"] for one in elector.terms(1)] == [141]


@pytest.mark.parametrize("more, stands, barrier, abandoned", [
    ({}, True, False, False), ({}, False, False, True), ({}, False, True, False), ({"ended": {"why": "resigned"}}, False, False, False),
    ({"lost": {"noticed": 5.0, "why": "gone"}}, False, False, False),
])
def test_a_term_without_a_proposal_and_without_an_end_is_abandoned_but_in_a_pause(elector, tree, more, stands, barrier, abandoned):
    queue = [SimpleNamespace(paused=True, token=3)] * barrier + [SimpleNamespace(paused=False, token=7 if stands else 8)]
    elector.each_member = lambda: iter(queue)
    assert elector.abandoned([{"token": 7, **more}, {"token": 6}]) is abandoned and not elector.abandoned([])


def test_where_the_queue_cannot_be_listed_no_term_is_taken_for_abandoned(elector, tree):
    def failing():
        raise TimedOut("silent")

    elector.each_member = failing
    assert not elector.abandoned([{"token": 7}])


def test_a_history_without_a_znode_is_none(elector, tree):
    del tree.znodes[f"{STATE}/history"]
    assert elector.terms(10) == [] and elector.page_history() is False


def member(tree, number, session, node):
    data = {"v": 1, "node": node, "address": f"{node}:1", "orders": 1}
    tree.put(f"/zkelect/orders/election/n-{number:010d}", json.dumps(data).encode(), session)


def tell(tree, node, session, **more):
    entry = nodes.NodeEntry(f"{session:x}", "standby", "watching", 1_700_000_000_000, f"{node}:1", True, (), "1.0")._replace(**more)
    tree.put(f"{STATE}/nodes/{node}", entry.data())
    tree.put(f"{STATE}/nodes/{node}/live", b"", session)


def pair(tree):
    for number, node in enumerate("ab"):
        member(tree, number, 16 + number, node)
        tell(tree, node, 16 + number, digest=node, options={"tick_time": node})
    tree.put(f"{STATE}/holder", json.dumps(
        {"v": 1, "election": "/zkelect/orders/election", "node": "a", "token": 7, "address": "a:1"}).encode())
    tree.put("/zkelect/orders/ack", b"a:1")


def test_an_election_is_seen_as_a_whole_with_who_differs(elector, tree):
    pair(tree)
    found = elector.overview().document(whole=True)
    assert [(one["node"], one["role"], one["place"]) for one in found["nodes"]] == [("a", "primary", 1), ("b", "standby", 2)]
    assert found["nodes"][1]["differs"] == "differs from a in tick_time (b, not a)" and found["changed"] == 1_700_000_000_000
    assert found["nodes"][1]["differs"] in found["nodes"][1]["note"] and found["nodes"][0]["differs"] == ""
    assert "figures" not in elector.overview().document()["nodes"][0]


def test_a_node_compares_itself_with_the_primary_alone(elector, tree):
    pair(tree)
    entry = nodes.NodeEntry(digest="b", options={"tick_time": "b"})
    assert elector.differs("b", entry) == "differs from a in tick_time (b, not a)"
    assert elector.differs("b", entry._replace(digest="a")) == "" and elector.differs("a", entry) == ""
    del tree.znodes[f"{STATE}/nodes/a/live"]
    assert elector.differs("b", entry) == "", "who is gone is no measure"
    del tree.znodes[f"{STATE}/holder"]
    assert elector.differs("b", entry) == ""


WILD = [b"", b"garbage", b"[]", b"{}", b"null", b"\xff\xfe", b'{"v": 99}', b"[" * 60000, b"x" * 70000, b'{"v":1,"nodes":7,"session":{}}',
        b'[{"token":7,"begun":7,"ended":[]}]', json.dumps({"v": 1, "tags": {"a": 7}, "figures": {"timeout": "x"}, "options": []}).encode()]


@pytest.mark.parametrize("data", WILD, ids=range(len(WILD)))
@pytest.mark.parametrize("where", ["ack-state/control", "ack-state/history", "ack-state/nodes/b", "ack-state/holder", "ack", "ack-state/nodes/ä b"])
def test_whatever_stands_in_a_znode_is_shown_or_left_out(elector, tree, where, data):
    pair(tree)
    tree.put(f"/zkelect/orders/{where}", data)
    answers = {"orders": {**json.loads(json.dumps({**elector.overview().document(True), "terms": elector.terms(100)})), "here": "b"}}
    for verb, given in (("list", {}), ("why", {}), ("simulate", {"fault": "host"}), ("history", {}), ("check", {"cluster": True})):
        outcome = VERBS[verb].chosen(given).show(Reply(None, None, answers, given=given))
        assert "\x1b" not in "".join(outcome.lines) and (verb in ("simulate", "check") or outcome.exit == DONE)


def test_without_any_of_its_znodes_an_election_is_empty(elector, tree):
    for path in [path for path in tree.znodes if path.startswith(STATE)]:
        del tree.znodes[path]
    found = elector.overview().document()
    assert found["nodes"] == [] and found["address"] == ""


def test_what_may_not_be_read_is_told(elector, tree):
    tree.refused.add(f"{STATE}/control")
    with pytest.raises(AccessDenied):
        elector.overview()
