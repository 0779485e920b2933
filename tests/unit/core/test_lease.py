"""The lease's arithmetic against the timelines of its rule."""

import math

import pytest

from supervisor_zkelect.core import lease
from supervisor_zkelect.core.lease import Lease, SessionClock

T, TICK = 10.0, 2.0
WHOLE = T * (1 - lease.DRIFT)


def clock(connected=0.0):
    return SessionClock(timeout=T, tick=TICK, connected=connected)


def test_counts_from_a_request_answered_a_tick_before_the_write():
    one = clock().answered(1.0, 1.1).answered(2.0, 2.1).answered(4.0, 4.1)
    assert one.deadline(4.0) == 1.0 + WHOLE
    assert one.deadline(4.2) == 2.0 + WHOLE


def test_a_request_sent_early_but_answered_late_is_no_base():
    """A stalled link delivers an old read and a fresh write at once."""
    stalled = clock().answered(1.0, 1.1).answered(5.0, 11.0)
    assert stalled.deadline(11.5) == 1.0 + WHOLE


def test_the_connect_request_needs_no_separation():
    assert clock(connected=3.0).deadline(3.01) == 3.0 + WHOLE
    assert clock().reconnected(7.0).deadline(7.0) == 7.0 + WHOLE


def test_a_write_from_before_the_connect_proves_nothing_about_it():
    assert clock().reconnected(7.0).deadline(6.9) == -math.inf


def test_the_granted_timeout_counts():
    granted = SessionClock(timeout=4.0, tick=TICK, connected=0.0)
    assert granted.deadline(1.0) == pytest.approx(4.0 * 0.99)


def test_a_tick_longer_than_half_the_timeout_cannot_be_true():
    assert lease.effective_tick(6.0, 4.0) == 2.0


def test_a_write_is_a_base_for_later_writes_once_answered_a_tick_before():
    one = clock()
    for second in range(1, 20):
        one = one.answered(float(second), second + 0.5)
    assert one.deadline(19.0) == 16.0 + WHOLE
    assert len(one.exchanges) < 6


def test_an_answer_cannot_precede_its_request():
    with pytest.raises(ValueError, match="^answered at 1.0 before it was sent at 2.0$"):
        clock().answered(2.0, 1.0)


def test_what_was_answered_a_tick_before_to_the_moment_is_a_base():
    one = clock().answered(1.0, 2.0)
    assert one.deadline(2.0 + TICK) == 1.0 + WHOLE and one.deadline(2.0 + TICK - 0.001) == WHOLE


def test_the_order_in_which_answers_come_does_not_matter():
    one, other = clock(), clock()
    for exchange, back in (((1.0, 1.5), (3.0, 3.2)), ((2.0, 2.1), (2.0, 2.1)), ((3.0, 3.2), (1.0, 1.5))):
        one, other = one.answered(*exchange), other.answered(*back)
    assert [one.deadline(newest) for newest in (4.2, 5.3, 9.0)] == [other.deadline(newest) for newest in (4.2, 5.3, 9.0)]


def test_grace_is_what_the_lease_leaves():
    assert lease.stop_grace(10, 2, 1, 2, 0.3, 100) == pytest.approx(9.9 - 2 - 2 - 2 - 0.3)
    assert lease.stop_grace(10, 2, 1, 2, 0.3, 1.5) == 1.5
    assert lease.stop_grace(2, 2, 0.2, 0.4, 0.3, 10) < 0


def test_a_connection_is_given_up_after_a_share_of_the_timeout():
    assert lease.drop_after(10) == 2.5 and lease.drop_after(4) == 1.4


def test_ride_through_takes_no_more_than_there_is():
    assert lease.ride_through(10, 2, 1, 0.3) == 4
    assert lease.ride_through(4, 2, 0.4, 0.3) == pytest.approx(3.96 - 2 - 0.8 - 0.3)
    assert lease.stop_grace(4, 2, 0.4, lease.ride_through(4, 2, 0.4, 0.3), 0.3, 10) == pytest.approx(0)
    assert lease.ride_through(2, 1, 0.5, 0.3) == 0


@pytest.mark.parametrize("timeout, tick, interval, silence", [
    (10, 2, 1, None), (10, 2, 1, 1.5), (10, 2, 1, 0.5), (10, 2, 1, 0), (2, 0.4, 0.2, None), (2, 0.8, 0.2, None),
    (12, 6, 1.2, None),
])
def test_a_first_lease_that_counts_from_the_last_request_of_a_standby_has_room_for_a_heartbeat(
    timeout, tick, interval, silence
):
    kill_time = 0.3
    if silence is None:
        silence = lease.ride_through(timeout, tick, interval, kill_time)
    waiting = lease.waiting_interval(interval, silence)
    assert interval <= waiting <= 2 * interval
    clock = SessionClock(timeout, tick, connected=0.0)
    for number in range(20):
        clock = clock.answered(100 + number * waiting, 100 + number * waiting)
    # As early as it can be: just before what was answered last is a tick old.
    elected = 100 + 19 * waiting + tick - 0.001
    grace = lease.stop_grace(timeout, tick, interval, silence, kill_time, math.inf)
    stop_at = Lease.until(clock.deadline(elected), kill_time, grace).stop_at
    assert stop_at >= elected + interval + min(interval, silence) - 0.002
    # And it is long enough to start by at once.
    assert stop_at - elected >= lease.start_margin(timeout, tick, interval, silence) - 0.002


@pytest.mark.parametrize("timeout, tick", [(12, 6), (10, 5), (5.5, 2), (5.6, 2), (10, 7)])
def test_what_is_left_over_by_the_default_is_never_less_than_nothing(timeout, tick):
    """In binary fractions it can be, by a part of a femtosecond."""
    interval, kill_time = timeout / 10, 0.3
    silence = lease.ride_through(timeout, tick, interval, kill_time)
    assert 0 <= lease.stop_grace(timeout, tick, interval, silence, kill_time, 10.0) < 1


def test_a_group_is_asked_to_stop_then_killed_before_the_deadline():
    one = Lease.until(110.0, 1.0, 2.5)
    assert one == Lease(106.5, 109.0, 110.0) and one.covers(108.9) and not one.covers(109.0)
    # A session in which kill_time does not fit leaves no time to ask.
    assert Lease.until(110.0, 1.0, -1.0) == Lease(109.0, 109.0, 110.0)
    assert not lease.NO_LEASE.covers(-math.inf)


@pytest.mark.parametrize("later", [5.0, -5.0])
def test_a_lease_that_is_moved_keeps_what_is_set_aside(later):
    assert Lease.until(110.0, 1.0, 2.5).moved(110.0 + later) == Lease.until(110.0 + later, 1.0, 2.5)


@pytest.mark.parametrize("tick, interval, ride_through, grace", [
    (2, None, None, 3.0), (2, 0.5, None, 3.0), (2, None, 1.0, 3.0), (2, 0.5, 1.0, 3.0), (0.5, None, 1.0, 0.0),
])
def test_the_shortest_timeout_leaves_the_grace_and_none_shorter_does(tick, interval, ride_through, grace):
    def left(timeout):
        pace = lease.heartbeat_interval(timeout) if interval is None else interval
        silence = lease.ride_through(timeout, tick, pace, 0.3) if ride_through is None else ride_through
        return lease.stop_grace(timeout, tick, pace, silence, 0.3, math.inf)

    shortest = lease.shortest_timeout(tick, interval, ride_through, 0.3, grace)
    assert left(shortest) >= grace - 1e-6 and (left(shortest - 0.1) < grace or shortest == 2 * tick)


def test_the_shortest_timeout_is_whole_tenths_and_two_ticks_at_least():
    assert lease.shortest_timeout(0.5, None, None, 0.5, 2.9) == 10.0
    assert lease.shortest_timeout(20.0, None, 0.0, 0.3, 0.0) == 40.0


def test_a_group_that_must_stop_when_the_answer_comes_has_no_room():
    assert not lease.leaves_room(10.0, 7.0, 10.0, 2.0, 1.0) and lease.leaves_room(10.01, 7.0, 10.0, 2.0, 1.0)
    # A tick is no longer than half the timeout.
    assert lease.leaves_room(10.01, 7.0, 4.0, 9.0, 1.0)


def test_a_start_has_until_the_next_extension_or_as_long_as_silence_is_ridden_through():
    assert lease.start_margin(10, 2, 1, 4) == 3 and lease.start_margin(10, 2, 1, 1.5) == 1.5
    assert lease.start_margin(4, 6, 1, 4) == 3


def test_a_leftover_stands_no_longer_than_the_longer_of_both_timeouts_and_two_ticks():
    assert lease.leftover_time(10, 4, 2) == lease.leftover_time(4, 10, 2) == 14 + lease.LEFTOVER_SPARE


@pytest.mark.parametrize("since", [0.0, 0.4, 0.5, 0.6, 1.0, 1.5, 1.9])
def test_heartbeats_of_another_pace_extend_a_lease_before_it_ends_where_it_leaves_room(since):
    """since: seconds from the last heartbeat of the former pace, 2 s, to the change; the next comes at once."""
    timeout, tick, interval, answered, kill_time = 20.0, 0.5, 0.2, 0.01, 16.5
    grace = lease.stop_grace(timeout, tick, interval, 1.0, kill_time, 3.0)
    clock = SessionClock(timeout, tick, connected=0.0)
    for number in range(10):
        clock = clock.answered(2.0 * number, 2.0 * number + answered)
    newest, taken = 18.0, False
    for number in range(20):
        beat = 18.0 + since + answered + number * (interval + answered)
        stop_at = Lease.until(clock.deadline(newest), kill_time, grace).stop_at
        assert not taken or beat + answered < stop_at
        clock, newest = clock.answered(beat, beat + answered), beat
        stop_at = Lease.until(clock.deadline(newest), kill_time, grace).stop_at
        taken = taken or lease.leaves_room(stop_at, beat + answered, timeout, tick, interval)
    assert taken


def test_a_pause_stands_beside_the_deadline_and_leaves_it_alone():
    one = Lease.until(110.0, 1.0, 2.5)
    paused = one._replace(paused_until=math.inf)
    assert paused.covers(1e9) and (paused.stops_at, paused.kills_at) == (math.inf, math.inf)
    assert (paused.stop_at, paused.kill_at, paused.deadline) == (106.5, 109.0, 110.0) and paused.ordinary == one
    assert (one.stops_at, one.kills_at) == (106.5, 109.0)


def test_a_pause_that_ends_leaves_as_much_time_before_its_end_as_the_lease_before_its_deadline():
    one = Lease.until(110.0, 1.0, 2.5)._replace(paused_until=200.0)
    assert (one.stops_at, one.kills_at) == (196.5, 199.0) and one.covers(198.9) and not one.covers(199.0)
    over = one._replace(paused_until=105.0)
    assert (over.stops_at, over.kills_at) == (106.5, 109.0), "the lease lasts longer"
    assert one.moved(300.0).kills_at == 299.0 and one.moved(150.0).kills_at == 199.0, "the pause goes with it"


def test_without_a_lease_only_the_pause_counts():
    paused = lease.NO_LEASE._replace(paused_until=50.0)
    assert paused.covers(49.0) and not paused.covers(50.0) and paused.stops_at == 50.0
    assert lease.NO_LEASE._replace(paused_until=math.inf).covers(1e9)
