"""Candidates that claim what is another node's."""

import json

import pytest

from supervisor_zkelect.diagnosis import neighbours
from supervisor_zkelect.elector import Member


def member(node, address, session, name="n-0000000007"):
    return Member(name, 7, session, 99, False, json.dumps({"v": 1, "node": node, "address": address}).encode())


@pytest.mark.parametrize("members, session, pieces", [
    ([("a", "h:1", 5), ("b", "h:2", 6)], 5, []),
    ([("a", "h:1", 5), ("b", "h:1", 6)], 5, ["address = h:1: the node b proposes the same one (n-0000000007)"]),
    ([("b", "h:1", 6), ("c", "h:1", 7)], None, ["the node b", "the node c"]),
    ([("a", "h:9", 6)], 5, ["has the name of this node, a, and is of another session (0x6)"]),
    # Whose it is, nobody can tell without this node's session; two are one too many.
    ([("a", "h:1", 6)], None, []),
    ([("a", "h:1", 6), ("a", "h:1", 7)], None, ["(0x7)"]),
    # One that leaves a queue and joins again has two for a moment.
    ([("a", "h:1", 5), ("a", "h:1", 5)], 5, []), ([("a", "h:1", 6), ("a", "h:1", 6)], None, []),
    ([("a", "h:1", -5)], 5, ["(0xfffffffffffffffb)"]),
    # What no session owns is told as that.
    ([("a", "h:1", 0), ("b", "h:1", 0)], 5, []),
    # Another program's candidate names no node.
    ([("", "h:1", 6)], 5, []),
    ([], 5, []),
])
def test_what_claims_what_is_this_nodes(members, session, pieces):
    lines = neighbours.told([member(*one) for one in members], "a", "h:1", session)
    assert len(lines) == len(pieces) and all(piece in line for piece, line in zip(pieces, lines))


def test_a_name_that_is_somebody_elses_does_no_harm():
    one = member("b", "h:1", 6, "\x1b[2J" + "x" * 1000 + "0000000001")
    [line] = neighbours.told([one], "a", "h:1", 5)
    assert line.isprintable() and len(line) < 500
    assert neighbours.told([one._replace(data=b"\xff")], "a", "h:1", 5) == []
