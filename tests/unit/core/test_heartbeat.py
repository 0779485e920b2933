"""When a request is due, and what it checks."""

import math

from supervisor_zkelect.core.heartbeat import Heartbeat

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


def test_a_session_of_another_timeout_changes_the_paces_and_not_what_is_outstanding():
    paced = Heartbeat.paced(10, 1.0, 4.0)
    assert (paced.interval, paced.waiting, paced.drop_after) == (1.0, 2.0, 2.5)
    beat = sent(PACES, 7.0).at_pace_of(Heartbeat.paced(20, 2.0, 8.0))
    assert (beat.interval, beat.waiting, beat.drop_after, beat.sent) == (2.0, 4.0, 5.0, 7.0)
    assert beat.after_answer().send_now(7.0)


def test_what_is_due_soon_is_due_at_any_time():
    assert sent(PACES, 0.2).after_answer().all_soon().send_now(0.2)


def test_each_request_that_is_late_is_followed_by_a_read_of_its_own():
    beat = sent(PACES, 0.0).after_prodding().after_answer()
    assert beat.next_wakeup() == 1.0
    beat = sent(beat, 1.0)
    assert beat.next_wakeup() == 1.25 and beat.prod_now(1.25) and beat.drop_now(1.0 + beat.drop_after)
