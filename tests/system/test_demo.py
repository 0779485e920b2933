"""The demo as it is run by somebody who looks on, interrupts it, or has no ZooKeeper: what is said, and that nothing is left."""

import io
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from contextlib import contextmanager

import pytest

from supervisor_zkelect.demo import child, events, story, table, zookeeper
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import clock

LONG = 120.0

MARK = "ZKELECT_DEMO_TEST"

BUSY = 0.1
"""Seconds in which the demo's service starts on a machine that is not busy; 0.03 are usual."""

WITHOUT_EVENTS = (
    "import sys; from supervisor_zkelect.demo import events; from supervisor_zkelect.operators import cli\n"
    "events.EVENTS, events.STRUCK = (), 0\nsys.exit(cli.main(['demo', *sys.argv[1:]]))"
)


@contextmanager
def demo(folder, *words, script=WITHOUT_EVENTS, env=None, **options):
    """The demo, by default without its events, in a folder of its own, of which nothing may be left."""
    # Not in the test's own folder: the path of a socket in it would be too long.
    with tempfile.TemporaryDirectory(prefix="zkelect-test-") as temporary:
        with _demo(folder, temporary, words, script, {"TMPDIR": temporary, **(env or {})}, options) as process:
            yield process


@contextmanager
def _demo(folder, temporary, words, script, env, options):
    mark = uuid.uuid4().hex
    environment = {**child.environment(child.new_marker()), MARK: mark, **env}
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words], env=environment, cwd=folder, text=True, start_new_session=True, **options
    )
    try:
        yield process
        process.wait(LONG)
        until(lambda: not marked(mark), LONG, "nothing to be left of the demo")
        assert os.listdir(temporary) == []
    finally:
        process.kill()
        process.wait(LONG)
        for one in marked(mark):
            proc.kill(one)
        for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
            stream.close()


def marked(mark):
    return [one for one in proc.table().values() if one.pid != os.getpid() and proc.environ(one.pid).get(MARK) == mark]


def read_until(process, text):
    """What it prints up to a line that contains the text."""
    seen = []
    watch = threading.Timer(LONG, process.kill)
    watch.start()
    try:
        while not seen or text not in seen[-1]:
            seen.append(process.stdout.readline())
            assert seen[-1], f"ended before {text!r}: {seen} {process.stderr.read()}"
    finally:
        watch.cancel()
    return "".join(seen)


def test_the_demo_tells_what_it_measured(monkeypatch, turn):
    measured, out, lines = [], io.StringIO(), table.lines
    monkeypatch.setattr(table, "lines", lambda one: measured.append(one) or lines(one))
    begun = clock.now()
    assert story.run(out) == 0, out.getvalue()
    took, shown = clock.now() - begun, out.getvalue()
    (one,) = measured
    assert "\n".join(lines(one)) in shown
    # What commands print is as broad as they like.
    own = [line for line in shown.splitlines() if not line.startswith(" " * 11)]
    assert [line for line in own if len(line) > table.WIDTH] == []
    assert [row.event[:1] for row in one.rows] == list("123456") and "Try next:" in shown
    by_number = {row.event[:1]: row for row in one.rows}
    # Each figure is of its own measurement, and such as that can be.
    figures = [cell.seconds for row in one.rows for cell in row[1:] if cell.seconds]
    assert len(set(figures)) == len(figures)
    for number in "1234":
        # A session ends T after its last sign of life, which may be two thirds of T old, and up to a tick late.
        assert by_number[number].zookeeper.seconds > story.TIMEOUT / 3
    assert by_number["4"].ours.seconds > story.TIMEOUT / 3
    # A start that is measured at another moment may take longer than the one in that event: other work decides.
    assert by_number["1"].supervisord.seconds > 0 and one.start > 0 and one.undisturbed >= one.period * 0.9
    assert by_number["2"].supervisord.seconds is by_number["4"].supervisord.seconds is None
    # Told with the event, as in the table.
    for number in "12345":
        assert shown.count(table.milliseconds(by_number[number].ours.seconds)) >= 2
    assert re.search(r"^two at once +0\.0 ms ", shown, re.M) and one.questions > 1000
    if one.start > BUSY:
        pytest.skip(f"this machine is too busy to say what the demo takes on one that is not: {took:.0f} s")
    assert by_number["6"].ours.seconds == 0 and took < 55


def test_two_at_once_fails_the_demo(monkeypatch, turn):
    """Although the table is told."""
    monkeypatch.setattr(events, "EVENTS", ())
    monkeypatch.setattr(events, "STRUCK", 0)
    verdict = story.Observer.verdict
    both = events.Observer.verdict
    assert verdict is both
    overlap = story.table.Overlap(0.0123, 2)
    monkeypatch.setattr(story.Observer, "verdict", lambda *arguments: verdict(*arguments)._replace(overlap=overlap))
    out = io.StringIO()
    with pytest.raises(story.Failed, match="two services answered at once.*0.0123"):
        story.run(out)
    assert re.search(r"^two at once +12\.3 ms ", out.getvalue(), re.M)


@pytest.mark.parametrize("number, status, said", [
    (signal.SIGINT, 130, "zkelect: interrupted\n"), (signal.SIGTERM, 143, ""), (signal.SIGHUP, 129, ""),
], ids=["INT", "TERM", "HUP"])
@pytest.mark.parametrize("moment", ["They agree by", "was started first"], ids=["at first", "with both nodes"])
def test_an_interrupted_demo_leaves_nothing(tmp_path, turn, moment, number, status, said):
    with demo(tmp_path) as process:
        read_until(process, moment)
        process.send_signal(number)
        _, errors = process.communicate(timeout=LONG)
        assert (process.returncode, errors) == (status, said)


def test_a_reader_that_goes_away_is_no_matter(tmp_path, turn):
    with demo(tmp_path) as process:
        for _ in range(3):
            process.stdout.readline()
        process.stdout.close()
        assert process.wait(LONG) == 1
        assert process.stderr.read() == ""


def told(process):
    """Its status and the one line that it says, when it has ended."""
    output, errors = process.communicate(timeout=LONG)
    assert errors.count("\n") == 1 and "Traceback" not in output + errors, output + errors
    return process.returncode, errors


def test_without_zookeeper_it_says_what_to_install(tmp_path):
    with demo(tmp_path, env={zookeeper.JARS_VARIABLE: str(tmp_path)}) as process:
        status, line = told(process)
        assert status == 1 and "apt-get install zookeeper" in line and line.startswith("zkelect: ZooKeeper cannot be run here")


def test_without_a_folder_it_says_where_to_name_one(tmp_path):
    def no_file_may_grow():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with demo(tmp_path, preexec_fn=no_file_may_grow) as process:
        status, line = told(process)
        assert status == 1 and "No usable temporary directory" in line and "set TMPDIR" in line


def test_a_folder_with_too_long_a_path_is_told(tmp_path):
    long = tmp_path / ("long" * 20)
    long.mkdir()
    with demo(tmp_path, env={"TMPDIR": str(long)}) as process:
        status, line = told(process)
        assert status == 1 and str(long) in line and "too long a path" in line and "set TMPDIR" in line
        assert os.listdir(long) == []


def test_a_disk_that_is_full_is_told(tmp_path, turn):
    def files_stay_small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    with demo(tmp_path, preexec_fn=files_stay_small) as process:
        status, line = told(process)
        assert status == 1 and line.startswith("zkelect: "), line


def test_without_a_free_port_it_says_so(monkeypatch):
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr(child, "PORTS", range(port, port + 1))
        with pytest.raises(story.Failed, match=rf"^no free TCP port found between {port} and {port + 1}$"):
            story.run(io.StringIO())


def test_a_port_that_somebody_takes_is_told(monkeypatch, turn):
    """Between the choice of a port and ZooKeeper's start."""
    free = child.free_port
    taken = []

    def chosen():
        port = free()
        if not taken:
            taken.append(socket.create_server(("127.0.0.1", port)))
        return port

    monkeypatch.setattr(child, "free_port", chosen)
    try:
        with pytest.raises(story.Failed, match="Address already in use"):
            story.run(io.StringIO())
    finally:
        taken[0].close()


def test_kept_nodes_take_the_commands_that_are_told(tmp_path, turn):
    with demo(tmp_path, "--keep", stdin=subprocess.PIPE) as process:
        said = read_until(process, "Press Enter")
        lines = said[said.index("In another terminal:"):].splitlines()
        prepare = [line for line in lines if line.startswith(("  cd ", "  PATH="))]
        shown = {line.strip().partition("  ")[0]: line for line in lines if " # " in line}

        def typed(beginning):
            (line,) = [line for words, line in shown.items() if words.startswith(beginning)]
            shell = "\n".join([*prepare, line])
            return subprocess.run(["sh", "-c", shell], text=True, capture_output=True, timeout=LONG, env={"PATH": os.defpath})

        assert typed("supervisorctl -c alpha/supervisord.conf role").returncode == 0
        assert typed("supervisorctl -c beta/supervisord.conf role").returncode == 3
        for words in ("zkelect members", "zkelect history"):
            done = typed(f"supervisorctl -c alpha/supervisord.conf {words}")
            assert done.returncode == 0 and "alpha" in done.stdout, done
        assert typed("kill -9 $(supervisorctl -c alpha/supervisord.conf pid)").returncode == 0
        role = "supervisorctl -c beta/supervisord.conf role"
        until(lambda: typed(role).returncode == 0, LONG, "beta to take over")
        # Who starts a supervisord by hand leaves nothing behind either.
        assert typed("sh alpha/start").returncode == 0
        role = "supervisorctl -c alpha/supervisord.conf role"
        until(lambda: typed(role).returncode == 3, LONG, "alpha to stand by")
        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(LONG) == 0, process.stderr.read()


@pytest.mark.parametrize("how", ["end of file", "closed", "INT", "TERM"])
def test_kept_nodes_end_without_enter(tmp_path, turn, how):
    options = {"stdin": subprocess.PIPE}
    if how == "closed":
        options = {"preexec_fn": lambda: os.close(0)}
    with demo(tmp_path, "--keep", **options) as process:
        read_until(process, "Press Enter")
        if how == "end of file":
            process.stdin.close()
        elif how != "closed":
            process.send_signal(getattr(signal, f"SIG{how}"))
        assert process.wait(LONG) == (143 if how == "TERM" else 0)
        assert process.stderr.read() == ""
