"""The log of orders."""

import json

import pytest

from supervisor_zkelect.core import order_log, outcomes
from supervisor_zkelect.core.order_log import LONGEST_REASON, LoggedOrder, Noted
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.core.untrusted import LONGEST_DOCUMENT

ORDER = Noted("s", "switchover", "c", "root@h", "disk", 1000, None, 2000)
UNKNOWN = Noted("s", "")
DONE = Outcome("s", True, "c leads", "c", "c:1", 3000)


def test_an_order_is_read_as_it_was_written_and_its_outcome_beside_it():
    data = order_log.amended(b"", ORDER)
    assert order_log.read(data) == [LoggedOrder(ORDER, None)] and order_log.read(outcomes.amended(data, DONE)) == [LoggedOrder(ORDER, DONE)]
    assert order_log.read(order_log.amended(outcomes.amended(b"", DONE), ORDER)) == [LoggedOrder(ORDER, DONE)]
    assert order_log.read(order_log.amended(b"", ORDER, DONE)) == [LoggedOrder(ORDER, DONE)]


def test_an_order_is_noted_once():
    data = order_log.amended(order_log.amended(b"", ORDER), ORDER._replace(by="another"))
    assert order_log.read(data) == [LoggedOrder(ORDER, None)]


def test_what_nobody_noted_is_shown_by_its_outcome():
    assert order_log.read(outcomes.amended(b"", DONE)) == [LoggedOrder(UNKNOWN, DONE)]
    assert LoggedOrder(UNKNOWN, DONE).document()["outcome"] == {"text": "c leads", "node": "c", "at": 3000}
    assert LoggedOrder(UNKNOWN, DONE).document()["id"] == "s" and LoggedOrder(UNKNOWN, DONE).document()["done"] is True
    assert LoggedOrder(ORDER, None).document() == {**ORDER._asdict(), "done": None, "outcome": None}
    assert LoggedOrder(ORDER, DONE._replace(ok=False)).document()["done"] is False


def test_texts_are_cut_and_printable():
    long = {name: "\n" + "x" * 999 for name in ("id", "what", "node", "by", "reason")}
    [entry] = order_log.read(json.dumps({"orders": [{**long, "at": "x", "until": -1, "due": True}, 7]}).encode())
    lengths = {"id": 64, "what": 64, "node": 255, "by": 255, "reason": LONGEST_REASON}
    assert entry.order._asdict() == {
        **{name: "\\n" + "x" * (most - 1) + "…" for name, most in lengths.items()}, "at": 0, "until": None, "due": None,
    }


def test_what_is_no_text_is_shown_as_one():
    [entry] = order_log.read(b'{"orders": [{"id": 7, "until": 8, "due": 9, "at": 6}]}')
    assert entry.order == Noted("7", "", at=6, until=8, due=9)


def test_what_was_written_before_is_kept():
    written = order_log.amended(b'{"v": 2, "newer": 1}', ORDER, DONE)
    more = ORDER._replace(id="t")
    found = json.loads(order_log.amended(written, more))
    assert found["newer"] == 1 and [one["id"] for one in found["orders"]] == ["s", "t"] and found["outcomes"] == [DONE._asdict()]
    assert order_log.read(order_log.amended(written, more)) == [LoggedOrder(ORDER, DONE), LoggedOrder(more, None)]


def test_an_outcome_without_an_order_is_not_made_one():
    data = order_log.amended(outcomes.amended(b"", DONE), ORDER._replace(id="t"))
    assert [one["id"] for one in json.loads(data)["orders"]] == ["t"]


def test_what_is_kept_fits_and_the_oldest_go_first():
    data = b""
    for number in range(2 * outcomes.MOST):
        order = Noted(str(number), "switchover", "n" * 255, "\U0001f600" * 255, "\U0001f600" * 500)
        data = order_log.amended(data, order, Outcome(str(number), False, "\U0001f600" * 500))
        assert len(data) <= LONGEST_DOCUMENT
    assert order_log.read(data)[-1].order.id == str(2 * outcomes.MOST - 1)


@pytest.mark.parametrize("data", [b"", b"garbage", b"[]", b'{"orders": {}}'])
def test_garbage_is_an_empty_log(data):
    assert order_log.read(data) == [] and order_log.read(order_log.amended(data, ORDER)) == [LoggedOrder(ORDER, None)]


def test_what_others_add_to_an_outcome_costs_no_order():
    filled = json.dumps({"outcomes": [{"id": "s", "ok": True, "text": "c leads", "junk": "x" * (LONGEST_DOCUMENT - 200)}]}).encode()
    assert [(one.order.id, one.outcome.text) for one in order_log.read(order_log.amended(filled, ORDER))] == [("s", "c leads")]
    assert order_log.read(order_log.amended(filled, ORDER))[0].order == ORDER
