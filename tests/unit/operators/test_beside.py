"""Ctrl-C while ZooKeeper does not answer."""

import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect.operators import beside, ordering
from supervisor_zkelect.operators.outcome import INTERRUPTED
from supervisor_zkelect.zookeeper.given import Given
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


def test_who_waits_for_an_order_is_released_by_ctrl_c_while_zookeeper_is_silent():
    never = threading.Event()
    way = ordering.ZooKeeperWay(SimpleNamespace(outcomes=never.wait), Given("switchover", "b"), SimpleNamespace(check=interrupted))
    with pytest.raises(KeyboardInterrupt):
        way.look({"id": "s", "term": 7}, 60.0)
    never.set()
