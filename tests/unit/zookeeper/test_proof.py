"""Until when leading is proven, with plain times: by what was answered, of one session and one proposal, never by more."""

import threading
from types import SimpleNamespace

import pytest
from kazoo import exceptions as kazoo_errors

from supervisor_zkelect.core.lease import lasts_until
from supervisor_zkelect.zookeeper import proof
from supervisor_zkelect.zookeeper.proof import GONE, STANDS, UNKNOWN, Proof

LEASE = lasts_until(0.0, 10.0)


def test_nothing_is_proven_before_a_check():
    one = Proof(10.0)
    one.answered(1, 0.0, 0.1)
    assert one.deadline(7) is None and one.deadline(None) is None


def test_a_first_check_of_a_session_whose_begin_nobody_saw_proves_nothing_yet():
    one = Proof(10.0)
    one.checked(1, 7, 100.0, 100.1)
    assert one.deadline(7) is None


def test_a_connect_request_is_what_is_counted_from():
    one = Proof(None)
    one.connected(50.0, 10.0, 1)
    one.checked(1, 7, 51.0, 51.1)
    assert one.deadline(7) == 50.0 + LEASE and one.timeout == 10.0


@pytest.mark.parametrize("answered, proves", [(104.9, True), (105.0, True), (105.01, False)])
def test_a_request_counts_that_was_answered_half_a_timeout_before_the_check_was_sent(answered, proves):
    one = Proof(10.0)
    one.answered(1, 100.0, answered)
    one.checked(1, 7, 110.0, 110.1)
    assert one.deadline(7) == (100.0 + LEASE if proves else None)


def test_checks_every_tenth_keep_four_tenths_ahead():
    one = Proof(10.0)
    for number in range(100):
        one.checked(1, 7, 100.0 + number, 100.05 + number)
    ahead = one.deadline(7) - (100.0 + 99)
    assert 3.8 < ahead < 5.0


def test_a_waiting_nodes_requests_have_its_first_check_prove_something():
    one = Proof(10.0)
    for number in range(20):
        one.answered(1, 100.0 + number, 100.1 + number)
    one.checked(1, 7, 120.5, 120.6)
    assert one.deadline(7) == 115.0 + LEASE


def test_what_another_session_was_answered_counts_for_nothing():
    one = Proof(10.0)
    one.answered(1, 100.0, 100.1)
    one.checked(2, 7, 110.0, 110.1)
    assert one.deadline(7) is None
    seen = Proof(None)
    seen.connected(100.0, 10.0, 1)
    seen.checked(2, 7, 101.0, 101.1)
    assert seen.deadline(7) is None
    seen.checked(1, 7, 101.0, 101.1)
    seen.connected(102.0, 10.0, 2)
    seen.checked(2, 8, 103.0, 103.1)
    assert (seen.deadline(7), seen.deadline(8)) == (None, 102.0 + LEASE)


def test_another_proposal_has_nothing_of_the_former_ones():
    one = Proof(None)
    one.connected(50.0, 10.0, 1)
    one.checked(1, 7, 51.0, 51.1)
    assert one.deadline(8) is None


def test_a_late_answer_takes_nothing_back():
    one = Proof(None)
    one.connected(50.0, 10.0, 1)
    one.checked(1, 7, 51.0, 51.1)
    for sent in (59.0, 52.0):
        one.checked(1, 7, sent, 59.5)
    assert one.deadline(7) >= 50.0 + LEASE


def test_a_shorter_timeout_counts_at_once():
    """Another server of the ensemble may grant less to the same session."""
    one = Proof(None)
    one.connected(50.0, 10.0, 1)
    one.checked(1, 7, 51.0, 51.1)
    one.connected(52.0, 4.0, 1)
    assert one.timeout == 4.0 and one.deadline(7) == lasts_until(52.0, 4.0)
    one.connected(53.0, 10.0, 1)
    assert one.timeout == 4.0


def test_the_answer_that_a_session_is_over_grants_nothing():
    one = Proof(None)
    one.connected(50.0, 10.0, 1)
    one.connected(52.0, 0.0, 0)
    assert one.timeout == 10.0


@pytest.mark.parametrize("note", [lambda one: one.checked(1, 7, 51.0, 51.1), lambda one: one.answered(1, 51.0, 51.1)])
def test_a_note_of_another_thread_is_not_lost(monkeypatch, note):
    """The client's thread is told of a shorter timeout while an answer is noted."""
    one, clock, threads = Proof(None), Proof._clock, []
    one.connected(50.0, 10.0, 1)

    def meanwhile(self, session):
        found = clock(self, session)
        if not threads:
            threads.append(threading.Thread(target=one.connected, args=(52.0, 4.0, 1)))
            threads[0].start()
            threads[0].join(0.2)
        return found

    monkeypatch.setattr(Proof, "_clock", meanwhile)
    note(one)
    threads[0].join()
    assert one.timeout == 4.0


MINE, ANOTHERS = SimpleNamespace(czxid=7), SimpleNamespace(czxid=8)


@pytest.mark.parametrize("results, stat, told", [
    ([True], MINE, STANDS), ([True, "path"], MINE, STANDS), ([True], ANOTHERS, GONE), ([True], None, GONE),
    ([kazoo_errors.NoNodeError()], None, GONE), ([kazoo_errors.NoNodeError(), kazoo_errors.RuntimeInconsistency()], MINE, GONE),
    ([kazoo_errors.RolledBackError(), kazoo_errors.BadVersionError()], MINE, UNKNOWN),
    (kazoo_errors.ConnectionLoss(), MINE, UNKNOWN),
    ([True], kazoo_errors.ConnectionLoss(), UNKNOWN), (None, MINE, UNKNOWN),
    (kazoo_errors.SessionExpiredError(), None, UNKNOWN),
])
def test_what_an_answer_says_of_a_proposal(results, stat, told):
    assert proof.verdict(results, stat, 7) == told
