"""Start what releases, `release.py`, beside a guard.

A Python that starts and imports what a release needs takes some 40 ms, for which the next node waits. The guard is one
that has started already, so its fork goes on by itself and imports the rest, in a quarter of that.

It is a fork of a process with threads. The thread that forks holds the interpreter's lock meanwhile, so the others are
outside of it: in system calls, or where they start, end, and list a folder, whose locks the C library's fork takes care of.
What Python code of the guard may hold then, the fork does not use.

Only a guard that is a process of its own forks so: of a listener, whose libraries resolve names and speak TLS on other
threads, that would not be true. And only while the package's files are those that the guard was imported from.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from typing import FrozenSet, List, NamedTuple, NoReturn, Optional

from supervisor_zkelect import afterfork

log = logging.getLogger(__name__)

IMPORT_TIME = 10
"""Seconds for the imports of a fork; what takes longer never ends, and would keep the session's lock."""

FAILED = 70
"""Exit status of a fork that could not go on; that of `release.py` tells how the release went."""


class Releaser(NamedTuple):
    """pid: of a child. word: the descriptor to which the word to release is written; closed without it, nothing is done."""

    pid: int
    word: int

    def end(self) -> int:
        """Wait until it has ended; its exit status, or the number of a signal below zero."""
        os.close(self.word)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            # Somebody has ended the signal's default, and with it the status of children.
            return FAILED


def written() -> Optional[FrozenSet[tuple]]:
    """What changes when a file of this package is written anew; None where it has none, or threads run beside each other
    (PEP 703)."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    folder = os.path.dirname(__file__)
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".py")]
        return frozenset((name, *afterfork.identity(os.path.join(folder, name))) for name in names) or None
    except OSError:
        return None


_WRITTEN = written()


def start(folder: str, configuration: str, lock: int, quick: bool) -> Releaser:
    """Start it with the session's lock. Raises OSError.

    lock: the descriptor that holds the lock. quick: whether the fork may go on by itself; else it executes a Python.
    """
    reader, word = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _go_on(reader, [folder, configuration], lock, quick)
    except OSError:
        os.close(word)
        raise
    finally:
        os.close(reader)
    return Releaser(pid, word)


def _go_on(reader: int, words: List[str], lock: int, quick: bool) -> NoReturn:
    """What a fork does. Here, and not before it, the files are looked at: a disk that hangs must not stop the guard."""
    try:
        _limit(IMPORT_TIME)
        os.dup2(reader, 0)
        if not quick or _WRITTEN is None or written() != _WRITTEN:
            _limit(0)
            os.set_inheritable(lock, True)
            os.execv(sys.executable, [sys.executable, "-m", "supervisor_zkelect.release", *words])
        _leave_the_guard(lock)
        from supervisor_zkelect import logs, release

        _limit(0)
        with open(0, closefd=False) as told:
            logs.end(release.main(words, told))
    except BaseException as error:
        log.exception("the release: %s", error)
    finally:
        os._exit(FAILED)


def _limit(seconds: int) -> None:
    """Have the kernel end this process then; 0: not any more."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.alarm(seconds)


def _leave_the_guard(lock: int) -> None:
    """Have nothing of the guard's but the lock and the standard streams: not its descriptors, not its handlers of signals."""
    # Whatever would be collected as garbage could close a descriptor whose number is another's by then.
    gc.freeze()
    threading.stack_size(0)
    signal.set_wakeup_fd(-1)
    afterfork.answer_signals()
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number != lock:
            try:
                os.close(number)
            except OSError:
                continue  # the one of the listing
