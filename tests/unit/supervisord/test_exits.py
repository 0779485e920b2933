"""What the end of a program means, in words."""

import json
import os
import signal

import pytest

from supervisor_zkelect.supervisord import exits
from supervisor_zkelect.supervisord.exits import End

LOADED = "/venv/bin/zkelect run -- /srv/x --fast"


@pytest.mark.parametrize("end, command, user, pieces", [
    (End(127), LOADED, "nobody", ["exit status 127: the program's own, or /srv/x does not exist", "or its directory= cannot be entered", "`zkelect` itself cannot be executed as nobody"]),
    (End(127), "/srv/x", "", ["exit status 127: the program's own, or /srv/x does not exist, or the interpreter that its first line names"]),
    (End(126), LOADED, "nobody", ["exit status 126: the program's own, or /srv/x cannot be executed as nobody", "its user may not execute it"]),
    (End(75), LOADED, "", ["exit status 75: the program's own, or `zkelect run` did not start it"]),
    (End(75), "/srv/x", "", ["exit status 75; its log"]),
    (End(3), LOADED, "", ["exit status 3; its log"]),
    (End(2), "/x/zkelect listen -c f", "", ["exit status 2: its configuration cannot be used"]), (End(2), LOADED, "", ["exit status 2; its log"]),
    (End(0), LOADED, "", ["exit status 0; its log"]),
    (End(137), LOADED, "", ["exit status 137: a command in it was killed by SIGKILL"]),
    (End(255), LOADED, "", ["exit status 255; its log"]),
    (End(signal=9), LOADED, "", ["killed by SIGKILL", "memory"]),
    (End(signal=11), LOADED, "", ["killed by SIGSEGV, a crash"]),
    (End(signal=10), LOADED, "", ["killed by SIGUSR1;"]),
    (End(signal=99), LOADED, "", ["killed by signal 99;"]),
    (End(trouble="can't find command '/nope'"), LOADED, "", ["supervisord could not start it: can't find command '/nope'"]),
    (End(trouble="\x1b[2J" + "x" * 5000), LOADED, "", ["\\x1b[2J"]),
    (End(126), "zkelect run -- \x1b[2J", "", ["\\x1b[2J cannot be executed"]),
    (End(126), "", "", ["the command cannot be executed"]),
    (End(126), "zkelect run", "", ["the command cannot be executed"]),
])
def test_an_end_is_told_with_its_meaning_and_its_log(end, command, user, pieces):
    end = end._replace(command=command)
    line = exits.told(end._replace(log="/var/log/x.err"), user)
    assert all(piece in line for piece in pieces) and line.endswith("its log is /var/log/x.err")
    assert line.isprintable() and len(line) < 1000
    assert exits.told(end, user).endswith("it has no log: set stderr_logfile in its section")


def test_of_what_is_not_known_nothing_is_told():
    assert exits.told(End(log="/x")) == ""


ITEM = {"name": "x", "exitstatus": 0, "spawnerr": "", "stdout_logfile": "/out", "stderr_logfile": "/err"}


@pytest.mark.parametrize("changes, wait_status, end", [
    ({}, None, End(log="/err")),
    ({"stderr_logfile": ""}, None, End(log="/out")),
    ({"exitstatus": 3}, None, End(3, log="/err")),
    # supervisord's word of a process that ended before its startsecs, and of one that a signal has killed.
    ({"spawnerr": "Exited too quickly (process log may have details)"}, None, End(log="/err")),
    ({"exitstatus": -1, "spawnerr": "Bad exit code -1"}, None, End(log="/err")),
    ({"exitstatus": 3, "spawnerr": "Bad exit code 3"}, None, End(3, log="/err")),
    ({"spawnerr": "Exited too quickly (process log may have details)"}, 127 << 8, End(127, log="/err")),
    ({"spawnerr": "Exited too quickly (process log may have details)"}, 0, End(0, log="/err")),
    ({"exitstatus": -1, "spawnerr": "Bad exit code -1"}, 9, End(signal=9, log="/err")),
    # What was noted is of an earlier process then.
    ({"spawnerr": "can't find command '/x'"}, 3 << 8, End(trouble="can't find command '/x'", log="/err")),
    ({"exitstatus": None, "spawnerr": None, "stdout_logfile": None, "stderr_logfile": None}, None, End()),
])
def test_what_supervisord_tells_of_an_end(changes, wait_status, end):
    assert exits.of({**ITEM, **changes}, wait_status) == end


def test_what_was_noted_is_read_as_it_was_written():
    ends = {"a": End(126, None, "", "/e", "/srv/x", 0), "b": End(None, 9, "", ""), "c": End(None, None, "no", "/e")}
    assert exits.read(json.dumps([[[name, *end] for name, end in ends.items()]])) == ends


@pytest.mark.parametrize("answer", ['[{"faultCode": 10, "faultString": "BAD_NAME"}]', "[[1]]", "[[[1, 2]]]", '[[["x", 1, null, "", "/e"]]]', "{", '{"a": 1}'])
def test_an_answer_that_makes_no_sense_is_none(answer):
    with pytest.raises(ValueError):
        if exits.read(answer) == {}:
            raise ValueError("nothing")


def test_a_status_of_waitpid_is_understood():
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    assert exits.of(ITEM, os.waitpid(pid, 0)[1]) == End(signal=9, log="/err")
