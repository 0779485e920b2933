"""What happened, in order: numbers that never repeat, and what a reader has missed."""

import json

import pytest

from supervisor_zkelect.core import history, journal, untrusted
from supervisor_zkelect.core.journal import Event, Missed, News, Number, number


def noted(data, count, first=1):
    for one in range(first, first + count):
        data = journal.amended(data, "a", [News(1000.0 + one, journal.ROLE, f"standby -> promoting: {one}")])
    return data


def test_events_are_numbered_in_the_order_in_which_they_are_noted():
    data = journal.amended(noted(b"", 2), "b", [News(5.0, journal.FAILURE, "sick"), News(6.0, journal.ORDER, "x")])
    following, events = journal.read(data)
    assert following == 5 and [(one.counter, one.node, one.kind) for one in events] == [
        (1, "a", "role"), (2, "a", "role"), (3, "b", "failure"), (4, "b", "order"),
    ]
    assert events[2] == Event(3, 5.0, "b", "failure", "sick")


def test_the_log_is_bounded_and_its_numbers_go_on():
    data = noted(b"", 700)
    following, events = journal.read(data)
    assert len(data) <= journal.LONGEST and following == 701 and 100 < len(events) < 700
    assert [one.counter for one in events] == list(range(701 - len(events), 701))


@pytest.mark.parametrize("text", ["x" * 9999, "\x1b[2J" * 500, "ä" * 400])
def test_a_text_of_others_is_cut_and_printable(text):
    (event,) = journal.read(journal.amended(b"", "a", [News(1.0, "role", text)]))[1]
    assert len(event.text) <= journal.LONGEST_TEXT + 1 and event.text.isprintable() and event.text.endswith("…")


@pytest.mark.parametrize("data", [
    b"", b"garbage", b"[]", b'{"events": 7}', b'{"next": "x", "events": [7, null, {}]}', b'{"events": [{"n": true}, {"n": -1}, {"n": 1.5}]}',
])
def test_of_garbage_nothing_is_read_and_a_log_is_begun(data):
    assert journal.read(data) == (1, [])
    assert journal.read(journal.amended(data, "a", [News(1.0, "role", "x")])) == (2, [Event(1, 1.0, "a", "role", "x")])


@pytest.mark.parametrize("moment, known", [
    (0, 0.0), (0.5, 0.5), (untrusted.LATEST - 1, untrusted.LATEST - 1), (untrusted.LATEST, 0.0), (-0.5, 0.0), (True, 0.0), ("1", 0.0),
    (None, 0.0), (float("nan"), 0.0), (float("inf"), 0.0),
])
def test_a_time_is_one_that_a_history_takes(moment, known):
    [event] = journal.read(json.dumps({"events": [{"n": 1, "time": moment}]}).encode())[1]
    [row] = history.rows([{"token": 7, "begun": {"elected": moment}}])
    assert event.time == known and (row.since or 0.0) == known


def test_numbers_go_on_where_the_events_themselves_are_gone():
    data = journal.amended(b'{"v": 1, "next": 9, "events": []}', "a", [News(1.0, "role", "x")])
    assert journal.read(data) == (10, [Event(9, 1.0, "a", "role", "x")])


def test_what_others_wrote_is_read_as_far_as_it_is_known():
    data = json.dumps({"v": 1, "next": 2, "events": [{"n": 9, "time": "x", "node": "-o", "kind": "k" * 99, "text": None, "z": 1}, {"n": 3}]})
    following, (three, nine) = journal.read(data.encode())
    assert following == 10 and three.counter == 3 and nine == Event(9, 0.0, "", "k" * 20 + "…", "")


def test_a_log_of_a_newer_version_is_left_alone():
    data = b'{"v": 2, "log": "other"}'
    assert journal.amended(data, "a", [News(1.0, "role", "x")]) == data


EVENTS = [Event(counter, 1.0, "a", "role", "x") for counter in (5, 6, 7)]


@pytest.mark.parametrize("last, left, missed", [
    (None, [5, 6, 7], Missed(False, 0)), (Number(9, 7), [], Missed(False, 0)), (Number(9, 5), [6, 7], Missed(False, 0)),
    (Number(9, 4), [5, 6, 7], Missed(False, 0)), (Number(9, 2), [5, 6, 7], Missed(False, 2)),
    # Another znode: what the reader has missed of the former one nobody knows.
    (Number(8, 6), [5, 6, 7], Missed(True, 4)),
])
def test_a_reader_knows_what_it_missed(last, left, missed):
    found, gone = journal.after(9, EVENTS, last)
    assert [one.counter for one in found] == left and gone == missed


def test_numbers_are_written_and_read():
    assert str(Number(255, 12)) == "ff.12" and number(" ff.12 ") == Number(255, 12)
    for text in ("", "ff", "ff.", ".1", "FF.1", "ff.-1", "2h", "2026-11-29", "f" * 17 + ".1", "ff.٣"):
        assert number(text) is None


def test_of_too_much_news_the_oldest_are_counted():
    news = []
    for one in range(70):
        news = journal.collected(news, News(float(one), "role", str(one)))
        assert len(news) <= journal.MOST_NEWS
    assert news[-1].text == "69" and news[0].kind == journal.LOST
    lost = int(news[0].text.split()[0])
    assert lost + len(news) - 1 == 70 and news[1].text == str(lost)


def test_an_answer_carries_the_log():
    found = json.loads(json.dumps(journal.document(9, noted(b"", 3))))
    assert journal.of_document(found) == (9, 4, journal.read(noted(b"", 3))[1])
    assert journal.of_document({"events": [None, {"counter": "x"}], "log": -1, "next": []}) == (0, 0, [])
