"""What is known of this node, from its parts."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import record
from supervisor_zkelect.operators.view import View
from supervisor_zkelect.supervisord.client import Unreachable
from supervisor_zkelect.web import here, picture, report
from supervisor_zkelect.web.here import Here
from supervisor_zkelect.web.report import STALE, Report, Reporter
from supervisor_zkelect.web.verdict import LATE, LOOKS, TOLD_WITHIN, RecordRead

NOW = 1000.0
ENTRY = record.Entry("orders", "primary", "a:80", 7, True, 0, Lease(1003.0, 1004.0, 1005.0), True)


class Clock:
    def __init__(self):
        self.moment = NOW

    def now(self):
        return self.moment


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (here, report):
        monkeypatch.setattr(module, "clock", clock)
    return clock


@pytest.mark.parametrize("late, primary", [(0, True), (1, True), (LOOKS - 1, True), (LOOKS, False)])
def test_a_record_that_took_long_to_read_is_read_again(clock, late, primary):
    """A machine that is busy for a moment makes no primary go away; one that is so all the time knows nothing."""
    looks = []

    def look():
        looks.append(clock.moment)
        at = clock.moment
        clock.moment += TOLD_WITHIN if len(looks) <= late else 0.001
        return RecordRead("", record.Record(NOW, [ENTRY]), at)

    verdict = Here(None, look, None, None).verdict("orders")
    assert verdict.primary is primary and (primary or verdict.why == LATE) and len(looks) == min(late + 1, LOOKS)


def test_the_clock_is_read_behind_the_record(clock):
    def look():
        clock.moment = 1003.0
        return RecordRead("", record.Record(1003.0, [ENTRY]), 1003.0)

    assert Here(None, look, None, None).verdict("orders").why == "the lease is over"


class Settings:
    """Those of a file with these elections."""

    node_name = "a"

    def __init__(self, *names):
        self.elections = [SimpleNamespace(name=name) for name in names]


def of(names, *entries):
    """This node by a file with these elections and a record with these entries, and how often that was read."""
    looks = []
    seen = RecordRead("", record.Record(NOW, list(entries)), NOW) if entries else RecordRead("no record")
    return Here(lambda: Settings(*names), lambda: looks.append(1) or seen, None, None), looks


OVER = ENTRY._replace(granted=False)


@pytest.mark.parametrize("names, entries, told", [
    (["orders"], [ENTRY], ["orders"]), (["orders"], [], ["orders"]), (["orders"], [OVER], ["orders"]),
    # It was renamed in the file, and leads under its former name until the listener takes that.
    (["stock"], [ENTRY], ["stock", "orders"]), (["stock"], [OVER], ["stock"]), ([], [ENTRY], ["orders"]),
    # Another one was added, which the listener does not know yet.
    (["orders", "stock"], [ENTRY], ["orders", "stock"]),
    (["orders", "stock"], [ENTRY, OVER._replace(election="stock")], ["orders", "stock"]),
    (["orders", "stock"], [], ["orders", "stock"]),
])
def test_what_the_file_does_not_have_any_more_goes_on_until_its_listener_takes_that(clock, names, entries, told):
    """Else a load balancer would lose a healthy primary by an edit."""
    here, _ = of(names, *entries)
    assert here.elections == told
    assert [name for name in ("orders", "stock") if here.has(name)] == sorted(told)
    assert list(here.judged()) == told and all(here.judged()[one.election].primary for one in entries if one.granted)


STOCK = ENTRY._replace(election="stock")


@pytest.mark.parametrize("files, entries, only", [
    ([["orders"]], [ENTRY], "orders"), ([["orders"]], [], "orders"), ([["stock"]], [ENTRY], "stock"), ([[]], [ENTRY], ""),
    # The record has no entry of one in which this node never led, and that one may be meant.
    ([["orders", "stock"]], [ENTRY], ""), ([["orders"], ["orders", "stock"]], [ENTRY], ""),
    ([["orders", "stock"], ["stock"]], [ENTRY], "stock"), ([["orders"], ["orders", "stock"], ["stock"]], [ENTRY], "stock"),
    # It was renamed, once or twice, and leads under its former name until the listener takes that.
    ([["orders"], ["stock"]], [ENTRY], "orders"), ([["orders"], ["more"], ["stock"]], [ENTRY], "orders"), ([["orders"], []], [ENTRY], "orders"),
    ([["stock"], ["orders"], ["stock"]], [ENTRY, STOCK._replace(granted=False)], "orders"),
    ([["orders"], ["stock"]], [OVER], "stock"), ([["orders"], ["stock"]], [OVER, STOCK], "stock"), ([["orders"], ["stock"]], [], "stock"),
])
def test_what_is_meant_without_a_name(clock, files, entries, only):
    """files: the names that each edit left in it. Another election's 200 would send clients to where theirs is not."""
    now = [files[0]]
    seen = RecordRead("", record.Record(NOW, entries), NOW)
    here = Here(lambda: Settings(*now[0]), lambda: seen, None, None)
    for names in files[1:]:
        here.file_changes()
        now[0] = names
    assert here.only == only


def test_all_elections_are_judged_by_one_look(clock):
    here, looks = of(["orders", "stock", "more"], ENTRY)
    assert len(here.judged()) == 3 and len(looks) == 1


def told(**facts):
    return View(True, "", 0.1, NOW, {"elections": {"orders": facts}})


@pytest.mark.parametrize("found, why", [
    (Report(told(role="standby"), "", NOW), ""), (Report(told(role="standby", cannot={"why": "x"}), "", NOW), "this node is standby"),
    (Report(told(role="detached", trouble="no\x1b"), "", NOW), "this node is detached: no\\x1b"),
    (Report(told(role="standby"), "", NOW - STALE - 0.1), "supervisord does not answer"),
    (Report(told(role="standby", step="asking", trouble="refused"), "", NOW), "this node is standby: refused"),
    (Report(None, "supervisord: away", NOW), "supervisord: away"), (Report(), "supervisord was not asked yet"),
    (Report(View(False, "the listener is dead", 1.0, NOW, {}), "", NOW), "the listener is dead"),
])
def test_who_could_take_over_by_the_report(found, why):
    assert found.standby("orders", NOW) == why


def test_supervisord_is_asked_at_most_twice_a_second(clock):
    calls = []
    text = '{"known": true, "now": 5.0, "age": 0.1, "report": {"elections": {"orders": {"role": "standby"}}}}'
    one = Reporter(lambda method: calls.append(method) or text)
    assert not one.fresh and one.refresh().standby("orders", NOW) == ""
    clock.moment += 0.4
    assert one.fresh and one.refresh() is one.latest and calls == ["zkelect.getReport"]
    clock.moment += 0.2
    one.refresh()
    assert len(calls) == 2


def test_a_supervisord_that_does_not_answer_is_told(clock):
    def call(method):
        raise Unreachable("no\x1b answer")

    assert Reporter(call).refresh().standby("orders", NOW) == "supervisord: no\\x1b answer"


def test_the_status_has_the_age_of_the_picture_and_the_verdict_of_now(clock):
    class Settings:
        node_name = "a"

        class Election:
            name = "orders"

        elections = (Election,)

    photographer = picture.Photographer(lambda: Settings)
    photographer.look = lambda: picture.Taken({"orders": {"address": "a:80"}}, NOW - 2.5, False, 5, "away")
    found = Here(lambda: Settings, lambda: RecordRead("", record.Record(NOW, [ENTRY]), NOW), photographer, None).status()
    assert found["age"] == 2.5 and found["zookeeper"] == {"connected": False, "since": 5, "trouble": "away"}
    assert found["elections"]["orders"]["here"]["primary"] is True and found["elections"]["orders"]["address"] == "a:80"
