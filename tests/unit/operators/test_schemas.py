"""What --json prints, against docs/schemas/: by answers as a listener gives them, and through the program's own functions."""

from __future__ import annotations

import copy
import json
import math
from types import SimpleNamespace

import jsonschema
import pytest

from docs import write_schemas
from supervisor_zkelect.core import history, journal, nodes, roles
from supervisor_zkelect.core.sighting import Known
from supervisor_zkelect.core.state import State
from supervisor_zkelect.core.tally import SessionTally
from supervisor_zkelect.listener import reporting, telling
from supervisor_zkelect.listener.candidacy import Facts
from supervisor_zkelect.operators import ask, cli, show
from supervisor_zkelect.operators.outcome import DONE, ERROR, UNKNOWN
from supervisor_zkelect.operators.primary import AckZnode
from supervisor_zkelect.operators.verbs import VERBS, Reply
from supervisor_zkelect.supervisord.client import Unreachable
from supervisor_zkelect.zookeeper.given import OrderAnswer
from supervisor_zkelect.zookeeper.holder import Holder
from supervisor_zkelect.zookeeper.presence import Overview
from supervisor_zkelect.zookeeper.queue import Member
from tests.unit.listener.parts import NOW, Host, candidacies, candidacy, keepers, means
from tests.unit.operators.test_show_and_ask import Peer


def closed(schema):
    """The schema, and nothing in a document that it does not name."""
    schema = copy.deepcopy(schema)

    def close(one):
        if isinstance(one, dict):
            if "properties" in one:
                one.setdefault("additionalProperties", False)
            for value in one.values():
                close(value)
        elif isinstance(one, list):
            for value in one:
                close(value)

    close(schema)
    return schema


def fits(verb, document, closely=True):
    """Raises jsonschema.ValidationError where it does not fit the file."""
    schema = json.loads((write_schemas.FOLDER / f"{verb}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(document)))
    of_verb = closed(write_schemas.DOCUMENTS[verb] if closely else write_schemas.ERROR)
    jsonschema.Draft202012Validator(of_verb).validate(json.loads(json.dumps(document)))


def test_the_files_are_what_their_generator_makes():
    """Else: python -m docs.write_schemas"""
    written = {path.name: path.read_text() for path in write_schemas.FOLDER.iterdir()}
    assert written == write_schemas.pages()


@pytest.mark.parametrize("name", [*VERBS, *write_schemas.OWN])
def test_each_is_a_schema(name):
    jsonschema.Draft202012Validator.check_schema(write_schemas.schemas()[name])


def test_docs_name_them():
    assert "schemas/" in (write_schemas.FOLDER.parent / "operations.md").read_text()


# A real report

STATES = [
    State(role=roles.STANDBY, step="watching", up=True, alive=True, grace=1.0, proposal="n-1", since=900.0),
    State(role=roles.PRIMARY, step="", up=True, alive=True, grace=1.0, proposal="n-1", token=7, since=900.0, deadline=NOW + 9),
    State(role=roles.DETACHED, step="waiting", since=900.0, failed="sick", failed_at=890.0, not_before=NOW + 5),
    State(role=roles.PROMOTING, step="restarting", up=True, alive=True, token=7, deadline=NOW + 9, waiting=3),
]


def report(state, facts=None, sessions=True, trouble=None, begun=True):
    one = candidacy(Host(), state)
    one.facts = facts or Facts()
    granted = SimpleNamespace(session=0x1f, timeout=10.0) if sessions else None
    link = SimpleNamespace(
        session=object(), link="connected" if sessions else "connecting", link_since=500.0, doubt=lambda: "", attach_at=math.inf,
        connected=sessions, unsaved="",
    )
    known = keepers(
        candidacies=candidacies(one) if begun else candidacies(), folder=SimpleNamespace(locked=True, trouble=""),
        guard=SimpleNamespace(up=True, trouble="", unenforced=lambda: "", missing=lambda: ""), sessions=link,
        leases=SimpleNamespace(granted=granted, tally=SessionTally()), programs=SimpleNamespace(config_trouble=lambda: trouble),
    )
    http = SimpleNamespace(report=lambda: {"at": "127.0.0.1:8787", "trouble": "no answer"} if begun else None, trouble="")
    host = Host(elections=[one.settings], ride_through_at=lambda timeout: 0.4 * timeout)
    body = reporting.Reports(means(host), known, "", http).report(NOW)
    return json.dumps({"v": 1, "known": True, "why": "", "age": 0.1, "now": NOW + 0.1, "report": body})


TROUBLE = {"since": 3.0, "problems": ["a mistake"], "doing": "goes on"}
REPORTS = [
    *(report(state) for state in STATES), report(STATES[0], Facts("y:2", "b", 990.0, 2, 3, 995.0)),
    report(STATES[2], sessions=False, trouble=TROUBLE), report(STATES[0], begun=False),
]


@pytest.mark.parametrize("verb", ["role", "status"])
@pytest.mark.parametrize("told", REPORTS)
def test_roles(verb, told):
    document = ask.run(verb, Peer(told)).document
    assert document["known"] and document["elections"]["orders"]["role"] != "unknown"
    fits(verb, document)


@pytest.mark.parametrize("change", [{"known": False, "why": "the listener is dead"}, {"report": None, "age": None, "known": False, "why": "none"}])
def test_roles_that_are_not_known(change):
    document = ask.run("role", Peer(json.dumps({**json.loads(REPORTS[0]), **change}))).document
    assert not document["known"]
    fits("role", document)


def test_a_lease_that_has_run_out_makes_a_role_unknown():
    document = ask.run("role", Peer(json.dumps({**json.loads(REPORTS[1]), "now": NOW + 99}))).document
    assert document["elections"]["orders"]["role"] == "unknown"
    fits("role", document)


# Answers of a listener


def answered(verb, answer, **more):
    return ask.run(verb, Peer(REPORTS[0], {verb: answer}), **more)


ENTRY = nodes.NodeEntry("1f", "standby", "watching", 1700000000000, "b:1", True, (7, 3), "0.1.0")
SEEN = [nodes.Seen("a", ENTRY._replace(state="primary", step="", tags={"rack": "a"}), True, 1), nodes.Seen("b", ENTRY, True, 2),
        nodes.Seen("c", ENTRY, False, None), nodes.Seen("d", None, True, 3)]
OVERVIEW = Overview(
    nodes.rows(SEEN, "a", "a:1", {"b": "in maintenance"}, (7, 3)), "a:1", "", "restart, begun", SEEN, {"b": "in maintenance"},
    {"b": "differs from a in acl (open, not creator)"}, (7, 3), 1700000000000,
)
WHOLE = {**OVERVIEW.document(True), "here": "b"}
TERMS = history.read(history.amended(b"", [
    {"token": 7, "node": "a", "address": "a:1", "begun": {"elected": 1.0, "acked": 2.0}, "restarts": [{"ordered": 3.0, "dead": 4.0}],
     "ended": {"noticed": 5.0, "why": "resigned"}}, {"token": 9},
]))


def members():
    queue = [Member("n-1", 1, 7, 41, True, b'{"node": "a", "address": "a:1"}'), Member("x-2", 2, 8, 42, False, b"")]
    elector = SimpleNamespace(holder=lambda: Holder("a", 41, "a:2"), each_member=lambda: iter(queue))
    answers = []
    telling.answer_members(elector, "t", lambda ticket, document: answers.append(document))
    return answers[0]


def given(ok, status, text):
    return {"id": "r", **OrderAnswer(ok, status, text).document()}


EVENTS = journal.amended(b"", "a", [journal.News(1.0, journal.ROLE, "standby -> promoting")])

DONE_ANSWERS = [
    ("list", OVERVIEW.document()), ("why", {**WHOLE, "terms": TERMS}), ("events", {"ok": True, **journal.document(9, EVENTS)}),
    ("members", members()), ("history", {"ok": True, "terms": TERMS}),
    ("history", {"ok": True, "terms": TERMS, "abandoned": True}), ("history", {"ok": True, "terms": TERMS, "copied": 9.0, "why": "silent"}),
    ("resign", {"ok": True, "exit": 0, "text": "b leads now", "node": "b", "address": "b:1", "seconds": 0.25}),
    *((verb, given(True, 0, "done")) for verb in ("switchover", "maintenance", "restart", "orders")),
    ("reload", {"ok": True, "exit": 0, "text": "in use", "lines": ["a -> b"]}),
]


@pytest.mark.parametrize("verb, answer", DONE_ANSWERS, ids=[verb for verb, _ in DONE_ANSWERS])
def test_what_is_done(verb, answer):
    outcome = answered(verb, answer)
    assert outcome.exit == DONE
    fits(verb, outcome.document)


@pytest.mark.parametrize("said", [{"fault": "host"}, {"fault": "zookeeper"}, {"term": "7"}])
def test_what_is_rehearsed(said):
    outcome = answered("simulate", {**WHOLE, "terms": TERMS}, given=said)
    assert outcome.exit == DONE
    fits("simulate", outcome.document)


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS.values() if verb.wait and verb.name != "check"])
def test_what_is_refused(verb):
    said = {"fault": "host"} if verb == "simulate" else {}
    outcome = answered(verb, {"ok": False, "exit": 1, "text": "nobody could take over"}, given=said)
    assert outcome.exit == ERROR
    fits(verb, outcome.document, closely=verb not in ("list", "members", "history", "why", "simulate", "events"))


def test_orders_in_several_elections():
    fits("maintenance", show.orders({"one": given(True, 0, "done"), "two": given(True, 0, "done")}).document)
    fits("maintenance", show.orders({"one": given(True, 0, "done"), "two": given(False, 7, "under way")}).document)


def test_a_resignation_in_several_elections():
    answers = {"one": OrderAnswer(True, 0, "b leads now").document(), "two": {"ok": False, "exit": 1, "text": "nobody could take over"}}
    fits("resign", VERBS["resign"].show(Reply(None, None, answers)).document)


@pytest.mark.parametrize("answer", [
    {"ok": True, "problems": [], "notes": ["look"]}, {"ok": False, "exit": 1, "problems": ["a mistake"], "notes": []},
])
def test_checks(answer):
    fits("check", show.check(answer).document)


def test_a_check_that_is_refused():
    fits("check", show.check({"ok": False, "exit": 1, "text": "a defect"}).document, closely=False)


@pytest.mark.parametrize("verb", VERBS)
def test_what_fails(verb):
    outcome = ask.run(verb, Peer(Unreachable("it hangs", True), getReport=Unreachable("it hangs", True)))
    assert outcome.exit == UNKNOWN
    fits(verb, outcome.document, closely=False)


@pytest.mark.parametrize("words", [["role", "-s", "nonsense", "--json"], ["check", "-c", "/nowhere", "orders", "--json"]])
def test_what_the_program_itself_refuses(words, capsys):
    assert cli.main(words) != DONE
    fits(words[0], json.loads(capsys.readouterr().out), closely=False)


@pytest.mark.parametrize("known", [Known("a:1", 5, "a"), Known("a:1"), Known(""), None])
def test_the_primarys_address(known, capsys):
    ack = AckZnode.__new__(AckZnode)
    ack._as_json, ack._name = True, "orders"
    ack.show(known)
    fits("primary", json.loads(capsys.readouterr().out))


# Their teeth


@pytest.mark.parametrize("verb, answer", DONE_ANSWERS, ids=[verb for verb, _ in DONE_ANSWERS])
def test_a_document_of_another_shape_does_not_fit(verb, answer):
    document = answered(verb, answer).document
    for wrong in ({**document, "v": 2}, {**document, "exit": "0"}, {key: value for key, value in document.items() if key != "exit"},
                  {**document, "more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            fits(verb, wrong)
