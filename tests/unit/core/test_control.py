"""What the control znode says, and what may be made of it."""

import json

import pytest

from supervisor_zkelect.core import control, outcomes
from supervisor_zkelect.core.control import Control, Order, Stamp, Switchover, Unusable

STAMP = Stamp(7, 3)
ORDER = Order("m", "root@h", "disk", 1000, 2000)


def written(*changes, data=b"", now=None):
    for change in changes:
        data = control.amended(data, now, change)
    return data


def read(data):
    return control.read(data, STAMP, "/s/control")


@pytest.mark.parametrize("data", [b"", b"{}".replace(b"{}", b'{"v": 1}')])
def test_what_is_empty_orders_nothing(data):
    assert read(data) == Control(STAMP) and read(data).barred("a", 0) is None


def test_what_is_written_is_read():
    to = Switchover(Order("s", at=5, force=True), "c", 99, 41, "n-0000000003")
    assert read(written(control.begin_maintenance("b", ORDER), control.order_switchover(to))) == Control(STAMP, "", {"b": ORDER}, to)


@pytest.mark.parametrize("now, bars", [(1999, True), (2000, False), (None, True)])
def test_maintenance_counts_until_its_end_and_where_the_time_is_not_known(now, bars):
    found = read(written(control.begin_maintenance("b", ORDER)))
    bar = found.barred("b", now)
    assert (bar is not None) == bars and found.barred("a", now) is None
    if bar:
        assert bar.why == "in maintenance by root@h: disk" and bar.order == ORDER


@pytest.mark.parametrize("data, told", [
    (b"garbage", "orders --reset"), (b"[]", "orders --reset"), (b'{"v": "1"}', "orders --reset"), (b'{"v": 0}', "orders --reset"),
    (b'{"v": true}', "orders --reset"), (b'{"v": 1, "nodes": []}', "orders --reset"), (b'{"v": 1, "nodes": {"b": 7}}', "orders --reset"),
    (b'{"v": 1, "nodes": {"b": {"maintenance": {"by": "x"}}}}', "orders --reset"),
    (b'{"v": 1, "nodes": {"b": {"maintenance": {"id": "x", "until": "soon"}}}}', "orders --reset"),
    (b'{"v": 1, "switchover": "c"}', "orders --reset"), (b'{"v": 1, "switchover": {"id": "x", "begun": "1"}}', "orders --reset"),
    (b'{"v": 1, "switchover": {"id": "x", "to": "../x"}}', "orders --reset"), (b"[" * 100_000, "orders --reset"),
    (b'{"v": 2}', "has the format 2, and this version knows 1"),
])
def test_what_cannot_be_read_promotes_nobody_and_is_not_written_over(data, told):
    found = read(data)
    assert told in found.trouble and "/s/control" in found.trouble
    assert found.barred("a", 0).why == found.trouble and found.barred("a", 0).order is None
    with pytest.raises(Unusable):
        control.amended(data, None, control.end_maintenance("b"))


def test_what_this_version_does_not_know_is_kept():
    data = json.dumps({"v": 1, "paused": {"x": 1}, "nodes": {"b": {"weight": 3}}, "switchover": {"id": "s", "colour": "red"}}).encode()
    data = written(control.begin_maintenance("b", ORDER), control.end_maintenance("b"), data=data)
    data = written(control.order_switchover(Switchover(Order("s"), "c", begun=4, target="n-1")), data=data)
    document = json.loads(data)
    assert document["paused"] == {"x": 1} and document["nodes"] == {"b": {"weight": 3}}
    assert document["switchover"]["colour"] == "red" and document["switchover"]["begun"] == 4
    assert "colour" not in json.loads(written(control.order_switchover(Switchover(Order("t"))), data=data))["switchover"]


def test_the_next_writer_removes_what_is_over():
    data = written(control.begin_maintenance("b", ORDER), control.begin_maintenance("c", ORDER._replace(until=None)))
    assert list(read(written(control.end_switchover, data=data, now=2000)).maintenance) == ["c"]
    assert list(read(written(control.end_switchover, data=data, now=1999)).maintenance) == ["b", "c"]
    assert json.loads(written(control.end_maintenance("b"))) == {"v": 1}


def test_texts_of_others_are_cut_and_printable():
    order = Order("m", "x" * 9999, "\x1b[2J" + "y" * 9999)
    found = read(control.amended(b"", None, control.begin_maintenance("b", order))).maintenance["b"]
    assert len(found.by) < 600 and len(found.reason) < 600 and found.reason.isprintable()


def test_it_does_not_outgrow_what_is_read():
    orders = [control.begin_maintenance(f"node-{number}", Order("m", reason="x" * 400)) for number in range(200)]
    with pytest.raises(Unusable, match="take orders back"):
        written(*orders)


@pytest.mark.parametrize("order, leads", [
    (Switchover(Order("s"), "b"), True), (Switchover(Order("s"), "c"), False), (Switchover(Order("s"), "c", begun=40), True),
    (Switchover(Order("s"), "c", begun=41), False), (Switchover(Order("s"), ""), True), (Switchover(Order("s"), "", 7), False),
    (Switchover(Order("s"), "b", begun=41), False), (None, False),
])
def test_the_claim_removes_the_order_that_led_to_it(order, leads):
    assert (control.led_to(Control(STAMP, switchover=order), "b", 41) == order) == (leads or order is None)


@pytest.mark.parametrize("data", [
    b'{"v": 1, "nodes": {"-x": 5}}', b'{"v": 1, "nodes": {"-x": {"maintenance": 5}}}', b'{"v": 1, "nodes": {"-x": {"maintenance": {}}}}',
])
def test_below_a_name_that_is_no_nodes_there_may_be_anything(data):
    assert not read(data).trouble
    assert list(read(written(control.begin_maintenance("b", ORDER), data=data, now=5)).maintenance) == ["b"]


@pytest.mark.parametrize("due, now, over", [(None, 1_000 + control.LATE, False), (None, 1_001 + control.LATE, True), (9_000, 9_001, False)])
def test_a_switchover_is_dropped_when_its_time_is_long_over(due, now, over):
    assert control.overdue(Switchover(Order("s", at=1_000), "b", due), now) == over


def test_an_order_has_one_outcome_and_the_last_ones_are_kept():
    data = b"garbage"
    for number in range(outcomes.MOST + 5):
        data = outcomes.amended(data, outcomes.Outcome(str(number), True, f"done {number}", "b", "b:1"))
    data = outcomes.amended(data, outcomes.Outcome("20", False, "another"))
    found = outcomes.read(data)
    assert len(found) == outcomes.MOST and found[-1].id == str(outcomes.MOST + 4)
    assert [one.text for one in found if one.id == "20"] == ["done 20"]
    assert outcomes.read(b'{"v": 1, "outcomes": [7, {"id": 3}]}') == [outcomes.Outcome("3", False, "")]
