"""The runtime folder as one that was looked at, whatever is put in its place meanwhile.

What is checked by a path and then written by it may go somewhere else, and among it is what only this user may know.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator

from supervisor_zkelect.guard import record


class Unfit(Exception):
    """There is no folder that this process may keep its files in; the message says why."""


@contextmanager
def held(folder: str) -> Iterator[str]:
    """The folder, made unless it is there, by a path that means this very one until the block is left.

    Raises Unfit; and OSError, which names files by the path that was given.
    """
    trouble = record.unusable(folder)
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


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
