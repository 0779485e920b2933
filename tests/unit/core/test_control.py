"""What the control znode says, and what may be made of it."""

import json

import pytest

from supervisor_zkelect.core import control, control_words, outcomes
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
    data = json.dumps({"v": 1, "hue": {"x": 1}, "nodes": {"b": {"weight": 3}}, "switchover": {"id": "s", "colour": "red"}}).encode()
    data = written(control.begin_maintenance("b", ORDER), control.end_maintenance("b"), data=data)
    data = written(control.order_switchover(Switchover(Order("s"), "c", begun=4, target="n-1")), data=data)
    document = json.loads(data)
    assert document["hue"] == {"x": 1} and document["nodes"] == {"b": {"weight": 3}}
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


def test_what_an_order_of_maintenance_has_replaced_stands_again_when_it_is_taken_back():
    first, second, third = (Order(name, "x", f"reason {name}") for name in "123")
    data = written(control.begin_maintenance("b", first), control.begin_maintenance("c", first))
    for order in (second, third):
        data = written(control.begin_maintenance("b", order, json.loads(data)["nodes"]["b"]["maintenance"]), data=data)
    document = json.loads(data)["nodes"]["b"]["maintenance"]
    assert document == {**third.document(), "former": second.document()}
    data = written(control.take_back_maintenance("b"), data=data)
    assert read(data).maintenance == {"b": second, "c": first} and "former" not in json.loads(data)["nodes"]["b"]["maintenance"]
    assert list(read(written(control.take_back_maintenance("b"), data=data)).maintenance) == ["c"]


@pytest.mark.parametrize("former", [None, {}, {"id": "m"}])
def test_an_order_of_maintenance_that_replaces_none_keeps_none(former):
    """One that is written again is the same."""
    assert json.loads(written(control.begin_maintenance("b", ORDER._replace(id="m"), former)))["nodes"]["b"]["maintenance"] == (
        ORDER._replace(id="m").document()
    )


@pytest.mark.parametrize("former", [7, [], "x", {}, {"id": 7}, {"id": "x", "until": "soon"}, {"id": "x", "force": 1}])
def test_what_is_no_order_does_not_stand_again(former):
    document = {"v": 1, "nodes": {"b": {"maintenance": {**ORDER.document(), "former": former}}, "c": {"maintenance": ORDER.document()}}}
    data = written(control.take_back_maintenance("b"), data=json.dumps(document).encode())
    assert list(read(data).maintenance) == ["c"]


def test_a_node_is_forgotten_with_all_that_is_said_of_it():
    data = written(control.begin_maintenance("b", ORDER), control.begin_maintenance("c", ORDER), control.end_maintenance("b", 7))
    assert list(json.loads(written(control.forget("b"), data=data))["nodes"]) == ["c"]
    assert json.loads(written(control.forget("z"), data=data)) == json.loads(data)
    assert json.loads(written(control.forget("b"))) == {"v": 1}


@pytest.mark.parametrize("order, leads", [
    (Switchover(Order("s"), "b"), True), (Switchover(Order("s"), "c"), False), (Switchover(Order("s"), "c", begun=40), True),
    (Switchover(Order("s"), "c", begun=41), False), (Switchover(Order("s"), ""), True), (Switchover(Order("s"), "", 7), False),
    (Switchover(Order("s"), "b", begun=41), False), (None, False),
])
def test_the_claim_removes_the_order_that_led_to_it(order, leads):
    assert (control.led_to(Control(STAMP, switchover=order), "b", 41) == order) == (leads or order is None)


@pytest.mark.parametrize("to, source, missed", [
    ("b", "a", ""), ("c", "a", "c"), ("c", "", "c"), ("", "a", ""), ("", "b", "another node"), ("", "", ""),
])
def test_who_claims_by_an_order_knows_whether_it_was_to_lead(to, source, missed):
    order = read(written(control.order_switchover(Switchover(Order("s"), to, begun=40, target="n-1", source=source)))).switchover
    assert order.source == source and order.missed_by("b") == missed


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


@pytest.mark.parametrize("order, why", [
    (Order("m"), "in maintenance"), (Order("m", "root@h"), "in maintenance by root@h"), (Order("m", "", "disk"), "in maintenance: disk"),
])
def test_maintenance_is_told_with_what_is_known_of_it(order, why):
    assert control.in_maintenance(order) == why


GARBAGE = "holds no orders that can be read, so nobody is promoted; `zkelect orders --reset` makes it anew"


@pytest.mark.parametrize("data, told", [
    (b"garbage", GARBAGE), (b'{"v": 1, "nodes": []}', GARBAGE),
    (b'{"v": 2}', "has the format 2, and this version knows 1; install a newer version here, or take all orders back by `zkelect orders --reset`"),
])
def test_what_cannot_be_read_is_told_with_its_place_and_the_remedy(data, told):
    assert read(data) == Control(STAMP, f"/s/control {told}") and control.read(data, STAMP).trouble == f"control {told}"
    for path, where in ((("/s/control",), "/s/control"), ((), "control")):
        with pytest.raises(Unusable) as refused:
            control.amended(data, None, control.end_switchover, *path)
        assert str(refused.value) == f"{where} {told}"
    if told is not GARBAGE:
        with pytest.raises(Unusable, match=f"^control {told}"):
            control.parsed(data)


def test_a_document_that_is_none_is_told_by_its_usual_name():
    with pytest.raises(Unusable) as refused:
        control.parsed(b"garbage")
    assert str(refused.value) == f"control {GARBAGE}"


def test_what_an_order_lacks_is_empty():
    found = read(b'{"v": 1, "nodes": {"b": {"maintenance": {"id": "m"}}}, "switchover": {"id": "s"}}')
    assert found == Control(STAMP, "", {"b": Order("m")}, Switchover(Order("s")))


def test_ids_and_targets_have_a_length():
    found = read(json.dumps({"v": 1, "switchover": {"id": "x" * 65, "target": "y" * 401, "by": "z" * 501}}).encode()).switchover
    assert (found.order.id, found.target, found.order.by) == ("x" * 64 + "…", "y" * 400 + "…", "z" * 500 + "…")


@pytest.mark.parametrize("at, is_one", [(0, True), ((1 << 63) - 1, True), (1 << 63, False), (-1, False), (5.5, False), (True, False), ("5", False)])
def test_what_is_a_time(at, is_one):
    assert bool(read(json.dumps({"v": 1, "switchover": {"id": "s", "at": at}}).encode()).trouble) is not is_one


def test_it_may_be_as_long_as_what_is_read():
    def longer(more):
        return control.amended(b"", None, lambda document: document.update(x="y" * (control.untrusted.LONGEST_DOCUMENT - 17 + more)))

    assert len(longer(0)) == control.untrusted.LONGEST_DOCUMENT and control.parsed(longer(0))["v"] == 1
    with pytest.raises(Unusable, match="^control would have 65537 bytes, and 65536 are read; take orders back$"):
        longer(1)


def test_maintenance_that_there_is_none_of_ends_as_well():
    data = b'{"v": 1, "nodes": {"b": {"weight": 3}}}'
    assert json.loads(written(control.end_maintenance("b"), data=data)) == json.loads(data)


def test_a_switchover_is_late_by_when_it_is_due_and_not_by_when_it_was_given():
    switchover = Switchover(Order("s", at=1_000), "b", 9_000)
    assert not control.overdue(switchover, 9_000 + control.LATE) and control.overdue(switchover, 9_001 + control.LATE)


def test_what_stands_below_a_name_that_is_no_nodes_is_told_as_no_orders():
    with pytest.raises(Unusable) as refused:
        control.amended(b'{"v": 1, "nodes": {"../x": 7}}', None, control.end_maintenance("../x"), "/s/control")
    assert str(refused.value) == f"/s/control {GARBAGE}"


@pytest.mark.parametrize("switchover, now, text", [
    (Switchover(Order("s", "root@h", "disk"), "c"), 0, "switchover to c by root@h: disk"), (Switchover(Order("s")), 0, "switchover to the next node"),
    (Switchover(Order("s"), "c", 7_500_000), 0, "switchover to c at 1970-01-01 02:05:00+0000, in 2 h 5 m"),
    (Switchover(Order("s", "root@h"), "c", 7_500_000), 300_000, "switchover to c by root@h at 1970-01-01 02:05:00+0000, in 2 h 0 m"),
    (Switchover(Order("s"), "c", 7_500_000), None, "switchover to c at 1970-01-01 02:05:00+0000"),
    (Switchover(Order("s"), "c", 7_500_000, 41), 0, "switchover to c, begun"), (Switchover(Order("s", reason="disk"), "c", None, 41), 0, "switchover to c, begun: disk"),
    (Switchover(Order("s"), "c", 10_001_000), 0, "switchover to c at 1970-01-01 02:46:41+0000, in 2 h 46 m"), (Switchover(Order("s"), "c", 60_000), 0, "switchover to c at 1970-01-01 00:01:00+0000, in 1 m 0 s"),
])
def test_a_switchover_in_words(switchover, now, text):
    assert control_words.switchover_in_words(switchover, now) == text


@pytest.mark.parametrize("order, text", [
    (Order("s"), ""), (Order("s", "root@h"), " of root@h"), (Order("s", "root@h", "disk"), " of root@h: disk"), (Order("s", "", "disk"), ": disk"),
    (Order("s", "", "x" * 500), ": " + "x" * 198 + "…"),
])
def test_who_gave_an_order_and_why(order, text):
    assert control.said(order) == text


# Restarts

RESTART = control.Restart(Order("r", "root@h", "leak", 5), 99, 41, 41)


def test_a_restart_that_is_written_is_read():
    assert read(written(control.order_restart(RESTART))) == Control(STAMP, "", {}, None, RESTART)
    assert read(written(control.order_restart(control.Restart(Order("r"))))).restart == control.Restart(Order("r"))


def test_a_restart_that_is_marked_begun_keeps_what_a_newer_version_wrote_and_another_one_does_not():
    data = b'{"v": 1, "restart": {"id": "r", "rolling": true}}'
    marked = json.loads(written(control.order_restart(RESTART._replace(due=None)), data=data))["restart"]
    assert marked["rolling"] and marked["begun"] == 41
    other = json.loads(written(control.order_restart(control.Restart(Order("other"))), data=data))["restart"]
    assert "rolling" not in other


@pytest.mark.parametrize("restart", [7, [], {}, {"id": 7}, {"id": "r", "begun": "x"}, {"id": "r", "term": 1.5}, {"id": "r", "due": -1}])
def test_a_restart_that_is_none_makes_the_control_unusable(restart):
    assert read(json.dumps({"v": 1, "restart": restart}).encode()).trouble == f"/s/control {GARBAGE}"


def test_an_order_is_taken_out_by_its_id():
    data = written(control.order_restart(RESTART), control.order_switchover(Switchover(Order("s"))))
    found = read(data)
    assert read(written(control.ended(found, "r"), data=data)) == Control(STAMP, "", {}, Switchover(Order("s")))
    assert read(written(control.ended(found, "s"), data=data)) == Control(STAMP, "", {}, None, RESTART)
    assert control.ended(found, "m") is None and control.ended(Control(), "r") is None


def test_a_restart_is_late_by_when_it_is_due():
    assert not control.overdue(RESTART, 99 + control.LATE) and control.overdue(RESTART, 100 + control.LATE)


@pytest.mark.parametrize("term", [42, 0])
def test_a_maintenance_that_does_not_stand_is_not_marked(term):
    change = control.mark_maintenance("b", term)
    assert read(written(change)).leaving == {} == read(written(control.begin_maintenance("a", ORDER), change)).leaving


def test_a_maintenance_is_marked_begun_with_the_term_that_it_ends():
    data = written(control.begin_maintenance("b", ORDER), control.mark_maintenance("b", 42))
    assert read(data).leaving == {"b": 42} and read(data).maintenance == {"b": ORDER}
    assert not read(written(control.begin_maintenance("b", ORDER), data=data)).leaving, "another order has not begun"
    gone = written(control.mark_maintenance("b", 42), data=data, now=ORDER.until)
    assert "b" not in json.loads(gone)["nodes"], "its time is over just now"
    odd = read(b'{"v": 1, "nodes": {"b": {"maintenance": {"id": "m", "begun": "x"}}}}')
    assert not odd.leaving and not odd.trouble
    assert control.unmarked("b", 41)(read(data)) is None
    assert not read(written(control.unmarked("b", 42)(read(data)), data=data)).leaving


def test_the_end_of_maintenance_forgives_what_failed_before():
    data = written(control.begin_maintenance("b", ORDER), control.end_maintenance("b", 42))
    assert json.loads(data)["nodes"] == {"b": {"cleared": 42}}
    assert control.read(data, control.Stamp()).cleared == {"b": 42}
    # It is kept through the next one, and what is no token forgives nothing.
    assert control.read(written(control.begin_maintenance("b", ORDER), data=data), control.Stamp()).cleared == {"b": 42}
    assert control.read(b'{"v": 1, "nodes": {"b": {"cleared": "x"}, "../x": {"cleared": 7}}}', control.Stamp()).cleared == {"b": 0}


def test_a_restart_in_words_says_who_when_and_why():
    restart = control.Restart(control.Order("r", "ann@desk", "leak"), 7_500_000)
    assert control_words.restart_in_words(restart, 300_000) == "restart by ann@desk at 1970-01-01 02:05:00+0000, in 2 h 0 m: leak"
    assert control_words.restart_in_words(restart._replace(begun=7)) == "restart by ann@desk, begun: leak"


def test_what_stands_in_fields():
    order = control.Order("r", "ann@desk", "leak", 5, 900)
    found = control.Control(
        maintenance={"b": order, "c": order._replace(until=10)}, switchover=control.Switchover(order, "c", 800),
        restart=control.Restart(order._replace(until=None), None, 7),
    )
    given = {"by": "ann@desk", "reason": "leak", "at": 5, "until": 900}
    assert control_words.in_fields(found, 100) == {
        "maintenance": [{"node": "b", **given}], "switchover": {**given, "to": "c", "due": 800, "begun": False},
        "restart": {**given, "until": None, "due": None, "begun": True}, "paused": None,
    }
    assert control_words.in_fields(control.Control(), 0) == {"maintenance": [], "switchover": None, "restart": None, "paused": None}


def test_a_pause_in_fields_says_whether_it_stands_and_who_runs_by_it():
    order = control.Order("p", "ann@desk", "upgrade", 5)
    given = {"by": "ann@desk", "reason": "upgrade", "at": 5, "until": None}
    asked = {**given, "stands": False, "lasts": 900, "node": None, "token": None, "resume": False}
    pause = control.Pause(order, 900)
    assert control_words.in_fields(control.Control(asked=pause), 100)["paused"] == asked
    consented = pause._replace(node="a", token=41, resume="r")
    stands = {**asked, "stands": True, "node": "a", "token": 41, "resume": True}
    assert control_words.in_fields(control.Control(asked=pause, paused=consented), 100)["paused"] == stands
