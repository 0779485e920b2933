"""What `check` makes of a listener: of its report, or of supervisord's word on it."""

import json
import re
from pathlib import Path

import pytest

from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.core import ability, roles
from supervisor_zkelect.core.state import lasting_trouble
from supervisor_zkelect.operators import ask, check_listener, show
from supervisor_zkelect.operators.outcome import DONE, ERROR, UNKNOWN, USAGE
from supervisor_zkelect.supervisord.client import Fault, Unreachable
from tests.unit.operators.test_show_and_ask import PRIMARY, STANDBY, Peer, answer, view

WELL = {**PRIMARY, "unguarded": False}
IDLE = {**STANDBY, "unguarded": False}

FAILED = {"why": "orders is in FATAL", "at": 986.0}

LISTENER = {"group": "zkelect", "name": "zkelect", "command": "zkelect listen -c /etc/z.conf", "uid": "none"}
SERVICE = {"group": "primary", "name": "orders", "command": "zkelect run -- x", "uid": "none"}
INFO = {"group": "zkelect", "name": "zkelect", "statename": "RUNNING", "spawnerr": "", "pid": 7, "stderr_logfile": "/l/zkelect.err"}
ORDERS = {"group": "primary", "name": "orders", "statename": "RUNNING", "pid": 8, "stderr_logfile": "", "stdout_logfile": "/l/orders.out"}


def checked(elections=None, reply=None, election=None, **report):
    """What `check` comes to where a listener reports and answers so."""
    peer = Peer(
        answer({"orders": WELL} if elections is None else elections, **report), {"check": reply or {"ok": True, "problems": []}},
        getAllConfigInfo=[LISTENER, SERVICE], getAllProcessInfo=[INFO, ORDERS], getProcessInfo=INFO, getProcessEnds="[[]]",
    )
    return ask.run("check", peer, election)


@pytest.mark.parametrize("facts", [WELL, IDLE, {**WELL, "role": "promoting", "step": "probing"}, {**WELL, "role": "demoting"}])
def test_where_nothing_is_wrong_nothing_is_found(facts):
    outcome = checked({"orders": facts})
    assert (outcome.exit, outcome.lines) == (DONE, ("no problem found",))


ROLES = (roles.DETACHED, roles.STANDBY, roles.PROMOTING, roles.PRIMARY, roles.DEMOTING, roles.WITHDRAWN, "a role to come")

TROUBLES = (
    lasting_trouble("/zkelect/orders/election/a-0000000000"),
    "ZooKeeper grants a session timeout of 1 s, in which kill_time does not fit",
    "waiting until n-0000000001, a proposal with this node's name, is gone",
    "fence failed and is tried again, since fence_failed = wait: exit status 1",
    "not healthy yet: connection refused", "health check failed: time limit", "its processes cannot be listed: EACCES",
    "NoAuthError: this node may not create /zkelect", "runtime folder: /run/zkelect belongs to somebody else",
    "the lease is not extended, as there is no guard: no thread", "/ack is written by somebody else, too",
    "/e: __lock__0000000001: a candidate of kazoo's Lock", "one that nobody has thought of yet",
)


@pytest.mark.parametrize("role_name", ROLES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_role_calls_a_trouble_is_a_problem(trouble, role_name):
    outcome = checked({"orders": {**WELL, "role": role_name, "trouble": trouble}, "stock": IDLE})
    assert outcome.exit == ERROR and f"[election:orders] {trouble}" in outcome.lines
    assert "no problem found" not in outcome.lines and outcome.document["ok"] is False
    assert checked({"orders": {**WELL, "trouble": trouble}, "stock": IDLE}, election="stock").exit == DONE


@pytest.mark.parametrize("kind", ["kernel", "guard", "folder", "zookeeper", "timeout", "twin", "refused", "queue", "fence", "alive", "new"])
@pytest.mark.parametrize("why", ["this is why", ""])
def test_whoever_cannot_take_part_has_a_problem(kind, why):
    outcome = checked({"orders": {**IDLE, "cannot": {"kind": kind, "why": why}}})
    assert outcome.exit == ERROR and "no problem found" not in outcome.lines
    assert (why or kind) in outcome.lines[0]


def test_a_connection_that_is_missing_is_told_once():
    outcome = checked({"orders": {**IDLE, "cannot": {"kind": ability.ZOOKEEPER, "why": "refused"}}}, session={"state": "lost", "trouble": "refused"})
    assert [line for line in outcome.lines if "refused" in line] == ["ZooKeeper: lost: refused"] and check_listener.AWAY == ability.ZOOKEEPER


def test_the_texts_of_the_role_machine_are_troubles_here():
    """Each text with which it sets `trouble` is among those above, so that a new one is thought of here."""
    source = "".join(path.read_text() for path in sorted(Path(roles.__file__).parent.glob("*.py")))
    literal = re.findall(r'trouble\s*=\s*f?"([^"{]{8,})', source)
    assert literal and all(any(text in known for known in TROUBLES) for text in literal), literal


@pytest.mark.parametrize("report, status, piece", [
    ({"session": {"state": "lost", "trouble": "the credentials were refused"}}, ERROR, "ZooKeeper: lost: the credentials were refused"),
    ({"session": {"state": "suspended"}}, ERROR, "ZooKeeper: suspended"), ({"session": None}, ERROR, "ZooKeeper: no session"),
    ({"session": {"state": "connected", "trouble": "x"}}, ERROR, "ZooKeeper: x"),
    ({"config_trouble": {"since": 1, "problems": ["f: [zkelect] servers: no"], "doing": "goes on"}}, USAGE, "f: [zkelect] servers: no"),
    ({"config_trouble": {"since": 1, "problems": [], "doing": "goes on"}}, USAGE, "/etc/zkelect.conf: has been unusable for 16 m 39 s: goes on"),
])
def test_what_else_role_shows_is_a_problem(report, status, piece):
    outcome = checked(**report)
    assert outcome.exit == status and piece in outcome.lines


@pytest.mark.parametrize("facts, piece", [
    ({"unguarded": True}, "unguarded: no guard runs"),
    ({"role": "detached", "step": "waiting", "reason": "not healthy within 60 s"}, "takes no part in it (detached): not healthy within 60 s"),
    ({"role": "withdrawn", "reason": ""}, "takes no part in it (withdrawn)"),
    ({"role": "standby", "failed": FAILED}, "[election:orders] its last promotion failed 14 s ago: orders is in FATAL; correct that"),
    ({"role": "promoting", "step": "probing", "failed": FAILED}, "its last promotion failed 14 s ago: orders is in FATAL"),
    ({"role": "standby", "failed": {"why": "\x1b[2J"}}, "its last promotion failed: \\x1b[2J; correct that"),
    ({"deadline": 0}, "the role is unknown: the lease of the primary has run out"),
    ({"role": None}, "the role is unknown: the report has no role"),
])
def test_a_node_that_cannot_do_its_part_has_a_problem(facts, piece):
    outcome = checked({"orders": {**WELL, **facts}})
    assert outcome.exit == ERROR and any(piece in line for line in outcome.lines), outcome.lines


def test_a_failed_promotion_that_keeps_a_node_outside_is_told_once():
    outcome = checked({"orders": {**WELL, "role": "detached", "step": "waiting", "reason": "orders is in FATAL", "failed": FAILED}})
    assert sum("orders is in FATAL" in line for line in outcome.lines) == 1


def test_without_a_session_it_is_not_told_that_a_node_stands_outside():
    lost = {"state": "lost", "trouble": "refused"}
    outcome = checked({"orders": {**WELL, "role": "detached", "reason": "start"}}, session=lost)
    assert outcome.exit == ERROR and [line for line in outcome.lines if not line.startswith("note")] == ["ZooKeeper: lost: refused"]
    assert not check_listener.of_view(view({"orders": WELL}, session=lost), link=False).wrong


def test_a_node_without_elections_has_a_problem():
    assert checked({}).exit == ERROR


def test_troubles_that_carry_control_characters_are_shown_as_escapes():
    outcome = checked({"or\x1bders": {**WELL, "trouble": "\x1b[2J\n"}})
    assert all(line.isprintable() for line in outcome.lines) and outcome.document["problems"]


@pytest.mark.parametrize("reply, elections, status, lines", [
    ({"ok": False, "exit": 1, "problems": ["a"]}, {"orders": WELL}, ERROR, ["a"]),
    ({"ok": False, "exit": 2, "problems": ["a"]}, {"orders": {**WELL, "trouble": "t"}}, USAGE, ["[election:orders] t", "a"]),
    ({"ok": True, "problems": []}, {"orders": {**WELL, "trouble": "t"}}, ERROR, ["[election:orders] t"]),
    # Said twice, told once.
    ({"ok": False, "exit": 1, "problems": ["[election:orders] t"]}, {"orders": {**WELL, "trouble": "t"}}, ERROR, ["[election:orders] t"]),
    # One that does not answer.
    ({"ok": False, "exit": 4, "text": "no answer"}, {"orders": {**WELL, "trouble": "t"}}, ERROR, ["[election:orders] t", "no answer"]),
])
def test_what_is_known_and_what_is_answered_stand_together(reply, elections, status, lines):
    outcome = checked(elections, reply)
    assert outcome.exit == status
    assert list(outcome.lines) == [*lines, "note: for what happened, see the logs: zkelect:zkelect /l/zkelect.err, primary:orders /l/orders.out"]


def test_a_listener_that_answers_nothing_is_unknown():
    outcome = checked(reply={"ok": False, "exit": 4, "text": "no answer"})
    assert (outcome.exit, outcome.error) == (UNKNOWN, "no answer")


# A listener that does not report


def silent(listener=LISTENER, info=INFO, ends="[[]]", why="the listener (pid 7) is dead", **more):
    infos = [SERVICE] + ([listener] if listener else [])
    methods = {"getAllConfigInfo": infos, "getAllProcessInfo": [ORDERS, INFO], "getProcessInfo": info, "getProcessEnds": ends, **more}
    return ask.run("check", Peer(answer({"orders": WELL}, known=False, why=why), **methods))


@pytest.mark.parametrize("state, ends, pieces", [
    ("BACKOFF", '[[["zkelect", 2, null, "", "", "zkelect listen -c x", 0]]]', ["is BACKOFF (exit status 2: its configuration cannot be used", "supervisorctl tail zkelect:zkelect stderr (/l/zkelect.err)"]),
    ("FATAL", '[[["zkelect", 127, null, "", "", "zkelect listen -c x", 0]]]', ["is FATAL (exit status 127: ", "tells why"]),
    ("EXITED", '[[["zkelect", null, 9, "", "", "zkelect listen -c x", 0]]]', ["is EXITED (killed by SIGKILL"]),
    ("STOPPED", "[[]]", ["is STOPPED", "supervisorctl start zkelect:zkelect"]),
    ("RUNNING", "[[]]", ["is RUNNING, and has not reported lately: the listener (pid 7) is dead", "supervisorctl restart zkelect:zkelect"]),
    ("STARTING", "[[]]", ["is STARTING, and has not reported yet"]),
    ("UNKNOWN", "nonsense", ["is UNKNOWN"]),
])
def test_of_a_listener_that_does_not_report_supervisord_tells(state, ends, pieces):
    outcome = silent(info={**INFO, "statename": state}, ends=ends)
    assert outcome.exit == ERROR and outcome.error == "" and "no problem found" not in outcome.lines
    assert all(piece in outcome.lines[0] for piece in pieces), outcome.lines
    assert outcome.lines[1].startswith("note: for what happened, see the logs: zkelect:zkelect /l/zkelect.err")


def test_a_supervisord_whose_plugin_is_older_tells_less():
    outcome = silent(info={**INFO, "statename": "BACKOFF", "spawnerr": "Exited too quickly"}, ends=Fault(1, "UNKNOWN_METHOD"))
    assert "is BACKOFF (Exited too quickly)" in outcome.lines[0]


def test_a_listener_that_is_missing_or_not_active_is_told():
    told = "the listener (pid 7) is dead; no program's command is `zkelect listen`: add [eventlistener:zkelect]"
    assert silent(listener=None).lines[0] == told
    assert "is not active, and this node makes no proposal: supervisorctl update" in silent(info=Fault(10, "BAD_NAME: zkelect")).lines[0]


def test_a_listener_whose_command_is_mistyped_is_told():
    info = {**INFO, "statename": "FATAL", "spawnerr": "can't find command 'zkelekt'"}
    line = silent({**LISTENER, "command": "zkelekt listen -c /etc/z.conf"}, info).lines[0]
    assert line.startswith("the listener zkelect:zkelect is FATAL (can't find command 'zkelekt'), ") and "supervisorctl update" in line


@pytest.mark.parametrize("error, status", [
    (Fault(6, "SHUTDOWN_STATE"), ERROR), (Unreachable("it does not answer"), UNKNOWN),
])
def test_a_supervisord_that_tells_nothing_is_told_of(error, status):
    outcome = silent(getAllConfigInfo=error)
    assert outcome.exit == status and outcome.error


def test_logs_are_named_as_far_as_there_are_any():
    call = Peer("", getAllConfigInfo=[LISTENER], getAllProcessInfo=[{**ORDERS, "stdout_logfile": ""}, {**INFO, "stderr_logfile": ""}])
    assert check_listener.logs(call, ["primary"]) == []
    many = [{**ORDERS, "name": f"p{number}\n", "stdout_logfile": f"/l/{number}"} for number in range(100)]
    [line] = check_listener.logs(Peer("", getAllConfigInfo=[], getAllProcessInfo=many), ["primary"])
    assert line.isprintable() and line.count("/l/") == 6


def test_findings_keep_no_line_twice_and_note_no_problem():
    found = Findings(["p"], ["t"], ["p", "n"])
    found.add(Findings(["p", "q"], ["p", "t"], ["q", "n", "m"]))
    assert found.document() == {"ok": False, "exit": 2, "problems": ["p", "q", "t"], "notes": ["n", "m"]}
    assert Findings(troubles=["t"]).document()["exit"] == 1 and Findings(notes=["n"]).document()["exit"] == 0


def test_an_answer_fits_whatever_is_found():
    found = Findings([f"{number} \x1bé" * 100 for number in range(1000)], notes=["n" * 1000] + [f"{number}" * 100 for number in range(1000)])
    document = found.document(50_000)
    assert len(json.dumps(document)) < 60_000 and document["exit"] == 2
    for lines, many in ((document["problems"], 1000), (document["notes"], 1001)):
        assert lines[-1] == f"and {many - len(lines) + 1} more" and len(lines) > 2
    assert Findings(["x" * 100_000]).document(50_000)["problems"] == ["and 1 more"]
    assert Findings(["x"]).document(50_000)["problems"] == ["x"]


def test_the_view_of_one_election_leaves_the_others_out():
    found = check_listener.of_view(view({"a": {**WELL, "trouble": "x"}, "b": WELL}), ["b"])
    assert not found.wrong


def test_check_is_shown_alone_as_it_was():
    assert show.check({"ok": True}).lines == ("no problem found",)
