"""What stands in a control, in words, for people and for the log of orders."""

import json

import pytest

from supervisor_zkelect.core import control, control_words
from supervisor_zkelect.core.control import Control, Order, Pause, Restart, Switchover

#: What ZooKeeper's clock shows, and an order that ends 90 s later.
NOW = 1_000_000
DISK = Order("m", "ann@h", "disk", NOW - 5000, NOW + 90_000)
PLAIN, ASKED = Order("p"), Order("p", at=NOW)


@pytest.mark.parametrize("order, now, words", [
    (PLAIN, NOW, "in maintenance"), (DISK._replace(until=None), NOW, "in maintenance by ann@h: disk"),
    (DISK, NOW, "in maintenance by ann@h: disk, for another 1 m 30 s, until 1970-01-01 00:18:10+0000"),
    (DISK, NOW + 60_000, "in maintenance by ann@h: disk, for another 30 s, until 1970-01-01 00:18:10+0000"),
    # ZooKeeper's clock is not known, or shows that it is over.
    (DISK, None, "in maintenance by ann@h: disk, until 1970-01-01 00:18:10+0000"),
    (DISK, NOW + 100_000, "in maintenance by ann@h: disk, for another 0.0 s, until 1970-01-01 00:18:10+0000"),
])
def test_a_maintenance_and_its_end(order, now, words):
    assert control.maintenance_in_words(order, now) == words


@pytest.mark.parametrize("found, words", [
    (Control(), ""), (Control(asked=Pause(ASKED)), "a pause is asked for, and not consented to yet"),
    (Control(asked=Pause(ASKED, 90_000)), "a pause is asked for for 90 s, and not consented to yet"),
    (Control(paused=Pause(PLAIN)), "paused, nobody is promoted until zkelect resume"),
    (Control(paused=Pause(DISK, 1500, "a", 7)), "paused by ann@h: disk for 1.5 s, a runs on until zkelect resume"),
    (Control(paused=Pause(PLAIN, node="a", token=7, resume="r")), "paused, a runs on until zkelect resume, which is ordered"),
])
def test_a_pause(found, words):
    assert control_words.told_of_pause(found) == words
    assert control_words.told(found, NOW) == ([words] if words else [])


ALL = Control(
    maintenance={"b": DISK._replace(id="2", until=None), "a": DISK, "c": DISK._replace(until=NOW)},
    switchover=Switchover(Order("s", "ann@h"), "c"), restart=Restart(Order("r", "bob@h")), paused=Pause(PLAIN),
)


def test_all_that_stands_is_told_a_line_each():
    """A maintenance that is over does not stand."""
    assert control_words.told(ALL, NOW) == [
        f"a: {control.maintenance_in_words(DISK, NOW)}", "b: in maintenance by ann@h: disk",
        control_words.switchover_in_words(ALL.switchover, NOW), control_words.restart_in_words(ALL.restart, NOW),
        "paused, nobody is promoted until zkelect resume",
    ]
    assert control_words.told(Control(trouble="garbage"), NOW) == ["garbage"] and control_words.told(Control(), NOW) == []


def test_all_that_stands_is_taken_back_by_its_id():
    assert control_words.taken_back(ALL) == [
        ("m", "maintenance of a"), ("2", "maintenance of b"), ("m", "maintenance of c"), ("s", "a switchover to c"),
        ("r", "a restart"), ("p", "a pause"),
    ]
    assert control_words.taken_back(Control(switchover=Switchover(PLAIN), asked=Pause(DISK))) == [
        ("p", "a switchover to the next node"), ("m", "a pause"),
    ]
    assert control_words.taken_back(Control()) == []
    assert control_words.taken_back(Control(trouble="x")) == [("", "garbage, or orders of a newer version")]


def read(pause):
    return control.read(json.dumps({"v": 1, "paused": pause}).encode(), control.Stamp(7, 3), "/s/control")


@pytest.mark.parametrize("pause", [
    Pause(DISK), Pause(PLAIN, 0), Pause(PLAIN, 90_000, "a", 7, control.Life("boot", "namespace", "1"), "r"),
    Pause(PLAIN, resume="r" * 64), Pause(PLAIN, node="a", token=7, life=control.Life("x" * 200, "y" * 200, "z" * 200)),
])
def test_a_pause_is_read_as_it_was_written(pause):
    assert read(pause.document()).paused == pause


def test_of_a_pause_only_so_much_is_read_as_one_of_ours_has():
    written = {**Pause(PLAIN, node="a", token=7).document(), "machine": "x" * 300, "resume": "r" * 300}
    found = read(written).paused
    assert found.life.machine == "x" * 200 + "…" and found.resume == "r" * 64 + "…"
    # A node without a term has not consented.
    assert read({**Pause(PLAIN).document(), "node": "a"}).paused.node == ""
    assert read({**Pause(PLAIN).document(), "token": 7}).trouble
