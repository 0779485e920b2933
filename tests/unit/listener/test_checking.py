"""However many ask a listener for `check`, one look is under way at a time, on a pool that stops and reports need."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.diagnosis import examination
from supervisor_zkelect.diagnosis.findings import Findings
from supervisor_zkelect.listener import checking


@pytest.fixture
def one():
    """A listener whose pool does nothing by itself. work: what it was given; said: tickets and answers."""
    listener = SimpleNamespace(
        link="lost", granted=None, session=None, contests={}, settings=None, trouble=None, rpc_pool=object(), work=[], said=[],
        supervisord=SimpleNamespace(call=None), host=SimpleNamespace(supervisord_uid=0, uid=0, group="g"),
    )
    listener.pool_post = lambda pool, work, failed: listener.work.append((work, failed))
    listener.reply = lambda ticket, document: listener.said.append((ticket, document["ok"]))
    listener.checks = checking.Checks(listener)
    return listener


@pytest.fixture
def looked(monkeypatch):
    monkeypatch.setattr(examination, "of_node", lambda node: Findings())


def test_many_questions_are_one_look_at_a_time(one, looked):
    for ticket in ("a", "b", "c", "d"):
        one.checks.ask(ticket)
    assert len(one.work) == 1
    one.checks.checked(one.work[0][0]())
    # Those who asked after it began are not told what it saw.
    assert one.said == [("a", True)] and len(one.work) == 2
    one.checks.checked(one.work[1][0]())
    assert one.said == [("a", True), ("b", True), ("c", True), ("d", True)] and len(one.work) == 2
    one.checks.ask("e")
    assert len(one.work) == 3


def test_a_defect_is_answered_and_holds_nobody_up(one, looked):
    one.checks.ask("a")
    one.checks.ask("b")
    one.checks.checked(one.work[0][1](MemoryError()))
    assert one.said == [("a", False)] and len(one.work) == 2
    one.checks.checked(one.work[1][0]())
    assert one.said[1:] == [("b", True)]
