"""The delivery of a listener's reports."""

import json
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.delivery import REFRESH_TIME, REPORT_PACE, Delivery
from supervisor_zkelect.supervisord.client import SupervisordError
from tests.unit.listener.parts import NOW, Host, Log, Work, candidacies, candidacy


def test_while_zookeeper_is_silent_questions_do_not_pile_up():
    """One question is on its way, and one more follows it, however many ask."""
    host, work = Host(), Work()
    one = candidacy(host, State(role=roles.STANDBY, step="watching", up=True, alive=True, proposal="n-1"))
    asked = host.serials[0].given
    delivery = Delivery(
        host, work, Log(), candidacies(one), lambda: True, lambda moment: {}, None, lambda ticket, document: None
    )
    for number in range(50):
        delivery.refresh(str(number))
        host.moment += REFRESH_TIME
        delivery.keep_time(host.moment)
        delivery.handlers()[events.ReportDelivered](events.ReportDelivered([], ""))
    # One about the queue, and one about ack and holder.
    assert len(asked) == 2 and one.term.again
    one.heard(messages.TermSeen("b", "y:3", 5))
    assert len(asked) == 3 and not one.term.again
    assert (one.facts.ack, one.facts.at) == ("y:3", NOW)
    one.heard(messages.TermSeen("", "", known=False))
    assert (one.facts.ack, one.term.asking) == ("y:3", False) and len(asked) == 3


@pytest.fixture
def one():
    """A delivery of empty reports. obeyed: orders that came; said: who was answered, and whether with success."""
    host, work, log, obeyed, said = Host(), Work(), Log(), [], []
    delivery = Delivery(
        host, work, log, candidacies(), lambda: False, lambda moment: {"at": moment}, obeyed.append,
        lambda ticket, document: said.append((ticket, document["ok"])),
    )
    return SimpleNamespace(host=host, work=work, log=log, obeyed=obeyed, said=said, delivery=delivery)


def deliver(one):
    one.delivery.handlers()[events.ReportDelivered](one.work.do())


def test_one_report_is_on_its_way_at_a_time(one):
    one.host.supervisord = SimpleNamespace(call=lambda method, report, timeout: json.dumps([{"verb": "check"}]))
    one.delivery.keep_time(NOW)
    one.delivery.changed()
    one.delivery.keep_time(NOW)
    assert len(one.work.given) == 1
    deliver(one)
    assert one.obeyed == [{"verb": "check"}]
    one.delivery.keep_time(NOW)
    assert len(one.work.given) == 1
    deliver(one)
    assert one.delivery.next_wakeup() == NOW + REPORT_PACE


def test_who_waits_for_a_fresh_report_is_answered_with_the_next_one(one):
    def refuse(method, report, timeout):
        raise SupervisordError("no answer")

    one.host.supervisord = SimpleNamespace(call=refuse)
    one.delivery.keep_time(NOW)
    one.delivery.refresh("t")
    deliver(one)
    assert one.said == []
    one.delivery.keep_time(NOW)
    deliver(one)
    assert one.said == [("t", False)] and one.log.warned[0][0] == "supervisord"
