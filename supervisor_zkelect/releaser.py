"""Start the program that releases, `release.py`, beside a guard.

A Python that starts and imports what a release needs takes some 40 ms, for which the next node waits. The guard is one
that has started already, so its fork goes on by itself and imports the rest, in a quarter of that.

It is a fork of a process with threads. The thread that forks holds the interpreter's lock meanwhile, so no other is inside
anything but a system call, where no lock of a library is held; and Python makes its own locks anew in a fork.

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
from typing import FrozenSet, NamedTuple, NoReturn, Optional

log = logging.getLogger(__name__)

IMPORT_TIME = 10
"""Seconds for the imports of a fork; what takes longer never ends, and would keep the session's lock."""


class Releaser(NamedTuple):
    """pid: of a child. word: the descriptor to which the word to release is written; closed without it, nothing is done."""

    pid: int
    word: int


def written() -> Optional[FrozenSet[tuple]]:
    """What changes when a file of this package is written anew; None where a fork can't go on by itself at all: where the
    package has no files, or where threads of this Python run beside each other (PEP 703)."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    try:
        with os.scandir(os.path.dirname(__file__)) as entries:
            files = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".py")]
    except OSError:
        return None
    return frozenset((name, status.st_ino, status.st_size, status.st_mtime_ns) for name, status in files)


def start(folder: str, configuration: str, lock: int, quick: bool) -> Releaser:
    """Start it with the session's lock. Raises OSError.

    lock: the descriptor that holds the lock. quick: whether the fork goes on by itself; else it executes a Python.
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


def _go_on(reader: int, words: list, lock: int, quick: bool) -> NoReturn:
    """What a fork does."""
    try:
        os.dup2(reader, 0)
        if not quick:
            os.set_inheritable(lock, True)
            os.execv(sys.executable, [sys.executable, "-m", "supervisor_zkelect.release", *words])
        _leave_the_guard(lock)
        signal.alarm(IMPORT_TIME)
        from supervisor_zkelect import logs, release

        signal.alarm(0)
        with open(0, closefd=False) as told:
            logs.end(release.main(words, told))
    except BaseException as error:
        log.exception("the release: %s", error)
    finally:
        os._exit(1)


def _leave_the_guard(lock: int) -> None:
    """Have nothing of the guard's: neither its handlers of signals nor, but for the lock, its descriptors."""
    # Whatever would be collected as garbage could close a descriptor whose number is another's by then.
    gc.freeze()
    threading.stack_size(0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number != lock:
            try:
                os.close(number)
            except OSError:
                continue  # the one of the listing
