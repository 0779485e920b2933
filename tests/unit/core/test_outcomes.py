"""What is kept of the orders that came to an end."""

import json

import pytest

from supervisor_zkelect.core import outcomes
from supervisor_zkelect.core.outcomes import LONGEST_TEXT, Outcome
from supervisor_zkelect.core.untrusted import LONGEST_DOCUMENT

DONE = Outcome("s", True, "b leads", "b", "b:1")


def test_an_outcome_is_read_as_it_was_written():
    data = outcomes.amended(b"", DONE)
    assert json.loads(data) == {"v": 1, "outcomes": [{"id": "s", "ok": True, "text": "b leads", "node": "b", "address": "b:1", "at": 0}]}
    assert outcomes.read(data) == [DONE]
    assert outcomes.read(outcomes.amended(data, Outcome("t", False, "nobody"))) == [DONE, Outcome("t", False, "nobody")]


def test_what_an_outcome_lacks_is_empty_and_it_is_done_where_it_says_so():
    assert outcomes.read(b'{"outcomes": [{}, {"id": "s", "ok": 1}]}') == [Outcome("", False, ""), Outcome("s", False, "")]


def test_texts_of_others_are_cut_and_printable():
    written = json.dumps({"outcomes": [{name: "\n" + "x" * LONGEST_TEXT for name in ("id", "text", "node", "address")}]}).encode()
    (found,) = outcomes.read(written)
    assert {found.id, found.text, found.node, found.address} == {"\\n" + "x" * (LONGEST_TEXT - 1) + "…"}


def test_what_is_kept_fits_whatever_is_written():
    """A text may take twelve bytes for a character, and what does not fit would be read as nothing."""
    data = b""
    for number in range(2 * outcomes.MOST):
        data = outcomes.amended(data, Outcome(str(number), True, "\U0001f600" * LONGEST_TEXT))
        assert len(data) <= LONGEST_DOCUMENT
    found = outcomes.read(data)
    assert found[-1].id == str(2 * outcomes.MOST - 1) and 5 <= len(found) < outcomes.MOST


@pytest.mark.parametrize("field", ["orders", "newer"])
def test_what_others_fill_it_with_goes_first(field):
    stranger = json.dumps({"v": 9, field: ["x" * (LONGEST_DOCUMENT - 100)], "small": 1}).encode()
    assert outcomes.read(outcomes.amended(stranger, DONE)) == [DONE]


def test_what_a_newer_format_adds_is_kept():
    assert json.loads(outcomes.amended(b'{"v": 2, "newer": [1], "orders": [{}]}', DONE))["newer"] == [1]


def test_as_much_is_kept_as_anybody_reads():
    """To the last byte that is read, and not beyond it."""
    def written(fill):
        return outcomes.fitting({"newer": "x" * fill, "outcomes": [DONE._asdict()]})

    room = LONGEST_DOCUMENT - len(written(0))
    assert len(written(room)) == LONGEST_DOCUMENT and "newer" in json.loads(written(room)) and "newer" not in json.loads(written(room + 1))
