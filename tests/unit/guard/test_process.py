"""A guard's process, where little is to be had for it."""

import os
import threading

import pytest

from supervisor_zkelect.guard import place, process, record
from supervisor_zkelect.processes import cgroup, quick_moves

#: Without which no group is killed.
NEEDED = ["zkelect-striker", "zkelect-manager"]


@pytest.fixture
def threads(monkeypatch):
    """Names of the threads that were started beside those for calls, of which there may be as many as are needed."""
    started, start = [], threading.Thread.start

    def begin(thread):
        if not thread.name.startswith("zkelect-rpc"):
            if len(started) >= len(NEEDED):
                raise RuntimeError("can't start new thread")
            started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)
    return started


def test_what_kills_has_a_thread_before_what_only_makes_it_quick(tmp_path, monkeypatch, threads):
    monkeypatch.setattr(quick_moves, "here", lambda: ("/", str(tmp_path)))
    monkeypatch.setattr(process.cgroups, "find", lambda owner, url: (cgroup.Cgroups(str(tmp_path)), cgroup.Former({}, None)))
    owner = record.owner_of(os.getpid())
    terms = process.Terms(str(tmp_path), tuple(owner), "unix:///none", "none", 2.0, 1)
    held = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    made = process.GuardProgram(terms, (None, None), place.Place(held, None), alone=False)
    assert threads == NEEDED
    made.manager.close()
    os.close(held)
