"""A pause in the control: asked for, consented to, ended."""

import json

import pytest

from supervisor_zkelect.core import control, pauses
from supervisor_zkelect.core.control import LATE, Life, Order, Pause, Stamp

ASKED = Pause(Order("p", "root@h", "zk upgrade", 1000), 60_000)
LIFE = Life("m", "b", "b-4-10-100")
CONSENT = ASKED._replace(node="a", token=7, life=LIFE)


def written(*changes, data=b"", now=None):
    for change in changes:
        data = control.amended(data, now, change)
    return data


def read(data):
    return control.read(data, Stamp(7, 3), "/s/control")


def test_what_is_written_is_read():
    asked = read(written(pauses.ask(ASKED)))
    assert (asked.asked, asked.paused) == (ASKED, None)
    agreed = read(written(pauses.ask(ASKED), pauses.consent(ASKED, "a", 7, LIFE)))
    assert (agreed.asked, agreed.paused) == (None, CONSENT)
    assert read(written(pauses.force(ASKED))).paused == ASKED
    assert read(written(pauses.force(CONSENT), pauses.ask_to_resume("r"))).paused == CONSENT._replace(resume="r")
    assert json.loads(written(pauses.force(CONSENT), pauses.end)) == {"v": 1}


def test_nobody_else_begins_a_term_while_it_is_paused():
    assert read(written(pauses.ask(ASKED))).halted(8) == "", "it only stands asked"
    found = read(written(pauses.force(CONSENT)))
    assert found.halted(8) == "paused by root@h: zk upgrade, so nobody is promoted" and found.halted(0)
    assert found.halted(7) == "", "that term was claimed before"
    assert read(written(pauses.force(ASKED))).halted(0)
    assert found.barred("b", None) is None, "it takes nobody out of the queue"


def test_a_pause_is_consented_to_by_the_term_that_leads_and_by_no_other():
    found = read(written(pauses.force(CONSENT)))
    assert pauses.wanted(found, "p", 7) == CONSENT and pauses.wanted(found, "p", 8) is None and pauses.wanted(found, "q", 7) is None
    assert pauses.wanted(read(written(pauses.ask(ASKED))), "p", 8) == ASKED
    assert pauses.wanted(read(b""), "p", 8) is None


def test_a_term_that_is_over_takes_back_its_own_consent_only():
    found = read(written(pauses.force(CONSENT)))
    assert pauses.withdraw(found, 8) is None and pauses.withdraw(found, 0) is None and pauses.withdraw(read(b""), 7) is None
    data = written(pauses.force(CONSENT), pauses.withdraw(found, 7))
    assert read(data).paused == ASKED, "nobody leads until resume"
    ordered = read(written(pauses.force(CONSENT), pauses.ask_to_resume("r")))
    assert pauses.withdraw(ordered, 7) is pauses.end, "resume was ordered"


def test_what_nobody_could_consent_to_is_dropped_when_it_is_late():
    for late, stands in ((0, True), (1, False)):
        data = control.amended(written(pauses.ask(ASKED)), 1000 + LATE + late, control.end_maintenance("x"))
        assert (read(data).asked is not None) == stands


@pytest.mark.parametrize("now, stands", [(None, True), (1000, True), (1000 + LATE, True), (1001 + LATE, False)])
def test_what_is_asked_stands_while_somebody_may_consent_to_it(now, stands):
    found = read(written(pauses.ask(ASKED)))
    assert pauses.asked_in_time(found, now) == (ASKED if stands else None)
    assert pauses.asked_in_time(read(b""), now) is None and pauses.asked_in_time(read(written(pauses.force(ASKED))), now) is None


def test_what_came_of_a_pause_that_is_asked_for_takes_it_out():
    asked, forced = read(written(pauses.ask(ASKED))), read(written(pauses.force(ASKED)))
    assert json.loads(written(pauses.ask(ASKED), control.ended(asked, "p"))) == {"v": 1}
    assert control.ended(asked, "q") is None and control.ended(forced, "p") is None, "what stands is ended by resume"


def test_fields_of_a_newer_version_are_kept():
    data = json.dumps({"v": 1, "paused": {"id": "p", "colour": "red"}}).encode()
    data = written(pauses.consent(Pause(Order("p")), "a", 7, LIFE), data=data)
    assert json.loads(data)["paused"]["colour"] == "red"
    assert "colour" not in json.loads(written(pauses.consent(Pause(Order("q")), "a", 7, LIFE), data=data))["paused"]


@pytest.mark.parametrize("other", [{}, {"id": "q", "size": 7}])
def test_a_consent_keeps_what_a_newer_version_put_into_what_was_asked(other):
    data = json.dumps({"v": 1, "pause": {"id": "p", "colour": "red", "lasts": 5}, **({"paused": other} if other else {})}).encode()
    document = json.loads(written(pauses.consent(Pause(Order("p")), "a", 7, LIFE), data=data))
    assert document["paused"]["colour"] == "red" and "size" not in document["paused"] and "pause" not in document
    garbage = json.dumps({"v": 1, "pause": {"id": "q", "colour": "red"}}).encode()
    assert "colour" not in json.loads(written(pauses.consent(Pause(Order("p")), "a", 7, LIFE), data=garbage))["paused"]


def test_what_was_written_of_a_pause_last_counts_before_what_was_asked():
    data = json.dumps({"v": 1, "pause": {"id": "p", "colour": "red"}, "paused": {"id": "p", "colour": "blue"}}).encode()
    assert json.loads(written(pauses.consent(Pause(Order("p")), "a", 7, LIFE), data=data))["paused"]["colour"] == "blue"


@pytest.mark.parametrize("paused", [
    {"id": "p", "token": "7"}, {"id": "p", "token": 7}, {"id": "p", "token": -1, "node": "a"}, {"id": "p", "token": 7, "node": "-x"},
    {"id": "p", "lasts": "x"}, {"id": "p", "lasts": -1}, {"id": "p", "machine": 1}, {}, [], {"id": "p", "resume": 3},
])
def test_a_pause_that_cannot_be_read_makes_the_control_unusable(paused):
    assert read(json.dumps({"v": 1, "paused": paused}).encode()).trouble
