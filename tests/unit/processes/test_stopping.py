"""For how long a stop waits for those that may belong to its group."""

import math
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core.proof import DOUBT_TIME
from supervisor_zkelect.processes.census import Found
from supervisor_zkelect.processes.group_events import GroupDead
from supervisor_zkelect.processes.kin import Kin
from supervisor_zkelect.processes.proc import Process
from supervisor_zkelect.processes.state import GroupState
from supervisor_zkelect.processes.stopping import FORMING_TIME, Stopper

SESSION = 7


class Node:
    """A group whose stop goes on, of which every scan finds another child of supervisord's. supervisord, in SESSION, answers
    nothing but when it is told to."""

    def __init__(self):
        self.moment, self.events, self.asked = 0.0, [], []
        supervisord = SimpleNamespace(call=None)
        census = SimpleNamespace(gone=False, supervisord=Process(50, 1, 1, 50, SESSION, "S", 1), foreign=set(), told={})
        self.signals = signals = SimpleNamespace(kill=None, terminate=None, strike=None)
        now = lambda: self.moment  # noqa: E731
        self.state = GroupState("primary", Kin("primary", via_loader=True))
        self.stopper = Stopper(now, self.events.append, self.ask, supervisord, census, signals, lambda: [self.state], lambda state: None)
        self.numbers = iter(range(100_000_000, 200_000_000))

    def ask(self, then, call, method, *words):
        if method == "supervisor.getAllProcessInfo":
            self.asked.append(then)

    def found(self, session, runs):
        fresh = frozenset([Process(next(self.numbers), 1, 50, 1, session, "S", 0)])
        return Found(set(), {}, set(fresh), set(), False, nameless=fresh if runs else frozenset())

    def ask_whose(self):
        """Have supervisord asked whose its children are."""
        before = len(self.asked)
        for _ in range(2):
            self.stopper.ask_whose(self.state, self.found(SESSION, True))
            self.moment += 1.1 * FORMING_TIME
        assert len(self.asked) == before + 1

    def tell(self):
        """supervisord answers that none of them is a program's."""
        self.asked.pop()([], None)

    def die(self):
        """supervisord ends."""
        self.stopper._census.gone = True

    def stop(self):
        self.stopper.order(self.state, 1, 0.0, math.inf)
        self.state.stop.via_loader = True

    def dead(self, session, runs=True):
        """When the group was proven dead; None for not in 20 s."""
        for _ in range(400):
            self.moment += 0.05
            self.stopper.step(self.state, self.state.stop, self.found(session, runs))
            if any(isinstance(event, GroupDead) for event in self.events):
                return self.moment
        return None


@pytest.fixture
def node():
    return Node()


def test_orphans_from_other_sessions_hold_a_proof_up_for_a_bounded_time(node):
    node.stop()
    assert DOUBT_TIME <= node.dead(session=1) <= DOUBT_TIME + 0.3


def test_a_child_in_supervisord_s_own_session_counts_until_it_was_told_whose_it_is(node):
    node.ask_whose()
    node.stop()
    assert node.dead(SESSION) is None
    # Asked before the stop began, it proves nothing.
    node.tell()
    assert node.dead(SESSION) is None
    node.ask_whose()
    node.tell()
    before = node.moment
    assert node.dead(SESSION) <= before + DOUBT_TIME + 0.3


def test_a_scan_that_missed_somebody_proves_nothing_and_at_its_time_the_cgroup_is_killed(node):
    node.stopper.order(node.state, 1, 5.0, math.inf)
    node.state.stop.via_loader = True
    killed = []
    node.signals.kill = lambda name, attempts, living: killed.append((name, living))
    node.signals.terminate = lambda attempts, living, asked: None
    nobody = Found(set(), {}, set(), set(), False)
    for scan in 20 * [nobody, nobody._replace(vanished=True)]:
        node.moment += 0.1
        node.stopper.step(node.state, node.state.stop, scan)
    assert not node.events and node.state.scan_at <= node.moment + 0.005 and killed == []
    node.moment = 6.0
    node.stopper.step(node.state, node.state.stop, nobody._replace(vanished=True))
    assert killed == [("primary", set())] and not any(isinstance(event, GroupDead) for event in node.events)
    for _ in range(2):
        node.stopper.step(node.state, node.state.stop, nobody)
    assert [type(event) for event in node.events] == [GroupDead]


@pytest.mark.parametrize("via_loader", [True, False])
def test_what_a_silent_supervisord_may_start_again_is_told_until_it_may_not(node, via_loader):
    node.stop()
    node.state.stop.via_loader = via_loader
    nobody = Found(set(), {}, set(), set(), False)
    for _ in range(60):
        node.moment += 0.05
        node.stopper.step(node.state, node.state.stop, nobody)
    kinds = [type(event).__name__ for event in node.events]
    assert kinds == (["GroupDead"] if via_loader else ["GroupUnsettled", "GroupDead"]) and node.state.stop.sentry
    node.die()
    node.stopper.step(node.state, node.state.stop, nobody)
    assert [type(event).__name__ for event in node.events][len(kinds):] == ["GroupAtRest"] * (not via_loader)
    assert all(event.op == 0 for event in node.events if not isinstance(event, GroupDead))


@pytest.mark.parametrize("known", ["books", "death"])
def test_a_fork_that_runs_nothing_yet_counts_for_a_bounded_time_once_it_can_be_anybody_s(node, known):
    """Whatever it is about to run is refused by the chain loader."""
    node.stop()
    assert node.dead(SESSION, runs=False) is None
    if known == "books":
        node.ask_whose()
        node.tell()
    else:
        node.die()
    before = node.moment
    assert before + DOUBT_TIME <= node.dead(SESSION, runs=False) <= before + DOUBT_TIME + 0.3


@pytest.mark.parametrize("known", ["books", "death"])
def test_a_fork_that_nothing_refuses_counts_for_as_long_as_it_lives(node, known):
    node.stop()
    node.state.stop.via_loader = False
    if known == "books":
        node.ask_whose()
        node.tell()
    else:
        node.die()
    assert node.dead(SESSION, runs=False) is None
