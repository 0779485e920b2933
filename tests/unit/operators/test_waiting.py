"""Waiting for an order: what is shown, what is asked at a terminal, what Ctrl-C does."""

import io

import pytest

from supervisor_zkelect.operators import ask, confirm, mailbox, waiting
from supervisor_zkelect.operators.outcome import INTERRUPTED, UNDER_WAY
from supervisor_zkelect.operators.progress import NONE, Progress
from supervisor_zkelect.operators.verbs import VERBS


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


class Way:
    """Answers one after the other; an exception is raised."""

    def __init__(self, clock, *answers, back=None):
        self.clock, self.answers, self.asked, self.back = clock, list(answers), [], back

    def _next(self, *asked):
        self.asked.append(asked)
        self.clock[0] += asked[-1]
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def give(self, seconds):
        return self._next("give", seconds)

    def look(self, answer, seconds):
        return self._next("look", answer["id"], answer["term"], seconds)

    def take_back(self):
        self.asked.append(("take back",))
        return self.back


def under_way(awaited="b to stop", **more):
    return {"ok": False, "exit": UNDER_WAY, "text": "under way", "id": "s", "term": 7, "awaited": awaited, **more}


DONE = {"ok": True, "exit": 0, "text": "done", "id": "s"}


@pytest.fixture
def clock(monkeypatch):
    moment = [100.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: moment[0])
    return moment


def test_without_a_terminal_it_is_asked_once(clock):
    way = Way(clock, under_way())
    assert waiting.follow(way, 60.0, NONE)["exit"] == UNDER_WAY and way.asked == [("give", 60.0)]


def test_a_question_is_not_older_than_supervisord_keeps_it(clock):
    way = Way(clock, under_way(), under_way(), under_way(), DONE)
    assert waiting.follow(way, 3600.0, NONE) == DONE
    assert way.asked[:2] == [("give", 300.0), ("look", "s", 7, 300.0)] and 2 * waiting.LONGEST_SLICE <= mailbox.KEEP_TIME


def test_a_terminal_shows_what_is_awaited_and_of_whom(clock):
    way, screen = Way(clock, under_way(checked=["a leads"], warning="w"), under_way("c to lead"), DONE), Screen()
    answer = waiting.follow(way, 60.0, Progress(screen))
    assert way.asked == [("give", 1.0), ("look", "s", 7, 1.0), ("look", "s", 7, 1.0)]
    assert answer == {**DONE, "checked": ["a leads"], "warning": "w"}, "what was looked at is told in the end as well"
    lines = screen.getvalue().split("\r\x1b[K")
    assert lines == ["", "waiting for b to stop, 1 s", "waiting for c to lead, 2 s", ""]


def test_a_terminal_is_told_what_is_under_way_when_the_waiting_ends(clock):
    way, screen = Way(clock, *[under_way()] * 9), Screen()
    assert waiting.follow(way, 2.5, Progress(screen))["exit"] == UNDER_WAY
    assert [asked[-1] for asked in way.asked] == [1.0, 1.0, 0.5] and screen.getvalue().endswith("\r\x1b[K")


def test_who_is_told_that_it_failed_waits_for_whoever_leads_instead(clock):
    failed = under_way("another node to lead", exit=1, text="c cannot; nobody is primary yet")
    instead = {"ok": False, "exit": 1, "text": "c cannot; b leads", "id": "s"}
    screen = Screen()
    assert waiting.follow(Way(clock, failed, instead), 60.0, Progress(screen)) == instead
    assert "waiting for another node to lead, 1 s" in screen.getvalue()
    assert waiting.follow(Way(clock, failed, failed), 2.0, Progress(Screen())) == failed, "the time is over"


@pytest.mark.parametrize("answer", [{"ok": False, "exit": 4, "text": "x"}, {**under_way(), "term": None}, DONE])
def test_what_is_not_under_way_is_asked_no_more(clock, answer):
    way = Way(clock, answer)
    assert waiting.follow(way, 60.0, Progress(Screen())) == answer and len(way.asked) == 1


@pytest.mark.parametrize("answers", [(KeyboardInterrupt(),), (under_way(), KeyboardInterrupt())])
def test_who_has_had_enough_takes_the_order_back_or_is_told_that_it_stands(clock, answers):
    back = {"ok": False, "exit": INTERRUPTED, "text": "interrupted; the order is taken back"}
    way = Way(clock, *answers, back=back)
    assert waiting.follow(way, 60.0, Progress(Screen())) == back and way.asked[-1] == ("take back",)


def test_where_it_cannot_be_taken_back_it_may_stand(clock):
    way = Way(clock, KeyboardInterrupt(), back={"ok": False, "exit": 4, "text": "ZooKeeper is away"})
    answer = waiting.follow(way, 60.0, NONE)
    assert answer["exit"] == INTERRUPTED and "may stand" in answer["text"] and "ZooKeeper is away" in answer["text"]


def test_who_does_not_wait_for_the_taking_back_is_told_that_the_order_may_stand(clock):
    class Hasty(Way):
        def take_back(self):
            raise KeyboardInterrupt

    answer = waiting.follow(Hasty(clock, under_way(), KeyboardInterrupt()), 60.0, Progress(Screen()))
    assert answer["exit"] == INTERRUPTED and "may stand" in answer["text"]


def test_who_only_looks_and_has_had_enough_takes_nothing_back(clock):
    way = Way(clock, KeyboardInterrupt())
    answer = waiting.follow(way, 60.0, NONE, writes=False)
    assert (answer["exit"], answer["text"]) == (INTERRUPTED, "interrupted; nothing was ordered") and way.asked == [("give", 60.0)]


@pytest.mark.parametrize("verb, given, writes", [
    ("pause", {}, True), ("resume", {}, True), ("maintenance", {"what": "off"}, True), ("switchover", {"cancel": True}, True),
    ("switchover", {"dry": True}, False), ("orders", {"reset": True}, True), ("orders", {}, False), ("orders", {"log": True}, False),
    ("forget", {"node": "c"}, True),
])
def test_whatever_is_written_is_taken_back_or_not_written_any_more(verb, given, writes):
    assert ask.writes(VERBS[verb], given) is writes


def test_a_screen_that_is_gone_keeps_nobody_from_waiting(clock):
    screen = Screen()
    shown = Progress(screen)
    screen.close()
    shown.tell("waiting", 1.0)
    closed = io.StringIO()
    closed.close()
    assert not shown.wanted and not Progress(closed).wanted and not Progress(None).wanted


def test_a_line_is_one_line_of_the_screen_and_shows_nothing_raw(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    Progress(screen).tell("waiting for \x1b[31mb to stop", 75.0)
    assert screen.getvalue() == "\r\x1b[K" + "waiting for \\x1b[31m"[:19]


# What is asked


@pytest.mark.parametrize("verb, given, told", [
    ("orders", {"reset": True}, "all orders in every election are taken back"), ("orders", {}, ""), ("orders", {"reset": True, "yes": True}, ""),
    ("maintenance", {"what": "on", "force": True, "node": "c"}, "where c leads in every election, it stops its service"), ("maintenance", {"what": "on"}, ""),
    ("maintenance", {"what": "off", "force": True}, ""), ("maintenance", {"what": "on", "force": True}, "where this node leads in every election, it stops its service"),
    ("switchover", {"force": True}, "members of the election that"), ("switchover", {"force": True, "all": True}, "members of every election that"), ("switchover", {"force": True, "dry": True}, ""), ("resign", {"force": True}, ""),
])
def test_what_may_cost_a_service_is_asked(verb, given, told):
    text = confirm.question(verb, given, None)
    assert told in text and bool(text) == bool(told)


@pytest.mark.parametrize("said, agreed", [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("", False)])
def test_a_terminal_is_asked(said, agreed):
    stdin, stderr = Screen(said), Screen()
    assert confirm.agreed("go on? ", stdin, stderr) == agreed and stderr.getvalue() == "go on? "


@pytest.mark.parametrize("stdin, stderr", [(io.StringIO("n\n"), Screen()), (Screen("n\n"), io.StringIO()), (None, None)])
def test_scripts_are_not_asked(stdin, stderr):
    assert confirm.agreed("go on? ", stdin, stderr)
    closed = io.StringIO()
    closed.close()
    assert confirm.agreed("go on? ", closed, stderr)


def test_without_a_question_nobody_is_asked():
    assert confirm.agreed("", Screen("n\n"), Screen())
