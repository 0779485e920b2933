"""The operators' desk: who is asked, and what is answered."""

import json
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages
from supervisor_zkelect.listener.desk import Desk
from supervisor_zkelect.zookeeper.errors import ElectionError
from tests.unit.listener.parts import Host, Work, candidacies, candidacy


def member(node, mine=False):
    return SimpleNamespace(node=node, mine=mine)


SICK = {"token": 40, "node": "c", "begun": {"elected": 1.0}, "ended": {"noticed": 3.0, "why": "svc is in FATAL"}}
FAILED = {"token": 45, "node": "b", "begun": {"elected": 4.0}, "ended": {"noticed": 5.0, "why": "not healthy"}}


@pytest.mark.parametrize("queue, tried, text", [
    (["c"], (), "no; c stepped behind, since its last promotion failed: svc is in FATAL; see zkelect role there"),
    (["d"], (), "no; d stood in the queue, and did not take over: see zkelect role there"),
    (["b", "c"], ("b",), "no; b failed: not healthy; "
     "c stepped behind, since its last promotion failed: svc is in FATAL; see zkelect role there"),
    (["a", ""], (), "no"), ([], (), "no"),
])
def test_a_resignation_that_failed_names_who_did_not_take_over(queue, tried, text):
    terms = [FAILED, SICK] if tried else [SICK]
    elector = SimpleNamespace(
        history=lambda: json.dumps(terms).encode(), each_member=lambda: iter([member("a", True), *map(member, queue)]),
    )
    assert answered(elector, messages.AnswerOperator("t", False, 1, "no", tried=tried, term=41)) == [("t", text)]


def test_a_queue_that_cannot_be_read_keeps_no_answer_back():
    def refuse():
        raise ElectionError("no answer")

    action = messages.AnswerOperator("t", False, 1, "no", tried=("b",), term=41)
    elector = SimpleNamespace(history=lambda: json.dumps([FAILED]).encode(), each_member=refuse)
    assert answered(elector, action) == [("t", "no; b failed: not healthy")]
    elector.history = refuse
    assert answered(elector, action) == [("t", "no; b failed")]


def answered(elector, action):
    """What the desk answers: tickets and texts."""
    said, host, work = [], Host(), Work()
    host.supervisord = SimpleNamespace(
        call=lambda method, ticket, document: said.append((ticket, json.loads(document)["text"]))
    )
    one = candidacy(host, elector=elector)
    desk = Desk(host, work, candidacies(one), None, {})
    desk.actions()[messages.AnswerOperator](one, action)
    host.serials[0].do()
    work.do()
    return said


@pytest.fixture
def asked():
    """Has the desk obey an order; returns the elections' events, and what it answers."""

    def asked(*ones, **request):
        heard, host, work, said = [], Host(), Work(), []
        for one in ones:
            one.decide = lambda event, one=one: heard.append((one.name, event))
        verbs = {"check": lambda request: said.append(request["ticket"])}
        desk = Desk(host, work, candidacies(*ones), lambda: "waits for its guard", verbs)
        host.supervisord = SimpleNamespace(call=lambda method, ticket, document: said.append(json.loads(document)))
        desk.obey({"ticket": "t", **request})
        while work.given:
            work.do()
        return heard, said

    return asked


def test_an_order_goes_to_the_election_that_it_names_or_to_the_only_one(asked):
    two = [candidacy(Host()), candidacy(Host(), name="stock", group="second")]
    assert asked(*two, verb="resign", election="stock", args={"force": True}) == ([("stock", messages.Resign("t", True))], [])
    assert asked(two[0], verb="resign", election=None) == ([("orders", messages.Resign("t", False))], [])
    heard, said = asked(*two, verb="resign", election="")
    assert not heard and said == [{"ok": False, "exit": 2, "text": "there is no election '' here; known: orders, stock"}]


def test_an_order_that_cannot_be_obeyed_is_answered(asked):
    _, (answer,) = asked(verb="resign", election="")
    assert answer["text"] == "no election has begun here: this node waits for its guard"
    _, (answer,) = asked(candidacy(Host()), verb="dance", election="")
    assert answer["exit"] == 2 and "does not know the order 'dance'" in answer["text"]
    assert asked(verb="check") == ([], ["t"])
