"""What registrations and supervisord's books say of a group. This process stands for supervisord."""

import contextlib
import os
import subprocess
from types import SimpleNamespace

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import kin, proc
from supervisor_zkelect.processes.census import Census, Found
from supervisor_zkelect.processes.kin import Kin
from supervisor_zkelect.processes.manager import ProcessManager
from supervisor_zkelect.processes.schedule import REST, REST_IN_CGROUP, SOON


class Pool:
    """Answers nothing."""

    def submit(self, call, *words):
        raise RuntimeError("no thread")


@pytest.fixture
def groups():
    """Those of a process manager whose thread does not run; `times.moment` is its clock's."""
    times = SimpleNamespace(moment=0.0)
    made = ProcessManager(
        SimpleNamespace(url="unix:///none", call=None), Census(os.getpid(), "unix:///none"), lambda event: None, Pool(), clock=lambda: times.moment,
        cgroups=SimpleNamespace(base="", kill=lambda name: None, pids=lambda name: []),
    )
    yield made.groups
    made.close()


@pytest.fixture
def state(groups):
    made = groups.state("primary")
    made.kin.via_loader = made.kin.swept = True
    return made


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


@pytest.mark.parametrize("inside", [True, False])
def test_who_joins_the_process_group_of_a_program_in_a_cgroup_does_not_belong(inside):
    """All of supervisord's children share its session, so each may join another's group, whoever it runs as, and fork for ever."""
    leader, made = 0, []
    with contextlib.ExitStack() as ending:
        for _ in range(2):
            one = ending.enter_context(subprocess.Popen(["/bin/sleep", "1000"], preexec_fn=lambda: os.setpgid(0, leader)))
            ending.callback(one.kill)
            until(lambda: proc.cmdline(one.pid).startswith(b"/bin/sleep"), 30, "it to run")
            made.append(proc.read(one.pid))
            leader = made[0].pid
        mine, joined = made
        group, census = Kin("primary", via_loader=True, caged=True, swept=True), Census(os.getpid(), "unix:///none")
        group.register(mine, "a", census)
        census.told[joined.identity] = "other"
        group.strayed = not inside
        for _ in range(2):
            look = census.look()
            found = group.find({look.kin.processes[mine.pid]}, look, census)
        assert ({process.pid for process in found.living} == {mine.pid}) == inside == (not group.exposed)


@pytest.mark.parametrize("how", ["books", "event"])
def test_strangers_are_read_while_a_program_has_not_registered(groups, state, child, how):
    """Whatever the configuration says: what it forks is in no cgroup."""
    assert state.kin.all_inside
    if how == "books":
        state.kin.learn([info(child.pid)], groups.census)
    else:
        state.mode = "started"
        groups.note(state, ("a", "RUNNING", child.pid))
    assert not state.kin.all_inside
    groups.expect(state, child.pid, "a")
    assert state.kin.all_inside
    state.kin.learn([info(child.pid)], groups.census)
    assert state.kin.all_inside


@pytest.mark.parametrize("seen", [True, False])
def test_strangers_are_read_after_a_program_that_never_registered_has_ended(groups, state, child, seen):
    """Until the group is proven dead."""
    if seen:
        state.kin.learn([info(child.pid)], groups.census)
    child.kill()
    child.wait()
    if not seen:
        state.kin.learn([info(child.pid)], groups.census)
    state.kin.find(set(), groups.census.look(), groups.census)
    assert not state.kin.all_inside
    state.kin.end_term()
    assert state.kin.all_inside


def test_the_end_of_a_program_that_has_registered_changes_nothing(groups, state, child):
    groups.expect(state, child.pid, "a")
    child.kill()
    child.wait()
    state.kin.learn([info(child.pid)], groups.census)
    assert state.kin.all_inside


def test_a_program_that_has_no_cgroup_is_looked_after_at_once(groups, state):
    state.mode = "started"
    groups.stray(state)
    assert state.scan_at <= SOON and not state.kin.all_inside


def test_the_loader_counts_where_every_program_came_through_it():
    """What supervisord says of the programs' commands may be true only from its next update on."""
    one = Kin("primary", via_loader=True)
    assert not one.registered
    one.programs, one.loaders = frozenset({"a", "b"}), {"a"}
    assert not one.registered
    one.loaders.add("b")
    assert one.registered
    one.via_loader = False
    assert not one.registered


def test_whoever_registers_under_ever_more_names_is_not_remembered_by_all_of_them(groups, state, child, monkeypatch):
    """And a program whose name finds no room counts as one that did not register."""
    monkeypatch.setattr(kin, "MOST_NAMES", 2)
    state.kin.programs = frozenset({"b"})
    for name in ("a", "b", "c", "d"):
        groups.expect(state, child.pid, name)
    assert state.kin.loaders == {"a", "b"} and state.kin.registered
    state.kin.programs = frozenset({"b", "c"})
    assert not state.kin.registered


@pytest.mark.parametrize("guard, user, leavable", [(4321, 4321, True), (4321, 4322, False), (0, 0, False)])
@pytest.mark.parametrize("how", ["registration", "scan"])
def test_strangers_are_read_where_programs_may_move_out_of_their_cgroup(groups, state, child, monkeypatch, guard, user, leavable, how):
    """They own it where they run as the guard's user. root may move anything, and is trusted."""
    monkeypatch.setattr(os, "geteuid", lambda: guard)
    if how == "registration":
        groups.runs_as(state, {user})
    else:
        groups.census.users["primary"] = {user}
        state.kin.find(set(), groups.census.look(), groups.census)
    assert state.kin.all_inside is not leavable


@pytest.mark.parametrize("kept, rest", [({}, REST_IN_CGROUP), ({"leavable": True}, REST), ({"exposed": True}, REST), ({"unregistered": {(1, 1)}}, REST)])
def test_what_may_leave_its_cgroup_is_looked_for_as_often_as_without(groups, state, child, kept, rest):
    vars(state.kin).update(kept)
    state.pace = rest
    groups._found_running(state, Found({proc.read(child.pid)}, {}, set(), set(), False))
    assert state.scan_at == rest and state.pace == rest


@pytest.mark.parametrize("guard, leavable", [(4321, True), (0, False)])
def test_before_any_user_is_known_those_of_guard_and_supervisord_count(monkeypatch, guard, leavable):
    monkeypatch.setattr(os, "geteuid", lambda: guard)
    assert Census(os.getpid(), "unix:///none").may_leave("primary") is leavable
