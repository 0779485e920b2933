"""Descriptors and memory that a process keeps for the moment when there are none to be had.

Listener and guard take them first of all, so that the descriptors have low numbers, which a limit that is lowered later
spares. `spend` gives them up when something fails for want of either, and what is tried again then finds some. `keep` tells
whether all of it is there (again): while it is not, no lease is extended (guard.py, rule 1).
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
from typing import Callable, List, Optional, TypeVar

T = TypeVar("T")

DESCRIPTORS = 12
"""To read /proc takes two, to ask supervisord one for each thread that does, to start another process five."""

MEMORY = 8 << 20
"""Bytes of address space, of which none is used."""

MOST_DESCRIPTORS = 65536
"""The limit after raising it, where the hard limit allows it."""

SHORT = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))
"""The kernel's errors for want of descriptors or memory."""

_descriptors: List[int] = []
_memory: Optional[mmap.mmap] = None


def begin() -> None:
    """Take the reserve, and raise this process's limit of descriptors as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    keep()


def keep() -> bool:
    """Take what is missing of the reserve. Whether all of it is there."""
    global _memory
    try:
        while len(_descriptors) < DESCRIPTORS:
            _descriptors.append(os.open("/", os.O_PATH | os.O_CLOEXEC))
        if _memory is None:
            _memory = mmap.mmap(-1, MEMORY, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, MemoryError):
        return False
    return True


def spend() -> None:
    """Give the reserve up, for whatever could not be had."""
    global _memory
    memory, _memory = _memory, None
    if memory is not None:
        memory.close()
    while _descriptors:
        try:
            os.close(_descriptors.pop())
        except IndexError:
            # Another thread has it.
            return


def short(error: BaseException) -> bool:
    """Whether the error is for want of descriptors or memory."""
    return isinstance(error, MemoryError) or isinstance(error, OSError) and error.errno in SHORT


def unless_short(error: BaseException) -> None:
    """Raise the error, or what it comes of, where that is for want of descriptors or memory: what could not be read then may be
    there."""
    cause = error.__cause__ or error
    if short(cause):
        raise cause from None


def twice(work: Callable[[], T]) -> T:
    """Do it, and once more with the reserve where it fails for want of descriptors or memory. Raises what it raises."""
    try:
        return work()
    except (OSError, MemoryError) as error:
        if not short(error):
            raise
        spend()
        return work()
