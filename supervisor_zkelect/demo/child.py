"""Start processes that cannot outlive the one that started them, and reserve ports for them.

Three nets, one under the other, so that a test run killed at any moment leaves nothing behind:

- what this module starts gets SIGKILL from the kernel when this process dies (prctl(2), PR_SET_PDEATHSIG);
- everything below carries the variable ZKELECT_LAB in its environment, so that `sweep` finds a supervisord's
  children although they were given to pid 1;
- a sweeper, a small process of its own session that does nothing but hold the end of a pipe, sweeps when the
  pipe closes.
"""

from __future__ import annotations

import ctypes
import os
import queue
import random
import secrets
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from supervisor_zkelect.processes import proc

MARKER = "ZKELECT_LAB"
"""The environment variable that all processes of one lab share. Its value starts with RUN."""

LONGEST = 8 << 20
"""Bytes of an environment that is searched for it; the kernel allows 6 MiB (fs/exec.c, bprm_stack_limits)."""

ROOT = str(Path(__file__).resolve().parents[2])
"""The folder from which the package supervisor_zkelect is imported."""

PORTS = range(20000, 32000)
"""Below the ports that Linux gives to outgoing connections (net.ipv4.ip_local_port_range, 32768 and up)."""

RUN = "lab-" + secrets.token_hex(6)
"""The name that all markers of this process start with."""

PR_SET_PDEATHSIG = 1

_Job = Tuple["Future[subprocess.Popen[bytes]]", List[str], Dict[str, Any], Optional[str], Optional[Callable[[], object]]]
"""Where the new process is put, and what `_spawn` takes."""

_libc = ctypes.CDLL(None, use_errno=True)
_guard = threading.Lock()
_jobs: Optional[queue.Queue[_Job]] = None
_sweeper: Optional[subprocess.Popen[bytes]] = None
_reserved: Dict[int, socket.socket] = {}
_dice = random.Random(secrets.randbits(64))


def new_marker() -> str:
    """A value for MARKER that nothing else uses."""
    return f"{RUN}-{secrets.token_hex(4)}"


def environment(marker: str, **more: str) -> Dict[str, str]:
    """This process's environment with the marker, this Python's programs first in PATH, and this package
    importable.

    What a supervisord around this process has set is left out.
    """
    result = {name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR_")}
    programs = str(Path(sys.executable).parent)
    result["PATH"] = os.pathsep.join([programs, result.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    # An installed package is found without help; its folder must not come before Python's own modules.
    if Path(ROOT).name not in ("site-packages", "dist-packages"):
        inherited = result.get("PYTHONPATH")
        result["PYTHONPATH"] = os.pathsep.join([ROOT] + ([inherited] if inherited else []))
    result[MARKER] = marker
    result.update(more)
    return result


def start(
    command: Sequence[str],
    *,
    env: Dict[str, str],
    cwd: Optional[str] = None,
    output: Optional[str] = None,
    prepare: Optional[Callable[[], object]] = None,
    new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program that gets SIGKILL when this process dies.

    env: its whole environment, as `environment` makes it.
    output: a file to which its standard output and standard error are appended; None throws them away.
    prepare: called in the new process before it executes the program; it imports nothing and takes no lock.

    Raises OSError or subprocess.SubprocessError when it cannot be started.
    """
    watch()
    answer: Future[subprocess.Popen[bytes]] = Future()
    _spawner().put(
        (answer, list(command), {"env": env, "cwd": cwd, "start_new_session": new_session}, output, prepare)
    )
    return answer.result(timeout=60)


def run(
    command: Sequence[str],
    *,
    env: Dict[str, str],
    cwd: Optional[str] = None,
    prepare: Optional[Callable[[], object]] = None,
    timeout: float = 60.0,
    text: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with standard output and standard error as text in the answer.

    prepare: as for `start`. text: what it reads from its standard input.

    Raises subprocess.TimeoutExpired after `timeout` seconds, when it has been killed; OSError when it cannot
    be started.
    """
    watch()
    return subprocess.run(
        list(command),
        env=env,
        cwd=cwd,
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        preexec_fn=partial(_before_exec, os.getpid(), prepare),
    )


def watch() -> None:
    """Start a sweeper for this process, unless there is one."""
    global _sweeper
    with _guard:
        if _sweeper is None:
            env = environment("")
            # A marker of a lab around this one would let that one's end take the sweeper along.
            del env[MARKER]
            _sweeper = subprocess.Popen(
                [sys.executable, "-m", "supervisor_zkelect.demo.child", RUN],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=env,
                cwd="/",
                start_new_session=True,
            )


def marked(marker: str) -> Set[proc.Process]:
    """The living processes whose marker is this one or starts with it; never this process."""
    found = set()
    for process in proc.table().values():
        if process.pid != os.getpid() and not process.gone and not process.kernel_thread:
            # Others on the machine, tests too, may have environments of megabytes, and time counts here.
            told, _ = proc.variables(process.pid, (MARKER.encode(),), LONGEST)
            if os.fsdecode(told.get(MARKER.encode(), b"")).startswith(marker):
                found.add(process)
    return found


def sweep(marker: str) -> List[proc.Process]:
    """SIGKILL every process that carries the marker until none is left.

    Returns those it had to kill. Raises PermissionError when one may not be signalled. A process that cannot
    die, in an uninterruptible wait, is given up after some hundred rounds.
    """
    killed: Dict[Tuple[int, ...], proc.Process] = {}
    # While it executes its program a process has no environment to tell it by; a session that one of them began tells.
    sessions: Set[int] = set()
    never = threading.Event()
    for _ in range(400):
        targets = marked(marker)
        table = proc.table().values()
        # A number that no process has as its session any more may be another's next.
        sessions &= {one.session for one in table}
        targets |= {one for one in table if one.session in sessions and not one.gone}
        if not targets:
            break
        for process in targets:
            if proc.kill(process, signal.SIGKILL):
                killed[process.identity] = process
            if process.session == process.pid:
                sessions.add(process.pid)
        never.wait(0.01)
    return list(killed.values())


def free_port() -> int:
    """A TCP port on which nothing listens, and that no other process using this function is given meanwhile.

    The reservation is an abstract Unix socket named for the port (unix(7)): the kernel lets one process have
    it and drops it when that process dies, so there is no file to clean up and no lock to wait for. A program
    that does not ask here may still take the port; whoever starts a server retries with another one. Ports
    and abstract sockets both belong to the network namespace.

    Raises OSError when 500 ports were tried in vain.
    """
    for _ in range(500):
        port = _dice.choice(PORTS)
        ticket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            ticket.bind(f"\0zkelect-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("0.0.0.0", port))
        except OSError:
            ticket.close()
            continue
        _reserved[port] = ticket
        return port
    raise OSError(f"no free TCP port found between {PORTS.start} and {PORTS.stop}")


def give_back(port: int) -> None:
    """Drop the reservation of a port; nothing happens when there is none."""
    ticket = _reserved.pop(port, None)
    if ticket is not None:
        ticket.close()


def _spawner() -> queue.Queue[_Job]:
    """The queue of the one thread that forks.

    The kernel sends the parent-death signal when the *thread* that forked ends, not the process, so a thread
    that lives as long as the process does it for all.
    """
    global _jobs
    with _guard:
        if _jobs is None:
            _jobs = queue.Queue()
            threading.Thread(
                target=_spawn_all, args=(_jobs,), name="zkelect-lab-spawner", daemon=True
            ).start()
        return _jobs


def _spawn_all(jobs: queue.Queue[_Job]) -> None:
    while True:
        answer, command, options, output, prepare = jobs.get()
        try:
            answer.set_result(_spawn(command, options, output, prepare))
        except Exception as problem:  # given to the caller, who waits for it
            answer.set_exception(problem)


def _spawn(
    command: List[str], options: Dict[str, Any], output: Optional[str], prepare: Optional[Callable[[], object]]
) -> subprocess.Popen[bytes]:
    with open(output or os.devnull, "ab") as sink:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            preexec_fn=partial(_before_exec, os.getpid(), prepare),
            **options,
        )


def _before_exec(parent: int, prepare: Optional[Callable[[], object]]) -> None:
    # Between fork and exec: no import, no lock. The parent may have died before prctl was called.
    if prepare is not None:
        prepare()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(127)


def _sweeper_main(run: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    sweep(run)


if __name__ == "__main__":
    _sweeper_main(sys.argv[1])
