"""Which life of which node has consented to a pause, and whether that is certainly over.

A name alone proves nothing: two machines may bear it. The same machine in another boot has none of that life's processes; in the
same boot it takes that the supervisord of that life is dead, with which its programs die, and that this one has proven its group
dead since.

An id that a machine may share with others is none: what systemd writes before there is one, or what an image brings along into
the containers made of it, each of which is in a pid namespace of its own.
"""

from __future__ import annotations

import math
import os
import re
from typing import Callable, Optional

from supervisor_zkelect.core.control import Control, Life
from supervisor_zkelect.core.pause_messages import PauseSeen
from supervisor_zkelect.guard import record

_MACHINE = "/etc/machine-id"

_ID = re.compile(r"(?!0{32})[0-9a-f]{32}", re.ASCII)

_INITIAL = "4026531836"
"""Number of the pid namespace in which the kernel begins (PROC_PID_INIT_INO in its proc_ns.h)."""


def here(owner: record.Owner) -> Life:
    """This life of this node. owner: its supervisord."""
    try:
        with open(_MACHINE, encoding="ascii") as file:
            machine = file.read(64).strip()
    except (OSError, UnicodeDecodeError):
        machine = ""
    known = _ID.fullmatch(machine) and "".join(filter(str.isdigit, owner.namespace)) == _INITIAL
    return Life(machine if known else "", owner.boot, record.instance(owner))


def is_alive(instance: str) -> bool:
    """Whether the supervisord of an instance of this boot and pid namespace is alive, or may be."""
    _, pid, start = instance.rsplit("-", 2)
    try:
        return bool(record.owner_of(int(pid)).start == int(start))
    except record.RecordError:
        # What is alive is read by everybody, unless /proc is mounted so that others' processes are hidden or refused.
        return _exists(int(pid))
    except ValueError:
        return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def is_over(former: Life, mine: Life, alive: Optional[Callable[[str], bool]] = None) -> bool:
    """Whether a life of this node is certainly over. mine: the present one. alive: as `is_alive`."""
    if not mine.machine or former.machine != mine.machine or not former.boot:
        return False
    if former.boot != mine.boot:
        return True
    beginning = mine.instance.rsplit("-", 2)[0]
    if former.instance.count("-") < 2 or former.instance.rsplit("-", 2)[0] != beginning:
        # Of another pid namespace, into which nobody sees from here.
        return False
    return former.instance != mine.instance and not (alive or is_alive)(former.instance)


def pause_of(found: Control, node: str, life: Life) -> Optional[PauseSeen]:
    """What a pause in the control means for a node."""
    pause, stands = (found.paused, True) if found.paused is not None else (found.asked, False)
    if pause is None:
        return None
    over = bool(pause.token) and pause.node == node and is_over(pause.life, life)
    lasts = math.inf if pause.lasts is None else pause.lasts / 1000
    own = bool(pause.token) and pause.node == node and bool(life.instance) and pause.life == life
    return PauseSeen(
        pause.order.id, pause.told(), stands, pause.token, over, own, bool(pause.resume), lasts,
        (found.stamp.czxid, found.stamp.version),
    )
