"""Run a command of an operator's within a time limit: a health check, `fence`, `stop_failed`.

No shell is involved. The command runs in a session of its own with /dev/null as its input and little of this process's
environment. What it started and left in that session when it ended is killed, and at the limit it is killed together with
all its descendants.
"""

from __future__ import annotations

import errno
import math
import os
import queue
import select
import signal
import subprocess
import threading
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from supervisor_zkelect.core import untrusted
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system.clock import now

# With vfork(2) all threads of this process wait for the child's exec, and a disk that hangs could stop the guard on its
# way to a kill; after a fork only the thread that starts the command waits.
subprocess._USE_VFORK = False  # type: ignore[attr-defined]  # not in its stub

OUTPUT_LIMIT = 4 * 1024
"""How many bytes of a command's latest output are kept for the reason."""

KILL_LIMIT = 0.25
"""Seconds that killing and reaping a command may take after its own limit. Death by SIGKILL is a matter of a millisecond;
the bound is for processes the kernel cannot end, in uninterruptible sleep."""

REASON_LENGTH = 200
"""How many characters of foreign text (a command's output, a library's message) a reason carries."""

ENVIRONMENT = frozenset("PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR LD_LIBRARY_PATH".split())
"""What a command is given of this process's environment, beside LC_*. The rest may carry secrets: supervisord's password,
or whatever the configuration took by %(ENV_X)s. A command that needs more begins with `env NAME=value`."""


LONGEST_VARIABLE = 30_000
"""Characters of an environment variable that a command is given; the kernel takes 128 KiB."""


class Ended(NamedTuple):
    """How a command ended.

    status: "exit status 0", "killed by SIGTERM" and the like; None when it was killed at the limit.
    left_over: how many processes it had left behind, which were killed. unkillable: those that could not be.
    said: the last line of its output, of both streams, "" when there was none.
    """

    status: Optional[str]
    left_over: int
    unkillable: List[int]
    said: str

    @property
    def ok(self) -> bool:
        return self.status == "exit status 0"

    def __str__(self) -> str:
        return (self.status or "killed at its time limit") + (f": {self.said}" if self.said else "")


def run(argv: Sequence[str], until: float, variables: Optional[Mapping[str, str]] = None) -> Ended:
    """Run a command until it ends, at `until` (seconds of CLOCK_BOOTTIME) at the latest; KILL_LIMIT may be added.

    variables: environment variables for it; what is not printable in them is given as an escape, and a text that is too long
    for an environment is cut. Raises OSError when it cannot be started.
    """
    if any(one.argv == tuple(argv) for one in list(_Start.hanging)):
        raise OSError(errno.EBUSY, "an earlier start of it hangs in the kernel still", argv[0])
    environment = {**_inherited(os.environ), **_given(variables or {})}
    reader, writer = os.pipe()
    try:
        os.set_blocking(reader, False)
        child = _Start(argv, writer, stdin=subprocess.DEVNULL, start_new_session=True, env=environment).wait(until)
        if child is None:
            return Ended(None, 0, [], "")
        # The child is not reaped before its tree was looked for: until then its pid, which is also the number of its
        # session and process group, cannot be used by a stranger.
        kept = _Output(reader)
        try:
            root = proc.read(child.pid)
            status = exit_status(child.pid) if _wait(child.pid, kept, until) else None
            left_over, unkillable = kill_tree(root) if root is not None else (0, [])
        finally:
            _reap(child)
        return Ended(status, left_over, unkillable, kept.last_line())
    finally:
        os.close(reader)


def one_line(text: str, most: int) -> str:
    """Text as one printable line of at most `most` characters."""
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


class _Child(subprocess.Popen[bytes]):
    """begun: gets this child before it is started, and so its pid while that goes on."""

    def __init__(self, begun: queue.SimpleQueue[subprocess.Popen[bytes]], argv: Sequence[str], **options: Any) -> None:
        begun.put(self)
        super().__init__(argv, **options)


class _Start:
    """The start of one command, on a thread of its own: execve(2) waits for ever where the command lies on a file system that
    hangs, and Popen waits for execve(2).

    output: a descriptor for what the command says, which this closes. options: Popen's.
    """

    #: what is being started since its limit is over, which the kernel does not let be killed
    hanging: Set[_Start] = set()

    def __init__(self, argv: Sequence[str], output: int, **options: Any) -> None:
        self.argv, self._output, self._options = tuple(argv), output, options
        self._begun: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        #: whoever takes the child from here ends it: `wait`, or once that waits no more the thread itself
        self._outcome: queue.SimpleQueue[Union[subprocess.Popen[bytes], Exception]] = queue.SimpleQueue()
        try:
            threading.Thread(target=self._run, name="zkelect-start", daemon=True).start()
        except (RuntimeError, MemoryError):
            # Where there is no thread to be had, the one that is there waits.
            self._run()

    def _run(self) -> None:
        try:
            self._outcome.put(_Child(self._begun, self.argv, stdout=self._output, stderr=self._output, **self._options))
        except Exception as error:
            self._outcome.put(error)
        finally:
            os.close(self._output)
        if self in self.hanging:
            self.hanging.discard(self)
            _end(self._came(0.0))

    def _came(self, seconds: float) -> Union[subprocess.Popen[bytes], Exception, None]:
        try:
            return self._outcome.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None

    def wait(self, until: float) -> Optional[subprocess.Popen[bytes]]:
        """The command that runs now; None where it was not executed by `until`, and was killed. Raises OSError when it cannot be
        started."""
        found = self._came(until - now())
        if found is None:
            end = now() + KILL_LIMIT
            while found is None and now() < end:
                self._kill()
                found = self._came(KILL_LIMIT / 10)
            if found is None:
                self.hanging.add(self)
                found = self._came(0.0)
                if found is not None:
                    self.hanging.discard(self)
            if not isinstance(found, Exception):
                _end(found)
                return None
        if isinstance(found, Exception):
            raise found
        return found

    def _kill(self) -> None:
        """Kill the child, if there is one yet."""
        try:
            child = self._begun.get_nowait()
        except queue.Empty:
            return
        self._begun.put(child)
        pid = getattr(child, "pid", None)
        try:
            process = proc.read(pid) if pid else None
            if process is not None and process.ppid == os.getpid():
                proc.kill(process, signal.SIGKILL)
        except OSError:
            # It is tried again.
            return


def _end(child: Union[subprocess.Popen[bytes], Exception, None]) -> None:
    """End a command that was executed too late, with what it has started."""
    if isinstance(child, subprocess.Popen):
        root = proc.read(child.pid)
        if root is not None:
            kill_tree(root)
        _reap(child)


class _Output:
    """What a command wrote, the latest OUTPUT_LIMIT bytes of it."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self._kept = b""

    def read(self) -> bool:
        """Take what is there, one piece at most, without waiting; False at the end of the output."""
        try:
            part = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return True
        self._kept = (self._kept + part)[-OUTPUT_LIMIT:]
        return bool(part)

    def last_line(self) -> str:
        lines = [line.strip() for line in self._kept.decode("utf-8", "replace").splitlines()]
        return one_line(([line for line in lines if line] or [""])[-1], REASON_LENGTH)


def _given(variables: Mapping[str, str]) -> Dict[str, str]:
    return {name: untrusted.printable(value, LONGEST_VARIABLE)[:LONGEST_VARIABLE] for name, value in variables.items()}


def _inherited(environ: Mapping[str, str]) -> Dict[str, str]:
    return {
        name: value for name, value in environ.items() if name in ENVIRONMENT or name.startswith("LC_")
    }


def _wait(pid: int, output: _Output, until: float) -> bool:
    """Wait until a child has ended, reading its output meanwhile so that it never blocks on a full pipe.

    The end of the output is not waited for: a process that the child left behind may keep the pipe open for ever.
    False when `until` came first.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.register(output.descriptor, select.POLLIN)
        while True:
            ready = dict(poller.poll(math.ceil(min(max(0.0, until - now()), 3600) * 1000)))
            if output.descriptor in ready and not output.read():
                poller.unregister(output.descriptor)
            if descriptor in ready:
                output.read()
                return True
            if now() >= until:
                return False
    finally:
        os.close(descriptor)


def exit_status(pid: int) -> str:
    """How a child ended, which stays a zombie."""
    try:
        info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        info = None
    if info is None:
        # Where SIGCHLD is ignored the kernel keeps no status, and subprocess would call that 0.
        return "exit status unknown: somebody else collected it"
    if info.si_code == os.CLD_EXITED:
        return f"exit status {info.si_status}"
    try:
        return f"killed by {signal.Signals(info.si_status).name}"
    except ValueError:
        return f"killed by signal {info.si_status}"


def kill_tree(root: proc.Process) -> Tuple[int, List[int]]:
    """Kill a command with all that belongs to it; how many were found, and the pids this process may not kill.

    Rounds, until one finds nobody who was not signalled before: a process that is found may have forked meanwhile,
    but one with a pending SIGKILL forks no more.
    """
    end = now() + KILL_LIMIT
    own_session = (os.getsid(0),)
    known: Set[proc.Process] = {root}
    signalled: Set[Tuple[int, int]] = set()
    refused: List[int] = []
    while True:
        found = [
            process
            for process in proc.tree(known, outside_sessions=own_session)
            if process.identity not in signalled
        ]
        for process in found:
            signalled.add(process.identity)
            try:
                proc.kill(process, signal.SIGKILL)
            except PermissionError:
                refused.append(process.pid)
        known.update(found)
        if not found or now() >= end:
            return len(signalled), sorted(refused)


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Collect a child that has ended or was just killed.

    One that the kernel does not end within KILL_LIMIT is left to subprocess, which tries again at each later Popen.
    """
    if child.poll() is None:
        try:
            child.kill()
            child.wait(KILL_LIMIT)
        except (subprocess.TimeoutExpired, PermissionError):
            return
