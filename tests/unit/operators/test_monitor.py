"""`zkelect monitor`, as Nagios and its kind run it: one line, and an exit status."""

import json
import re

import pytest

from supervisor_zkelect.operators import ask, connection, listing, monitor
from supervisor_zkelect.operators.cli import main
from supervisor_zkelect.operators.monitor import CRITICAL, OK, UNKNOWN, WARNING, Limits, PluginResult
from supervisor_zkelect.operators.outcome import CommandOutcome, Trouble, failure

NOW = 2_000_000.0


def node(name, role, since=1000.0, **more):
    return {"node": name, "role": role, "since": round(1000 * since), "live": role != "gone", "guarded": True, **more}


PAIR = [node("a", "primary", NOW - 7380.0), node("b", "standby")]


def listed(nodes=PAIR, address="x:1", **more):
    return {"elections": {"orders": {"nodes": nodes, "address": address, "coming": "", "trouble": "", "changed": None, **more}}}


def own(**facts):
    return {"known": True, "now": 1000.0, "elections": {"orders": {"role": "primary", "exit": 0, "deadline": 1005.9, **facts}}}


def judged(document=None, status=None, limits=None):
    return monitor.line(monitor.judge(document or listed(), status or {}, limits or Limits(), NOW))


def test_a_pair_that_is_well():
    assert judged(status=own()) == (
        OK, "ZKELECT OK - orders: a is primary for 2 h 3 m, 1 stands by | orders_primary=1;;1:;0;1 orders_standby=1;1:;0:;0 "
        "orders_nodes=2;;;0 orders_primary_time=7380s;;;0 orders_lease=5.900s;;;0",
    )


def test_from_another_host_there_is_no_lease():
    status, line = judged()
    assert status == OK and "orders_lease" not in line


EMPTY = {"address": "", "changed": round(1000 * (NOW - 65.0))}


@pytest.mark.parametrize("document, told", [
    (listed([node("a", "demoting"), node("b", "standby")], **EMPTY), "nobody is primary for 1 m 5 s"),
    # The ack still has its address.
    (listed([node("a", "primary, cut off"), node("b", "maintenance")]), "nobody is primary, nobody stands by"),
    (listed([node("a", "gone")]), "nobody is primary"),
    (listed([], address="", changed=None), "nobody is primary, nobody stands by"),
    # It says so itself, and the ack does not.
    (listed([node("a", "primary")], address=""), "nobody is primary"),
])
def test_where_nobody_is_primary_that_is_critical(document, told):
    status, line = judged(document)
    assert status == CRITICAL and line.startswith(f"ZKELECT CRITICAL - orders: {told}") and "orders_primary=0;;1:;0;1" in line


@pytest.mark.parametrize("standbys, limits, status, told", [
    (0, Limits(), WARNING, "nobody stands by"), (0, Limits(0), OK, "0 stand by"), (1, Limits(2), WARNING, "fewer than 2 stand by"),
    (0, Limits(2, 1), CRITICAL, "fewer than 1 stand by"), (1, Limits(2, 1), WARNING, "fewer than 2 stand by"), (2, Limits(2, 1), OK, "2 stand by"),
])
def test_too_few_that_stand_by(standbys, limits, status, told):
    nodes = [PAIR[0], *(node(f"s{number}", "standby") for number in range(standbys)), node("m", "maintenance")]
    found, line = judged(listed(nodes), limits=limits)
    assert found == status and told in line
    assert f"orders_standby={standbys};{limits.warning}:;{limits.critical}:;0 orders_nodes={standbys + 2};" in line


@pytest.mark.parametrize("document, told", [
    (listed(paused="paused by ann@desk: disk"), "paused by ann@desk: disk"), (listed(trouble="control holds no orders"), "control holds no orders"),
    (listed([PAIR[0], node("b", "standby", guarded=False)]), "b is unguarded"),
])
def test_what_is_warned_of(document, told):
    status, line = judged(document)
    assert status == WARNING and told in line and "a is primary" in line


@pytest.mark.parametrize("one", [
    node("b", "standby", guarded=None), node("b", "gone", guarded=False), node("b", "maintenance", guarded=False),
])
def test_who_needs_no_guard_is_not_unguarded(one):
    assert "unguarded" not in judged(listed([*PAIR, one]))[1]


@pytest.mark.parametrize("facts, status, told", [
    ({"exit": 6, "cannot": {"why": "cut off from ZooKeeper"}}, CRITICAL, "this node cannot take part: cut off from ZooKeeper"),
    ({"exit": 4, "why": "the lease has run out"}, UNKNOWN, "this node's role is unknown: the lease has run out"),
    ({"exit": 5, "role": "maintenance"}, OK, "orders: a is primary"), ({"exit": 3, "role": "standby"}, OK, "orders: a is primary"),
])
def test_the_node_itself(facts, status, told):
    found, line = judged(status=own(**facts))
    assert found == status and told in line


def test_a_file_with_mistakes():
    status, line = judged(status={**own(), "config_trouble": {"problems": ["x"]}})
    assert status == WARNING and "this node's file has mistakes" in line


def test_of_several_elections_the_worst_comes_first_and_counts():
    both = listed()
    both["elections"]["billing"] = {"nodes": [node("a", "standby")], "address": ""}
    both["elections"]["cache"] = {"nodes": PAIR, "address": "x:1", "paused": "paused by ann"}
    status, line = judged(both)
    assert status == CRITICAL
    assert [part.split(":")[0] for part in line.partition(" - ")[2].partition(" | ")[0].split("; ")] == ["billing", "cache", "orders"]


def test_what_cannot_be_told_is_worse_than_a_warning_and_better_than_what_is_critical():
    found = [PluginResult(status, str(status)) for status in (CRITICAL, UNKNOWN, WARNING, OK)]
    assert sorted(found[::-1], key=lambda one: -monitor._RANKS.index(one.status)) == found


def test_a_line_has_room_for_hundreds_of_elections():
    many = {"elections": {f"e{number}": listed()["elections"]["orders"] for number in range(300)}}
    many["elections"]["e7"] = {"nodes": [], "address": ""}
    status, line = judged(many)
    assert status == CRITICAL and line.startswith("ZKELECT CRITICAL - e7: nobody is primary") and len(line) < 1200
    assert re.search(r"; and \d+ more \| elections=300;;;0 not_ok=1;;;0;300$", line)


def test_what_others_write_breaks_no_line():
    evil = "x\n| evil=1 \x1b[31m" + "y" * 5000
    document = listed([node(evil, "primary", NOW), node("b", "standby")], paused=evil, trouble=evil)
    status, line = judged(document)
    assert line.count("|") == 1 and "\n" not in line and "\x1b" not in line and "evil=1" not in line.partition("|")[2]
    assert len(line) < 1500


def test_more_elections_than_are_looked_at_are_unknown_and_hide_nothing_that_is_critical():
    status, line = judged({**listed(), "left_out": 3})
    assert status == UNKNOWN and line.startswith("ZKELECT UNKNOWN - more than 1 elections; name one; orders: a is primary")
    status, line = judged({**listed([]), "left_out": 3})
    assert status == CRITICAL and "name one" in line
    many = {"elections": {f"e{number}": listed()["elections"]["orders"] for number in range(100)}, "left_out": 3}
    assert judged(many)[1].endswith(" | elections=100;;;0 not_ok=0;;;0;100")


def test_one_that_cannot_be_read_is_unknown_for_itself_and_hides_nothing_that_is_critical():
    status, line = judged({**listed(), "unread": {"billing": "no rights | x"}})
    assert status == UNKNOWN and line.startswith("ZKELECT UNKNOWN - billing: it cannot be read: no rights / x; orders: a is primary")
    status, line = judged({**listed([], address=""), "unread": {"billing": "no rights"}})
    assert status == CRITICAL and line.startswith("ZKELECT CRITICAL - orders: nobody is primary") and "billing: it cannot be read" in line
    there = own()
    there["elections"]["billing"] = {"exit": 6, "cannot": {"why": "cut off"}}
    found = monitor.judge({**listed(), "unread": {"billing": "no rights"}}, there, Limits(), NOW)
    assert found[0] == PluginResult(CRITICAL, "billing: this node cannot take part: cut off, it cannot be read: no rights")


# The program


class Call:
    """Stands in for supervisord: nothing is asked of it."""


@pytest.fixture
def told(monkeypatch, capsys):
    """Run the program; what it asks is answered by `answers`. Gives status and line."""
    answers = {
        "status": CommandOutcome(0, (), own()), "list": CommandOutcome(0, (), listed()),
    }
    monkeypatch.setattr(connection, "caller", lambda arguments: Call())

    def run(verb, call, election=None, timeout=None):
        answer = answers[verb]
        if isinstance(answer, Exception):
            raise answer
        answers.setdefault("asked", []).append((verb, election, timeout))
        return answer

    monkeypatch.setattr(ask, "run", run)

    def told(*words):
        status = main(["monitor", *words])
        shown = capsys.readouterr()
        assert len(shown.out.splitlines()) <= 1
        return status, shown.out.strip(), shown.err

    told.answers = answers
    return told


def test_it_asks_the_listener_for_status_and_list(told):
    status, line, errors = told("orders", "-t", "3")
    assert status == OK and line.startswith("ZKELECT OK - orders: a is primary") and errors == ""
    assert told.answers["asked"] == [("status", "orders", None), ("list", "orders", 3.0)]


def test_the_limits_are_the_words(told):
    assert told("-w", "2")[0] == WARNING and told("-c", "2", "-w", "3")[0] == CRITICAL and told("--warning", "0")[0] == OK


@pytest.mark.parametrize("verb, answer, status, told_of", [
    ("status", failure(4, "supervisord: connection refused | x"), UNKNOWN, "supervisord: connection refused / x"),
    ("status", CommandOutcome(4, (), {"known": False, "why": "the listener is dead", "elections": {}}), CRITICAL, "the listener does not answer: the listener is dead"),
    ("list", failure(4, "unknown: ZooKeeper does not answer"), UNKNOWN, "the cluster cannot be seen: unknown: ZooKeeper does not answer"),
    ("list", Trouble(4, "unknown: no answer"), UNKNOWN, "unknown: no answer"),
    ("list", RuntimeError("a\ndefect"), UNKNOWN, "RuntimeError: a"),
])
def test_what_cannot_be_asked(told, verb, answer, status, told_of):
    told.answers[verb] = answer
    found, line, _ = told()
    assert found == status and told_of in line and line.startswith(f"ZKELECT {monitor._WORDS[status]} - ")


def test_those_that_can_be_read_are_judged(told):
    told.answers["list"] = CommandOutcome(4, (), {**listed([], address=""), "unread": {"billing": "no answer"}})
    status, line, _ = told()
    assert status == CRITICAL and "orders: nobody is primary" in line and "billing: it cannot be read: no answer" in line


def test_a_node_that_is_cut_off_is_critical_though_the_cluster_cannot_be_seen(told):
    told.answers["status"] = CommandOutcome(6, (), own(exit=6, cannot={"why": "cut off"}))
    told.answers["list"] = failure(4, "no answer")
    status, line, _ = told()
    assert status == CRITICAL and line.startswith("ZKELECT CRITICAL - orders: this node cannot take part: cut off; the cluster cannot be seen")


@pytest.mark.parametrize("words", [("-w",), ("-w", "x"), ("-c", "-1"), ("--nonsense",), ("a", "b"), ("-t", "0")])
def test_wrong_words_are_unknown_and_not_critical(told, words):
    """As a service whose check is set up wrong must not page anybody."""
    status, _, errors = told(*words)
    assert status == UNKNOWN and errors.startswith("zkelect: ")


def test_from_any_host(monkeypatch, capsys):
    asked = []

    class Afar:
        def __init__(self, arguments):
            self.arguments = arguments

        def outcome(self, verb, given, screen):
            asked.append((verb.name, self.arguments.servers, self.arguments.election))
            return CommandOutcome(0, (), listed())

        def close(self):
            asked.append("closed")

    monkeypatch.setattr(listing, "Afar", Afar)
    assert main(["monitor", "orders", "--servers", "zk1:2181"]) == OK
    assert capsys.readouterr().out.startswith("ZKELECT OK - orders: a is primary") and asked == [("list", "zk1:2181", "orders"), "closed"]
    assert main(["monitor", "--root", "/x"]) == UNKNOWN
    assert "ZKELECT UNKNOWN - --root works only with --servers" in capsys.readouterr().out


def test_other_commands_keep_their_c(tmp_path, capsys):
    """The words that say where supervisord is are shared."""
    missing = str(tmp_path / "none.conf")
    for words in (["role", "-c", missing], ["-c", missing, "role"], ["list", "-c", missing]):
        assert main(words) == 2 and missing in capsys.readouterr().err


def test_list_tells_of_a_pause():
    from supervisor_zkelect.operators import overview

    answer = {"ok": True, "nodes": [], "address": "", "paused": "paused by ann"}
    assert json.loads(json.dumps(overview.listed({"orders": answer}).document))["elections"]["orders"]["paused"] == "paused by ann"
