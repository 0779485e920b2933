"""The node's session at ZooKeeper: how it is begun, gone on with, and given up."""

import math
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.guard import saved_session
from supervisor_zkelect.listener import events, session_keeper
from supervisor_zkelect.listener.lease_keeper import LeaseKeeper
from supervisor_zkelect.listener.leftovers import Leftovers
from supervisor_zkelect.listener.paced_log import PacedLog
from supervisor_zkelect.listener.session_keeper import SessionKeeper
from supervisor_zkelect.listener.workers import PACE
from supervisor_zkelect.zookeeper import session
from tests.unit.listener.parts import NOW, Host, Log, candidacies, candidacy, means

OWNER = ("boot", "here", 1, 2)


class Session:
    generation, trouble, ended, started, closed, threads = 1, "", False, 0, 0, True

    def __init__(self):
        self.stopped = []

    def start(self):
        if not self.threads:
            raise RuntimeError("can't start new thread")
        self.started += 1

    def renew(self):
        old, self.generation, self.ended = self.generation, self.generation + 1, False
        return lambda: self.stopped.append(old)

    def close(self):
        self.closed += 1


class Store:
    value, error = None, None

    def save(self, value):
        if self.error:
            raise self.error
        self.value = value

    def forget(self):
        self.value = None


class Links(Log):
    def link(self, text, level):
        pass


@pytest.fixture
def make():
    """Makes the keeper of a listener with one election in this state. heard: what the election is told."""

    def make(state, former=None, log=None):
        host, store, heard = Host(
            elections=[], acl="open", servers=("zk:2181",), plain=True, session_timeout=10.0, tick_time=1.0,
            interval_at=lambda timeout: 1.0, ride_through_at=lambda timeout: 2.0, stop_grace=lambda seconds, timeout: 3.0,
        ), Store(), []
        host.owner, host.store, host.saved = OWNER, lambda: store, lambda: former
        host.aside = lambda work, seconds=0.0: work() or True
        host.session = lambda post, attach, timeout: Session()
        one = candidacy(host, state, SimpleNamespace())
        one.decide = heard.append
        one.new_session = lambda: heard.append("new session")
        ones, cut, given = candidacies(one), [], means(host, log=log or Links())
        guard = SimpleNamespace(found={}, clears_in_time=lambda one: False, cut=cut.append)
        leases = LeaseKeeper(given, ones, guard, None)
        left = Leftovers(given, ones, None)
        programs = SimpleNamespace(keep_configuration=lambda: None)
        keeper = SessionKeeper(given, ones, guard, leases, left, programs, lambda: False)
        keeper.find_former()
        keeper.begin()
        keeper.connect()

        def hear(event):
            heard.clear()
            keeper.handlers()[type(event)](event)

        return SimpleNamespace(
            host=host, store=store, heard=heard, keeper=keeper, leases=leases, cut=cut, hear=hear, one=one, left=left
        )

    return make


def connected(generation=1, timeout=10.0, sent=NOW, number=77):
    return session.Connected(generation, number, timeout, sent, b"secret")


def saved(timeout=10.0, number=77, elections=()):
    return saved_session.Saved(number, "00", timeout, OWNER, "a", "zk:2181", list(elections), 1.0)


def kinds(events):
    return [type(event).__name__ for event in events]


STANDBY = State(role=roles.STANDBY, step="watching", proposal="n-1", token=5, up=True, alive=True)


def test_a_session_is_saved_as_soon_as_there_is_one(make):
    one = make(STANDBY)
    assert one.keeper.session.started == 1 and one.store.value is None
    one.hear(connected())
    assert one.keeper.usable and one.store.value.id == 77 and kinds(one.heard) == ["SessionUp"] and one.heard[0].fresh
    one.hear(session.Suspended(1))
    assert not one.keeper.usable and kinds(one.heard) == ["SessionDown"]
    one.hear(connected(sent=NOW + 2.0))
    assert kinds(one.heard) == ["SessionUp"] and not one.heard[0].fresh and one.leases.clock.connected == NOW + 2.0


def test_why_zookeeper_cannot_be_reached_is_told_as_soon_as_that_is_known(make, caplog):
    one = make(State(), log=PacedLog(lambda: NOW))
    one.keeper.attach_at = math.inf
    for moment, trouble in (1.9, ""), (2.0, ""), (2.5, ""), (3.0, "certificate verify failed"), (3.5, "certificate has expired"):
        one.keeper.session.trouble = trouble
        one.keeper.watch(one.keeper.link_since + moment)
    assert caplog.messages == [
        f"ZooKeeper: cannot reach zk:2181: {why}; trying again" for why in ("no answer", "certificate verify failed")
    ]


@pytest.mark.parametrize("trigger", ["reload", "leftovers"])
def test_a_session_that_is_saved_without_a_connection_keeps_its_password(make, trigger):
    one = make(STANDBY)
    one.hear(connected())
    one.hear(session.Suspended(1))
    one.store.value = None
    if trigger == "reload":
        one.keeper.save()
    else:
        one.hear(events.LeftoversReleased([], []))
    assert one.store.value.password == b"secret".hex()


@pytest.mark.parametrize("error, told", [
    (OSError(28, "No space left on device"), "No space left on device"), (ValueError("1009 bytes do not fit"), "1009 bytes do not fit"),
])
def test_a_session_that_cannot_be_saved_is_told_and_saved_later(make, error, told):
    one = make(STANDBY)
    one.store.error = error
    one.hear(connected())
    assert one.keeper.usable and one.keeper.unsaved == f"the session cannot be saved: {told}"
    one.keeper.keep_time(NOW + PACE / 2)
    assert one.store.value is None
    one.store.error = None
    one.keeper.keep_time(NOW + PACE)
    assert one.store.value.id == 77 and one.keeper.unsaved == ""
    one.store.error, one.store.value = error, None
    one.keeper.save()
    one.hear(session.Lost(1, False))
    one.keeper.keep_time(NOW + 2 * PACE)
    assert one.keeper.next_wakeup() > NOW + 2 * PACE, "there is nothing to save without a session, and no hurry"
    one.store.error = None
    one.keeper.keep_time(NOW + 9 * PACE)
    assert one.store.value is None


def test_a_shorter_timeout_cuts_the_leases_that_were_counted_by_the_longer_one(make):
    one = make(State(role=roles.DETACHED, step="waiting", inherited=5, deadline=NOW + 9.0), saved(timeout=20.0))
    one.hear(connected())
    assert kinds(one.heard) == ["Cut", "SessionUp"] and one.cut == [NOW + 9.9] == [one.heard[0].deadline]


def test_a_term_of_another_session_than_the_one_that_is_had_is_over(make):
    left = saved_session.SavedElection("former", "first", "/e1", "n-", "/ack1")
    one = make(State(role=roles.DETACHED, step="waiting", inherited=5, deadline=NOW + 9.0), saved(number=76, elections=[left]))
    assert one.left.alive
    one.hear(connected())
    assert kinds(one.heard) == ["SessionLost", "SessionUp"] and not one.left.alive and one.keeper.former is None


def test_a_term_without_a_session_that_is_known_is_over_with_the_first_and_with_no_later_one(make):
    one = make(State(role=roles.DETACHED, step="waiting", inherited=5, deadline=NOW + 9.0, paused_until=math.inf))
    one.hear(connected())
    assert kinds(one.heard) == ["SessionLost", "SessionUp"]
    one.hear(connected(timeout=8.0))
    assert "SessionLost" not in kinds(one.heard)


def test_refused_credentials_take_another_client(make):
    one = make(STANDBY)
    one.hear(connected())
    one.hear(session.Lost(1, True))
    one.keeper.session.ended = True
    assert one.heard == [messages.SessionLost("the ZooKeeper session is lost")] and one.leases.granted is None
    one.keeper.keep_time(NOW + PACE)
    assert one.keeper.session.generation == 2 and one.heard[-1] == "new session"
    assert one.keeper.session.stopped == [1] and one.keeper.session.started == 2


def test_a_client_that_serves_is_not_replaced_by_what_was_planned_before(make):
    one = make(STANDBY)
    one.hear(connected())
    one.hear(session.Lost(1, True))
    one.hear(connected(generation=2))
    one.keeper.keep_time(NOW + PACE)
    assert one.keeper.session.generation == 1 and one.keeper.session.started == 1


def test_a_client_that_cannot_be_stopped_is_stopped_later_and_no_other_with_it(make):
    one = make(STANDBY)
    one.hear(connected())
    one.keeper.session.ended = True
    one.hear(session.Lost(1, True))
    aside, one.host.aside = one.host.aside, no_thread
    one.keeper.keep_time(NOW + PACE)
    assert one.keeper.session.generation == 2 and one.keeper.session.stopped == []
    one.host.aside, one.host.moment = aside, NOW + PACE
    one.keeper.keep_time(NOW + 2 * PACE)
    one.hear(connected(generation=2))
    one.keeper.keep_time(NOW + 9 * PACE)
    assert one.keeper.session.generation == 2 and one.keeper.session.stopped == [1] and one.keeper.session.started == 2


def test_a_client_that_cannot_be_started_is_started_later_and_its_predecessor_closed_once(make):
    one = make(State(role=roles.DEMOTING, step="closing", ending=True))
    one.hear(connected())
    one.keeper.session.threads = False
    one.keeper.end(None, "another")
    one.keeper.keep_time(NOW)
    assert one.keeper.session.generation == 2 and one.keeper.session.stopped == [1] and one.keeper.session.started == 1
    one.keeper.session.threads = True
    one.keeper.keep_time(NOW + PACE)
    one.keeper.keep_time(NOW + 2 * PACE)
    assert one.keeper.session.generation == 2 and one.keeper.session.stopped == [1] and one.keeper.session.started == 2


def no_thread(work, seconds=0.0):
    raise RuntimeError("can't start new thread")


def test_a_session_that_must_end_is_closed_when_nothing_runs_under_it(make):
    one = make(State(role=roles.PRIMARY, step="", proposal="n-1", token=5, ending=True))
    one.hear(connected())
    one.keeper.end(None, "another")
    assert kinds(one.heard[-1:]) == ["SessionEnds"]
    one.keeper.keep_time(NOW)
    assert one.keeper.closing and one.store.value is not None
    one.one.state = State(role=roles.DEMOTING, step="closing", ending=True)
    one.keeper.keep_time(NOW)
    assert not one.keeper.closing and one.store.value is None and one.keeper.session.generation == 2
    # What the closed session still answers is of no interest.
    one.hear(connected(generation=1))
    assert one.heard == [] and one.keeper.link == "lost"
    one.hear(session.Lost(1, True))
    assert one.heard == [] and one.keeper.next_wakeup() == math.inf


def test_a_session_that_must_end_is_closed_when_somebody_can_be_told(make):
    """The next listener would know of no session, and the term of another election that is paused would be none of its own."""
    one = make(State(role=roles.DEMOTING, step="closing", ending=True))
    one.hear(connected())
    one.keeper.end(None, "another")
    one.hear(session.Suspended(1))
    one.keeper.keep_time(NOW)
    assert one.keeper.closing and one.store.value is not None
    one.hear(connected())
    one.keeper.keep_time(NOW)
    assert not one.keeper.closing and one.store.value is None


@pytest.mark.parametrize("state, forgotten", [
    (STANDBY, False), (State(role=roles.WITHDRAWN, step="", proposal=None), True),
])
def test_the_session_of_a_listener_that_ends_is_forgotten_when_nothing_is_left_of_it(make, state, forgotten):
    one = make(state)
    one.hear(connected())
    one.host.aside = lambda work, seconds: False
    assert one.keeper.close_for_good() is forgotten and (one.store.value is None) is forgotten
    assert one.keeper.next_wakeup() < math.inf


def test_what_zookeeper_refuses_to_release_twice_ends_the_session(make):
    former = saved_session.SavedElection("former", "first", "/e1", "n-", "/ack1")
    one = make(STANDBY, saved(elections=[former]))
    for refused, ends in (([], False), ([former], False), ([former], True)):
        one.hear(events.LeftoversReleased([], refused))
        assert one.keeper.closing is ends


@pytest.mark.parametrize("node, left", [("a", []), ("b", ["orders"])])
def test_a_node_goes_on_with_nothing_that_it_has_under_another_name(make, monkeypatch, node, left):
    former = saved_session.SavedElection("orders", "primary", "/e1", "n-", "/ack1")
    monkeypatch.setattr(session_keeper.elections, "to_save", lambda settings: [former])
    one = make(STANDBY, saved(elections=[former])._replace(node=node))
    assert [one.name for one in one.left.elections] == left
    # As long as something is left of it the session is saved under that name, for a listener that comes before it is given up.
    one.hear(connected())
    assert one.store.value.node == node
    one.left.forget()
    one.keeper.save()
    assert one.store.value.node == "a"


def test_what_is_refused_of_an_election_that_has_another_place_now_ends_the_session_too(make):
    former = saved_session.SavedElection("orders", "primary", "/e1", "n-", "/ack1")
    one = make(State(role=roles.STANDBY, step="watching", proposal="n-1"), saved(elections=[former]))
    one.hear(connected())
    one.left.group_dead("primary")
    for _ in range(2):
        one.hear(events.LeftoversReleased([], [former]))
    assert kinds(one.heard) == ["SessionEnds"]
    one.one.state = State(role=roles.DEMOTING, step="releasing", proposal="n-1", led=True, ending=True)
    one.keeper.keep_time(NOW)
    assert one.keeper.closing
    one.one.state = State(role=roles.DETACHED, step="waiting", ending=True)
    one.keeper.keep_time(NOW)
    assert not one.keeper.closing and one.keeper.session.stopped == [1] and not one.left.elections


def test_whoever_asks_for_the_end_of_the_session_is_not_told_of_it(make):
    one = make(State(role=roles.DEMOTING, step="closing", ending=True))
    one.hear(connected())
    one.heard.clear()
    one.keeper.actions()[messages.EndSession](one.one, messages.EndSession())
    assert one.heard == [] and one.keeper.closing


def test_lost_connections_and_sessions_are_counted(make):
    one = make(STANDBY)
    counts = lambda: (one.leases.tally.suspended, one.leases.tally.lost)  # noqa: E731
    one.hear(session.Lost(0, False))
    assert counts() == (0, 0)
    one.hear(connected())
    one.hear(session.Suspended(1))
    one.hear(connected())
    assert counts() == (1, 0)
    one.hear(session.Suspended(1))
    one.hear(session.Lost(1, False))
    assert counts() == (2, 1)
    # It was lost already.
    one.hear(session.Lost(1, False))
    assert counts() == (2, 1)
