"""What is kept of the orders that came to an end."""

import json

from supervisor_zkelect.core import outcomes
from supervisor_zkelect.core.outcomes import LONGEST_TEXT, Outcome

DONE = Outcome("s", True, "b leads", "b", "b:1")


def test_an_outcome_is_read_as_it_was_written():
    data = outcomes.amended(b"", DONE)
    assert json.loads(data) == {"v": 1, "outcomes": [{"id": "s", "ok": True, "text": "b leads", "node": "b", "address": "b:1"}]}
    assert outcomes.read(data) == [DONE]
    assert outcomes.read(outcomes.amended(data, Outcome("t", False, "nobody"))) == [DONE, Outcome("t", False, "nobody")]


def test_what_an_outcome_lacks_is_empty_and_it_is_done_where_it_says_so():
    assert outcomes.read(b'{"outcomes": [{}, {"id": "s", "ok": 1}]}') == [Outcome("", False, ""), Outcome("s", False, "")]


def test_texts_of_others_are_cut_and_printable():
    written = json.dumps({"outcomes": [{name: "\n" + "x" * LONGEST_TEXT for name in ("id", "text", "node", "address")}]}).encode()
    (found,) = outcomes.read(written)
    assert {found.id, found.text, found.node, found.address} == {"\\n" + "x" * (LONGEST_TEXT - 1) + "…"}
