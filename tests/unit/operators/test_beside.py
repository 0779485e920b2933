"""Ctrl-C while ZooKeeper does not answer."""

import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect.operators import beside, ordering
from supervisor_zkelect.operators.outcome import INTERRUPTED, UNKNOWN
from supervisor_zkelect.zookeeper import following
from supervisor_zkelect.zookeeper.given import TAKE_BACK, Given, OrderAnswer
from supervisor_zkelect.zookeeper.permit import Expired, Permit


def interrupted():
    raise KeyboardInterrupt


def test_ctrl_c_does_not_wait_for_the_work():
    never = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        beside.done(never.wait, interrupted)
    never.set()


def test_work_is_waited_for_or_for_so_long():
    never = threading.Event()
    assert beside.done(lambda: 7, lambda: None) == 7 and beside.done(never.wait, lambda: None, 0.01) is None
    never.set()
    with pytest.raises(ZeroDivisionError):
        beside.done(lambda: 1 / 0, lambda: None)


def test_who_presses_ctrl_c_before_anything_was_sent_is_told_so_at_once_and_nothing_is_sent():
    permit = Permit()
    way = ordering.ZooKeeperWay(None, Given("switchover", "b", id="s"), None, permit)
    answer = way.take_back()
    assert answer["exit"] == INTERRUPTED and "nothing was ordered, and nothing will be" in answer["text"]
    with pytest.raises(Expired):
        permit.use()


class Interrupted:
    """Ctrl-C, once; then what is under way may go on."""

    def __init__(self, goes_on):
        self.goes_on, self.came = goes_on, False

    def check(self):
        if self.came:
            self.goes_on.set()
            return
        self.came = True
        raise KeyboardInterrupt


def sent_and_interrupted(monkeypatch, kind, work):
    """The answer to taking an order back that was sent and not answered when Ctrl-C came. work: what is done of it after that."""
    asked, goes_on, sent = [], threading.Event(), threading.Event()

    def attempt(elector, given, permit=None):
        if permit is None:
            asked.append(given)
            return OrderAnswer(False, INTERRUPTED, "interrupted; told")
        permit.use()
        sent.set()
        goes_on.wait()
        asked.append("done")
        return work

    monkeypatch.setattr(following, "attempt", attempt)
    interrupts = Interrupted(goes_on)
    check, interrupts.check = interrupts.check, lambda: sent.wait() and check()
    way = ordering.ZooKeeperWay(None, Given(kind, "c", id="s"), interrupts)
    with pytest.raises(KeyboardInterrupt):
        way.give(60.0)
    return way.take_back(), asked


@pytest.mark.parametrize("kind, came, order", [
    ("forget", OrderAnswer(True, 0, "c is forgotten"), "s"), ("maintenance off", OrderAnswer(True, 0, "", "s"), "s"),
    ("resume", OrderAnswer(True, 0, "", "r"), "r"),
])
def test_what_was_sent_is_done_to_its_end_before_it_is_asked_whether_it_stands(monkeypatch, kind, came, order):
    answer, asked = sent_and_interrupted(monkeypatch, kind, came)
    assert asked == ["done", Given(TAKE_BACK, "c", id=order)] and answer["text"] == "interrupted; told"


def test_what_was_sent_and_is_not_answered_is_asked_about_no_more(monkeypatch):
    never, asked = threading.Event(), []
    monkeypatch.setattr(ordering, "_TAKE_BACK_TIME", 0.01)
    monkeypatch.setattr(following, "attempt", lambda elector, given, permit=None: asked.append(given) or permit.use() or never.wait())
    way = ordering.ZooKeeperWay(None, Given("forget", "c", id="s"), SimpleNamespace(check=lambda: asked and interrupted()))
    with pytest.raises(KeyboardInterrupt):
        way.give(60.0)
    way._interrupts = SimpleNamespace(check=lambda: None)
    assert way.take_back() == {"ok": False, "exit": UNKNOWN, "text": "ZooKeeper does not answer"} and len(asked) == 1
    never.set()


def test_who_waits_for_an_order_is_released_by_ctrl_c_while_zookeeper_is_silent():
    never = threading.Event()
    way = ordering.ZooKeeperWay(SimpleNamespace(outcomes=never.wait), Given("switchover", "b"), SimpleNamespace(check=interrupted))
    with pytest.raises(KeyboardInterrupt):
        way.look({"id": "s", "term": 7}, 60.0)
    never.set()
