"""The lease's arithmetic against the timelines of its rule."""

import math

import pytest

from supervisor_zkelect.core import lease
from supervisor_zkelect.core.lease import Heartbeat, SessionClock

T, TICK = 10.0, 2.0
LEASE = T * (1 - lease.DRIFT)


def clock(connected=0.0):
    return SessionClock(timeout=T, tick=TICK, connected=connected)


def test_counts_from_a_request_answered_a_tick_before_the_write():
    one = clock().answered(1.0, 1.1).answered(2.0, 2.1).answered(4.0, 4.1)
    assert one.deadline(4.0) == 1.0 + LEASE
    assert one.deadline(4.2) == 2.0 + LEASE


def test_a_request_sent_early_but_answered_late_is_no_base():
    """A stalled link delivers an old read and a fresh write at once."""
    stalled = clock().answered(1.0, 1.1).answered(5.0, 11.0)
    assert stalled.deadline(11.5) == 1.0 + LEASE


def test_the_connect_request_needs_no_separation():
    assert clock(connected=3.0).deadline(3.01) == 3.0 + LEASE
    assert clock().reconnected(7.0).deadline(7.0) == 7.0 + LEASE


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
    assert one.deadline(19.0) == 16.0 + LEASE
    assert len(one.exchanges) < 6


def test_an_answer_cannot_precede_its_request():
    with pytest.raises(ValueError):
        clock().answered(2.0, 1.0)


def test_grace_is_what_the_lease_leaves():
    assert lease.stop_grace(10, 2, 1, 2, 0.3, 100) == pytest.approx(9.9 - 2 - 2 - 2 - 0.3)
    assert lease.stop_grace(10, 2, 1, 2, 0.3, 1.5) == 1.5
    assert lease.stop_grace(2, 2, 0.2, 0.4, 0.3, 10) < 0


PACES = Heartbeat(interval=1.0, waiting=2.0)


def sent(beat, now, leased=("p",), fresh=()):
    return beat.sending(now, leased, fresh)[0]


def test_one_heartbeat_at_a_time():
    assert PACES.send_now(0.0)
    beat = sent(PACES, 0.0)
    assert not beat.send_now(5.0)
    beat = beat.after_answer()
    assert not beat.send_now(0.9) and beat.send_now(1.0)
    assert beat.no_later(-math.inf).send_now(0.1)


def test_who_holds_no_lease_is_heard_of_less_often():
    beat = sent(PACES, 0.0, leased=()).after_answer()
    assert not beat.send_now(1.9) and beat.send_now(2.0)
    # The first lease does not wait for its turn, and no other is extended later for it.
    beat, checked = beat.no_later(-math.inf).sending(0.5, ["p"], ["p"])
    assert checked == ["p"] and not beat.after_answer().send_now(1.4) and beat.after_answer().send_now(1.5)


def test_the_heartbeat_after_a_claim_comes_an_interval_later_at_most():
    beat = sent(PACES, 0.0, leased=()).after_answer()
    assert beat.due == 2.0
    assert beat.no_later(0.3 + PACES.interval).due == 1.3 and beat.no_later(1.5 + PACES.interval).due == 2.0


def test_one_that_is_leased_has_not_all_others_checked():
    leased = ["a", "b"]
    beat, checked = PACES.sending(0.0, leased, [])
    assert checked == leased
    for number in range(1, 10):
        leased = [*leased, f"c{number}"]
        beat = beat.after_answer().no_later(-math.inf)
        beat, checked = beat.sending(0.1 * number, leased, leased[-1:])
        assert checked == leased[-1:]
    # However many there are, the others have their turn in time.
    assert not beat.after_answer().send_now(0.99) and beat.after_answer().send_now(1.0)
    again, checked = beat.after_answer().sending(1.0, leased, ["c9"])
    assert checked == leased and again.after_answer().due == 2.0
    assert beat.after_answer().all_soon().sending(0.95, leased, ["c9"])[1] == leased


def test_a_late_heartbeat_is_followed_by_one_read():
    beat = sent(PACES, 0.0)
    assert not beat.prod_now(0.2) and beat.prod_now(0.25)
    assert beat.next_wakeup() == 0.25
    assert not beat.after_prodding().prod_now(9.0)
    assert beat.after_prodding().next_wakeup() == beat.drop_after


def test_a_heartbeat_without_an_answer_gives_its_connection_up_once():
    beat = sent(Heartbeat(1.0, 2.0, drop_after=2.5), 1.0).after_prodding()
    assert not beat.drop_now(3.4) and beat.drop_now(3.5) and beat.next_wakeup() == 3.5
    assert not beat.after_dropping().drop_now(9.0) and beat.after_dropping().next_wakeup() == math.inf
    assert sent(beat.after_dropping().after_answer(), 10.0).drop_now(12.5)
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
    stop_at = clock.deadline(elected) - kill_time - grace
    assert stop_at >= elected + interval + min(interval, silence) - 0.002
    # And it is long enough to start by at once.
    assert stop_at - elected >= min(silence, lease.effective_tick(tick, timeout) + interval) - 0.002


@pytest.mark.parametrize("timeout, tick", [(12, 6), (10, 5), (5.5, 2), (5.6, 2), (10, 7)])
def test_what_is_left_over_by_the_default_is_never_less_than_nothing(timeout, tick):
    """In binary fractions it can be, by a part of a femtosecond."""
    interval, kill_time = timeout / 10, 0.3
    silence = lease.ride_through(timeout, tick, interval, kill_time)
    assert 0 <= lease.stop_grace(timeout, tick, interval, silence, kill_time, 10.0) < 1
