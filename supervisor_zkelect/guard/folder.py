"""The runtime folder as one that was looked at, whatever is put in its place meanwhile.

What is checked by a path and then written by it may go somewhere else, and among it is what only this user may know.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import Iterator

from supervisor_zkelect.guard import record
from supervisor_zkelect.system import files


class Unfit(OSError):
    """There is no folder that this process may keep its files in; `why` says why, and so does strerror."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EACCES, why)
        self.why = why


@contextmanager
def held(folder: str, made: bool = False) -> Iterator[str]:
    """The folder by a path that means this very one until the block is left. made: make it unless it is there.

    Raises OSError, which names files by the path that was given; Unfit where the folder is not fit.
    """
    trouble = record.unusable(folder) if made else None
    if trouble:
        raise Unfit(trouble)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        path = _path(descriptor)
        trouble = record.untrusted(f"{path}/.", os.geteuid())
        if trouble:
            raise Unfit(trouble.replace(f"{path}/.", folder))
        yield path
    except OSError as error:
        if isinstance(error.filename, str):
            error.filename = error.filename.replace(_path(descriptor), folder)
        raise
    finally:
        os.close(descriptor)


def taken(folder: str) -> bool:
    """Whether what lies at the path is somebody else's, or anybody's. What cannot be told, for want of whatever, is not."""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or bool(status.st_mode & 0o022)


def replace(folder: str, name: str, data: bytes) -> None:
    """As `files.replace`, in the folder. Raises OSError."""
    with held(folder) as there:
        files.replace(os.path.join(there, name), data)


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
