"""When a group counts as dead."""

from __future__ import annotations

import pytest

from supervisor_zkelect.core.proof import DOUBT_TIME, KILL_WAITS, SILENCE, OrderedStop, Stop


def a_stop(kill_at: float = 10.0, start_open: bool = False, via_loader: bool = False) -> Stop:
    """A stop ordered at second 0."""
    stop = Stop(began=0.0, start_open=start_open, via_loader=via_loader)
    stop.order(OrderedStop(1, 0.0, kill_at))
    return stop


def clean_round(stop: Stop, now: float) -> None:
    stop.answered(now, stopped=False, after_start=True)
    stop.scanned(empty=True)


def test_two_clean_rounds_are_a_proof_and_one_is_not():
    stop = a_stop()
    clean_round(stop, 1.0)
    assert not stop.dead(1.0, gone=False)
    clean_round(stop, 1.1)
    assert stop.dead(1.1, gone=False) and stop.settled(gone=False)


@pytest.mark.parametrize("what", ["a process", "a member to stop", "a note"])
def test_whatever_appears_between_two_rounds_makes_the_first_worthless(what):
    stop = a_stop()
    clean_round(stop, 1.0)
    if what == "a process":
        stop.scanned(empty=False)
    elif what == "a member to stop":
        stop.answered(1.05, stopped=True, after_start=True)
    else:
        stop.again()
    clean_round(stop, 1.1)
    assert not stop.dead(1.1, gone=False)
    clean_round(stop, 1.2)
    assert stop.dead(1.2, gone=False)


def test_an_answer_counts_for_one_scan_only():
    stop = a_stop()
    clean_round(stop, 1.0)
    for _ in range(5):
        stop.scanned(empty=True)
    assert not stop.dead(1.1, gone=False)


def test_an_answer_counts_for_nothing_after_something_was_seen():
    stop = a_stop()
    stop.answered(1.0, stopped=False, after_start=True)
    stop.again()
    stop.scanned(empty=True)
    clean_round(stop, 1.1)
    assert not stop.dead(1.1, gone=False)


def test_a_scan_between_the_answers_is_needed():
    stop = a_stop()
    for _ in range(5):
        stop.answered(1.0, stopped=False, after_start=True)
    stop.scanned(empty=True)
    assert not stop.dead(1.1, gone=False)


def test_an_answer_to_a_request_made_while_a_start_was_on_its_way_proves_nothing():
    stop = a_stop(start_open=True)
    for now in (1.0, 1.1, 1.2):
        stop.answered(now, stopped=False, after_start=False)
        stop.scanned(empty=True)
    assert stop.start_open and not stop.dead(1.2, gone=False)


def test_two_scans_are_a_proof_when_supervisord_is_dead():
    stop = a_stop(start_open=True)
    stop.scanned(empty=True)
    assert not stop.dead(1.0, gone=True) and stop.pace(1.0, gone=True, alive=False) > 0.0
    stop.scanned(empty=True)
    assert stop.dead(1.0, gone=True) and stop.settled(gone=True)


def test_two_scans_are_a_proof_where_the_loader_refuses_what_is_started_again():
    stop = a_stop(via_loader=True)
    stop.scanned(empty=True)
    assert not stop.dead(0.1, gone=False) and stop.pace(0.1, gone=False, alive=False) == 0.0
    stop.scanned(empty=False)
    stop.scanned(empty=True)
    assert not stop.dead(0.2, gone=False)
    stop.scanned(empty=True)
    assert stop.dead(0.3, gone=False) and not stop.settled(gone=False)
    assert stop.pace(0.3, gone=False, alive=False) > 0.0


def test_a_silent_supervisord_is_not_waited_for_once_the_time_of_the_members_is_over():
    stop = a_stop(kill_at=10.0)
    stop.scanned(empty=True)
    stop.scanned(empty=True)
    assert not stop.dead(9.9, gone=False)
    assert stop.dead(10.0, gone=False)
    assert not stop.settled(gone=False)


def test_a_supervisord_that_answered_lately_is_waited_for():
    stop = a_stop(kill_at=1.0)
    stop.answered(1.0, stopped=True, after_start=True)
    stop.scanned(empty=True)
    stop.scanned(empty=True)
    assert not stop.dead(1.0 + SILENCE, gone=False)
    assert stop.dead(1.1 + SILENCE, gone=False)


def test_silence_is_no_proof_while_a_start_may_be_carried_out():
    stop = a_stop(kill_at=1.0, start_open=True)
    stop.scanned(empty=True)
    stop.scanned(empty=True)
    assert not stop.dead(1000.0, gone=False)
    assert stop.dead(1000.0, gone=True)


def test_a_kill_waits_for_the_answer_but_not_for_long():
    stop = a_stop(kill_at=-1.0)
    assert not stop.killing(KILL_WAITS / 2, gone=False)
    assert stop.killing(KILL_WAITS, gone=False)
    assert stop.killing(0.0, gone=True)
    stop.answered(0.001, stopped=True, after_start=True)
    assert stop.killing(0.001, gone=False)


def test_the_earliest_order_counts_also_after_its_death_is_reported():
    stop = a_stop(kill_at=5.0)
    stop.order(OrderedStop(2, 1.0, 3.0))
    stop.order(OrderedStop(3, 2.0, 99.0))
    assert (stop.kill_at, stop.op) == (3.0, 3)
    assert [order.op for order in stop.report()] == [1, 2, 3]
    assert stop.sentry and stop.op == 3
    stop.order(OrderedStop(4, 6.0, 50.0))
    assert not stop.sentry and stop.kill_at == 3.0
    assert [order.op for order in stop.report()] == [4]
    assert stop.kill_at == 3.0


def test_a_new_order_wants_a_new_proof():
    stop = a_stop()
    clean_round(stop, 1.0)
    clean_round(stop, 1.1)
    stop.order(OrderedStop(2, 1.2, 10.0))
    assert not stop.dead(1.2, gone=False)


def test_scans_come_in_time_for_the_kill_and_ever_less_often_after_it():
    stop = a_stop(kill_at=10.0)
    assert stop.pace(9.99, gone=False, alive=True) == pytest.approx(0.01)
    assert stop.pace(5.0, gone=False, alive=True) == pytest.approx(0.1)
    assert stop.pace(10.0, gone=False, alive=True) == pytest.approx(0.001)
    assert stop.pace(12.0, gone=False, alive=True) == pytest.approx(0.1)
    assert stop.pace(99.0, gone=False, alive=True) == pytest.approx(0.25)
    assert a_stop(kill_at=-1.0).pace(0.0, gone=False, alive=True) == pytest.approx(KILL_WAITS)
    # Nobody waits for a supervisord that is dead, or has answered.
    assert a_stop(kill_at=-1.0).pace(KILL_WAITS - 0.001, gone=True, alive=True) == pytest.approx((KILL_WAITS - 0.001) / 20)
    assert a_stop(kill_at=0.01).pace(0.005, gone=True, alive=True) == pytest.approx(0.005)
    stop = a_stop(kill_at=0.01)
    assert stop.pace(0.005, gone=False, alive=True) == pytest.approx(KILL_WAITS - 0.005)
    stop.answered(0.004, stopped=True, after_start=True)
    assert stop.pace(0.005, gone=False, alive=True) == pytest.approx(0.005)


def test_scans_come_soon_after_each_other_when_nothing_is_seen():
    assert a_stop(kill_at=10.0).pace(5.0, gone=False, alive=False) == pytest.approx(0.02)


def test_who_may_belong_is_waited_for_and_not_for_long():
    stop = a_stop()
    assert not stop.doubts(1.0, unsure=False)
    assert stop.doubts(2.0, unsure=True) and stop.doubts(2.0 + DOUBT_TIME / 2, unsure=True)
    assert not stop.doubts(2.0 + DOUBT_TIME / 2, unsure=False)
    assert not stop.doubts(2.0 + DOUBT_TIME, unsure=True)
    assert not stop.doubts(9.0, unsure=True)
