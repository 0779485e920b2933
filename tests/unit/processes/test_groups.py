"""What a process manager does for its groups when nothing is to be had."""

import math
import os
from types import SimpleNamespace

import pytest

from supervisor_zkelect.processes.census import Census
from supervisor_zkelect.processes.manager import ProcessManager
from supervisor_zkelect.processes.pidfds import Pidfds


class Pool:
    """Answers nothing."""

    def submit(self, call, *words):
        raise RuntimeError("no thread")


class Node:
    """A process manager whose thread does not run. lacks: what whoever hears its events gets instead. killed: whose cgroups were
    killed."""

    def __init__(self):
        self.moment, self.lacks, self.killed = 0.0, None, []
        self.manager = ProcessManager(
            SimpleNamespace(url="unix:///none", call=None), Census(os.getpid(), "unix:///none"), self.hear, Pool(), clock=lambda: self.moment,
            cgroups=SimpleNamespace(base="", kill=self.killed.append, pids=lambda name: []),
        )
        self.groups = self.manager.groups
        self.state = self.groups.state("primary")

    def hear(self, event):
        if self.lacks is not None:
            raise self.lacks


@pytest.fixture
def node():
    made = Node()
    yield made
    made.manager.close()


def test_an_order_to_stop_stands_though_nobody_can_be_told_of_the_start_that_it_ends(node):
    node.groups.starter.start(node.state, 1)
    node.lacks = MemoryError()
    with pytest.raises(MemoryError):
        node.groups.stop(node.state, 2, -math.inf)
    assert node.state.stop.kill_at == -math.inf
    assert node.state.start is None


def test_without_memory_to_tell_who_it_is_a_group_is_killed(node, monkeypatch):
    node.groups.stop(node.state, 1, -math.inf)
    node.moment = 1.0

    def refuse(pidfds, group):
        raise MemoryError

    monkeypatch.setattr(Pidfds, "pids", refuse)
    with pytest.raises(MemoryError):
        node.groups.fall_back(OSError(24, "Too many open files"))
    assert node.killed == ["primary"]
