"""Which former life of a node is certainly over, and what a pause means for it."""

import math
import os

import pytest

from supervisor_zkelect.core.control import Control, Life, Order, Pause, Stamp
from supervisor_zkelect.guard import record
from supervisor_zkelect.listener import lives

MINE = Life("machine", "boot", "boot-4-10-100")


@pytest.mark.parametrize("former, over", [
    (MINE, False),
    (MINE._replace(boot="before", instance="before-4-10-100"), True),
    (MINE._replace(machine="another", boot="before"), False),
    (MINE._replace(boot=""), False),
    (MINE._replace(instance="boot-4-10-99"), True),
    (MINE._replace(instance="boot-4-9-100"), True),
    (MINE._replace(instance="boot-5-10-99"), False),
    (MINE._replace(instance=""), False), (MINE._replace(instance="garbage"), False),
])
def test_a_life_is_over_by_its_boot_or_by_its_supervisord_and_never_by_its_name(former, over):
    assert lives.is_over(former, MINE, lambda instance: False) == over
    assert not lives.is_over(former, MINE._replace(machine=""), lambda instance: False), "no machine that could be recognised"


def test_a_supervisord_that_is_alive_is_not_over():
    assert not lives.is_over(MINE._replace(instance="boot-4-9-100"), MINE, lambda instance: True)
    assert lives.is_alive(record.instance(record.owner_of(os.getpid()))) and not lives.is_alive("boot-4-1-1")
    assert lives.is_alive("boot-4-x-y"), "it cannot be told"


def test_this_life_is_that_of_this_boot(tmp_path, monkeypatch):
    owner = record.owner_of(os.getpid())
    (tmp_path / "id").write_text("abc\n")
    monkeypatch.setattr(lives, "_MACHINE", str(tmp_path / "id"))
    assert lives.here(owner) == Life("abc", owner.boot, record.instance(owner))
    monkeypatch.setattr(lives, "_MACHINE", str(tmp_path / "none"))
    assert lives.here(owner).machine == ""


def test_what_a_pause_means():
    paused = Pause(Order("p", "root@h"), 2500, "a", 7, MINE._replace(boot="before"), "r")
    seen = lives.pause_of(Control(Stamp(3, 4), paused=paused), "a", MINE)
    assert seen == ("p", "paused by root@h", True, 7, True, True, 2.5, (3, 4))
    assert not lives.pause_of(Control(paused=paused), "b", MINE).over, "it is another node's"
    asked = lives.pause_of(Control(asked=Pause(Order("p"))), "a", MINE)
    assert (asked.stands, asked.consent, asked.over, asked.lasts) == (False, 0, False, math.inf)
    assert lives.pause_of(Control(), "a", MINE) is None
