"""The RPC interface inside a real supervisord, and supervisorctl and `zkelect` that look at it.

A program of supervisord plays the listener's part on the wire: it pushes reports and answers requests. What
the real listener says is tested with it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.operators.mailbox import LONGEST_ANSWER, LONGEST_ARGUMENTS, LONGEST_REPORT, MOST_REQUESTS
from supervisor_zkelect.processes import proc
from supervisor_zkelect.supervisord import exits
from supervisor_zkelect.supervisord.client import Fault, Supervisord, Unreachable
from supervisor_zkelect.system import clock

LONG = 30.0

#: Reports what stands in a file, when poked and five times a second; answers requests from the same file.
#: "silent": nothing is sent. "deaf": requests are taken and not answered.
SPEAKER = """
import json, os, signal, sys
from supervisor_zkelect.system import clock
from supervisor_zkelect.supervisord.client import Supervisord, SupervisordError

script, marks = sys.argv[1:]
POKE = {signal.SIGUSR1}
if "ignore" not in json.load(open(script)):
    # It is waited for, and not handled: a handler must not set an Event, whose lock this thread may hold just then.
    signal.signal(signal.SIGUSR1, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, POKE)

def mark(word):
    with open(marks, "a") as file:
        file.write(word + "\\n")

url = os.environ["SUPERVISOR_SERVER_URL"]
door = Supervisord(url, os.environ.get("SUPERVISOR_USERNAME"), os.environ.get("SUPERVISOR_PASSWORD"))
while True:
    play = json.load(open(script))
    if play.get("silent"):
        mark("silent")
    else:
        facts = play["elections"]
        for each in facts.values():
            each.setdefault("deadline", clock.now() + 10)
            each.setdefault("since", clock.now() - 65)
        report = {"v": 1, "node": "a", "pid": os.getpid(), "version": "0.1.0", "boottime": clock.now(),
                  "config": play.get("config"), "time": 0, "elections": facts,
                  "session": {"state": "connected", "id": "0x1", "timeout": 4.0, "since": clock.now() - 5}}
        try:
            requests = json.loads(door.call("zkelect.putReport", json.dumps(report), timeout=30))
            # All of them first, since an answer that cannot be delivered ends the turn.
            for request in requests:
                mark(request["verb"] + " " + request["election"] + " " + json.dumps(request["args"]))
            for request in requests:
                reply = play.get("answers", {}).get(request["verb"])
                if request["verb"] == "refresh" and reply is None:
                    reply = {"ok": True}
                if reply is not None and not play.get("deaf"):
                    door.call("zkelect.answer", request["ticket"], json.dumps(reply))
        except SupervisordError as error:
            mark("error " + str(error))
    if signal.sigtimedwait(POKE, 0.2):
        mark("poked")
"""

#: supervisord with something in the interface or its mailbox changed, such as its limits in seconds.
CHANGED = """
from supervisor_zkelect import rpcinterface
from supervisor_zkelect.operators import mailbox
{}
from supervisor.supervisord import main
main()
"""

#: A program that does not stop when it is asked to.
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""

PRIMARY = {
    "role": "primary",
    "token": 42,
    "ack": "10.0.0.5:8080",
    "primary_node": "a",
    "place": 1,
    "candidates": 2,
}
STANDBY = {"role": "standby", "ack": "10.0.0.6:8080", "primary_node": "b", "place": 2, "candidates": 2}


class Node:
    """A supervisord with the interface, a speaker, and the two commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = child.new_marker()
        self.env = child.environment(self.marker, PYTHONDONTWRITEBYTECODE="1")
        for name in [name for name in self.env if name.startswith("SUPERVISOR_")]:
            del self.env[name]
        self.url = f"unix://{folder}/s.sock"
        self.log = folder / "supervisord.log"
        self.conf = folder / "supervisord.conf"
        self.script = folder / "script.json"
        self.marks = folder / "marks"
        self.marks.touch()
        self.process = None
        (folder / "speaker.py").write_text(SPEAKER)

    def play(self, elections=None, **more) -> None:
        """What the speaker says from now on."""
        new = self.folder / "script.new"
        new.write_text(json.dumps({"elections": elections or {}, **more}))
        new.rename(self.script)

    def hush(self, **more) -> None:
        """Have the speaker say nothing from now on."""
        before = self.said().count("silent")
        self.play({"orders": dict(PRIMARY)}, silent=True, **more)
        until(lambda: self.said().count("silent") > before, LONG, "the speaker to fall silent")

    def hear(self) -> None:
        """Wait until the speaker has said something more, and dealt with what it was given."""
        for _ in range(2):
            before = self.report()["report"]["boottime"]
            until(lambda: self.report()["report"]["boottime"] > before, LONG, "another report")

    def up(
        self, *sections: str, interface: bool = True, auth: str = "", speaker: str = "", change: str = ""
    ) -> Node:
        """Start supervisord. auth: lines of [unix_http_server]; speaker: of the speaker's; change: code."""
        command = " ".join(
            shlex.quote(word)
            for word in (sys.executable, f"{self.folder}/speaker.py", str(self.script), str(self.marks))
        )
        parts = [
            f"[unix_http_server]\nfile = {self.folder}/s.sock\n{auth}",
            f"[supervisord]\nlogfile = {self.log}\npidfile = {self.folder}/pid\nchildlogdir = {self.folder}\n"
            "loglevel = debug",
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
            f"[supervisorctl]\nserverurl = {self.url}\n{auth}",
            "[ctlplugin:zkelect]\n"
            "supervisor.ctl_factory = supervisor_zkelect.controllerplugin:make_zkelect_controllerplugin",
            f"[program:speaker]\ncommand = {command}\nautostart = false\nstartsecs = 0\n"
            f"redirect_stderr = true\nstdout_logfile = {self.folder}/speaker.log\n{speaker}",
            *sections,
        ]
        if interface:
            parts.append(
                "[rpcinterface:zkelect]\n"
                "supervisor.rpcinterface_factory = supervisor_zkelect.rpcinterface:make_zkelect_rpcinterface"
            )
        self.conf.write_text("\n\n".join(parts) + "\n")
        words = ["-c", CHANGED.format(change)] if change else ["-m", "supervisor.supervisord"]
        self.process = child.start(
            [sys.executable, *words, "-n", "-c", str(self.conf)],
            env=self.env,
            cwd=str(self.folder),
            output=str(self.folder / "supervisord.out"),
        )
        until(self.listens, LONG, "supervisord to listen")
        return self

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            # The socket is there before connections are taken.
            return connection.connect_ex(str(self.folder / "s.sock")) == 0

    def door(self, *credentials: str, url: str = "") -> Supervisord:
        return Supervisord(url or self.url, *credentials, timeout=20)

    def speak(self, *credentials: str) -> int:
        """Start the speaker; returns its pid once its report is in the mailbox."""
        door = self.door(*credentials)
        door.call("supervisor.startProcess", "speaker")
        pid = door.call("supervisor.getProcessInfo", "speaker")["pid"]
        until(lambda: self.report(*credentials)["known"], LONG, "the first report")
        return pid

    def report(self, *credentials: str):
        return json.loads(self.door(*credentials).call("zkelect.getReport"))

    def said(self):
        return self.marks.read_text().splitlines()

    def ctl(self, *words: str, timeout: float = 60):
        return child.run(
            ["supervisorctl", "-c", str(self.conf), *words],
            env=self.env,
            cwd=str(self.folder),
            timeout=timeout,
        )

    def zkelect(self, *words: str, timeout: float = 60, **env: str):
        return child.run(
            [sys.executable, "-m", "supervisor_zkelect.command", *words],
            env={**self.env, **env},
            cwd=str(self.folder),
            timeout=timeout,
        )

    def both(self, *words: str):
        """The command by supervisorctl and by zkelect; the exit status and output that both agree on."""
        first = self.ctl(*(words if words[0] == "role" else ("zkelect", *words)))
        second = self.zkelect(*words, "-s", self.url)
        shape = [re.sub(r"[\d.]+ s\b", "N s", one.stdout) for one in (first, second)]
        assert shape[0] == shape[1]
        assert first.stderr == second.stderr == ""
        assert first.returncode == second.returncode
        return first.returncode, first.stdout

    def down(self) -> None:
        child.sweep(self.marker)
        if self.process is not None:
            self.process.wait(LONG)


@pytest.fixture
def make(tmp_path):
    nodes = []

    def maker(name: str = "n") -> Node:
        (tmp_path / name).mkdir()
        nodes.append(Node(tmp_path / name))
        return nodes[-1]

    yield maker
    for node in nodes:
        node.down()


@pytest.fixture
def node(make):
    """A running node whose speaker says that it is primary."""
    node = make().up()
    node.play({"orders": dict(PRIMARY)})
    node.pid = node.speak()
    return node


def one_line(text: str) -> str:
    assert text.endswith("\n") and text.count("\n") == 1, text
    assert "Traceback" not in text
    return text.strip()


# Roles


def freeze(pid):
    """Stop a process by a signal, which takes it a moment, and wait until it stands still."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: proc.read(pid).state in "Tt", LONG, "the process to stand still")


def test_primary_and_standby(node):
    code, text = node.both("role")
    assert code == 0
    assert re.search(r"^orders +primary +1 m \d+ s +42 +10.0.0.5:8080 \(a\) +1 of 2", text, re.M), text
    assert "last report" in text
    node.play({"orders": dict(STANDBY)})
    code, text = node.both("role", "orders")
    assert code == 3
    assert re.search(r"^orders +standby .* - +10.0.0.6:8080 \(b\) +2 of 2", text, re.M), text


def test_primary_only_if_primary_in_all(node):
    node.play({"orders": dict(PRIMARY), "stock": dict(STANDBY)})
    assert node.both("role")[0] == 3
    assert node.both("role", "orders")[0] == 0
    assert node.both("status")[0] == 3


def test_each_role_has_its_status_and_the_worst_counts(node):
    cannot = {"kind": "twin", "why": "another node has this name"}
    parts = {
        "a": (0, dict(PRIMARY)), "b": (3, dict(STANDBY)), "c": (5, {**STANDBY, "role": "promoting"}),
        "d": (4, {**PRIMARY, "deadline": 1.0}), "e": (6, {**STANDBY, "cannot": cannot}),
    }
    for names in ("ab", "abc", "abcd", "abcde"):
        node.play({name: parts[name][1] for name in names})
        node.hear()
        assert node.both("role")[0] == parts[names[-1]][0]
        assert node.both("role", names[-1])[0] == parts[names[-1]][0]
    document = json.loads(node.ctl("role", "--json").stdout)
    assert document["exit"] == 6 and {name: part["exit"] for name, part in document["elections"].items()} == {
        name: status for name, (status, _) in parts.items()
    }
    assert "e: should take part but cannot: another node has this name" in node.both("role")[1]


def test_role_and_status_as_json(node):
    for done in (
        node.ctl("role", "--json"),
        node.ctl("zkelect", "status", "orders", "--json"),
        node.zkelect("-s", node.url, "status", "--json"),
    ):
        document = json.loads(one_line(done.stdout))
        assert done.returncode == document["exit"] == 0
        assert document["known"] is True and 0 <= document["age"] < 5
        assert document["elections"]["orders"]["token"] == 42
        assert document["session"]["state"] == "connected"


def assert_unknown(node, why: str):
    for words in (["role"], ["role", "orders"], ["status"]):
        code, text = node.both(*words)
        assert code == 4, text
        assert re.search(r"^orders +unknown +- +- +- +-", text, re.M), text
        assert why in text and "last report" in text
        assert "10.0.0.5" not in text and "primary" not in text.replace("PRIMARY", "")
    done = node.zkelect("status", "--json", "-s", node.url)
    document = json.loads(one_line(done.stdout))
    assert done.returncode == document["exit"] == 4
    assert document["known"] is False and document["elections"]["orders"]["role"] == "unknown"
    # The token is not told; a pid in the reason may hold the same digits.
    assert "42" not in json.dumps(document["elections"]).replace(str(node.pid), "")
    for words in (["members"], ["resign", "orders"]):
        done = node.zkelect(*words, "-s", node.url)
        assert (done.returncode, done.stdout) == (4, "")
        assert why in one_line(done.stderr)
    # What is known of it is a trouble.
    done = node.zkelect("check", "-s", node.url)
    assert (done.returncode, done.stderr) == (1, "") and why in done.stdout.splitlines()[0]


def test_the_role_of_a_dead_listener_is_unknown(node):
    node.ctl("stop", "speaker")
    assert_unknown(node, f"the listener (pid {node.pid}) is dead")


def test_a_listener_whose_program_was_taken_out_is_told_of_as_such(node):
    node.ctl("stop", "speaker")
    assert "supervisord has speaker:speaker in STOPPED; supervisorctl start speaker:speaker" in node.report()["why"]
    node.ctl("remove", "speaker")
    assert_unknown(node, "supervisord has no speaker:speaker any more; see that its section is there, then supervisorctl update")


def test_a_listener_killed_before_supervisord_noticed_is_dead(node):
    supervisord = node.process.pid
    freeze(node.pid)
    os.kill(node.pid, signal.SIGKILL)
    until(lambda: proc.read(node.pid) is None or proc.read(node.pid).gone, LONG, "the speaker to die")
    report = node.report()
    assert report["known"] is False and "is dead" in report["why"]
    assert proc.read(supervisord) is not None


def test_the_role_of_a_stopped_listener_is_unknown_until_it_goes_on(node):
    freeze(node.pid)
    assert_unknown(node, f"the listener (pid {node.pid}) is stopped by a signal")
    os.kill(node.pid, signal.SIGCONT)
    until(lambda: node.zkelect("role", "-s", node.url).returncode == 0, LONG, "the listener to speak again")


def test_the_role_of_a_listener_that_does_not_answer_is_unknown(node):
    node.hush()
    for done in (node.zkelect("role", "-s", node.url), node.ctl("role")):
        assert done.returncode == 4
        # Which of the two it is depends on how long ago it fell silent.
        assert re.search(rf"the listener \(pid {node.pid}\) (does not answer|is silent)", done.stdout)
        assert "10.0.0.5" not in done.stdout


def test_a_report_grows_old_whoever_asks(node):
    node.hush()
    silent = until(lambda: not node.report()["known"] and node.report(), LONG, "the report to be too old")
    assert silent["age"] > 3 and silent["why"].startswith(f"the listener (pid {node.pid}) is silent; ")
    node.play({"orders": dict(PRIMARY)})
    until(lambda: node.report()["known"], LONG, "the speaker to speak")


def test_a_primary_whose_lease_has_run_out_is_unknown(node):
    node.play({"orders": {**PRIMARY, "deadline": clock.now() - 0.1}, "stock": dict(PRIMARY)})
    code, text = node.both("role")
    assert code == 4
    assert re.search(r"^orders +unknown .*lease", text, re.M) and re.search(r"^stock +primary", text, re.M)
    assert node.both("role", "stock")[0] == 0
    assert node.both("role", "orders")[0] == 4


def test_nobody_ever_reported(make):
    node = make().up()
    code, text = node.both("role")
    assert code == 4 and "no zkelect listener has reported" in text
    assert node.both("role", "orders")[0] == 4
    assert node.report()["report"] is None


def test_an_election_that_is_not_there(node):
    for words in (["role", "nope"], ["status", "nope"], ["members", "nope"], ["resign", "nope"]):
        done = node.zkelect(*words, "-s", node.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no election nope; there are: orders" in one_line(done.stderr)


# What supervisord publishes


def test_methods_are_listed_with_help_and_signature(make):
    door = make().up().door()
    methods = {name for name in door.call("system.listMethods") if name.startswith("zkelect.")}
    assert methods == {
        f"zkelect.{name}"
        for name in (
            "getReport", "request", "getAnswer", "putReport", "answer", "startProcessGroups", "getProcessStates",
            "getProcessEnds", "getAutorestarts",
        )
    }
    assert door.call("system.methodSignature", "zkelect.getProcessStates") == ["string", "array"]
    assert door.call("system.methodSignature", "zkelect.request") == ["string", "string", "string", "string"]
    assert door.call("system.methodSignature", "zkelect.getReport") == ["string"]
    assert door.call("system.methodSignature", "zkelect.answer") == ["boolean", "string", "string"]
    for name in methods:
        text = door.call("system.methodHelp", name)
        assert "@return" in text and len(text.split()) > 10
    assert json.loads(door.call("system.multicall", [{"methodName": "zkelect.getReport", "params": []}])[0])


def test_how_programs_ended_is_told(make):
    """Also of those that ended before their startsecs, of which supervisord itself keeps nothing."""
    commands = {"status": ("sh -c 'exit 41'", 5), "killed": ("sh -c 'kill -9 $$'", 5), "late": ("sh -c 'exit 42'", 0)}
    programs = "".join(
        f"[program:{name}]\nautostart = false\nautorestart = false\nstartretries = 0\ncommand = {command}\nstartsecs = {startsecs}\n"
        for name, (command, startsecs) in commands.items()
    )
    node = make().up(f"{programs}[program:never]\nautostart = false\ncommand = cat\n[group:one]\nprograms = {','.join(commands)},never")
    door = node.door()
    for name in commands:
        node.ctl("start", f"one:{name}")

    def ends():
        found, fault = json.loads(door.call("zkelect.getProcessEnds", ["one", "none"]))
        assert fault == {"faultCode": 10, "faultString": "BAD_NAME: none"}
        return exits.read(json.dumps([found]))

    until(lambda: ends()["killed"].signal == 9 and ends()["late"].status == 42 and ends()["status"].status == 41, LONG, "the ends")
    assert ends()["never"][:3] == (None, None, "") and ends()["status"].log.endswith(".log")
    assert {name: (ends()[name].command, ends()[name].uid) for name in commands} == {
        name: (command, os.getuid()) for name, (command, _) in commands.items()}


def test_which_programs_are_started_again_is_told(make):
    options = {"always": "autorestart = true", "never": "autorestart = false", "usual": ""}
    programs = "".join(f"[program:{name}]\nautostart = false\ncommand = cat\n{option}\n" for name, option in options.items())
    door = make().up(f"{programs}[group:one]\nprograms = always,never,usual").door()
    found, fault = json.loads(door.call("zkelect.getAutorestarts", ["one", "none"]))
    assert dict(found) == {"always": "true", "never": "false", "usual": "unexpected"}
    assert fault == {"faultCode": 10, "faultString": "BAD_NAME: none"}


def started(door, *names):
    """What comes of starting these groups; those for which one turn of supervisord's loop had no time left are asked for again."""
    answers = dict.fromkeys(names)
    while None in answers.values():
        left = [name for name, answer in answers.items() if answer is None]
        answers.update(zip(left, json.loads(door.call("zkelect.startProcessGroups", left))))
    return answers.values()


def test_groups_are_started_and_told_of_together(make):
    programs = "".join(f"[program:{name}]\nautostart = false\ncommand = /bin/cat\nstartsecs = 0\n" for name in "abc")
    door = make().up(f"{programs}[group:one]\nprograms = a,b\n[group:two]\nprograms = c\n").door()
    first, fault, second = started(door, "one", "none", "two")
    assert first["started"] + second["started"] == [[name, 80, "OK"] for name in "abc"]
    one, none, two = json.loads(door.call("zkelect.getProcessStates", ["one", "none", "two"]))
    infos = [door.call("supervisor.getProcessInfo", name) for name in ("one:a", "one:b", "two:c")]
    assert sorted(one) + two == [[info[key] for key in ("name", "statename", "pid", "spawnerr")] for info in infos]
    assert {info["statename"] for info in infos} == {"RUNNING"}
    assert (first["states"], second["states"]) == (one, two)
    assert none == fault == {"faultCode": 10, "faultString": "BAD_NAME: none"}
    # Those that run already are left alone, as startProcessGroup does.
    assert json.loads(door.call("zkelect.startProcessGroups", ["two"])) == [{"started": [], "states": two}]
    assert door.call("zkelect.startProcessGroups", []) == door.call("zkelect.getProcessStates", []) == "[]"


def test_what_goes_wrong_with_one_group_is_told_of_that_one_alone(make):
    programs = "".join(f"[program:{name}]\nautostart = false\ncommand = /bin/cat\nstartsecs = 0\n" for name in "abc")
    change = """
from supervisor.process import Subprocess
spawn = Subprocess.spawn

def broken(self):
    if self.config.name == "b":
        raise OSError("no socket")
    return spawn(self)

Subprocess.spawn = broken
"""
    door = make().up(programs, change=change).door()
    first, fault, third = started(door, "a", "b", "c")
    assert (first["started"], third["started"]) == ([["a", 80, "OK"]], [["c", 80, "OK"]])
    assert fault == {"faultCode": 30, "faultString": "FAILED: b: no socket"}


def test_groups_are_left_for_another_request_when_the_time_is_over(make):
    programs = "".join(f"[program:{name}]\nautostart = false\ncommand = /bin/cat\nstartsecs = 0\n" for name in "abc")
    door = make().up(programs, change="rpcinterface.START_TIME = 0").door()
    first, *others = json.loads(door.call("zkelect.startProcessGroups", ["a", "b", "c"]))
    assert first["started"] == [["a", 80, "OK"]] and others == [None, None]
    assert door.call("supervisor.getProcessInfo", "b")["statename"] == "STOPPED"


def test_nonsense_is_a_fault_and_hurts_nobody(node):
    door = node.door()
    report = {"v": 1, "pid": node.pid, "boottime": 1.0, "elections": {}}
    calls = [
        ("startProcessGroups",),
        ("startProcessGroups", 7),
        ("startProcessGroups", ["x", {}]),
        ("getProcessStates", 7),
        ("putReport", ""),
        ("putReport", "{"),
        ("putReport", "[]"),
        ("putReport", "{}"),
        ("putReport", 1),
        ("putReport",),
        ("putReport", ["x"]),
        ("putReport", "x" * (LONGEST_REPORT + 1)),
        ("putReport", "[" * 100000),
        ("putReport", json.dumps({**report, "pid": True})),
        ("putReport", json.dumps({**report, "pid": 10**12})),
        ("putReport", json.dumps({**report, "pid": 1})),
        ("putReport", json.dumps({**report, "pid": -node.pid})),
        ("putReport", json.dumps({**report, "boottime": clock.now() + 3600})),
        ("putReport", json.dumps({**report, "boottime": "x"})),
        ("putReport", json.dumps({**report, "elections": []})),
        ("putReport", json.dumps({**report, "taken": [7]})),
        ("putReport", '{"x": NaN}'),
        ("putReport", '{"x": 1e999}'),
        ("putReport", '{"x": %s}' % ("9" * 100000)),
        ("request", "", "", ""),
        ("request", "Refresh", "", ""),
        ("request", "re fresh", "", ""),
        ("request", "resign\n", "x", ""),
        ("request", "resign", "x" * 300, ""),
        ("request", "resign", 5, ""),
        ("request", "resign", "x", "[]"),
        ("request", "resign", "x", json.dumps({"x": "y" * LONGEST_ARGUMENTS})),
        ("request", "resign"),
        ("request", 1, 2, 3, 4),
        ("getAnswer", "nope"),
        ("getAnswer", 5),
        ("getAnswer", {}),
        ("getReport", "x"),
        ("answer", "nope", "{}"),
        ("answer", "nope", "x" * (LONGEST_ANSWER + 1)),
        ("answer", "nope"),
        ("nope",),
        ("_guarded",),
    ]
    for method, *args in calls:
        with pytest.raises(Fault) as caught:
            door.call(f"zkelect.{method}", *args)
        assert caught.value.text.isprintable() and len(caught.value.text) < 400
    until(lambda: node.report()["known"], LONG, "the interface to be well")
    assert node.report()["report"]["elections"]["orders"]["token"] == 42
    assert "Traceback" not in node.log.read_text() and " failed: " not in node.log.read_text()


def test_a_defect_of_the_interface_is_a_fault_and_one_line_of_log(make):
    node = make().up(change="mailbox.Mailbox.get_report = lambda self: 1 / 0")
    with pytest.raises(Fault) as caught:
        node.report()
    assert (caught.value.code, caught.value.text) == (30, "FAILED: getReport: ZeroDivisionError")
    log = node.log.read_text()
    assert "zkelect: getReport failed: ZeroDivisionError" in log and "Traceback" not in log
    done = node.zkelect("role", "-s", node.url)
    assert done.returncode == 1 and "getReport" in one_line(done.stderr)


def test_text_of_any_kind_comes_through(node):
    facts = {**STANDBY, "ack": "\u00e9\u4e2d\u0000\u001b[31m<&>\ud800"}
    node.play({"orders": facts})
    until(
        lambda: node.report()["report"]["elections"]["orders"].get("ack") == facts["ack"], LONG, "the report"
    )
    code, text = node.both("role")
    assert code == 3 and "\\x1b[31m<&>" in text and "\x1b" not in text
    done = child.run(
        ["supervisorctl", "-c", str(node.conf), "role"],
        env={**node.env, "PYTHONIOENCODING": "ascii"},
        timeout=60,
    )
    assert done.returncode == 3 and "\\xe9" in done.stdout


# Requests


def test_a_request_is_handed_out_once_and_answered(node):
    node.play(
        {"orders": dict(PRIMARY)}, answers={"members": {"ok": True, "members": [{"place": 1, "node": "a"}]}}
    )
    door = node.door()
    ticket = door.call("zkelect.request", "members", "orders", '{"deep": [1, 2.5, null]}')
    answer = until(lambda: door.call("zkelect.getAnswer", ticket), LONG, "an answer")
    assert json.loads(answer) == {"ok": True, "members": [{"place": 1, "node": "a"}]}
    node.hear()
    assert node.said().count('members orders {"deep": [1, 2.5, null]}') == 1
    assert door.call("zkelect.getAnswer", ticket) == answer
    assert door.call("zkelect.answer", ticket, '{"ok": false}') is True
    assert door.call("zkelect.getAnswer", ticket) == answer


def test_a_request_that_is_not_answered_is_not_handed_out_again(node):
    node.play({"orders": dict(PRIMARY)}, deaf=True)
    node.door().call("zkelect.request", "resign", "orders", "")
    node.hear()
    node.hear()
    assert node.said().count("resign orders {}") == 1


def test_a_listener_that_comes_after_a_dead_one_gets_what_is_unanswered(node):
    node.play({"orders": dict(PRIMARY)}, deaf=True, answers={"check": {"ok": True, "problems": []}})
    door = node.door()
    ticket = door.call("zkelect.request", "check", "", "")
    until(lambda: "check  {}" in node.said(), LONG, "the request to be taken")
    door.call("supervisor.stopProcess", "speaker")
    node.play({"orders": dict(PRIMARY)}, answers={"check": {"ok": True, "problems": []}})
    node.speak()
    until(lambda: door.call("zkelect.getAnswer", ticket), LONG, "an answer")
    assert node.said().count("check  {}") == 2


def test_nobody_answers_what_nobody_took(node):
    freeze(node.pid)
    door = node.door()
    with pytest.raises(Fault) as caught:
        door.call("zkelect.request", "resign", "orders", "")
    assert "stopped by a signal" in caught.value.text
    os.kill(node.pid, signal.SIGCONT)
    node.hush()
    ticket = door.call("zkelect.request", "check", "", "")
    with pytest.raises(Fault):
        door.call("zkelect.answer", ticket, "{}")


def test_a_request_that_nobody_takes_in_time_is_dropped(make):
    node = make().up(change="mailbox.TAKE_TIME = 1")
    node.play({"orders": dict(PRIMARY)})
    node.speak()
    node.hush(answers={"resign": {"ok": True}})
    door = node.door()
    ticket = door.call("zkelect.request", "resign", "orders", "")

    def dropped():
        try:
            return door.call("zkelect.getAnswer", ticket)
        except Fault as fault:
            return "dropped" in fault.text

    until(dropped, LONG, "the request to be dropped")
    node.play({"orders": dict(PRIMARY)}, answers={"resign": {"ok": True}})
    node.hear()
    assert not any(line.startswith("resign") for line in node.said())
    assert dropped() is True


def test_answers_are_forgotten(make):
    node = make().up(change="mailbox.KEEP_TIME = 2")
    node.play({"orders": dict(PRIMARY)}, answers={"check": {"ok": True}})
    node.speak()
    door = node.door()

    def answer(ticket):
        """None when it is forgotten, "" while there is none."""
        try:
            return door.call("zkelect.getAnswer", ticket)
        except Fault as fault:
            assert fault.code == 10
            return None

    def answered():
        """The ticket of a request whose answer was there: on a busy machine it may be forgotten before it is taken."""
        ticket = door.call("zkelect.request", "check", "", "")
        until(lambda: answer(ticket) != "", LONG, "an answer, or none any more")
        return answer(ticket) is not None and ticket

    ticket = until(answered, LONG, "an answer")
    until(lambda: answer(ticket) is None, LONG, "the answer to be forgotten")


def test_requests_have_a_limit_and_refreshes_share_one(node):
    node.hush()
    door = node.door()
    tickets = {door.call("zkelect.request", "refresh", "", "") for _ in range(5)}
    assert len(tickets) == 1
    for _ in range(MOST_REQUESTS):
        door.call("zkelect.request", "check", "", "")
    with pytest.raises(Fault) as caught:
        door.call("zkelect.request", "check", "", "")
    assert f"{MOST_REQUESTS} requests" in caught.value.text
    node.play({"orders": dict(PRIMARY)}, answers={"check": {"ok": True}})
    until(lambda: node.said().count("check  {}") == MOST_REQUESTS, LONG, "all to be taken")
    # Those that are answered make room, the oldest first.
    until(lambda: node.zkelect("check", "-s", node.url).returncode == 0, LONG, "room for another one")


# SIGUSR1


def test_a_request_pokes_the_listener(node):
    node.hush()
    assert "poked" not in node.said()
    node.door().call("zkelect.request", "check", "", "")
    until(lambda: "poked" in node.said(), LONG, "the signal")


def test_a_process_that_supervisord_does_not_run_is_no_listener_and_gets_no_signal(make):
    node = make().up()
    stranger = child.start([sys.executable, "-c", "import signal; signal.pause()"], env=node.env)
    report = {"v": 1, "pid": stranger.pid, "boottime": clock.now() - 1, "elections": {"orders": PRIMARY}}
    door = node.door()
    for pid in (stranger.pid, os.getpid(), node.process.pid, 1 << 30):
        with pytest.raises(Fault) as caught:
            door.call("zkelect.putReport", json.dumps({**report, "pid": pid}))
        assert caught.value.code == 3
    with pytest.raises(Fault):
        door.call("zkelect.request", "refresh", "", "")
    report = node.report()
    assert report["known"] is False and report["report"] is None
    assert stranger.poll() is None
    assert node.zkelect("role", "-s", node.url).returncode == 4


def test_a_listener_without_a_handler_is_not_killed_by_a_request(make):
    node = make().up()
    node.play({"orders": dict(PRIMARY)}, ignore=True)
    pid = node.speak()
    assert node.zkelect("role", "-s", node.url).returncode == 0
    assert node.door().call("supervisor.getProcessInfo", "speaker")["pid"] == pid


def test_a_second_listener_is_refused_while_the_first_lives(make):
    node = make()
    second = node.folder / "second.json"
    second.write_text(json.dumps({"elections": {"orders": STANDBY}}))
    command = f"{sys.executable} {node.folder}/speaker.py {second} {node.folder}/second.marks"
    node.up(f"[program:second]\ncommand = {command}\nautostart = false\nstartsecs = 0")
    node.play({"orders": dict(PRIMARY)})
    first = node.speak()
    door = node.door()
    door.call("supervisor.startProcess", "second")
    marks = node.folder / "second.marks"
    until(
        lambda: marks.exists() and f"process {first} reports already" in marks.read_text(),
        LONG,
        "the refusal",
    )
    assert node.zkelect("role", "-s", node.url).returncode == 0
    door.call("supervisor.stopProcess", "speaker")
    until(lambda: node.zkelect("role", "-s", node.url).returncode == 3, LONG, "the second one to be heard")


# Servers and passwords


def test_both_servers_share_one_mailbox_and_ask_for_their_passwords(make):
    node = make()
    port = child.free_port()
    inet = f"http://127.0.0.1:{port}"
    node.up(
        f"[inet_http_server]\nport = 127.0.0.1:{port}\nusername = ines\npassword = in:et%%",
        auth="username = uwe\npassword = unix",
        speaker="environment = SUPERVISOR_USERNAME=uwe,SUPERVISOR_PASSWORD=unix",
    )
    node.play({"orders": dict(PRIMARY)})
    node.speak("uwe", "unix")
    assert node.door("ines", "in:et%", url=inet).call("zkelect.getReport")
    assert node.ctl("role").returncode == 0
    secret = node.folder / "secret"
    secret.write_text("in:et%\n")
    good = [
        ["-s", node.url, "-u", "uwe", "-p", "unix"],
        ["-s", inet, "-u", "ines", "-p", "in:et%"],
        ["-s", inet.replace("127.0.0.1", "localhost"), "-u", "ines", "--password-file", str(secret)],
        ["--supervisor-conf", str(node.conf)],
    ]
    for words in good:
        for command in (["role", *words], [*words, "role"]):
            done = node.zkelect(*command)
            assert (done.returncode, done.stderr) == (0, ""), command
    assert node.zkelect("role").returncode == 0, "supervisord.conf in the working directory is found"
    assert (
        child.run(
            ["supervisorctl", "-s", inet, "-u", "ines", "-p", "in:et%", "-c", str(node.conf), "role"],
            env=node.env,
        ).returncode
        == 0
    )
    bad = [["-s", node.url], ["-s", inet, "-u", "uwe", "-p", "unix"], ["-s", inet, "-u", "ines", "-p", "x"]]
    for words in bad:
        done = node.zkelect("role", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "refuses the user name or password" in one_line(done.stderr)
    done = child.run(["supervisorctl", "-c", str(node.conf), "-p", "wrong", "role"], env=node.env)
    assert done.returncode == 1 and "refuses the user name or password" in one_line(done.stdout)
    for url, credentials in ((node.url, ("ines", "in:et%")), (inet, ())):
        with pytest.raises(Unreachable):
            node.door(*credentials, url=url).call("zkelect.getReport")


def test_where_supervisord_is_found(node, tmp_path):
    elsewhere = dict(SUPERVISOR_SERVER_URL=f"unix://{tmp_path}/none.sock")
    assert node.zkelect("role", SUPERVISOR_SERVER_URL=node.url).returncode == 0
    assert node.zkelect("role", **elsewhere).returncode == 4
    assert node.zkelect("role", "-s", node.url, **elsewhere).returncode == 0
    assert node.zkelect("role", "--supervisor-conf", str(node.conf), **elsewhere).returncode == 0
    conf = tmp_path / "zkelect.conf"
    conf.write_text(
        f"[zkelect]\nservers = 127.0.0.1:1\nserverurl = {node.url}\n[election:orders]\naddress = x\n"
    )
    assert node.zkelect("role", "-c", str(conf), **elsewhere).returncode == 0
    for words in (
        ["--supervisor-conf", str(tmp_path / "no")],
        ["-c", str(tmp_path / "no")],
        ["-s", "ftp://x"],
        ["-s", "http://x:y"],
        ["--password-file", str(tmp_path / "no")],
        ["-p", "x", "--password-file", "y"],
    ):
        done = node.zkelect("role", *words)
        assert (done.returncode, done.stdout) == (2, "")
        one_line(done.stderr)


# supervisorctl


def test_help_and_wrong_commands_in_supervisorctl(node):
    text = node.ctl("help").stdout
    assert re.search(r"zkelect commands .*:\n=+\nrole  zkelect", text)
    assert "exit status: 0 this node is primary" in node.ctl("help", "role").stdout
    for verb in ("status", "members", "resign", "check"):
        assert f"zkelect {verb}" in node.ctl("help", "zkelect").stdout
    for words in (
        ["zkelect"],
        ["zkelect", "explode"],
        ["zkelect", "status", "--bogus"],
        ["role", "a", "b"],
        ["role", "nope"],
    ):
        done = node.ctl(*words)
        assert done.returncode == 2
        assert one_line(done.stdout).startswith("error: ")


def test_supervisorctl_interactively(node):
    script = "role\nzkelect status\nzkelect explode\nrole nope\nzkelect members\nhelp role\nquit\n"
    node.play({"orders": dict(PRIMARY)}, answers={"members": {"ok": True, "members": []}})
    source = node.folder / "typed"
    source.write_text(script)
    done = child.run(
        ["sh", "-c", f"exec supervisorctl -c {shlex.quote(str(node.conf))} -i < {shlex.quote(str(source))}"],
        env=node.env,
    )
    assert "supervisor> ELECTION  ROLE" in done.stdout
    assert "session connected" in done.stdout and "nobody" in done.stdout
    assert (
        "error: there is no command explode" in done.stdout
        and "error: this node has no election nope" in done.stdout
    )
    assert "file:" not in done.stdout and "Traceback" not in done.stdout + done.stderr


def test_without_the_section_in_supervisord(make):
    node = make().up(interface=False)
    for words in (["role"], ["zkelect", "resign"]):
        done = node.ctl(*words)
        assert done.returncode == 1 and "no [rpcinterface:zkelect]" in one_line(done.stdout)
    done = node.zkelect("role", "-s", node.url)
    assert done.returncode == 1 and "no [rpcinterface:zkelect]" in one_line(done.stderr)


def test_an_unknown_option_of_the_section_is_said_and_supervisord_starts(make):
    node = make().up(
        "[rpcinterface:zkelect]\ncolour = blue\n"
        "supervisor.rpcinterface_factory = supervisor_zkelect.rpcinterface:make_zkelect_rpcinterface",
        interface=False,
    )
    assert node.report()["known"] is False
    assert "[rpcinterface:zkelect] has no option 'colour'" in node.log.read_text()


# supervisord's own ways


def test_supervisord_that_is_gone_or_frozen_is_unknown(node):
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(2) as pool:
            ctl = pool.submit(node.ctl, "role")
            own = pool.submit(node.zkelect, "role", "-s", node.url)
            assert ctl.result().returncode == own.result().returncode == 4
            assert "did not answer" in one_line(ctl.result().stdout)
            assert "did not answer" in one_line(own.result().stderr)
    finally:
        os.kill(node.process.pid, signal.SIGCONT)
    node.down()
    done = node.ctl("role")
    assert done.returncode == 4 and one_line(done.stdout).startswith("error: supervisord: ")
    assert node.zkelect("role", "-s", node.url, "--json").returncode == 4


def test_roles_are_told_while_supervisord_shuts_down(make):
    node = make()
    (node.folder / "slow.py").write_text(DEAF)
    node.up(
        f"[program:slow]\ncommand = {sys.executable} %(here)s/slow.py\nstopwaitsecs = 60\n"
        "priority = 2000\nstdout_logfile = %(here)s/slow.log"
    )
    node.play({"orders": dict(PRIMARY)})
    node.speak()
    until(lambda: (node.folder / "slow.log").read_text(), LONG, "the slow program")
    node.ctl("shutdown")

    def refused():
        try:
            return not node.door().call("supervisor.getState")
        except Fault as fault:
            return fault.shutting_down

    until(refused, LONG, "the shutdown to begin")
    assert node.both("role")[0] == 0
    assert refused()


def test_a_reload_makes_a_new_mailbox(node):
    door = node.door()
    ticket = door.call("zkelect.request", "refresh", "", "")
    node.ctl("reload")
    until(lambda: node.report()["report"] is None, LONG, "the mailbox to be made anew")
    with pytest.raises(Fault):
        door.call("zkelect.getAnswer", ticket)
    assert node.both("role")[0] == 4
    node.speak()
    assert node.both("role")[0] == 0


# resign, members, check


def test_resign_says_the_outcome(node):
    reply = {"ok": True, "node": "b", "address": "10.0.0.6:8080", "seconds": 0.75, "text": "done"}
    node.play({"orders": dict(PRIMARY)}, answers={"resign": reply})
    line = "orders: b leads now at 10.0.0.6:8080, after 0.75 s\n"
    assert node.both("resign", "orders") == (0, line)
    assert node.both("resign") == (0, line)
    document = json.loads(node.zkelect("resign", "--json", "-s", node.url).stdout)
    assert document["node"] == "b" and document["exit"] == 0
    node.play(
        {"orders": dict(STANDBY)},
        answers={"resign": {"ok": False, "exit": 3, "text": "this node is not primary"}},
    )
    done = node.zkelect("resign", "orders", "-s", node.url)
    assert done.returncode == 3 and one_line(done.stderr) == "zkelect: this node is not primary"
    done = node.ctl("zkelect", "resign", "orders")
    assert done.returncode == 3 and one_line(done.stdout) == "error: this node is not primary"
    node.play({"orders": dict(PRIMARY), "stock": dict(PRIMARY)})
    assert node.zkelect("resign", "-s", node.url).returncode == 2


def test_resign_without_an_outcome_is_unknown(node):
    node.play({"orders": dict(PRIMARY)})
    done = node.zkelect("resign", "--timeout", "0.5", "-s", node.url)
    assert done.returncode == 4 and "within 0.5 s" in one_line(done.stderr)


def test_resign_during_which_the_listener_dies_is_unknown(make):
    node = make().up(change="mailbox.TAKE_TIME = 8")
    node.play({"orders": dict(PRIMARY)})
    node.speak()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(node.zkelect, "resign", "orders", "-s", node.url)
        until(
            lambda: any(line.startswith("resign orders") for line in node.said()),
            LONG,
            "the request to be taken",
        )
        node.door().call("supervisor.stopProcess", "speaker")
        node.play({"orders": dict(PRIMARY)}, silent=True)
        done = pending.result()
    assert done.returncode == 4 and "outcome of resign is unknown" in one_line(done.stderr)


def test_resign_interrupted_by_the_operator(node):
    process = child.start(
        [sys.executable, "-m", "supervisor_zkelect.command", "resign", "-s", node.url],
        env=node.env,
        output=str(node.folder / "out"),
    )
    until(lambda: any(line.startswith("resign") for line in node.said()), LONG, "the request to be taken")
    process.send_signal(signal.SIGINT)
    assert process.wait(LONG) == 130
    assert one_line((node.folder / "out").read_text()).startswith("zkelect: interrupted; the request may be carried out all the same")


def test_members_and_check(node):
    queue = [
        {
            "place": 1,
            "node": "a",
            "address": "x:1",
            "proposal": "n-1",
            "token": 7,
            "mine": True,
            "leads": True,
        }
    ]
    answers = {
        "members": {"ok": True, "members": queue},
        "check": {"ok": False, "problems": ["first", "second"], "notes": ["third"]},
    }
    node.play({"orders": dict(PRIMARY)}, answers=answers)
    code, text = node.both("members", "orders")
    assert code == 0 and re.search(r"^orders +1 +a +x:1 +n-1 +7 +leads, this node$", text, re.M)
    assert json.loads(node.ctl("zkelect", "members", "--json").stdout)["elections"] == {"orders": queue}
    assert node.both("check") == (2, "first\nsecond\nnote: third\n")


# zkelect alone


@pytest.mark.parametrize("to, full", [
    (">&-", False), ("2>&-", False), ("<&- >&- 2>&-", False), ("2> /dev/full", False), ("> /dev/full", True),
    ("> /dev/full 2> /dev/full", True),
])
def test_output_that_gets_nowhere_costs_neither_status_nor_quiet(node, to, full):
    """Streams that were closed from the beginning, and disks that are full: there an answer is lost, which is an error."""
    terms = [{"token": 7, "node": "a", "ended": {"why": "x" * 300}}] * 20
    node.play({"orders": dict(STANDBY)}, answers={"history": {"ok": True, "terms": terms}})
    node.hear()
    ctl, zkelect = f"supervisorctl -c {node.conf}", f"{sys.executable} -m supervisor_zkelect.command"
    for words, status in (
        (f"{ctl} role", 3), (f"{ctl} zkelect history --json", 0), (f"{ctl} zkelect explode", 2),
        (f"{zkelect} role -s {node.url}", 3), (f"{zkelect} history -s {node.url}", 0), (f"{zkelect} role -s unix:///none", 4),
    ):
        done = child.run(["bash", "-c", f"exec 3>&1; {words} {to}; echo $? >&3"], env=node.env, timeout=60)
        said = done.stdout.splitlines()
        assert "Traceback" not in done.stderr + done.stdout and "Exception" not in done.stderr, (words, done)
        assert int(said[-1]) == (1 if full and status in (0, 3) else status), (words, done)
        assert not full or status == 4 or "2>" in to or "No space left on device" in one_line(done.stderr), (words, done)


def test_a_reader_who_has_had_enough_does_not_change_the_status(node):
    node.play({"orders": dict(STANDBY)})
    node.hear()
    code = (
        "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); "
        "os.execv(sys.executable, [sys.executable, '-m', *sys.argv[1:]])"
    )
    ours, theirs = "supervisor_zkelect.command", ["supervisor.supervisorctl", "-c", str(node.conf)]
    for words, status in (
        ([ours, "role", "-s", node.url], 3), ([ours, "role", "--json", "-s", "unix:///none"], 4), ([ours, "check", "--options"], 1),
        ([*theirs, "role"], 3), ([*theirs, "zkelect", "status", "--json"], 3),
    ):
        done = child.run([sys.executable, "-c", code, *words], env=node.env)
        assert done.returncode == status, (words, done)
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr and "Broken" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["explode"],
        ["role", "--bogus"],
        ["role", "a", "b"],
        ["primary"],
        ["listen"],
        ["-s", "unix:///none", "run"],
        ["resign", "--timeout", "x"],
    ],
)
def test_wrong_commands_are_one_line(make, words):
    done = make().zkelect(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr).startswith("zkelect: ")


def test_version_and_help(make):
    node = make()
    assert re.fullmatch(r"zkelect \d+\.\d+\.\d+\S*\n", node.zkelect("--version").stdout)
    text = node.zkelect("--help").stdout
    for command in ("listen", "run", "role", "status", "members", "resign", "check", "primary", "demo"):
        assert re.search(rf"^    {command} ", text, re.M)
        assert node.zkelect(command, "--help").returncode == 0
    assert "exit status" in text


def test_role_needs_no_heavy_import(make):
    code = (
        "import sys; from supervisor_zkelect.operators import cli; cli.main(['role', '-s', 'unix:///none']); "
        "sys.exit(any(name in sys.modules for name in ('kazoo', 'supervisor', 'psutil')))"
    )
    assert child.run([sys.executable, "-c", code], env=make().env).returncode == 0


# primary, check -c: with a real ZooKeeper


def zkelect_conf(node, zk_server, root, serverurl="", **election):
    path = node.folder / "zkelect.conf"
    options = {
        "address": "10.0.0.5:8080",
        "election_znode": f"{root}/e",
        "election_ack": f"{root}/k/ack",
        **election,
    }
    lines = [f"{key} = {value}" for key, value in options.items()]
    path.write_text(
        f"[zkelect]\nservers = {zk_server.hosts}\nsession_timeout = 4\ntick_time = 0.2\n{serverurl}\n"
        "[election:orders]\n" + "\n".join(lines) + "\n"
    )
    return str(path)


def test_primary_reads_the_ack(make, zk_server, zk, root):
    node = make()
    conf = zkelect_conf(node, zk_server, root)
    done = node.zkelect("primary", "orders", "-c", conf)
    assert (done.returncode, done.stdout) == (3, "") and "does not exist" in one_line(done.stderr)
    zk.create(f"{root}/k/ack", b"", makepath=True)
    done = node.zkelect("primary", "orders", "-c", conf)
    assert (done.returncode, done.stdout) == (3, "") and "is empty" in one_line(done.stderr)
    assert json.loads(node.zkelect("primary", "orders", "-c", conf, "--json").stdout)["address"] is None
    zk.set(f"{root}/k/ack", b"10.0.0.5:8080")
    done = node.zkelect("primary", "orders", "-c", conf)
    assert (done.returncode, done.stdout, done.stderr) == (0, "10.0.0.5:8080\n", "")
    zk.set(f"{root}/k/ack", b"\xff\x1b[2J\n")
    assert node.zkelect("primary", "orders", "-c", conf).stdout == "\\xff\\x1b[2J\\n\n"
    done = node.zkelect("primary", "nope", "-c", conf)
    assert done.returncode == 2 and "no [election:nope]; there are: orders" in one_line(done.stderr)
    done = node.zkelect("primary", "orders", "-s", node.url)
    assert done.returncode == 2 and "-c FILE" in one_line(done.stderr)


def test_primary_takes_the_file_of_the_listener(node, zk_server, zk, root):
    zk.create(f"{root}/k/ack", b"10.0.0.7:1", makepath=True)
    node.play({"orders": dict(PRIMARY)}, config=zkelect_conf(node, zk_server, root))
    until(lambda: node.report()["report"]["config"], LONG, "the report")
    done = node.zkelect("primary", "orders", "-s", node.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "10.0.0.7:1\n", "")


def test_primary_watch_prints_each_change(make, zk_server, zk, root):
    node = make()
    conf = zkelect_conf(node, zk_server, root)
    out = node.folder / "out"
    zk.create(f"{root}/k/ack", b"a:1", makepath=True)
    # It must not be the look every few seconds that finds the changes.
    code = "import sys; from supervisor_zkelect.operators import cli, primary; primary.LOOK_AGAIN = 600; sys.exit(cli.main(sys.argv[1:]))"
    process = child.start(
        [sys.executable, "-c", code, "primary", "orders", "--watch", "-c", conf],
        env=node.env,
        output=str(out),
    )
    seen = "a:1\n"
    until(lambda: out.read_text() == seen, LONG, "the first address")
    for address in ("", "b:2", "c:3"):
        zk.set(f"{root}/k/ack", address.encode())
        seen += address + "\n"
        until(lambda: out.read_text() == seen, LONG, f"address {address!r}")
    process.send_signal(signal.SIGINT)
    assert process.wait(LONG) == 130
    assert out.read_text() == seen + "zkelect: interrupted\n"


def test_primary_without_zookeeper_is_unknown(make):
    node = make()

    class Nowhere:
        hosts = f"127.0.0.1:{child.free_port()}"

    done = node.zkelect("primary", "orders", "-c", zkelect_conf(node, Nowhere, "/t"))
    assert (done.returncode, done.stdout) == (4, "")
    assert Nowhere.hosts in one_line(done.stderr)


GROUP = "[program:web]\ncommand = zkelect run -- sleep 1000\nautostart = {}\n\n[group:primary]\nprograms = web"


def test_check_of_a_file_in_order(make, zk_server, root):
    node = make().up(GROUP.format("false"))
    conf = zkelect_conf(node, zk_server, root, f"serverurl = {node.url}")
    node.play({"orders": dict(PRIMARY)}, config=conf)
    node.speak()
    done = node.zkelect("check", "-c", conf)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1] == f"{conf}: no problem found"
    # What the listener says of itself is no secret here, unless it uses another file.
    node.play({"orders": {**PRIMARY, "trouble": "a twin"}}, config=conf)
    node.hear()
    done = node.zkelect("check", "-c", conf)
    assert done.returncode == 1 and "[election:orders] a twin" in done.stdout.splitlines()
    node.play({"orders": {**PRIMARY, "trouble": "a twin"}}, config=f"{conf}.other")
    node.hear()
    done = node.zkelect("check", "-c", conf)
    assert done.returncode == 0 and f"uses another file ({conf}.other), and was not asked" in done.stdout
    assert json.loads(node.zkelect("check", "-c", conf, "--json").stdout)["ok"] is True


def test_check_prints_every_problem_at_once(make):
    node = make().up(GROUP.format("true"))

    class Nowhere:
        hosts = f"127.0.0.1:{child.free_port()}"

    conf = zkelect_conf(node, Nowhere, "/t", f"serverurl = {node.url}")
    done = node.zkelect("check", "-c", conf)
    assert (done.returncode, done.stderr) == (2, "")
    assert "autostart = true" in done.stdout and Nowhere.hosts in done.stdout
    conf = zkelect_conf(node, Nowhere, "/t", f"serverurl = {node.url}", group="nope")
    assert "supervisord has no such group" in node.zkelect("check", "-c", conf).stdout
    bad = zkelect_conf(node, Nowhere, "t", "colour = blue\nsession_timeout = x", health="ftp://x")
    done = node.zkelect("check", "-c", bad)
    assert done.returncode == 2 and len(done.stdout.splitlines()) >= 5, done.stdout
    for piece in ("colour", "session_timeout", "election_znode", "election_ack", "health"):
        assert piece in done.stdout


def test_check_tells_of_a_listener_that_is_not_there(make, zk_server, root):
    """What is missing, what to do, and that the interface without which no command works is a problem."""
    sleeper = "[eventlistener:zkelect]\ncommand = sh -c '{}' zkelect listen\nevents = TICK_60\nautostart = {}\nstartretries = 1000"
    for case, sections, interface, status, told in (
        ("no listener", (), True, 1, "no program's command is `zkelect listen`: add [eventlistener:zkelect]"),
        ("stopped", (sleeper.format("sleep 1000", "false"),), True, 1,
         "the listener zkelect:zkelect is STOPPED, and this node makes no proposal: supervisorctl start zkelect:zkelect"),
        ("failing", (sleeper.format("exit 41", "true"),), True, 1,
         "the listener zkelect:zkelect is BACKOFF (exit status 41), and this node makes no proposal: supervisorctl tail"),
        ("no interface", (), False, 2, "has no [rpcinterface:zkelect]; add that section and restart supervisord"),
    ):
        node = make(case.replace(" ", "-")).up(GROUP.format("false"), *sections, interface=interface)
        conf = zkelect_conf(node, zk_server, root, f"serverurl = {node.url}")
        # A listener that fails is STARTING now and then, and never FATAL with so many retries.
        done = until(
            lambda: (found := node.zkelect("check", "-c", conf)) and told in found.stdout and found, LONG, f"check, {case}"
        )
        assert (done.returncode, done.stderr) == (status, ""), (case, done)
        if interface:
            until(lambda: told in node.zkelect("check", "-s", node.url).stdout, LONG, f"check of the listener, {case}")


def test_check_without_supervisord_or_zookeeper(make, zk_server, root):
    node = make()
    done = node.zkelect("check", "-c", zkelect_conf(node, zk_server, root, f"serverurl = {node.url}"))
    assert done.returncode == 0 and f"note: the groups were not checked: supervisord at {node.url} is not running" in done.stdout
    assert "start it, or say where it is (--serverurl URL, or --supervisor-conf FILE)" in done.stdout

    class Nowhere:
        hosts = f"127.0.0.1:{child.free_port()}"

    done = node.zkelect("check", "-c", zkelect_conf(node, Nowhere, root, f"serverurl = {node.url}"))
    assert done.returncode == 1 and Nowhere.hosts in done.stdout


def test_check_options_is_the_reference(make):
    done = make().zkelect("check", "--options")
    assert done.returncode == 0 and "## [zkelect]" in done.stdout and "| `servers` |" in done.stdout
