"""Processes as the kernel knows them, tried on real children."""

import itertools
import os
import signal
import subprocess
import sys

import pytest

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc

LONG = 30.0

#: Starts a child per word: a plain one, one that leads a process group, or one that leads a session.
PARENT = """
import os, signal, subprocess, sys
for word in sys.argv[1:]:
    own = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pause()"],
        preexec_fn={"child": None, "group": os.setpgrp, "session": os.setsid}[word],
    )
    print(own.pid, flush=True)
print("up", flush=True)
signal.pause()
"""


@pytest.fixture
def spawn():
    """Starts Python programs and reads the pids that they print until "up"; in the end nothing of them is left."""
    marker = child.new_marker()
    started = []
    child.watch()

    def start(code=PARENT, *words, env=None, **options):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words], env={**child.environment(marker), **(env or {})},
            stdout=subprocess.PIPE, text=True, **options,
        )
        started.append(process)
        process.said = []
        for line in process.stdout:
            if line == "up\n":
                break
            process.said.append(int(line))
        return process

    yield start
    child.sweep(marker)
    for process in started:
        process.wait(LONG)
        process.stdout.close()


def reaped(process):
    """Kill and wait, so that even its zombie is gone."""
    process.kill()
    process.wait(LONG)


def test_read_tells_what_the_kernel_knows(spawn):
    process = spawn(start_new_session=True)
    one = until(lambda: (found := proc.read(process.pid)).state == "S" and found, LONG, "it to wait for a signal")
    assert (one.ppid, one.pgrp, one.session, one.threads) == (os.getpid(), one.pid, one.pid, 1)
    assert not one.gone and not one.kernel_thread and not one.unexecuted
    assert one.identity == (one.pid, one.start) and proc.alive(one)


def test_there_is_nothing_to_read_of_a_process_that_is_gone(spawn):
    process = spawn()
    one = proc.read(process.pid)
    reaped(process)
    assert proc.read(one.pid) is None and not proc.alive(one)
    assert proc.environ(one.pid) == {} and proc.cmdline(one.pid) == b"" and proc.children(one.pid) is None
    assert proc.kill(one) is False and proc.pidfd(one) is None


def test_a_zombie_is_gone(spawn):
    process = spawn()
    process.kill()
    zombie = until(lambda: (found := proc.read(process.pid)).state == "Z" and found, LONG, "the zombie")
    assert zombie.gone and not proc.alive(zombie) and proc.cmdline(process.pid) == b""
    assert process.pid in proc.children(os.getpid()) and proc.tree([zombie]) == set()


HEADLESS = """
import ctypes, signal, threading
threading.Thread(target=signal.pause).start()
print("up", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_the_end_of_its_main_thread_is_not_the_end_of_a_process(spawn):
    """The kernel shows it as a zombie, which has neither environment nor arguments; the other thread has both."""
    process = spawn(HEADLESS, env={"WORD": "here"})
    one = until(lambda: (found := proc.read(process.pid)).state == "Z" and found, LONG, "the main thread to end")
    assert one.threads == 2 and not one.gone and proc.alive(one) and one.pid in {each.pid for each in proc.tree([one])}
    assert proc.environ(process.pid)["WORD"] == "here" and b"pthread_exit" in proc.cmdline(process.pid)
    assert proc.kill(one) and process.wait(LONG) == -signal.SIGKILL


@pytest.mark.parametrize("name", ["plain", ") S 1 1 1", "a (b) c", "line\nbreak", "\xff"])
def test_no_name_confuses_the_reading(spawn, name):
    code = f"import signal; open('/proc/self/comm', 'wb').write({name.encode('latin-1')!r}); print('up', flush=True); signal.pause()"
    process = spawn(code)
    one = proc.read(process.pid)
    assert (one.ppid, one.session, one.pgrp) == (os.getpid(), os.getsid(0), os.getpgrp())


def test_a_fork_has_not_executed_anything(spawn):
    code = "import os, signal\npid = os.fork()\nif pid: print(pid); print('up', flush=True)\nsignal.pause()"
    process = spawn(code)
    assert proc.read(process.said[0]).unexecuted and not proc.read(process.pid).unexecuted


def test_the_table_has_everybody(spawn):
    process = spawn(PARENT, "child", "session")
    table = proc.table()
    assert {os.getpid(), process.pid, *process.said} <= set(table)
    assert all(pid == one.pid for pid, one in table.items())
    assert proc.children(process.pid) == set(process.said)


def test_each_table_tells_what_is_true_then(spawn):
    """Who stands still, who is an orphan, who has left its group, and who is gone."""
    code = (
        "import os, signal\nleader = os.fork()\nif not leader:\n    signal.pause()\nos.setpgid(leader, leader)\n"
        "other = os.fork()\nif not other:\n    signal.signal(signal.SIGUSR1, lambda *_: os.setsid())\n"
        "    os.setpgid(0, leader)\n    print(leader, os.getpid(), 'up', sep='\\n', flush=True)\n"
        "    while True:\n        signal.pause()\nos.waitpid(leader, 0)\nsignal.pause()"
    )
    process, parent = spawn(code), spawn(PARENT, "child", "session")
    leader, other = process.said
    former = proc.table()
    assert former[other].pgrp == leader and {former[pid].ppid for pid in parent.said} == {parent.pid}
    os.kill(leader, signal.SIGKILL)
    os.kill(other, signal.SIGUSR1)
    reaped(parent)
    until(lambda: proc.read(leader) is None and proc.read(other).session == other, LONG, "one to die, the other to leave")
    until(lambda: {proc.read(pid).ppid for pid in parent.said}.isdisjoint({parent.pid}), LONG, "two orphans")
    process.send_signal(signal.SIGSTOP)
    until(lambda: proc.read(process.pid).state == "T", LONG, "it to stand still")
    table = proc.table()
    assert not {leader, parent.pid} & set(table)
    for pid in (process.pid, other, *parent.said):
        # Whether one that waits has the processor just now is nobody's to say.
        assert table[pid]._replace(state="") == proc.read(pid)._replace(state="")
    assert table[process.pid].state == "T"


def test_who_is_forked_while_others_are_read_is_in_the_table(spawn, monkeypatch):
    """Also when the one that forked has ended before it was read."""
    process, listdir, later = spawn(), os.listdir, []
    monkeypatch.setattr(os, "listdir", lambda path: listdir(path) if later else later.append(1) or ["1", "x", "999999999"])
    assert process.pid in proc.table()


def test_a_table_is_made_though_processes_come_all_the_time(monkeypatch):
    numbers = itertools.count(999999999)
    monkeypatch.setattr(os, "listdir", lambda path: [str(os.getpid()), str(next(numbers))])
    assert set(proc.table()) == {os.getpid()}


def torn(pid):
    """What a process is read as while one of its threads takes the place of the first one."""
    return proc.Process(pid, proc.read(pid).start, 0, -1, -1, "X", 0)


def test_what_tells_nothing_of_a_process_is_read_again(spawn, monkeypatch):
    process, one = spawn(), proc._read
    answers = [torn(process.pid), torn(process.pid)]
    monkeypatch.setattr(proc, "_read", lambda pid: answers.pop() if answers else one(pid))
    assert not proc.read(process.pid).gone and not answers


def test_environment_and_arguments(spawn):
    process = spawn(PARENT, env={"ODD": "a=b\nc\udcff", "EMPTY": ""})
    environ = proc.environ(process.pid)
    assert environ["ODD"] == "a=b\nc\udcff" and environ["EMPTY"] == ""
    assert proc.cmdline(process.pid).split(b"\0")[1] == b"-c"


def test_of_a_variable_that_nobody_was_told_nothing_is_kept(spawn):
    env = {"ZKELECT_SECRET": "s" * 5000, "SUPERVISOR_GROUP_NAME": "g" * 4096, "SUPERVISOR_PROCESS_NAME": "\N{BEAR FACE}" + "x" * 60000}
    names = (b"ZKELECT_SECRET", b"SUPERVISOR_GROUP_NAME", b"SUPERVISOR_PROCESS_NAME")
    found, _ = proc.variables(spawn(PARENT, env=env).pid, names, 8 << 20)
    assert [len(found.get(name, b"")) for name in names] == [0, 4096, 0]


def test_a_long_environment_is_read_whole(spawn):
    assert proc.environ(spawn(PARENT, env={"LONG": "x" * 100000, "ZKELECT_LAST": "1"}).pid)["LONG"] == "x" * 100000


def test_the_tree_holds_children_groups_and_sessions(spawn):
    process = spawn(PARENT, "child", "group", "session")
    stranger = spawn()
    tree = {one.pid for one in proc.tree([proc.read(process.pid)])}
    assert tree == {process.pid, *process.said} and stranger.pid not in tree
    assert {one.pid for one in proc.Kinship(proc.table()).tree([proc.read(process.pid)], process.said[:1])} == tree - {process.said[0]}


def test_orphans_are_found_by_the_group_and_session_of_a_dead_root(spawn):
    process = spawn(PARENT, "child", start_new_session=True)
    root = proc.read(process.pid)
    reaped(process)
    until(lambda: proc.read(process.said[0]).ppid != process.pid, LONG, "the child to be an orphan")
    assert {one.pid for one in proc.tree([root])} == set(process.said)


def test_a_session_whose_leader_was_never_seen(spawn):
    """The root's child made a session, started another in it, and died: who is left is not its kin by name."""
    leader = (
        "import os, signal\\nos.setsid()\\nfor _ in 'ab':\\n    pid = os.fork()\\n    if not pid:\\n"
        "        os.setpgid(0, 0)\\n        signal.pause()\\n    print(pid, flush=True)"
    )
    code = (
        f"import signal, subprocess, sys\nsubprocess.run([sys.executable, '-c', '''{leader}'''])\n"
        "print('up', flush=True)\nsignal.pause()"
    )
    process = spawn(code)
    root = proc.read(process.pid)
    until(lambda: all(proc.read(pid).pgrp == pid for pid in process.said), LONG, "each to lead a process group")
    one, other = (proc.read(pid) for pid in process.said)
    assert one.session == other.session != root.session
    # Of the two orphans one is known to belong; the session, which is not the root's own, tells the other.
    assert {each.pid for each in proc.tree([one], outside_sessions=(root.session,))} == {one.pid, other.pid}
    assert {each.pid for each in proc.tree([one])} == {one.pid}


def test_one_that_has_a_pid_now_is_not_kin_to_those_of_its_former_holder(spawn):
    """Read after the table, in which the pid was a stranger's with a child."""
    process = spawn(PARENT, "child", start_new_session=True)
    now = proc.read(process.pid)
    (child,) = process.said
    former = now._replace(start=now.start - 5, session=1, pgrp=1)
    kin = proc.Kinship({former.pid: former, child: proc.read(child)._replace(session=now.session + 1, pgrp=now.session + 1)})
    kin.add(now)
    assert kin.tree([now]) == {now} and kin.tree([former]) == set()
    assert former not in kin.tree([proc.read(1)])


def test_neither_init_nor_this_process_is_ever_kin(spawn):
    process = spawn()
    barred = {proc.read(1), proc.read(os.getpid())}
    tree = proc.tree([*barred, proc.read(process.pid)])
    assert {one.pid for one in tree} == {process.pid}


def test_a_used_pid_is_a_stranger(spawn):
    """What was read before another process got the pid neither signals nor lists that process."""
    process = spawn(PARENT, "child")
    own = proc.read(process.pid)
    former = own._replace(start=own.start - 1)
    assert not proc.alive(former) and proc.pidfd(former) is None and proc.kill(former) is False
    assert proc.tree([former]) == set() and process.poll() is None
    assert proc.alive(own) and proc.kill(own) is True
    assert process.wait(LONG) == -signal.SIGKILL


def test_kill_sends_the_signal_it_is_told(spawn):
    process = spawn()
    one = proc.read(process.pid)
    assert proc.kill(one, signal.SIGSTOP)
    until(lambda: proc.read(one.pid).state == "T", LONG, "it to stand still")
    assert proc.kill(one, signal.SIGCONT) and proc.kill(one, signal.SIGTERM)
    assert process.wait(LONG) == -signal.SIGTERM
    assert proc.kill(one, signal.SIGTERM) is False


def test_a_pidfd_outlives_its_process_and_names_no_other(spawn):
    process = spawn()
    descriptor = proc.pidfd(proc.read(process.pid))
    try:
        reaped(process)
        with pytest.raises(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    finally:
        os.close(descriptor)
