"""One election that cannot be read hides none of the others: told below them, in the document, and by the exit status."""

import io
import json

import pytest

from supervisor_zkelect.operators import listing, live, terms
from supervisor_zkelect.operators.cli import main
from supervisor_zkelect.operators.outcome import DONE, ERROR, INTERRUPTED, UNDER_WAY, UNKNOWN, USAGE, worst
from supervisor_zkelect.operators.table import PLAIN, Screen, breadth
from supervisor_zkelect.operators.verbs import VERBS, Reply
from supervisor_zkelect.operators.view import judge
from tests.unit.core.test_history import long_term
from tests.unit.operators.test_happenings import answer as events
from tests.unit.operators.test_overview import LEADS, PAIR, STANDS
from tests.unit.operators.test_overview import answer as overviewed
from tests.unit.operators.test_schemas import fits
from tests.unit.operators.test_show_and_ask import STANDBY
from tests.unit.operators.test_show_and_ask import answer as report
from tests.unit.zookeeper.cluster import Cluster
from tests.unit.zookeeper.memory import Client

WHOLE = {**PAIR, **events(2), "terms": [long_term(7)], "members": []}
LISTED = overviewed(LEADS, STANDS, whole=False)
DENIED, SILENT = ({"ok": False, "exit": status, "text": text} for status, text in ((1, "no rights\x1b"), (4, "no answer")))
LOOKS = [
    ("list", {}), ("why", {}), ("simulate", {"fault": "host"}), ("history", {}), ("events", {}), ("members", {}),
    ("check", {"cluster": True}),
]


def shown(verb, given, answers, screen=PLAIN, view=listing.NOWHERE, call=None):
    return VERBS[verb].chosen(given).show(Reply(view, None, answers, screen, call, given))


@pytest.mark.parametrize("verb, given", LOOKS)
@pytest.mark.parametrize("order", [1, -1])
def test_the_others_are_told_and_below_them_what_cannot_be_read(verb, given, order):
    found = LISTED if verb == "list" else WHOLE
    answers = dict([("billing", DENIED), ("orders", found)][::order])
    alone, outcome = shown(verb, given, {"orders": found}), shown(verb, given, answers)
    assert (outcome.exit, outcome.error) == (ERROR, "") and outcome.document["exit"] == ERROR
    assert outcome.lines[-1] == "billing: unknown: no rights\\x1b"
    assert verb == "check" or "orders" in "".join(outcome.lines[:-1])
    assert outcome.document["unread"] == {"billing": "no rights\\x1b"}
    assert outcome.document.get("elections") == alone.document.get("elections") and alone.exit == DONE
    fits(verb, outcome.document)


@pytest.mark.parametrize("verb, given", LOOKS)
def test_where_none_can_be_read_the_first_is_the_error(verb, given):
    outcome = shown(verb, given, {"billing": SILENT, "orders": DENIED})
    assert (outcome.exit, outcome.error, outcome.document["election"]) == (UNKNOWN, "no answer", "billing")
    assert "unread" not in outcome.document and not outcome.lines


def test_an_unread_election_is_no_cluster_that_is_well():
    outcome = shown("check", {"cluster": True}, {"billing": SILENT, "orders": WHOLE})
    assert outcome.lines == ("billing: unknown: no answer",) and outcome.document["ok"] is False and outcome.exit == UNKNOWN


def test_why_has_what_each_such_node_knows_by_itself():
    view = judge(report({"billing": STANDBY, "orders": STANDBY}))
    outcome = shown("why", {}, {"billing": SILENT, "orders": WHOLE}, view=view, call=print)
    assert outcome.lines[0].startswith("billing: this node says: stands by") and outcome.lines[-1] == "billing: unknown: no answer"
    outcome = shown("why", {}, {"billing": SILENT, "orders": SILENT}, view=view, call=print)
    assert [line.partition(":")[0] for line in outcome.lines] == ["billing", "orders"] and outcome.error == "no answer"


@pytest.mark.parametrize("verb, given", [("why", {"node": "z"}), ("simulate", {"fault": "host", "node": "z"})])
def test_a_node_that_may_be_known_where_nothing_can_be_read_is_told_so(verb, given):
    outcome = shown(verb, given, {"billing": SILENT, "orders": WHOLE})
    assert outcome.exit == USAGE and "no node z" in outcome.error and outcome.lines == ("billing: unknown: no answer",)
    fits(verb, outcome.document, closely=False)


def test_it_fits_the_terminal():
    lines = shown("list", {}, {"billing": {**DENIED, "text": "no rights " * 20}, "orders": WHOLE}, Screen(60)).lines
    assert all(breadth(line) <= 60 for line in lines[-4:]) and "\n".join(lines).count("rights") == 20


@pytest.mark.parametrize("statuses, found", [
    ((DONE,), DONE), ((DONE, UNDER_WAY), UNDER_WAY), ((UNDER_WAY, UNKNOWN), UNKNOWN), ((ERROR, UNKNOWN), ERROR), ((UNKNOWN, USAGE), USAGE),
    ((INTERRUPTED, ERROR), INTERRUPTED), ((ERROR, DONE), ERROR),
])
def test_the_worst_status_counts(statuses, found):
    assert worst(statuses) == worst(reversed(statuses)) == found


def followed(as_json, *answers):
    left, stream = list(answers), io.StringIO()

    def ask(reader):
        return terms.history({"orders": {"ok": True, "terms": [long_term(7)]}, "billing": left.pop(0)}, given={"follow": True}, reader=reader)

    def pause(seconds):
        if not left:
            raise KeyboardInterrupt

    live.run(ask, {"follow": True}, as_json, stream, pause)
    return [line for line in stream.getvalue().splitlines() if line]


AGAIN = {"ok": True, "terms": []}


def test_who_looks_on_is_told_once_and_again_after_it_could_be_read():
    lines = followed(False, DENIED, DENIED, SILENT, SILENT, AGAIN, SILENT)
    assert [line.partition(": unknown: ")[2] for line in lines if "unknown" in line] == ["no rights\\x1b", "no answer", "no answer"]
    told = [json.loads(line) for line in followed(True, DENIED, DENIED, SILENT, AGAIN, SILENT)]
    assert [one.get("unread") for one in told] == [None, "no rights\\x1b", "no answer", "no answer"]
    assert [one["election"] for one in told] == ["orders", "billing", "billing", "billing"]


def test_one_whose_name_is_wrong_ends_no_looking_on():
    gone = {"ok": False, "exit": USAGE, "text": "there is no election 'billing' here"}
    assert len([line for line in followed(False, gone, gone) if "there is no election" in line]) == 1


def test_a_picture_is_drawn_of_those_that_can_be_read():
    stream, left = io.StringIO(), [DENIED, DENIED, WHOLE]

    def pause(seconds):
        if not left:
            raise KeyboardInterrupt

    live.run(lambda reader: shown("list", {}, {"billing": left.pop(0), "orders": WHOLE}), {"watch": True}, False, stream, pause)
    assert stream.getvalue().count("billing: unknown: no rights") == 1 and "trying again" not in stream.getvalue()


@pytest.fixture
def world(monkeypatch):
    cluster = Cluster("a", "b")
    cluster.ensemble.create("/zkelect/stock/election", makepath=True)
    monkeypatch.setattr("supervisor_zkelect.operators.remote.opened", lambda *words: Client(cluster.ensemble))
    return cluster


def deny(monkeypatch, *names):
    """Let nobody read what stands in these elections."""
    from kazoo.exceptions import NoAuthError

    asked = Client.get_async

    def get_async(self, path, *more):
        answer = asked(self, path, *more)
        if any(path.startswith(f"/zkelect/{name}/") for name in names):
            def get(timeout=None):
                raise NoAuthError

            answer.get = get
        return answer

    monkeypatch.setattr(Client, "get_async", get_async)


@pytest.mark.parametrize("words", [["list"], ["why"], ["history"], ["events"], ["check", "--cluster"]])
def test_from_any_host_too(world, monkeypatch, capsys, words):
    deny(monkeypatch, "stock")
    assert main([*words, "--servers", "zk1"]) in (UNKNOWN, ERROR)
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1].startswith("stock: unknown: ") and not shown.err
    assert words[0] in ("events", "check") or "orders" in shown.out
    deny(monkeypatch, "orders")
    assert main([*words, "--servers", "zk1"]) == UNKNOWN
    shown = capsys.readouterr()
    assert shown.err.startswith("zkelect: unknown: orders: ") and shown.err.count("\n") == 1 and not shown.out
