"""The leases of a session: which answers extend them."""

import math
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.guard import protocol
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.lease_keeper import LeaseKeeper
from supervisor_zkelect.zookeeper import session
from tests.unit.listener.parts import NOW, Host, candidacies, candidacy, means

TIMEOUT, TICK = 10.0, 1.0


class Guard:
    """Its keeper. extended: the elections of each extension. sent: until when leases were cut."""

    def __init__(self):
        self.found, self.extended, self.enforced = {}, [], True
        self.sent = []

    def cut(self, deadline):
        self.sent.append(deadline)
        for found in self.found.values():
            found["deadline"] = min(found["deadline"], deadline)

    def can_enforce(self):
        return self.enforced

    def killed_by(self, one, stop_by):
        return min(stop_by, self.found["primary"]["deadline"] - 1.0)

    def extend(self, ones):
        self.extended.append([one.name for one in ones])


@pytest.fixture
def one():
    """A keeper with a session since a while, in which one election is led. heard: what its role machine is told."""
    host, guard, heard = Host(
        session_timeout=TIMEOUT, tick_time=TICK, interval_at=lambda timeout: 1.0, ride_through_at=lambda timeout: 2.0,
    ), Guard(), []
    elector = SimpleNamespace(proposal_path="/e/n-1")
    led = candidacy(host, State(role=roles.PRIMARY, step="", token=5, deadline=NOW), elector)
    led.decide = heard.append
    keeper = LeaseKeeper(means(host), candidacies(led), guard, lambda one: None)
    keeper.granted = session.Connected(1, 77, TIMEOUT, NOW - 50.0, b"secret")
    keeper.new_clock(TIMEOUT, NOW - 50.0)
    keeper.session = SimpleNamespace(drop=lambda: heard.append("drop"))
    keeper.actions()[messages.KeepLease](led, messages.KeepLease())
    return SimpleNamespace(host=host, guard=guard, heard=heard, led=led, keeper=keeper)


def beaten(one, **changes):
    """The answer to a quorum write; returns what the role machine is told, and what is extended."""
    told = {
        "generation": 1, "sent": NOW, "answered": NOW + 0.1, "paths": ("/e/n-1",), "gone": (), "error": "", "connected": True,
        "moved": False, **changes,
    }
    one.keeper.handlers()[session.Beaten](session.Beaten(**told))
    return one.heard, one.guard.extended


@pytest.mark.parametrize("step, at", [("clearing", 112.0), ("", math.inf)])
def test_what_is_cleared_has_the_time_for_which_the_keeper_renews_its_lease(one, step, at):
    one.led.state = State(step=step)
    one.guard.found = {"primary": {"token": 5, "deadline": 104.0}}
    if step:
        one.led.group.ensure_dead(7, 112.0, 103.0)
    told = one.keeper.handlers()[protocol.LeaseRenewed]
    told(protocol.LeaseRenewed("primary", 5, 110.0))
    assert one.led.group.kill_at == min(at, 109.0 if step else at)
    told(protocol.LeaseRenewed("primary", 5, 120.0))
    assert one.led.group.kill_at == at
    # A session that was attached again with a shorter timeout leaves less.
    one.keeper.cut(10.0, 98.0)
    assert one.led.group.kill_at == (pytest.approx(106.9) if step else math.inf) and one.guard.sent == [pytest.approx(107.9)]
    one.led.group.answered(7)
    told(protocol.LeaseRenewed("primary", 5, 130.0))
    assert one.led.group.kill_at == math.inf


def test_a_quorum_write_that_checked_the_proposal_extends_the_lease(one):
    heard, extended = beaten(one)
    assert extended == [["orders"]]
    # By what was answered a tick before it was sent: the connect request.
    assert heard == [messages.Leased(NOW, NOW - 50.0 + 0.99 * TIMEOUT)]


@pytest.mark.parametrize("changes, told", [
    (dict(generation=0), []), (dict(connected=False), []), (dict(error="refused"), []),
    (dict(error="refused", moved=True), ["drop"]), (dict(paths=("/e/n-2",)), []),
    (dict(gone=("/e/n-1",)), [messages.ProposalLost("its proposal was deleted")]),
])
def test_what_proves_nothing_extends_nothing(one, changes, told):
    heard, extended = beaten(one, **changes)
    assert heard == told and not any(extended)


def test_a_lease_that_nobody_would_enforce_is_not_extended(one):
    one.guard.enforced = False
    assert beaten(one) == ([], [])


def test_a_claim_is_a_lease_where_it_counts(one):
    claimed = one.keeper.handlers()[events.TermClaimed]
    claimed(events.TermClaimed("orders", 8, "", 1, NOW, NOW + 0.1))
    claimed(events.TermClaimed("orders", 9, "", 0, NOW, NOW + 0.1))
    (first, second) = one.heard
    assert first.lease is not None and second.lease is None and one.guard.extended == [["orders"]]


def test_another_tick_counts_from_the_next_answer(one):
    one.host.settings.tick_time = 2.0
    one.keeper.retick()
    assert one.keeper.clock.tick == 2.0 and beaten(one)[1] == [["orders"]]


def test_nothing_is_leased_any_more_when_the_session_is_over(one):
    one.keeper.session_over()
    assert beaten(one) == ([], [])


def counted(one):
    told = one.keeper.tally.document()["heartbeats"]
    return sum(told["quorum"]["n"]), sum(told["server"]["n"]), round(told["quorum"]["sum"] + told["server"]["sum"], 3)


def test_the_round_trips_of_heartbeats_are_counted(one):
    beaten(one)
    assert counted(one) == (1, 0, 0.1)
    one.keeper.handlers()[session.Peeked](session.Peeked(1, NOW, NOW + 0.2, "/e/n-1", 77, "", True))
    assert counted(one) == (1, 1, 0.3)


@pytest.mark.parametrize("changes", [dict(error="refused"), dict(generation=0), dict(connected=False)])
def test_what_the_quorum_has_not_answered_has_no_round_trip(one, changes):
    beaten(one, **changes)
    one.keeper.handlers()[session.Peeked](session.Peeked(
        **{"generation": 1, "sent": NOW, "answered": NOW, "path": "/", "owner": 7, "error": "", "connected": True, **changes}
    ))
    assert counted(one) == (0, 0, 0.0)
