"""The operators' desk: who is asked, and what is answered."""

import json
import math
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.order_log import Noted
from supervisor_zkelect.core.state import State
from supervisor_zkelect.listener.desk import REFRESH_TIME, Desk
from supervisor_zkelect.supervisord.client import Unreachable
from supervisor_zkelect.zookeeper.errors import ElectionError
from tests.unit.listener.parts import NOW, Delivery, Host, Work, candidacy, keepers, means
from tests.unit.zookeeper.cluster import OUTCOMES, Cluster
from tests.unit.zookeeper.memory import NOON


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


def resigned(three, action, seconds=2.0, **arguments):
    """What the log of orders has after node a was told to resign with these arguments, and is answered so much later."""
    host, work = Host(), Work()
    host.supervisord = SimpleNamespace(call=lambda *asked: None)
    one = candidacy(host, elector=three.tool())
    heard = []
    one.decide = heard.append
    desk = Desk(means(host, work), keepers(one), None, {}, {})
    desk.obey({"ticket": "t", "verb": "resign", "election": "orders", "args": arguments})
    host.moment += seconds
    for _ in range(2):
        desk.actions()[messages.AnswerOperator](one, action)
    while host.serials[0].given:
        host.serials[0].do()
    work.do()
    return heard, [entry.document() for entry in three.tool().order_log()]


LEADS = messages.AnswerOperator("t", True, 0, "b leads now", "b", "b:1", 2.0, resigned=True)


def test_a_resignation_stands_in_the_log_of_orders_with_who_gave_it_and_what_became_of_it():
    heard, [entry] = resigned(Cluster("a", "b"), LEADS, by="anna@desk", reason="disk\x1b", id="r", force=True)
    assert heard == [messages.Resign("t", True, " of anna@desk: disk\\x1b")]
    assert entry == {
        "id": "r", "what": "resign", "node": "a", "by": "anna@desk", "reason": "disk\\x1b", "at": NOON - 2000, "until": None, "due": None,
        "done": True, "outcome": {"text": "b leads now", "node": "b", "at": NOON},
    }


def test_a_resignation_that_failed_is_noted_and_one_that_was_refused_is_not():
    failed = LEADS._replace(ok=False, exit=1, text="resigned, but nobody is primary", term=41)
    [entry] = resigned(Cluster("a", "b"), failed)[1]
    assert (entry["done"], entry["by"], entry["outcome"]["text"]) == (False, "", "resigned, but nobody is primary") and entry["id"]
    assert resigned(Cluster("a", "b"), messages.AnswerOperator("t", False, 3, "this node is standby"))[1] == []


def test_who_gives_an_order_to_resign_is_bounded():
    [heard], _ = resigned(Cluster("a", "b"), LEADS, by="x" * 9999, reason="y" * 9999)
    assert len(heard.said) <= 600


def test_a_log_that_cannot_be_written_keeps_no_resignation_from_being_answered(caplog):
    cluster = Cluster("a", "b")
    tool = cluster.tool()
    tool.prepare()
    tool.note_order(Noted("x", "resign"))
    cluster.ensemble.denied = {("write", OUTCOMES)}
    _, found = resigned(cluster, LEADS, by="anna@desk")
    assert [one["id"] for one in found] == ["x"]
    assert "a resignation by order of anna@desk does not stand in the log of orders" in caplog.text


def answered(elector, action):
    """What the desk answers: tickets and texts."""
    said, host, work = [], Host(), Work()
    host.supervisord = SimpleNamespace(
        call=lambda method, ticket, document: said.append((ticket, json.loads(document)["text"]))
    )
    one = candidacy(host, elector=elector)
    desk = Desk(means(host, work), keepers(one), None, {}, {})
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
        desk = Desk(means(host, work), keepers(*ones), lambda: "waits for its guard", verbs, {})
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
    assert answer["text"] == "no election has begun here: this node waits for its guard" and answer["exit"] == 1
    # What was ordered of the listener before this one stands, or is done.
    _, (answer,) = asked(verb="switchover", election="", args={"look": "s", "term": 7})
    assert answer["exit"] == 4 and answer["text"].startswith("it is unknown what became of the order: no election has begun here")
    _, (answer,) = asked(candidacy(Host()), verb="dance", election="")
    assert answer["exit"] == 2 and "does not know the order 'dance'" in answer["text"]
    assert asked(verb="check") == ([], ["t"])


def test_while_zookeeper_is_silent_questions_do_not_pile_up():
    """One question is on its way, and one more follows it, however many ask."""
    host, delivery = Host(), Delivery()
    one = candidacy(host, State(role=roles.STANDBY, step="watching", up=True, alive=True, proposal="n-1"))
    asked = host.serials[0].given
    desk = Desk(means(host, delivery=delivery), keepers(one, sessions=SimpleNamespace(connected=True)), None, {}, {})
    for number in range(50):
        desk.obey({"ticket": str(number), "verb": "refresh"})
        host.moment += REFRESH_TIME
        desk.keep_time(host.moment)
    assert delivery.told == [str(number) for number in range(50)]
    # One about the queue, and one about ack and holder.
    assert len(asked) == 2 and one.term.again
    one.heard(messages.TermSeen("b", "y:3", 5))
    assert len(asked) == 3 and not one.term.again
    assert (one.facts.ack, one.facts.at) == ("y:3", NOW)
    one.heard(messages.TermSeen("", "", known=False))
    assert (one.facts.ack, one.term.asking) == ("y:3", False) and len(asked) == 3


def test_who_wants_a_fresh_report_waits_for_the_one_that_is_under_way():
    host, delivery = Host(), Delivery()
    desk = Desk(means(host, delivery=delivery), keepers(sessions=SimpleNamespace(connected=False)), None, {}, {})
    delivery.under_way = True
    desk.obey({"ticket": "t", "verb": "refresh"})
    desk.keep_time(NOW + REFRESH_TIME)
    # Its end wakes the loop, which would turn without a rest until then.
    assert delivery.told == [] and desk.next_wakeup() == math.inf
    delivery.under_way = False
    assert desk.next_wakeup() == NOW + REFRESH_TIME
    desk.keep_time(NOW)
    assert delivery.told == ["t"]


def test_an_answer_that_supervisord_does_not_take_is_given_again_when_it_does():
    host, work, said = Host(), Work(), []

    def call(method, ticket, document):
        said.append(ticket)
        if len(said) == 1:
            raise Unreachable("did not answer within 5 s")

    host.supervisord = SimpleNamespace(call=call)
    desk = Desk(means(host, work), keepers(), None, {}, {})
    desk.reply("t", {"ok": True})
    for _ in range(2):
        event = work.do()
        desk.handlers()[type(event)](event)
        host.moment = min(desk.next_wakeup(), NOW + 99.0)
        desk.keep_time(host.moment)
    assert said == ["t", "t"] and host.moment == NOW + 99.0


@pytest.mark.parametrize("verb", ["list", "why", "simulate", "events", "members"])
@pytest.mark.parametrize("connected, away, answered", [(False, 66.0, True), (False, 1.0, False), (True, 66.0, False)])
def test_a_node_that_is_cut_off_says_so_at_once(verb, connected, away, answered):
    host, work, said, asked = Host(), Work(), [], []
    host.supervisord = SimpleNamespace(call=lambda method, ticket, document: said.append(json.loads(document)))
    one = candidacy(host)
    one.ask = lambda *arguments: asked.append(arguments)
    sessions = SimpleNamespace(connected=connected, link_since=NOW - away)
    Desk(means(host, work), keepers(one, sessions=sessions), None, {}, {}).obey({"ticket": "t", "verb": verb})
    while work.given:
        work.do()
    assert (said, len(asked)) == (
        ([{"ok": False, "exit": 4, "text": "cut off from ZooKeeper for 1 m 6 s"}], 0) if answered else ([], 1)
    )
