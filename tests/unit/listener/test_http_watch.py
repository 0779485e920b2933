"""Whether `zkelect http` answers, where it is configured."""

import math

import pytest

from supervisor_zkelect.listener import http_watch
from supervisor_zkelect.listener.http_watch import PACE, HttpAsked, HttpWatch
from tests.unit.listener.parts import NOW, Delivery, Host, Log, Work, candidacies, candidacy, means

SILENT = "zkelect http does not answer at 127.0.0.1:8787 (Connection refused); a load balancer sees no primary here"


@pytest.fixture
def host():
    return Host(http="127.0.0.1:8787", http_tls_cert=None)


@pytest.fixture
def made(host):
    """A watch, its work, its delivery, its log and a candidacy."""
    work, delivery, log, one = Work(), Delivery(), Log(), candidacy(host)
    delivery.changes = 0
    delivery.changed = lambda: setattr(delivery, "changes", delivery.changes + 1)
    return HttpWatch(means(host, work=work, delivery=delivery, log=log), candidacies(one)), work, delivery, log, one


def answer(watch, trouble, place="127.0.0.1:8787"):
    watch.handlers()[HttpAsked](HttpAsked(place, trouble))


def test_it_is_asked_at_a_pace_and_one_question_at_a_time(made, host, monkeypatch):
    watch, work, *_ = made
    monkeypatch.setattr(http_watch.http_program, "trouble", lambda place, tls: f"{place} {tls}")
    assert watch.next_wakeup() == NOW + PACE
    watch.keep_time(NOW + PACE - 0.01)
    assert not work.given
    watch.keep_time(NOW + PACE)
    watch.keep_time(NOW + 99)
    assert work.do() == HttpAsked("127.0.0.1:8787", "127.0.0.1:8787 False") and not work.given and watch.next_wakeup() == math.inf
    host.moment = NOW + 20
    answer(watch, "")
    assert watch.next_wakeup() == NOW + 20 + PACE


def test_one_silence_is_no_trouble_and_two_are(made):
    watch, _, delivery, log, one = made
    answer(watch, SILENT)
    assert watch.trouble == "" and not delivery.changes
    answer(watch, SILENT)
    assert watch.trouble == SILENT and watch.report() == {"at": "127.0.0.1:8787", "trouble": SILENT}
    assert delivery.changes == 1 and log.warned == [("http", SILENT)] and one.entry.due < math.inf
    answer(watch, "")
    assert watch.trouble == "" and watch.report()["trouble"] == "" and delivery.changes == 2


def test_where_it_is_not_configured_nobody_asks(made, host):
    watch, work, *_ = made
    answer(watch, SILENT)
    answer(watch, SILENT)
    host.settings.http = None
    watch.keep_time(NOW + 99)
    assert not work.given and watch.trouble == "" and watch.report() is None and watch.next_wakeup() == math.inf


def test_the_answer_of_a_former_place_counts_for_nothing(made, host):
    watch = made[0]
    answer(watch, SILENT)
    host.settings.http = "127.0.0.1:9000"
    answer(watch, SILENT)
    answer(watch, SILENT, "127.0.0.1:9000")
    assert watch.trouble == ""
