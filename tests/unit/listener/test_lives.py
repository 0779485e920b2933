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
    assert lives.is_alive(record.instance(record.owner_of(os.getpid()))) and not lives.is_alive(f"boot-4-{2 ** 22 + 1}-1")
    assert lives.is_alive("boot-4-x-y"), "it cannot be told"


MACHINE = "0123456789abcdef0123456789abcdef"
INITIAL = "pid:[4026531836]"


@pytest.mark.parametrize("text, namespace, machine", [
    (f"{MACHINE}\n", INITIAL, MACHINE), (MACHINE, INITIAL, MACHINE),
    ("uninitialized\n", INITIAL, ""), ("", INITIAL, ""), ("0" * 32, INITIAL, ""), (MACHINE[1:], INITIAL, ""), (MACHINE + "0", INITIAL, ""),
    ("g" + MACHINE[1:], INITIAL, ""), ("ä" * 32, INITIAL, ""), (None, INITIAL, ""),
    # In a container the id may be its image's.
    (MACHINE, "pid:[4026532201]", ""),
])
def test_a_machine_is_known_only_by_an_id_that_no_other_bears(tmp_path, monkeypatch, text, namespace, machine):
    owner = record.owner_of(os.getpid())._replace(namespace=namespace)
    if text is not None:
        (tmp_path / "id").write_text(text, encoding="utf-8")
    monkeypatch.setattr(lives, "_MACHINE", str(tmp_path / "id"))
    assert lives.here(owner) == Life(machine, owner.boot, record.instance(owner))


@pytest.mark.parametrize("refused", [PermissionError(13, "no"), FileNotFoundError(2, "hidden")])
@pytest.mark.parametrize("signalled, alive", [(None, True), (PermissionError(1, "no"), True), (ProcessLookupError(3, "none"), False)])
def test_a_process_that_may_not_be_read_is_alive_where_it_exists(monkeypatch, refused, signalled, alive):
    def read(*_, **__):
        raise refused

    def kill(*_):
        if signalled is not None:
            raise signalled

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", read)
        patched.setattr(os, "kill", kill)
        found = lives.is_alive("boot-4-9-100")
    assert found is alive


def test_what_a_pause_means():
    paused = Pause(Order("p", "root@h"), 2500, "a", 7, MINE._replace(boot="before"), "r")
    seen = lives.pause_of(Control(Stamp(3, 4), paused=paused), "a", MINE)
    assert seen == ("p", "paused by root@h", True, 7, True, False, True, 2.5, (3, 4))
    assert not lives.pause_of(Control(paused=paused), "b", MINE).over, "it is another node's"
    asked = lives.pause_of(Control(asked=Pause(Order("p"))), "a", MINE)
    assert (asked.stands, asked.consent, asked.over, asked.lasts) == (False, 0, False, math.inf)
    assert lives.pause_of(Control(), "a", MINE) is None


@pytest.mark.parametrize("life, node, own", [
    (MINE, "a", True), (MINE._replace(machine=""), "a", False), (MINE._replace(instance="boot-4-10-99"), "a", False), (MINE, "b", False),
])
def test_a_consent_of_this_very_life_is_known_as_such_and_is_not_over(life, node, own):
    seen = lives.pause_of(Control(paused=Pause(Order("p"), None, "a", 7, life)), node, MINE)
    assert seen.own is own and not (own and seen.over)
    assert not lives.pause_of(Control(paused=Pause(Order("p"), None, "a", 7, Life())), "a", Life()).own, "nothing is known of either"
