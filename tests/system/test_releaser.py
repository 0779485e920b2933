"""The program that releases, as a guard starts it: in its fork, and as a program of its own."""

import os
import signal
import subprocess
import sys

import pytest

from supervisor_zkelect import proc, saved
from supervisor_zkelect.demo.wait import until

#: Stands for a guard: it handles signals, has descriptors open, and gives its word when it is told to. Ends as the child.
STARTER = """
import fcntl, os, signal, socket, sys, threading
from supervisor_zkelect import releaser
folder, quick = sys.argv[1:]
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
# A number that nothing else comes to have.
lock = fcntl.fcntl(os.open(folder + "/lock", os.O_RDWR | os.O_CREAT, 0o600), fcntl.F_DUPFD_CLOEXEC, 100)
fcntl.flock(lock, fcntl.LOCK_EX)
others = [open(folder + "/other", "w"), *socket.socketpair(), *map(os.fdopen, os.pipe())]
threading.Thread(target=threading.Event().wait, daemon=True).start()
one = releaser.start(folder, "/no/configuration", lock, quick == "True")
print(one.pid, lock, flush=True)
os.write(one.word, sys.stdin.read().encode())
print(one.end())
"""


@pytest.fixture(params=[True, False], ids=["fork", "program"])
def starter(request, tmp_path):
    """Start it; with the pid of what releases, and the number of the lock's descriptor."""
    started = []

    def start(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(folder), str(request.param)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        started.append(process)
        process.one, process.lock = map(int, process.stdout.readline().split())
        return process

    yield start
    for process in started:
        end(process)


def end(process):
    """Kill it with what it started, which may have outlived it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.communicate()


def descriptors(pid):
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def waiting(process):
    """Wait until it waits for the word."""
    until(lambda: descriptors(process.one) == {0, 1, 2, process.lock}, 60, "only the lock to be open")


def test_it_has_the_lock_and_nothing_else_of_its_guard(starter, tmp_path):
    process = starter(tmp_path)
    waiting(process)
    process.kill()
    # Its end has closed the other end, and nobody else holds that; so the fork has ended without the word.
    until(lambda: (one := proc.read(process.one)) is None or one.gone, 60, "it to end with its guard")


def test_a_signal_ends_it_though_its_guard_handles_that(starter, tmp_path):
    process = starter(tmp_path)
    waiting(process)
    os.kill(process.one, signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == f"{-signal.SIGTERM}\n"


def test_without_a_word_nothing_is_released(starter, kept, zk_server):
    process = starter(kept(zk_server.hosts))
    assert process.communicate(timeout=60)[0] == "1\n"
    assert kept.elector.holder() is not None


def test_it_releases_at_a_word(starter, kept, zk_server):
    folder = kept(zk_server.hosts)
    process = starter(folder)
    said, told = process.communicate("{}\n", timeout=60)
    assert said == "0\n" and "release: orders: released" in told and "Traceback" not in told, told
    assert saved.load(folder) is None


def test_a_fork_that_hangs_before_it_can_release_is_ended(tmp_path):
    """It has the session's lock, without which no listener goes on."""
    hanging = """
import signal, sys
class Hanging:
    def find_spec(self, name, path=None, target=None):
        if name == "supervisor_zkelect.release":
            while True:
                signal.pause()
sys.meta_path.insert(0, Hanging())
from supervisor_zkelect import releaser
releaser.IMPORT_TIME = 1
"""
    command = [sys.executable, "-c", hanging + STARTER, str(tmp_path), "True"]
    # Whoever started it may have kept the signal from all that it starts.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    try:
        said, _ = process.communicate("{}\n", timeout=60)
    finally:
        end(process)
    assert said.splitlines()[-1] == str(-signal.SIGALRM)


def test_a_fork_executes_a_python_where_the_package_was_written_anew(kept, zk_server):
    changed = """
from supervisor_zkelect import releaser
releaser._WRITTEN = frozenset({("elector.py", 1, 2, 3)})
import supervisor_zkelect
supervisor_zkelect.release = None
"""
    command = [sys.executable, "-c", changed + STARTER, kept(zk_server.hosts), "True"]
    said = subprocess.run(command, input="{}\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert said.stdout.splitlines()[-1] == "0", said.stderr


def test_no_warning_waits_for_room_on_standard_error():
    """Python 3.12 warns of a fork that has threads, where somebody has asked for its warnings."""
    warning = "from supervisor_zkelect import logs; import warnings; logs.begin(); warnings.warn('of a fork'); print(1)"
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    command = [sys.executable, "-W", "always", "-c", warning]
    try:
        assert subprocess.run(command, stderr=writing, stdout=subprocess.PIPE, timeout=60).stdout == b"1\n"
    finally:
        os.close(reading)
        os.close(writing)


#: Keeps the forks of guards from what they release with, and tells; named sitecustomize.py, Python runs it first.
NO_FORK = """
import sys
with open("/proc/self/cmdline", "rb") as file:
    guard = b"supervisor_zkelect.guardmain" in file.read()

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name == "supervisor_zkelect.release":
            open({told!r}, "w").close()
            raise ImportError("refused")

if guard:
    sys.meta_path.insert(0, Refusing())
"""


def test_what_fails_in_a_fork_a_program_of_its_own_does(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts)
    node = cluster["a"]
    told = node.folder / "refused"
    (node.folder / "sitecustomize.py").write_text(NO_FORK.format(told=str(told)))
    node.environment["PYTHONPATH"] = str(node.folder)
    cluster.start()
    node.kill(node.supervisord_pid, node.listener_pid())
    cluster.settled("b")
    assert told.exists() and "without releasing" not in cluster["b"].logs()
