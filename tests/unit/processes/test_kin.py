"""What registrations and supervisord's books say of a group, in a process manager whose thread does not run.

This process stands for supervisord.
"""

import os
import subprocess
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core.proof import DOUBT_TIME
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.census import Found
from supervisor_zkelect.processes.group_events import GroupDead
from supervisor_zkelect.processes.manager import SOON, Agenda, GroupState, ProcessManager


class Pool:
    """Answers nothing."""

    def submit(self, call, *words):
        raise RuntimeError("no thread")


@pytest.fixture
def manager():
    """`times.moment` is its clock's, `events` are what it has posted."""
    events, times = [], SimpleNamespace(moment=0.0)
    made = ProcessManager(
        SimpleNamespace(url="unix:///none", call=None), os.getpid(), events.append, Pool(), clock=lambda: times.moment,
        cgroups=SimpleNamespace(base="", kill=lambda name: None, pids=lambda name: []),
    )
    made.events, made.times = events, times
    made.record = made.group("primary")._record
    made.record.loaded = made.record.swept = True
    yield made
    made.close()


@pytest.fixture
def child():
    """A child of supervisord's."""
    with subprocess.Popen(["/bin/sleep", "1000"]) as one:
        try:
            until(lambda: proc.cmdline(one.pid).startswith(b"/bin/sleep"), 30, "it to run")
            yield one
        finally:
            one.kill()


def info(pid):
    return {"name": "a", "group": "primary", "pid": pid, "statename": "STARTING", "spawnerr": ""}


@pytest.mark.parametrize("how", ["books", "event"])
def test_strangers_are_read_while_a_program_has_not_registered(manager, child, how):
    """Whatever the configuration says: what it forks is in no cgroup."""
    record = manager.record
    assert manager._all_inside(record)
    if how == "books":
        manager._learn(record, [info(child.pid)])
    else:
        record.mode = "started"
        manager._note(record, ("a", "RUNNING", child.pid))
    assert not manager._all_inside(record)
    manager._expect(record, child.pid, "a")
    assert manager._all_inside(record)
    manager._learn(record, [info(child.pid)])
    assert manager._all_inside(record)


@pytest.mark.parametrize("seen", [True, False])
def test_strangers_are_read_after_a_program_that_never_registered_has_ended(manager, child, seen):
    """Until the group is proven dead."""
    record = manager.record
    if seen:
        manager._learn(record, [info(child.pid)])
    child.kill()
    child.wait()
    if not seen:
        manager._learn(record, [info(child.pid)])
    manager._scan(record, manager._census.look())
    assert not manager._all_inside(record)
    manager._settle(record)
    assert manager._all_inside(record)


def test_the_end_of_a_program_that_has_registered_changes_nothing(manager, child):
    manager._expect(manager.record, child.pid, "a")
    child.kill()
    child.wait()
    manager._learn(manager.record, [info(child.pid)])
    assert manager._all_inside(manager.record)


def test_a_program_that_has_no_cgroup_is_looked_after_at_once(manager):
    manager.record.mode = "started"
    manager._stray(manager.record)
    assert manager.record.scan_at <= manager._now() + SOON and not manager._all_inside(manager.record)


def nameless(number, session):
    return proc.Process(100_000_000 + number, 1, os.getpid(), 1, session, "S", 0)


def stopped(manager, session, runs=True):
    """Stop the group, of which every scan finds another child of supervisord's; when it was proven dead, None for not in 20 s.
    """
    manager._order(manager.record, 1, 0.0)
    manager.record.stop.via_loader = True
    for number in range(400):
        manager.times.moment += 0.05
        fresh = frozenset([nameless(number, session)])
        manager._stop_step(manager.record, Found(set(), {}, set(fresh), set(), False, nameless=fresh if runs else frozenset()))
        if any(isinstance(event, GroupDead) for event in manager.events):
            return manager.times.moment
    return None


def test_orphans_from_other_sessions_hold_a_proof_up_for_a_bounded_time(manager):
    assert DOUBT_TIME <= stopped(manager, session=1) <= DOUBT_TIME + 0.3


def test_a_child_in_supervisord_s_own_session_counts_until_it_was_told_whose_it_is(manager):
    session = manager._census.supervisord.session
    assert stopped(manager, session) is None
    manager._asking_whose = False
    # Asked before the stop began, it proves nothing.
    manager._told_whose(frozenset(), -1.0, [], None)
    assert stopped(manager, session) is None
    before = manager.times.moment
    manager._told_whose(frozenset(), before, [], None)
    assert stopped(manager, session) <= before + DOUBT_TIME + 0.3


def test_a_fork_that_runs_nothing_yet_counts_for_as_long_as_it_lives(manager):
    assert stopped(manager, session=manager._census.supervisord.session, runs=False) is None
    manager._told_whose(frozenset(), manager.times.moment, [], None)
    assert stopped(manager, session=manager._census.supervisord.session, runs=False) is None


def test_the_loader_counts_where_every_program_came_through_it():
    """What supervisord says of the programs' commands may be true only from its next update on."""
    record = GroupState("primary", Agenda(), loaded=True)
    assert not record.registered
    record.names, record.loaders = frozenset({"a", "b"}), {"a"}
    assert not record.registered
    record.loaders.add("b")
    assert record.registered
    record.loaded = False
    assert not record.registered
