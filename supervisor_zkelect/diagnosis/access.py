"""What keeps a user from a file, told by the modes of the file and of all folders on the way to it. No process is started for it.

An access control list (acl(5)) may let in whom the mode keeps out, so what has one counts as open.
"""

from __future__ import annotations

import os
import stat
from typing import AbstractSet, NamedTuple

READ, WRITE, EXECUTE, ENTER = 4, 2, 1, 1
"""What a user wants of a file; the last of a folder."""

_MOST_LINKS = 40
"""Symbolic links that the kernel follows in one path."""


class AccessUser(NamedTuple):
    """The user and the groups of a process, by number."""

    uid: int
    groups: AbstractSet[int]


def closed(path: str, user: AccessUser, wanted: int) -> str:
    """The first folder on the way to `path` that the user may not enter, or the file itself where he may not do with it what is
    wanted; "" where nothing is known against it, as of what is not there or may not be looked at."""
    at, names, links = "/", path.split("/"), 0
    try:
        while names:
            name = names.pop(0)
            if name in ("", "."):
                continue
            if not _may(at, os.stat(at), user, ENTER):
                return at
            one = os.path.dirname(at) if name == ".." else os.path.join(at, name)
            status = os.lstat(one)
            if stat.S_ISLNK(status.st_mode):
                target, links = os.readlink(one), links + 1
                names, at = target.split("/") + names, "/" if target.startswith("/") else at
                if links > _MOST_LINKS:
                    return ""
            else:
                at = one
        return "" if _may(at, os.stat(at), user, wanted) else at
    except (OSError, ValueError):
        return ""


def _may(path: str, status: os.stat_result, user: AccessUser, wanted: int) -> bool:
    mode = status.st_mode
    if user.uid == 0:
        return wanted != EXECUTE or stat.S_ISDIR(mode) or bool(mode & 0o111)
    # The first that fits counts alone.
    bits = mode >> 6 if user.uid == status.st_uid else mode >> 3 if status.st_gid in user.groups else mode
    return bool(bits & wanted) or any(name.startswith("system.") for name in os.listxattr(path))
