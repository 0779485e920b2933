"""What does not go together of the settings and supervisord's programs is one line each."""

import pytest

from supervisor_zkelect.config.programs import check_groups, check_processes
from tests.unit.config.files import text

PROGRAM = {"group": "primary", "name": "orders", "autostart": False, "inuse": True, "stopwaitsecs": 1, "uid": None,
           "command": "zkelect run -- orders"}


@pytest.mark.parametrize("programs, uid, told, remedy", [
    ([], 0, "primary", "add [group:primary]"),
    ([{**PROGRAM, "group": "primar"}], 0, "primary", "did you mean primar"),
    ([{**PROGRAM, "autostart": True}], 0, "autostart = true", "set autostart = false"),
    ([{**PROGRAM, "uid": 33}], 1000, "uid 33", "run the listener as root"),
    ([{**PROGRAM, "uid": "none"}], 1000, "uid 0", "give both sections the same user="),
    ([{**PROGRAM, "inuse": False}], 0, "not active", "supervisorctl update"),
    ([{**PROGRAM, "name": "größe"}], 0, "größe", "plain letters"),
    ([{**PROGRAM, "startsecs": 60}], 0, "startsecs of 60 s", "set promote_timeout"),
    ([{**PROGRAM, "autostart": True}, {**PROGRAM, "name": "x", "autostart": True}], 0, "orders, x", "autostart = false"),
])
def test_a_group_that_is_not_fit_is_one_line(load, programs, uid, told, remedy):
    settings = load(text())
    problems = check_groups(settings, programs, uid, supervisord_uid=0).problems
    assert len(problems) == 1 and "[election:orders] group = primary" in problems[0]
    assert told in problems[0] and remedy in problems[0] and "\n" not in problems[0]


def test_a_fit_group_is_fit(load):
    found = check_groups(load(text()), [PROGRAM], 0)
    assert not found.wrong and not found.notes


def test_the_listeners_own_group_is_not_its_service(load):
    problems = check_groups(load(text()), [PROGRAM], 0, own_group="primary").problems
    assert len(problems) == 1 and "name the group of the service" in problems[0]


def test_a_listener_that_would_be_killed_before_it_handed_over_is_told(load):
    listener = {"group": "zkelect", "name": "zkelect", "stopwaitsecs": 3}
    notes = check_groups(load(text()), [PROGRAM, listener], 0, own_group="zkelect").notes
    assert len(notes) == 1 and "[eventlistener:zkelect] stopwaitsecs = 3" in notes[0] and "set 4 or more" in notes[0]


def test_a_shortened_grace_is_told(load):
    notes = check_groups(load(text()), [{**PROGRAM, "stopwaitsecs": 30}], 0).notes
    assert len(notes) == 1 and "1.6 s" in notes[0] and "30 s" in notes[0]


@pytest.mark.parametrize("command, told", [
    ("zkelect run -- orders", False), ("/opt/venv/bin/zkelect run -- orders", False), ("orders", True), ("", True),
    ("zkelect listen", True), ("sh -c 'zkelect run -- orders'", True),
])
def test_a_program_without_the_chain_loader_is_told(load, command, told):
    found = check_groups(load(text()), [{**PROGRAM, "command": command}], 0)
    assert any("unguarded" in line and "zkelect run --" in line for line in found.troubles) == told and not found.problems


ENDED = {"group": "primary", "name": "setup", "statename": "EXITED", "exitstatus": 0, "stop": 100, "now": 103, "spawnerr": ""}


@pytest.mark.parametrize("health, changes, problem, note", [
    ("none", {}, "program setup has exited with status 0", ""),
    ("none", {"exitstatus": 3}, "program setup has exited with status 3", ""),
    # supervisord is about to start it again.
    ("none", {"stop": 102}, "", ""),
    ("http://h/", {}, "", ""),
    ("none", {"statename": "STOPPED"}, "", ""),
    ("none", {"group": "others"}, "", ""),
    ("none", {"statename": "FATAL", "spawnerr": "too quickly", "stderr_logfile": "/e"}, "", "FATAL: too quickly; its log is /e"),
])
def test_a_program_that_ended_for_good_is_told(load, health, changes, problem, note):
    found = check_processes(load(text(election=f"health = {health}")), [{**ENDED, **changes}])
    assert len(found.problems) == bool(problem) and len(found.notes) == bool(note)
    if problem:
        assert problem in found.problems[0] and "[election:orders] health = none" in found.problems[0]
        assert "move it out of [group:primary], or set health" in found.problems[0]
    if note:
        assert note in found.notes[0]


def test_of_a_program_that_was_given_up_its_end_is_told(load):
    fatal = {**ENDED, "statename": "FATAL", "spawnerr": "Exited too quickly", "stderr_logfile": "/e"}
    found = check_processes(load(text()), [fatal], {("primary", "setup"): "exit status 127: nothing there"})
    assert "program setup is in FATAL: exit status 127: nothing there" in found.notes[0] and "quickly" not in found.notes[0]


@pytest.mark.parametrize("health, startsecs, told", [("none", 0, True), ("none", 1, False), ("http://h/", 0, False)])
def test_a_program_that_is_running_at_once_is_told(load, health, startsecs, told):
    notes = check_groups(load(text(election=f"health = {health}")), [{**PROGRAM, "startsecs": startsecs}], 0).notes
    assert any("program orders has startsecs = 0" in note and "move it out" in note for note in notes) == told


@pytest.mark.parametrize("health, autorestart, told", [
    ("none", "false", True), ("none", "unexpected", True), ("none", "true", False), ("none", None, False), ("http://h/", "false", False),
    ("tcp://h:1", "unexpected", False),
])
def test_a_program_that_may_end_and_stay_so_is_told(load, health, autorestart, told):
    programs = [PROGRAM, {**PROGRAM, "name": "setup", "startsecs": 1, "autorestart": autorestart}]
    found = check_groups(load(text(election=f"health = {health}")), programs, 0)
    assert not found.problems and len(found.notes) == told
    if told:
        assert f"program setup has autorestart = {autorestart}" in found.notes[0] and "is never RUNNING" in found.notes[0]
        assert "move it out of [group:primary], or set health" in found.notes[0] and "\n" not in found.notes[0]
