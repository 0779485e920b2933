"""What the demo says: what went wrong, what to try next."""

import contextlib
import io
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from supervisor_zkelect.demo import keeping, story
from supervisor_zkelect.demo.node import Node, NodeFailed
from supervisor_zkelect.demo.table import WIDTH
from supervisor_zkelect.demo.telling import Telling
from supervisor_zkelect.demo.zookeeper import ServerFailed, ZooKeeperMissing

JAVA = """the ZooKeeper at 127.0.0.1:2181 ended; its log ends: 19 [main] WARN Either no config or no quorum defined
104 [main] ERROR Unexpected exception
java.net.BindException: Address already in use
\tat java.base/sun.nio.ch.Net.bind0(Native Method)
\t... 4 more
105 [main] ERROR Exiting JVM with code 1
"""


@pytest.mark.parametrize("problem, line", [
    (ZooKeeperMissing("not found: java; apt-get install zookeeper"), "not found: java; apt-get install zookeeper"),
    (ServerFailed(JAVA), r"the ZooKeeper at 127\.0\.0\.1:2181 ended; java\.net\.BindException: Address already in use"),
    (ServerFailed("the ZooKeeper at h:1 ended; its log ends: "), "the ZooKeeper at h:1 ended"),
    (NodeFailed("supervisord of node alpha ended:\n--- alpha: output.log\nError: no such socket\n"),
     "supervisord of node alpha ended: Error: no such socket"),
    (OSError(28, "No space left on device", "/t/zoo.cfg"), "/t/zoo.cfg: No space left on device"),
    (OSError("no free TCP port found between 1 and 2"), "no free TCP port found between 1 and 2"),
    (TimeoutError("waited 40 s for rain; last answer: None"), "not as promised: waited 40 s for rain; last answer: None"),
    (AssertionError("two served at once\n--- a: log\nmuch more"), "not as promised: two served at once"),
    (ValueError(), "not as promised: ValueError"),
    (AssertionError("\x1b[31mred"), r"not as promised: \\x1b\[31mred"),
    (AssertionError("long " * 1000), "not as promised: (long )+.*…"),
])
def test_what_went_wrong_is_one_line(problem, line):
    assert re.fullmatch(line, story.reason(problem)), story.reason(problem)
    assert len(story.reason(problem)) <= story.LONGEST_REASON + 1


def test_lines_are_narrow_and_events_are_counted():
    out = io.StringIO()
    telling = Telling(out)
    telling.event("word " * 50)
    telling.event("other")
    telling.command("alpha", "supervisorctl role", "one\n\x1b[2Jtwo\n")
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert " s  1. word word" in text and " s  2. other\n" in text
    assert "  alpha$ supervisorctl role\n" in text and "one\n" in text and "\\x1b[2Jtwo\n" in text


def test_the_commands_to_try_can_be_typed_as_they_stand():
    lines = keeping.commands(Path("/tmp/a folder"), ["/venv/my bin"], "beta", "alpha")
    checked = subprocess.run(["sh", "-n"], input="\n".join(lines), text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    assert lines[0] == "  cd '/tmp/a folder'" and lines[1] == "  PATH='/venv/my bin':$PATH"
    assert any(line.startswith("  kill -9 $(supervisorctl -c beta/") for line in lines)
    assert max(map(len, [*lines, *keeping.NEXT])) <= WIDTH


def test_a_node_is_started_again_with_what_ends_it_together_with_the_demo(tmp_path):
    node = Node(tmp_path, "alpha")
    node.environment["ODD"] = "a 'b' $c"
    script = keeping.starter(node, {"HOME": node.environment.get("HOME", "")})
    asked = subprocess.run(
        ["sh", "-c", script.replace("exec ", "exec echo ") + "\n"], env={}, text=True, capture_output=True, check=True
    ).stdout
    assert shlex.split(asked)[-2:] == ["-c", str(node.supervisord_conf)]
    told = subprocess.run(
        ["sh", "-c", script.partition("exec ")[0] + "env"], env={"PATH": "/usr/bin:/bin"}, text=True, capture_output=True,
        check=True,
    ).stdout
    assert f"ZKELECT_LAB={node.marker}\n" in told and "ODD=a 'b' $c\n" in told and "ZKELECT_NODE=alpha\n" in told


class _Closed(io.StringIO):
    def readline(self, *_):
        raise ValueError("I/O operation on closed file")


class _Interrupted(io.StringIO):
    def readline(self, *_):
        raise KeyboardInterrupt


@pytest.mark.parametrize("enter", [None, io.StringIO(""), io.StringIO("\n"), _Closed(), _Interrupted()])
def test_keeping_ends_at_a_line_and_without_one(tmp_path, enter):
    out = io.StringIO()
    nodes = [Node(tmp_path / name, name) for name in ("alpha", "beta")]
    keeping.keep(Telling(out), tmp_path, *nodes, enter)
    assert "alpha is primary" in out.getvalue() and "Press Enter" in out.getvalue()
    assert (tmp_path / "alpha" / "start").exists()


@pytest.mark.parametrize("number, end", [(signal.SIGHUP, SystemExit), (signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_that_somebody_else_took_ends_it_before_the_next_line(number, end):
    """As kazoo's client takes any exception for a connection that was closed."""
    former, out = signal.signal(number, signal.SIG_DFL), io.StringIO()
    try:
        with story.ends_by_signals() as came:
            telling = Telling(out, came)
            telling.line("before")
            with contextlib.suppress(BaseException):
                signal.raise_signal(number)
            with pytest.raises(end):
                telling.line("after")
            came.taken()
            telling.line("then")
    finally:
        signal.signal(number, former)
    assert out.getvalue() == "before\nthen\n"
