"""The log of orders."""

import json

import pytest

from supervisor_zkelect.core import order_log, outcomes
from supervisor_zkelect.core.order_log import LONGEST_REASON, Entry, Noted
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.core.untrusted import LONGEST_DOCUMENT

ORDER = Noted("s", "switchover", "c", "root@h", "disk", 1000, None, 2000)
DONE = Outcome("s", True, "c leads", "c", "c:1", 3000)


def test_an_order_is_read_as_it_was_written_and_its_outcome_beside_it():
    data = order_log.amended(b"", ORDER)
    assert order_log.read(data) == [Entry(ORDER, None)] and order_log.read(outcomes.amended(data, DONE)) == [Entry(ORDER, DONE)]
    assert order_log.read(order_log.amended(outcomes.amended(b"", DONE), ORDER)) == [Entry(ORDER, DONE)]
    assert order_log.read(order_log.amended(b"", ORDER, DONE)) == [Entry(ORDER, DONE)]


def test_an_order_is_noted_once():
    data = order_log.amended(order_log.amended(b"", ORDER), ORDER._replace(by="another"))
    assert order_log.read(data) == [Entry(ORDER, None)]


def test_what_nobody_noted_is_shown_by_its_outcome():
    assert order_log.read(outcomes.amended(b"", DONE)) == [Entry(None, DONE)]
    assert Entry(None, DONE).document()["outcome"] == {"text": "c leads", "node": "c", "at": 3000}
    assert Entry(None, DONE).document()["id"] == "s" and Entry(ORDER, None).document()["done"] is None


def test_texts_are_cut_and_printable():
    written = json.dumps({"orders": [{"id": 7, "reason": "\n" + "x" * 999, "at": "x", "due": -1}, 7]}).encode()
    [entry] = order_log.read(written)
    assert entry.order == Noted("7", "", reason="\\n" + "x" * (LONGEST_REASON - 1) + "…")


def test_what_is_kept_fits_and_the_oldest_go_first():
    data = b""
    for number in range(2 * outcomes.MOST):
        order = Noted(str(number), "switchover", "n" * 255, "\U0001f600" * 255, "\U0001f600" * 500)
        data = order_log.amended(data, order, Outcome(str(number), False, "\U0001f600" * 500))
        assert len(data) <= LONGEST_DOCUMENT
    assert order_log.read(data)[-1].order.id == str(2 * outcomes.MOST - 1)


@pytest.mark.parametrize("data", [b"", b"garbage", b"[]", b'{"orders": {}}'])
def test_garbage_is_an_empty_log(data):
    assert order_log.read(data) == [] and order_log.read(order_log.amended(data, ORDER)) == [Entry(ORDER, None)]
