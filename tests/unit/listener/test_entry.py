"""What a node says of itself, and what it notes, as its role machine goes on."""

import pytest

from supervisor_zkelect.core import journal, messages, roles
from supervisor_zkelect.core.nodes import NodeEntry
from supervisor_zkelect.core.order_log import LoggedOrder as Entry_
from supervisor_zkelect.core.order_log import Noted
from supervisor_zkelect.core.state import State
from supervisor_zkelect.listener import entry, events
from tests.unit.listener.parts import NOW, Host, Work, means

STANDBY = State(role=roles.STANDBY, step="watching", orders=messages.ControlSeen(), reason="proposal n-1")
PRIMARY = State(role=roles.PRIMARY, step="", orders=messages.ControlSeen(), reason="healthy and acked as x:1")


class Elector:
    session_id = 7

    def __init__(self):
        self.noted, self.written = [], 0

    def tell_of_node(self, node, entry):
        self.written += 1

    def differs(self, node, entry):
        return ""

    def note_events(self, node, news):
        self.noted += news


@pytest.fixture
def host():
    return Host()


@pytest.fixture
def writer(host):
    return entry.EntryWriter(means(host), lambda: True, NodeEntry)


def write(writer, host, state, elector):
    """Write what is due, as long as that takes."""
    work = Work()
    host.moment += entry.ENTRY_PACE
    writer.write(host.moment, "orders", state, elector, work)
    done = [work.do() for _ in list(work.given)]
    for event in done:
        writer.written(event)
    return done


def test_changes_of_role_are_noted_with_the_entry_and_once(writer, host):
    elector = Elector()
    writer.note(STANDBY, PRIMARY, [])
    assert writer.due == NOW + entry.ENTRY_PACE
    write(writer, host, PRIMARY, elector)
    assert [(one.kind, one.text) for one in elector.noted] == [("role", "standby -> primary: healthy and acked as x:1")]
    assert write(writer, host, PRIMARY, elector) == [] and elector.written == 1, "nothing is new"


def test_a_node_to_which_nothing_happens_writes_nothing(writer, host):
    writer.note(STANDBY, STANDBY, [])
    writer.note(STANDBY, State(**{**vars(STANDBY), "op": 9}), [messages.Log("x"), messages.SeeTerm()])
    assert writer.due == float("inf")


def test_while_a_node_is_about_to_lead_nothing_is_noted(writer, host):
    elector = Elector()
    promoting = State(role=roles.PROMOTING, step="starting", orders=messages.ControlSeen())
    writer.note(STANDBY, promoting, [])
    assert write(writer, host, promoting, elector) == [] and elector.noted == []
    write(writer, host, PRIMARY, elector)
    assert len(elector.noted) == 1


def test_a_node_that_is_about_to_release_writes_its_entry_and_nothing_else(writer, host):
    elector, demoting = Elector(), State(role=roles.DEMOTING, step="stopping", orders=messages.ControlSeen(), reason="sick")
    writer.note(PRIMARY, demoting, [])
    write(writer, host, demoting, elector)
    assert elector.written == 1 and elector.noted == []
    writer.note(demoting, STANDBY, [])
    write(writer, host, STANDBY, elector)
    assert [one.text.split(":")[0] for one in elector.noted] == ["primary -> demoting", "demoting -> standby"]


def test_a_failure_that_comes_and_goes_is_noted_once_a_minute(writer, host):
    elector, sick = Elector(), State(**{**vars(PRIMARY), "trouble": "health check failed"})
    for _ in range(5):
        writer.note(PRIMARY, sick, [])
        writer.note(sick, PRIMARY, [])
    write(writer, host, PRIMARY, elector)
    assert [(one.kind, one.text) for one in elector.noted] == [("failure", "health check failed")]
    host.moment += entry.FAILURE_PACE
    writer.note(PRIMARY, sick, [])
    write(writer, host, PRIMARY, elector)
    assert len(elector.noted) == 2


def test_orders_and_what_became_of_them_are_noted(writer, host):
    elector = Elector()
    ordered = State(**{**vars(PRIMARY), "orders": messages.ControlSeen(order="1", to="c")})
    writer.note(PRIMARY, ordered, [])
    writer.note(ordered, ordered, [messages.TellOutcome("1", False, "not switched over: c is gone")])
    writer.note(STANDBY, State(**{**vars(STANDBY), "orders": ordered.orders}), [])
    write(writer, host, PRIMARY, elector)
    assert [(one.kind, one.text) for one in elector.noted] == [
        ("order", "a switchover to c is ordered"), ("order", "not switched over: c is gone"),
    ]


@pytest.mark.parametrize("state", [PRIMARY, State(role=roles.DEMOTING, step="stopping", orders=messages.ControlSeen())])
def test_an_entry_that_meets_a_defect_is_written_later(writer, host, state):
    work = Work()
    writer.note(STANDBY, PRIMARY, [])
    host.moment += entry.ENTRY_PACE
    writer.write(host.moment, "orders", state, Elector(), work)
    writer.written(work.fail(ValueError("x")))
    assert writer.due == host.moment + entry.REPEAT
    host.moment = writer.due
    assert len(write(writer, host, PRIMARY, Elector())) == 1


def test_what_could_not_be_noted_is_noted_later_in_its_order(writer, host):
    elector = Elector()
    writer.note(STANDBY, PRIMARY, [])
    work = Work()
    writer.write(host.moment, "orders", PRIMARY, elector, work)
    writer.note(PRIMARY, STANDBY, [])
    writer.written(events.EntryWritten("orders", "no answer"))
    assert writer.due > host.moment
    write(writer, host, STANDBY, elector)
    assert [one.text.split(":")[0] for one in elector.noted] == ["standby -> primary", "primary -> standby"]
    assert journal.LOST not in [one.kind for one in elector.noted]


def test_what_is_not_urgent_waits_and_holds_nothing_urgent_back(writer, host):
    writer.schedule_late(NOW)
    assert writer.due == NOW + entry.LATE_PACE
    writer.schedule_late(NOW + 5)
    assert writer.due == NOW + entry.LATE_PACE
    writer.schedule(NOW + 6)
    assert writer.due == NOW + 6 + entry.ENTRY_PACE
    writer.schedule_late(NOW + 6)
    assert writer.due == NOW + 6 + entry.ENTRY_PACE


def test_a_node_whose_entry_could_not_be_written_writes_it_when_there_is_a_connection(host):
    """Its host is cut off for longer than until the next try; nothing else happens to it."""
    connected, elector = [True], Elector()
    writer = entry.EntryWriter(means(host), lambda: connected[0], NodeEntry)
    writer.schedule(host.moment)
    work = Work()
    writer.write(host.moment, "orders", STANDBY, elector, work)
    writer.written(events.EntryWritten("orders", "the connection was lost"))
    connected[0] = False
    for _ in range(3):
        assert writer.due < float("inf")
        host.moment = writer.due
        writer.write(host.moment, "orders", STANDBY, elector, work)
    connected[0] = True
    writer.schedule(host.moment)
    assert writer.due == host.moment + entry.ENTRY_PACE, "a reconnection does not wait for the next try"
    write(writer, host, STANDBY, elector)
    assert elector.written == 1 and writer.due == float("inf")


def test_an_entry_waits_for_a_control_that_is_known(writer, host):
    elector, unread = Elector(), State(**{**vars(STANDBY), "orders": None})
    writer.schedule(host.moment)
    assert write(writer, host, unread, elector) == [] and writer.due < float("inf")
    write(writer, host, STANDBY, elector)
    assert elector.written == 1


def test_who_stood_before_this_node_and_whose_session_is_over_is_noted_as_gone(writer, host):
    elector = Elector()
    elector.ended = lambda sessions: {"5": "c"} if "5" in sessions else {}
    writer.schedule(host.moment)
    write(writer, host, STANDBY, elector)
    writer.vanished(5)
    write(writer, host, STANDBY, elector)
    assert [(one.kind, one.text) for one in elector.noted] == [("failure", "c is gone: its session ended")]
    assert write(writer, host, STANDBY, elector) == []
    writer.vanished(6)
    write(writer, host, STANDBY, elector)
    assert len(elector.noted) == 1, "it has left the queue, and lives"


@pytest.mark.parametrize("at, what, texts", [
    (900_000, "cancel", ["the switchover to c is taken back by ann@desk: later"]), (0, "cancel", []), (900_000, "show", []),
])
def test_what_is_taken_back_is_noted_with_who_did_it(writer, host, at, what, texts):
    elector = Elector()
    elector.order_log = lambda: [Entry_(Noted("2", what, "", "ann@desk", "later", at), None)]
    elector.server_time = lambda: 910_000
    ordered = State(**{**vars(PRIMARY), "orders": messages.ControlSeen(order="1", to="c")})
    writer.note(ordered, PRIMARY, [])
    write(writer, host, PRIMARY, elector)
    assert [one.text for one in elector.noted] == texts
