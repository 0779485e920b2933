"""Users of this machine by their numbers."""

from __future__ import annotations

import os
import pwd
from typing import Any, List, Mapping, Optional


def name_of(uid: int) -> str:
    """The user's name, "uid N" where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def groups_of(uid: int) -> List[int]:
    """The groups that a program with `user=` has, its first one first; [] for a user without a name."""
    try:
        one = pwd.getpwuid(uid)
        return list(dict.fromkeys([one.pw_gid, *os.getgrouplist(one.pw_name, one.pw_gid)]))
    except (KeyError, OSError):
        return []


def of_program(program: Mapping[str, Any], supervisord_uid: Optional[int] = None) -> Optional[int]:
    """The user id of a program, an item of supervisord's getAllConfigInfo; None when not known. supervisord writes "none" where
    it runs as supervisord does."""
    uid = program.get("uid")
    if type(uid) is int:
        return uid
    return supervisord_uid if uid == "none" else None
