"""What is kept of an election's terms, and what is made of it."""

import json

import pytest

from supervisor_zkelect import client, history, role
from supervisor_zkelect.course import Course

BEGUN = {"noticed": 100.0, "elected": 100.25, "acked": 100.5}


def test_what_is_known_of_a_term_is_put_together():
    data = history.amended(b"", {"v": 1, "token": 7, "node": "a", "begun": BEGUN})
    data = history.amended(data, {"v": 1, "token": 9, "node": "b", "begun": {"elected": 300.0}})
    data = history.amended(data, {"v": 1, "token": 7, "ended": {"noticed": 200.0, "dead": 200.5, "why": "gone"}})
    assert history.read(data) == [
        {"v": 1, "token": 9, "node": "b", "begun": {"elected": 300.0}},
        {"v": 1, "token": 7, "node": "a", "begun": BEGUN, "ended": {"noticed": 200.0, "dead": 200.5, "why": "gone"}},
    ]


def test_the_latest_terms_are_kept():
    data = b""
    for token in range(50):
        data = history.amended(data, {"token": token})
    assert [term["token"] for term in history.read(data)] == list(range(49, 49 - history.MOST, -1))


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"[1]", b'[{"token": true}]', b'[{"token": "7"}]', b"[" * 100000])
def test_what_is_no_history_is_none(data):
    assert history.read(data) == []
    assert history.read(history.amended(data, {"token": 1})) == [{"v": 1, "token": 1}]


def test_steps_are_the_times_between_the_moments_that_are_known():
    (row,) = history.rows([{"token": 7, "node": "a", "begun": BEGUN, "ended": {"noticed": 200.0, "dead": 200.5}}])
    assert row.begun == (("elected", 0.25), ("acked", 0.25)) and row.ended == (("dead", 0.5),)
    assert row.since == 100.5 and row.lasted == 100.0


def test_a_term_that_another_followed_and_nobody_ended_was_not_released():
    later, former = history.rows([{"token": 9}, {"token": 7}])
    assert later.why == "" and former.why == "ended without releasing"


@pytest.mark.parametrize("time", ["now", True, float("inf"), float("nan"), 1e300, -1.0, None, [], {}])
def test_what_is_no_time_is_shown_as_unknown(time):
    terms = [{"token": 7, "begun": {"acked": time, "elected": time}, "ended": {"noticed": time, "why": 5}}]
    outcome = client.show_history({"orders": {"ok": True, "terms": terms}})
    assert outcome.exit == 0 and outcome.lines[1].split()[3:5] == ["-", "-"]


def test_what_is_shown_is_a_line_for_each_term():
    terms = [{"token": 7, "node": "a\n", "begun": BEGUN, "ended": {"noticed": 200.0, "dead": 200.5, "why": "x\x1b[2J"}}]
    lines = client.show_history({"orders": {"ok": True, "terms": terms}}).lines
    assert len(lines) == 2 and "500 ms: elected 250 acked 250" in lines[1] and "\x1b" not in lines[1]
    json.dumps(client.show_history({"orders": {"ok": True, "terms": terms}}).document)


# The moments, from the states


def state(name, step="", **more):
    return role.State(role=name, step=step, **more)


def led(course, token=7):
    """A node that became primary."""
    steps = [state(role.STANDBY, "asking"), *(
        state(role.PROMOTING, step, token=token) for step in ("claiming", "leasing", "starting", "probing", "acking")
    ), state(role.PRIMARY, token=token)]
    before = state(role.DETACHED, "proposing")
    for moment, after in enumerate(steps, 1):
        course.moved(before, after, None, float(moment))
        before = after
    return before


def ended(course, before, release=True, start=10.0):
    stopping = state(role.DEMOTING, "stopping", token=7, reason="resigned")
    releasing = state(role.DEMOTING, "releasing", token=7)
    course.moved(before, stopping, None, start)
    course.moved(stopping, releasing, role.Dead(1, 0.1), start + 1)
    course.moved(releasing, state(role.DETACHED, "waiting"), role.Released(2) if release else None, start + 2)


def test_each_step_is_a_moment():
    course = Course()
    led(course)
    assert course.news
    assert course.term("a", "x:1", 100.0)["begun"] == {
        "noticed": 101.0, "elected": 102.0, "claimed": 103.0, "leased": 104.0, "started": 105.0, "healthy": 106.0,
        "acked": 107.0,
    }


def test_the_first_program_that_is_executed_counts():
    course = Course()
    course.executed(1.0)
    led(course)
    course.executed(4.5)
    course.executed(9.0)
    assert course.begun["executed"] == 4.5


def test_an_end_has_its_reason_and_its_moments():
    course = Course()
    ended(course, led(course))
    assert course.news
    assert course.term("a", "x:1", 0.0)["ended"] == {
        "noticed": 10.0, "why": "resigned", "dead": 11.0, "released": 12.0,
    }


def test_an_end_without_a_release_is_none():
    course = Course()
    ended(course, led(course), release=False)
    assert "released" not in course.term("a", "x:1", 0.0)["ended"]


def test_a_term_that_was_taken_over_has_the_beginning_that_is_known():
    course = Course()
    before = state(role.PROMOTING, "claiming", token=7, inherited=7)
    course.moved(before, state(role.PROMOTING, "probing", token=7), None, 1.0)
    primary = state(role.PRIMARY, token=7)
    course.moved(state(role.PROMOTING, "acking", token=7), primary, None, 2.0)
    assert not course.news
    ended(course, primary)
    assert course.news and "begun" not in course.term("a", "x:1", 0.0)


def test_another_term_begins_anew():
    course = Course()
    ended(course, led(course))
    led(course, token=8)
    term = course.term("a", "x:1", 0.0)
    assert term["token"] == 8 and "ended" not in term
