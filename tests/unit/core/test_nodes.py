"""What nodes say of themselves, and the table of it."""

import json

import pytest

from supervisor_zkelect.core import nodes
from supervisor_zkelect.core.nodes import NodeEntry, NodeRow, Seen

STANDBY = NodeEntry("1f", "standby", "watching", 1_700_000_000_000, "b:1", True, (7, 3), "1.0", "")
LEADS = STANDBY._replace(state="primary", step="", address="a:1")


def test_an_entry_is_read_as_it_was_written():
    assert nodes.read(STANDBY.data()) == STANDBY
    checked = STANDBY._replace(checks=True, checked="an order")
    assert nodes.read(checked.data()) == checked


@pytest.mark.parametrize("data", [b"", b"garbage", b"[]", b'{"since": "x", "confirmed": 7, "guarded": 1, "state": null}'])
def test_what_cannot_be_read_is_left_out(data):
    assert nodes.read(data) == NodeEntry()


def test_texts_of_others_are_cut_and_printable():
    found = nodes.read(STANDBY._replace(trouble="\x1b[2J" + "x" * 9999, state="\u202e").data())
    assert len(found.trouble) < 2 * nodes.LONGEST_TEXT and found.trouble.isprintable() and found.state.isprintable()


@pytest.mark.parametrize("seen, holder, row", [
    (Seen("a", LEADS, True, 1), "a", NodeRow("a", "primary", LEADS.since, "a:9", 1, "")),
    (Seen("a", LEADS, True, 1), "", NodeRow("a", "primary", LEADS.since, "a:1", 1, "the ack does not say so")),
    (Seen("a", LEADS, False, 1), "a", NodeRow("a", "primary, cut off", LEADS.since, "a:9", 1, "")),
    (Seen("b", STANDBY, True, 2), "a", NodeRow("b", "standby", STANDBY.since, "b:1", 2, "")),
    (Seen("b", STANDBY, False, None), "a", NodeRow("b", "gone", None, "b:1", None, "was standby")),
    (Seen("a", LEADS._replace(state="demoting", step="stopping"), True, 1), "a",
     NodeRow("a", "demoting", LEADS.since, "a:1", 1, "the ack still says so; stopping")),
    (Seen("a", LEADS._replace(state="detached", step="waiting"), True, None), "a",
     NodeRow("a", "detached", LEADS.since, "a:1", None, "the ack still says so; waiting")),
    # What it tells of itself may be of the moment before it stood in the queue.
    (Seen("a", LEADS._replace(state="detached", step="waiting"), True, 1), "a", NodeRow("a", "primary", LEADS.since, "a:9", 1, "")),
    (Seen("b", STANDBY._replace(guarded=False), True, 2), "a", NodeRow("b", "standby", STANDBY.since, "b:1", 2, "unguarded")),
    (Seen("b", STANDBY._replace(confirmed=(7, 2)), True, 2), "a",
     NodeRow("b", "standby", STANDBY.since, "b:1", 2, "has not recognised the last order yet")),
    (Seen("b", STANDBY._replace(state="promoting", step="probing", trouble="ill"), True, 1), "",
     NodeRow("b", "promoting", STANDBY.since, "b:1", 1, "probing; ill")),
    (Seen("n-7", None, True, 3), "a", NodeRow("n-7", "in the queue", None, "", 3, "tells nothing of itself")),
    (Seen("n-7", None, True, 1), "n-7", NodeRow("n-7", "primary", None, "a:9", 1, "tells nothing of itself")),
])
def test_a_row_says_what_is_known(seen, holder, row):
    assert nodes.rows([seen], holder, "a:9" if holder else "", {}, (7, 3)) == [row]


def test_who_leads_comes_first_then_the_queue_then_who_is_missing():
    seen = [Seen("z", STANDBY, False, None), Seen("c", STANDBY, True, 3), Seen("b", STANDBY, True, 2), Seen("a", LEADS, True, 1)]
    found = nodes.rows(seen, "a", "a:1", {"z": "in maintenance: disk"}, ())
    assert [row.node for row in found] == ["a", "b", "c", "z"] and found[-1].note == "in maintenance: disk; was standby"


def test_an_entry_is_written_with_its_format_and_its_texts_cut():
    assert json.loads(STANDBY._replace(trouble="x" * 301).data()) == {
        "v": 1, "session": "1f", "state": "standby", "step": "watching", "since": 1_700_000_000_000, "address": "b:1", "guarded": True,
        "confirmed": [7, 3], "version": "1.0", "trouble": "x" * 300 + "…", "priority": 100, "fit": True, "unfit": "",
        "paused": "",
    }


def test_of_what_others_wrote_as_much_is_read_as_this_version_writes():
    found = nodes.read(json.dumps({"state": "x" * 301, "confirmed": [7, True, "8", 3, 9]}).encode())
    assert found == NodeEntry(state="x" * 300 + "…", confirmed=(7, 3))


@pytest.mark.parametrize("seen, holder, ordered, row", [
    (Seen("n-7", None, True, None), "", "", NodeRow("n-7", "unknown", None, "", None, "tells nothing of itself")),
    (Seen("n-7", None, True, 2), "", "in maintenance", NodeRow("n-7", "in the queue", None, "", 2, "in maintenance; tells nothing of itself")),
    (Seen("b", NodeEntry(guarded=True), True, 2), "", "", NodeRow("b", "unknown", None, "", 2, "")),
    # The ack is newer than what the node says of itself, and what it does as a primary is no note.
    (Seen("b", STANDBY._replace(state="promoting", step="acking"), True, 1), "b", "", NodeRow("b", "primary", STANDBY.since, "a:9", 1, "")),
    (Seen("a", LEADS._replace(step="x"), True, 1), "", "", NodeRow("a", "primary", LEADS.since, "a:1", 1, "the ack does not say so")),
])
def test_a_row_of_a_node_that_tells_little_or_late(seen, holder, ordered, row):
    assert nodes.rows([seen], holder, "a:9" if holder else "", {seen.name: ordered}, ()) == [row]


def test_the_order_is_that_of_the_queue_and_names_count_where_there_is_none():
    seen = [Seen("a", STANDBY, True, 3), Seen("b", STANDBY, True, 1), Seen("z", LEADS, True, 2), Seen("d", STANDBY, False, None),
            Seen("c", STANDBY, False, None)]
    assert [row.node for row in nodes.rows(seen, "z", "a:1", {}, ())] == ["z", "b", "a", "c", "d"]


WHOLE = STANDBY._replace(
    failed="sick", digest="d1", tags={"rack": "a"}, options={"tick_time": "2", "acl": "open"}, figures={"timeout": 10.0, "tick": 2.0},
)


def test_what_a_node_tells_of_its_options_is_read_as_it_was_written():
    assert nodes.read(WHOLE.data()) == WHOLE and len(WHOLE.data()) < 1024


@pytest.mark.parametrize("found", [
    {"tags": 7, "options": [], "figures": "x"}, {"tags": {"a": 1}, "options": {"a": None}, "figures": {"a": "1", "b": True, "c": -1, "d": 1e300}},
])
def test_objects_of_others_are_read_as_far_as_they_are_some(found):
    entry = nodes.read(json.dumps(found).encode())
    assert (entry.tags, entry.options, entry.figures) == ({}, {}, {})


def test_objects_of_others_are_cut():
    entry = nodes.read(json.dumps({"tags": {f"\x1b{number}" + "x" * 200: "\x1b" + "y" * 200 for number in range(99)}}).encode())
    assert len(entry.tags) == 40 and all(len(key) < 200 and key.isprintable() and value.isprintable() for key, value in entry.tags.items())


@pytest.mark.parametrize("places, holder, address, leads", [
    # Who notes a holder, as it stands in the ack.
    ({"a": 2, "go": 1}, "a", "a:1", "a"), ({"a": 1}, "a", "", ""), ({"a": 1}, "", "", ""),
    # Who notes none tells nothing of itself, and leads from the first place.
    ({"a": 2, "go": 1}, "", "go:1", "go"), ({"a": 1, "go": 2}, "", "x:1", ""), ({"go": 2, "too": None}, "", "x:1", ""), ({}, "", "x:1", ""),
])
def test_who_leads_follows_from_ack_and_holder(places, holder, address, leads):
    seen = [Seen(name, STANDBY if name == "a" else None, True, place) for name, place in places.items()]
    assert nodes.who_leads(seen, holder, address) == leads


def live(name, digest, **options):
    return Seen(name, STANDBY._replace(digest=digest, options=options), True, 1)


@pytest.mark.parametrize("seen, primary, told", [
    ([live("a", "1", t="1"), live("b", "1", t="1")], "a", {}),
    ([live("a", "1", t="1"), live("b", "2", t="2")], "a", {"b": "differs from a in t (2, not 1)"}),
    ([live("a", "1", t="1"), live("b", "2", t="2")], "b", {"a": "differs from b in t (1, not 2)"}),
    # Without a primary that of most counts.
    ([live("a", "1", t="1"), live("b", "2", t="2"), live("c", "2", t="2")], "", {"a": "differs from b in t (1, not 2)"}),
    ([live("a", "1"), live("b", "2")], "a", {"b": "differs from a in an option that it does not tell"}),
    ([live("a", "1", t="1"), live("b", "2")], "a", {"b": "differs from a in t (unknown, not 1)"}),
    # Who is gone, and who tells nothing, is compared with nobody.
    ([live("a", "1", t="1"), live("b", "2", t="2")._replace(live=False), live("c", ""), Seen("d", None, True, 4)], "a", {}),
])
def test_who_differs_is_told_with_the_options(seen, primary, told):
    assert nodes.differences(seen, primary) == told


@pytest.mark.parametrize("seen, late", [
    (Seen("a", STANDBY, True, 1), False), (Seen("a", STANDBY._replace(confirmed=(7, 2)), True, 1), True), (Seen("a", STANDBY._replace(confirmed=()), True, None), True),
    (Seen("a", STANDBY._replace(confirmed=(7, 2)), False, None), False), (Seen("a", None, True, 1), False), (Seen("a", None, False, None), False),
    (Seen("a", STANDBY._replace(confirmed=(7, 2), state="withdrawn"), True, None), False), (Seen("a", STANDBY._replace(confirmed=[7, 3]), True, 1), False),
])
def test_who_has_not_recognised_the_last_order(seen, late):
    assert nodes.unrecognised([seen], [7, 3]) == ["a"] * late


@pytest.mark.parametrize("changes, note", [
    ({"failed": "never healthy"}, "its last promotion failed: never healthy"),
    ({"failed": "never healthy", "trouble": "no guard"}, "no guard"), ({"priority": 100}, ""), ({"priority": 7}, "priority 7"), ({"priority": 0}, "priority 0, so it never leads"),
    ({"unfit": "no disk"}, "not fit: no disk"), ({"unfit": "no disk", "priority": 7}, "not fit: no disk; priority 7"),
])
def test_priority_and_fitness_are_told(changes, note):
    entry = STANDBY._replace(**changes)
    assert nodes.read(entry.data()) == entry and json.loads(entry.data())["fit"] is not bool(entry.unfit)
    (row,) = nodes.rows([nodes.Seen("b", entry, True, 2)], "a", "a:1", {}, [7, 3])
    assert row.note == note
