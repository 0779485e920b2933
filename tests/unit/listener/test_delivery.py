"""The delivery of a listener's reports."""

import json
from types import SimpleNamespace

import pytest

from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.delivery import REPORT_PACE, Delivery
from supervisor_zkelect.supervisord.client import SupervisordError
from tests.unit.listener.parts import NOW, Host, Log, Work


@pytest.fixture
def one():
    """A delivery of empty reports. obeyed: orders that came; said: who was answered, and whether with success."""
    host, work, log, obeyed, said = Host(), Work(), Log(), [], []
    texts = []

    def reply(ticket, document):
        said.append((ticket, document["ok"]))
        texts.append(document.get("text"))

    delivery = Delivery(host, work, log, lambda moment: {"at": moment}, obeyed.append, reply)
    return SimpleNamespace(host=host, work=work, log=log, obeyed=obeyed, said=said, texts=texts, delivery=delivery)


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


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), RuntimeError("x")])
def test_a_request_that_meets_a_defect_is_answered_and_the_next_obeyed(one, error):
    obeyed = []

    def obey(request):
        obeyed.append(request["ticket"])
        if request["ticket"] == "1":
            raise error

    one.delivery._obey = obey
    one.delivery.handlers()[events.ReportDelivered](events.ReportDelivered([{"ticket": "1"}, {"ticket": "2"}], ""))
    assert obeyed == ["1", "2"] and one.said == [("1", False)] and one.texts == [f"a defect: {error!r}"]


def test_who_waits_for_a_fresh_report_is_answered_with_the_next_one(one):
    def refuse(method, report, timeout):
        raise SupervisordError("no answer")

    one.host.supervisord = SimpleNamespace(call=refuse)
    one.delivery.keep_time(NOW)
    deliver(one)
    assert one.said == []
    one.delivery.tell(["t"])
    one.delivery.keep_time(NOW)
    deliver(one)
    assert one.said == [("t", False)] and one.log.warned[0][0] == "supervisord"
