"""However many ask a listener for `check`, one look is under way at a time, on a pool that stops and reports need."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.diagnosis import examination
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.desk import Desk
from tests.unit.listener.parts import Work, keepers, means


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def said():
    """Tickets and answers."""
    return []


@pytest.fixture
def checks(work, said):
    host = SimpleNamespace(settings=None, supervisord=SimpleNamespace(call=None), supervisord_uid=0, uid=0, group="g")
    sessions = SimpleNamespace(usable=False)
    known = keepers(leases=SimpleNamespace(granted=None), sessions=sessions, programs=SimpleNamespace(trouble=None))
    desk = Desk(means(host, work), known, None, {}, {})
    desk.reply = lambda ticket, document: said.append((ticket, document["ok"]))
    return desk


def ask(desk, ticket):
    desk.obey({"ticket": ticket, "verb": "check"})


@pytest.fixture(autouse=True)
def looked(monkeypatch):
    monkeypatch.setattr(examination, "of_node", lambda node: Findings())


def test_many_questions_are_one_look_at_a_time(checks, work, said):
    done = checks.handlers()[events.CheckDone]
    for ticket in ("a", "b", "c", "d"):
        ask(checks, ticket)
    assert len(work.given) == 1
    done(work.do())
    # Those who asked after it began are not told what it saw.
    assert said == [("a", True)] and len(work.given) == 1
    done(work.do())
    assert said == [("a", True), ("b", True), ("c", True), ("d", True)] and not work.given
    ask(checks, "e")
    assert len(work.given) == 1


def test_a_defect_is_answered_and_holds_nobody_up(checks, work, said):
    done = checks.handlers()[events.CheckDone]
    ask(checks, "a")
    ask(checks, "b")
    done(work.fail(MemoryError()))
    assert said == [("a", False)] and len(work.given) == 1
    done(work.do())
    assert said[1:] == [("b", True)]
