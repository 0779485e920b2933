"""`zkelect primary --watch --exec COMMAND`: the command of whoever is to follow the primary, run at each change.

One thread runs it, one run at a time. What changes during a run is kept, the latest alone. One that fails is tried again after 1,
2, 4 … 30 seconds, and at once when something changes. The command runs in a session of its
own, with this process's environment and ZKELECT_ELECTION, ZKELECT_PRIMARY and ZKELECT_TOKEN; what it writes goes to standard
error, as standard output has the addresses. It is killed with all its descendants when this ends; where this process itself is
killed outright, the kernel kills the command, but not what that has started.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
from typing import Any, Dict, Optional, Sequence

from supervisor_zkelect.core.sighting import Known
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import streams
from supervisor_zkelect.processes import execution, proc

#: prctl(2)
_PR_SET_PDEATHSIG = 1

#: Signals that end the tool in an orderly way, beside SIGINT, which Python makes an exception of.
_ENDS = (signal.SIGTERM, signal.SIGHUP)


RESTS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds from a run that failed to the next one, while nothing changes; the last holds on."""


class Reaction:
    """Runs a command, in a `with` statement, which takes SIGTERM and SIGHUP as its end. argv: its words. election: its name.
    rests: as RESTS."""

    def __init__(self, argv: Sequence[str], election: str, rests: Sequence[float] = RESTS) -> None:
        self._argv, self._election, self._rests = list(argv), election, rests
        self._news = threading.Condition()
        self._next: Optional[Known] = None
        self._ending = False
        self._ended_by = 0
        self._reader, self._writer = os.pipe()
        self._former: Dict[int, Any] = {}
        self._prctl = ctypes.CDLL(None).prctl
        # The kernel sends the parent-death signal when the thread that forked ends, so one thread begins all runs.
        self._thread = threading.Thread(target=self._run, name="zkelect-exec", daemon=True)

    def note(self, known: Known) -> None:
        """Have the command run for this, now or when the run that goes on is over."""
        with self._news:
            self._next = known
            self._news.notify()

    def check(self) -> None:
        """Raise SystemExit where a signal has come whose exception was lost: kazoo's client takes any for a connection that was
        closed, at the wrong moment."""
        if self._ended_by:
            raise SystemExit(128 + self._ended_by)

    def __enter__(self) -> Reaction:
        self._thread.start()
        if threading.current_thread() is threading.main_thread():
            wanted = [number for number in _ENDS if signal.getsignal(number) != signal.SIG_IGN]
            self._former = {number: signal.signal(number, self._signalled) for number in wanted}
            # Where whoever started this ignores it, the kernel reaps the command, and nobody learns how that has ended.
            self._former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        with self._news:
            self._ending = True
            self._news.notify()
        os.write(self._writer, b"x")
        self._thread.join()
        os.close(self._reader)
        os.close(self._writer)

    def _signalled(self, number: int, frame: object) -> None:
        self._ended_by = number
        self.check()

    # On the thread

    def _run(self) -> None:
        done: Optional[Known] = None
        failed: Optional[Known] = None
        tries = 0
        while True:
            rest = None if failed is None else self._rests[min(tries, len(self._rests)) - 1]
            with self._news:
                self._news.wait_for(lambda: self._ending or self._next is not None, rest)
                if self._ending:
                    return
                known, self._next = self._next or failed, None
            assert known is not None
            if known == done:
                continue
            tries = tries + 1 if known == failed else 1
            done, failed = (known, None) if self._once(known, self._rests[min(tries, len(self._rests)) - 1]) else (None, known)

    def _once(self, known: Known, rest: float) -> bool:
        """Whether the command has ended with 0 for this. rest: seconds until it is tried again otherwise."""
        variables = {
            "ZKELECT_ELECTION": self._election, "ZKELECT_PRIMARY": known.address,
            "ZKELECT_TOKEN": "" if known.token is None else str(known.token),
        }
        try:
            # Both streams to standard error.
            child = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=2, stderr=2, start_new_session=True,
                env={**os.environ, **variables}, preexec_fn=self._before_exec,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._tell(f"cannot be started: {getattr(error, 'strerror', None) or error}", rest)
            return False
        try:
            status = self._waited(child)
        except OSError as error:
            self._tell(f"was killed, as its end could not be waited for: {error.strerror}", rest)
            return False
        if status not in (None, "exit status 0"):
            self._tell(str(status), rest)
        return status == "exit status 0"

    def _before_exec(self) -> None:
        # Between fork and exec: no import, no lock.
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def _waited(self, child: subprocess.Popen[bytes]) -> Optional[str]:
        """How the command ended; None where this ended first, and has killed it. Raises OSError where that could not be waited
        for, and has killed it, too."""
        # It is reaped after its tree was looked for: until then nobody else has its number.
        try:
            root, descriptor = proc.read(child.pid), os.pidfd_open(child.pid)
            try:
                poller = select.poll()
                poller.register(descriptor, select.POLLIN)
                poller.register(self._reader, select.POLLIN)
                ready = dict(poller.poll())
                if self._reader not in ready:
                    return execution.exit_status(child.pid)
                if root is not None:
                    execution.kill_tree(root)
                return None
            finally:
                os.close(descriptor)
        except OSError:
            # No descriptor was to be had. What it has started is in its session, which nobody else joins.
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            child.wait()

    def _tell(self, what: str, rest: float) -> None:
        line = f"{self._argv[0]}: {what}; it runs again in {rest:g} s, or when {self._election}'s primary changes"
        streams.write(sys.stderr, [f"zkelect: {printable(line)}"])
