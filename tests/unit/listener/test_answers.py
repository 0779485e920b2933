"""The delivery of answers to operators."""

import math
from types import SimpleNamespace

import pytest

from supervisor_zkelect.listener import events, pool_worker
from supervisor_zkelect.listener.answers import KEPT, AnswerDelivered, Answers
from supervisor_zkelect.listener.workers import PACE
from supervisor_zkelect.operators import mailbox
from supervisor_zkelect.supervisord.client import Fault, Unreachable
from tests.unit.listener.parts import NOW, Host, Log, Work


@pytest.fixture
def one():
    """Answers to a supervisord that takes none until `error` is None. got: the tickets of those that it was told."""
    host, work, log = Host(), Work(), Log()
    made = SimpleNamespace(host=host, work=work, log=log, error=Unreachable("it stands still"), got=[], answers=Answers(host, work, log))

    def call(method, ticket, document):
        made.got.append(ticket)
        if made.error is not None:
            raise made.error

    host.supervisord = SimpleNamespace(call=call)
    return made


def deliver(one):
    """Have what is on its way delivered; how much that was."""
    count = len(one.work.given)
    for _ in range(count):
        event = one.work.do()
        if event is not None:
            one.answers.handlers()[type(event)](event)
    return count


def passes(one, seconds):
    one.host.moment += seconds
    one.answers.keep_time(one.host.moment)
    return deliver(one)


def test_what_supervisord_does_not_take_is_delivered_when_it_does_one_after_the_other(one):
    for ticket in "123":
        one.answers.give(ticket, {"ok": True})
    assert deliver(one) == 3 and one.log.warned
    assert one.answers.next_wakeup() == NOW + PACE and passes(one, PACE / 2) == 0
    # Not all of them at a time, since each may hold up a thread.
    assert [passes(one, PACE) for _ in range(5)] == [1] * 5 and one.got == [*"123", *"1" * 5]
    one.error = None
    one.host.moment += PACE
    one.answers.keep_time(one.host.moment)
    one.answers.keep_time(one.host.moment)
    # The end of the one that is on its way wakes the loop.
    assert one.answers.next_wakeup() == math.inf and deliver(one) == 1
    assert one.answers.next_wakeup() <= one.host.moment
    assert [passes(one, 0.0) for _ in range(3)] == [1, 1, 0] and one.got[-3:] == [*"123"]
    assert one.answers.next_wakeup() == math.inf


def test_an_answer_is_delivered_for_as_long_as_supervisord_keeps_the_request(one):
    assert KEPT == mailbox.KEEP_TIME
    one.answers.give("1", {})
    deliver(one)
    assert passes(one, KEPT - 1.0) == 1 and passes(one, 2.0) == 0 and one.answers.next_wakeup() == math.inf


@pytest.mark.parametrize("late", [False, True])
def test_what_supervisord_refuses_or_what_is_a_defect_is_not_delivered_again(one, late):
    for trouble in (Fault(10, "no such request"), TypeError("x")):
        one.error = Unreachable("it stands still") if late else trouble
        one.answers.give("1", {})
        if late:
            deliver(one)
            one.error = trouble
            one.host.moment += PACE
            one.answers.keep_time(one.host.moment)
        work, failed = one.work.given.pop()
        try:
            event = work()
        except TypeError as error:
            event = failed(error)
        if event is not None:
            one.answers.handlers()[type(event)](event)
        assert passes(one, 2 * PACE) == 0 and one.answers.next_wakeup() == math.inf


@pytest.mark.parametrize("lacks", [RuntimeError("can't start new thread"), MemoryError()])
def test_an_answer_for_which_no_thread_or_memory_is_to_be_had_is_delivered_later(one, lacks):
    one.answers.give("1", {})
    one.answers.handlers()[AnswerDelivered](one.work.given.pop()[1](lacks))
    one.error = None
    assert passes(one, PACE) == 1 and one.got == ["1"] and passes(one, PACE) == 0


def test_a_changed_file_is_used_though_nobody_can_be_told_of_it(caplog):
    def call(*words):
        raise Unreachable("it stands still")

    agreed = events.Agreed(set(), False)
    assert pool_worker.tell_agreed(SimpleNamespace(call=call), "1", {}, agreed) is agreed and "it stands still" in caplog.text
