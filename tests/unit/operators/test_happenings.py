"""`events`: shown in order, with what was missed."""

import io
import json

import pytest

from supervisor_zkelect.core import journal
from supervisor_zkelect.core.journal import News
from supervisor_zkelect.operators import happenings, live
from supervisor_zkelect.operators.outcome import DONE, UNKNOWN, USAGE
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.table import PLAIN, Screen, breadth

NOW = 1_764_451_800.0


def answer(count, czxid=0x7F, first=1):
    data = b""
    for one in range(1, count + 1):
        data = journal.amended(data, "a", [News(NOW - 100 + one, journal.ROLE, f"standby -> promoting: {one}")])
    found = {"ok": True, **journal.document(czxid, data)}
    return {**found, "events": [one for one in found["events"] if one["counter"] >= first]}


def shown(found, reader=None, **given):
    return happenings.events({"orders": found}, PLAIN, given, NOW, reader)


def numbers(outcome):
    return [one["number"] for one in outcome.document["elections"]["orders"]["events"]]


def test_events_are_shown_with_number_time_and_cause():
    outcome = shown(answer(2))
    assert outcome.exit == DONE and outcome.lines[0].split() == ["ELECTION", "NUMBER", "TIME", "NODE", "KIND", "WHAT"]
    assert outcome.lines[1].split()[:2] == ["orders", "7f.1"] and outcome.lines[2].endswith("role  standby -> promoting: 2")
    assert outcome.document["elections"]["orders"]["last"] == "7f.2"


@pytest.mark.parametrize("given, left", [
    ({}, range(11, 61)), ({"limit": "3"}, range(58, 61)), ({"since": "60s"}, range(40, 61)), ({"since": "7f.58"}, [59, 60]),
    ({"since": "60s", "limit": "2"}, [59, 60]),
])
def test_as_many_are_shown_as_are_wanted(given, left):
    assert numbers(shown(answer(60), **given)) == [f"7f.{one}" for one in left]


@pytest.mark.parametrize("saw, left", [({"orders": "7f.59"}, [60]), ({"orders": "7f.60"}, []), ({"another": "7f.60"}, range(11, 61))])
def test_who_looks_on_is_shown_what_is_new(saw, left):
    reader = Reader()
    reader.saw({"elections": {name: {"last": last} for name, last in saw.items()}})
    assert numbers(shown(answer(60), reader)) == [f"7f.{one}" for one in left]


def test_what_is_missed_is_told():
    gone = shown(answer(60, first=50), since="7f.40")
    assert gone.lines[0] == "orders: 9 events are gone that came before these" and gone.document["elections"]["orders"]["missed"] == 9
    anew = shown(answer(60), since="6e.3")
    assert anew.lines[0].startswith("orders: the log was made anew") and anew.document["elections"]["orders"]["anew"] and len(numbers(anew)) == 60


@pytest.mark.parametrize("given", [{"since": "soon"}, {"limit": "x"}, {"limit": "0"}])
def test_what_makes_no_sense_is_refused(given):
    assert shown(answer(1), **given).exit == USAGE


@pytest.mark.parametrize("found", [{}, {"events": 7, "log": "x"}, {"events": [{"counter": 1, "text": "\x1b"}], "log": 9}])
def test_garbage_is_shown_as_nothing(found):
    outcome = shown({"ok": True, **found})
    assert outcome.exit == DONE and "\x1b" not in "".join(outcome.lines)
    assert shown({"ok": False, "exit": 4, "text": "silent"}).exit == UNKNOWN


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_it_fits_and_nothing_of_the_cause_is_cut(width):
    why = "primary -> demoting: switched over to c by order of ann@desk: the disk of this host is to be replaced"
    data = journal.amended(b"", "a", [News(NOW, journal.ROLE, why)])
    outcome = happenings.events({"orders": {"ok": True, **journal.document(0x7F, data)}}, Screen(width), {}, NOW)
    assert all(breadth(line) <= width for line in outcome.lines)
    rest = " ".join(" ".join(outcome.lines[1:]).split())
    assert all(word in rest for word in why.split()) and "…" not in rest
    assert ("NUMBER" in outcome.lines[0]) == (width > 40) and ("2025-" in rest) == (width >= 40)


def test_they_are_in_the_order_of_time_with_the_numbers_of_their_noting():
    data = journal.amended(b"", "a", [News(NOW - 5, journal.ROLE, "later")])
    data = journal.amended(data, "b", [News(NOW - 9, journal.ROLE, "earlier")])
    outcome = shown({"ok": True, **journal.document(0x7F, data)})
    assert numbers(outcome) == ["7f.2", "7f.1"] and outcome.document["elections"]["orders"]["last"] == "7f.2"
    assert "earlier" in outcome.lines[1] and "later" in outcome.lines[2]


@pytest.mark.parametrize("width", [None, 60, 80])
def test_following_has_one_heading(width):
    given, stream, left = {"follow": True}, io.StringIO(), [answer(2), answer(2), answer(3), answer(60)]

    def ask(reader):
        return happenings.events({"orders": left.pop(0)}, Screen(width), given, NOW, reader)

    def pause(seconds):
        if not left:
            raise KeyboardInterrupt

    live.run(ask, given, False, stream, pause)
    assert stream.getvalue().count("KIND") == 1 and stream.getvalue().count("promoting: 2\n") == 1


@pytest.mark.parametrize("limit", ["0", "x", "100001"])
def test_a_limit_that_is_none_says_what_may_be_said(limit):
    assert shown(answer(1), limit=limit).error == f"--limit {limit} is not a number of events from 1 to 100000"


@pytest.mark.parametrize("more, shown_first", [({}, [1, 2]), ({"limit": "1"}, [2])])
def test_following_shows_each_once_and_what_was_missed(more, shown_first):
    given, stream = {"follow": True, **more}, io.StringIO()
    left = [answer(2), answer(3), answer(60, first=30)]

    def ask(reader):
        return shown(left.pop(0), reader, **given)

    def pause(seconds):
        if not left:
            raise KeyboardInterrupt

    live.run(ask, given, True, stream, pause)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one.get("counter") for one in lines] == [*shown_first, 3, None, *range(30, 61)]
    assert lines[len(shown_first) + 1] == {"election": "orders", "missed": 26}



def of_two(since, reader=None, **more):
    return happenings.events({"orders": answer(5), "stock": answer(4, 0x6E), **more}, PLAIN, {"since": since}, NOW, reader)


def test_of_several_elections_a_number_means_the_one_whose_log_it_is_of():
    outcome = of_two("7f.3")
    assert outcome.exit == DONE and not any("anew" in line for line in outcome.lines) and list(outcome.document["elections"]) == ["orders"]
    assert numbers(outcome) == ["7f.4", "7f.5"]
    assert list(of_two("60s").document["elections"]) == ["orders", "stock"]
    outcome = of_two("5d.3", billing={"ok": False, "exit": 4, "text": "silent"})
    assert outcome.exit == UNKNOWN and outcome.error == "--since 5d.3: that may be an event of billing, which cannot be read: silent"
    outcome = of_two("5d.3")
    assert outcome.exit == USAGE and "name the election" in outcome.error and not outcome.lines
    assert happenings.events({}, PLAIN, {"since": "7f.3"}, NOW).exit == DONE


def test_who_looks_on_by_a_number_goes_on_when_that_log_is_made_anew():
    reader = Reader()
    reader.saw(of_two("7f.3").document)
    outcome = of_two("7f.3", reader, orders=answer(2, 0x9A))
    assert list(outcome.document["elections"]) == ["orders"] and outcome.document["elections"]["orders"]["anew"]


def followed(*answers, now=NOW, as_json=True, **given):
    """The lines that somebody who looks on sees, of these answers one after the other; 60 s pass between two."""
    given, stream, left, times = {"follow": True, **given}, io.StringIO(), list(answers), [now]

    def ask(reader):
        times[0] += 60
        return happenings.events({"orders": left.pop(0)}, PLAIN, given, times[0], reader)

    def pause(seconds):
        if not left:
            raise KeyboardInterrupt

    live.run(ask, given, as_json, stream, pause)
    return [json.loads(line) for line in stream.getvalue().splitlines()] if as_json else stream.getvalue().splitlines()


NO_LOG = {"ok": True, **journal.document(0, b"")}


def test_a_log_that_is_gone_is_told_once_when_there_is_one_again():
    lines = followed(answer(2), NO_LOG, NO_LOG, answer(1, 0x9A), as_json=False)
    assert sum("made anew" in line for line in lines) == 1 and "made anew" in lines[-3]
    lines = followed(NO_LOG, NO_LOG, NO_LOG, answer(1, 0x9A), since="7f.3", as_json=False)
    assert sum("made anew" in line for line in lines) == 1
    lines = followed(NO_LOG, answer(2), as_json=False)
    assert not any("made anew" in line for line in lines) and [line.split()[1] for line in lines[1:-1]] == ["7f.1", "7f.2"]


def test_two_gaps_of_the_same_size_are_two():
    lines = followed(answer(2), answer(60, first=30), answer(90, first=88))
    assert [one for one in lines if "missed" in one] == [{"election": "orders", "missed": 27}] * 2
    anew = followed(answer(2), answer(1, 0x9A), answer(1, 0x9B))
    assert [one for one in anew if "anew" in one] == [{"election": "orders", "anew": True}] * 2


def test_who_follows_is_shown_what_is_noted_late_however_long_ago_it_happened():
    before = json.loads(json.dumps(answer(2)))
    for one in before["events"]:
        one["time"] = NOW + 50
    late = {**before, "next": 4, "events": [*before["events"], {**before["events"][0], "counter": 3, "time": NOW - 4000}]}
    assert [one["counter"] for one in followed(before, late, since="5m")] == [1, 2, 3]
