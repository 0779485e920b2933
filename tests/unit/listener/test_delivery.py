"""The delivery of a listener's reports."""

import json
from types import SimpleNamespace

import pytest

from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.delivery import REPORT_PACE, Delivery
from supervisor_zkelect.supervisord.client import SupervisordError, Unreachable
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


class Supervisord:
    """Gives each order until a report names its ticket, or, of an earlier version, once. lost: the answers that do not arrive."""

    def __init__(self, earlier):
        self.earlier, self.orders, self.named, self.lost = earlier, [], [], 0

    def call(self, method, text, timeout):
        taken = json.loads(text)["taken"]
        self.named.append(taken)
        given, self.orders = self.orders, [one for one in self.orders if not self.earlier and one["ticket"] not in taken]
        if self.lost:
            self.lost -= 1
            raise Unreachable("did not answer within 1 s")
        return json.dumps(given if self.earlier else self.orders)


@pytest.mark.parametrize("earlier", [False, True])
def test_an_order_is_obeyed_once_and_is_not_lost_with_an_answer(one, earlier):
    there = one.host.supervisord = Supervisord(earlier)

    def report(lost=0):
        there.lost = lost
        one.delivery.changed()
        one.delivery.keep_time(one.host.now())
        deliver(one)
        return [order["ticket"] for order in one.obeyed]

    there.orders = [{"ticket": "1", "verb": "resign"}]
    assert report(lost=int(not earlier)) == ["1"] * earlier
    assert report() == ["1"]
    there.orders.append({"ticket": "2", "verb": "resign"})
    # What was named in a report of which nothing is known is named again.
    assert report(lost=int(not earlier)) == ["1", "2"][:1 + earlier]
    assert report() == report() == report() == ["1", "2"]
    assert there.named[-1] == [] and ["1"] in there.named and ["2"] in there.named and there.orders == []


def test_an_order_that_is_given_again_is_passed_over(one):
    one.host.supervisord = SimpleNamespace(call=lambda method, report, timeout: json.dumps([{"ticket": "1", "verb": "resign"}]))
    for _ in range(2):
        one.delivery.changed()
        one.delivery.keep_time(NOW)
        deliver(one)
    assert len(one.obeyed) == 1


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


def test_a_report_makes_supervisord_forget_only_what_it_has_named_itself(one):
    """One that was given up may be delivered all the same, before one that was made without the order."""
    told = []
    one.host.supervisord = SimpleNamespace(call=lambda method, report, timeout: told.append(json.loads(report)["taken"]) or "[]")
    handle = one.delivery.handlers()[events.ReportDelivered]
    one.delivery.keep_time(NOW)
    handle(events.ReportDelivered([{"ticket": "t", "verb": "resign"}], ""))
    handle(events.ReportDelivered([], ""))
    handle(events.ReportDelivered([{"ticket": "t", "verb": "resign"}], ""))
    assert [request["ticket"] for request in one.obeyed] == ["t"]
    one.work.given.clear()
    for named in (["t"], []):
        one.delivery.changed()
        one.delivery.keep_time(NOW)
        deliver(one)
        assert told[-1] == named
