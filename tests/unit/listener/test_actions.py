"""Actions of role machines that wait for somebody."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.actions import Actions
from tests.unit.listener.parts import Host, candidacy, keepers, means


class Pool:
    """An executor that does at once what it is given, or has no thread for it."""

    def __init__(self, threads):
        self.threads = threads

    def submit(self, run, work):
        if not self.threads:
            raise RuntimeError("can't start new thread")
        error = None
        try:
            run(work)
        except Exception as caught:
            error = caught
        done = SimpleNamespace(cancelled=lambda: False, exception=lambda: error)
        return SimpleNamespace(add_done_callback=lambda callback: callback(done))


class Fencing(Host):
    """pools: their names, as they were made. run: raises `error`."""

    error, threads = None, True

    def __init__(self):
        super().__init__()
        self.pools = []

    def pool(self, size, name):
        self.pools.append((size, name))
        return Pool(self.threads)

    def run(self, command, until, variables):
        raise self.error


FENCE = messages.Fence(3, "b", "y:1", 7)


def fence(host):
    """What the role machine hears of its fence command."""
    one = candidacy(host, fence=("/bin/fence",), hook_timeout=1.0)
    assert host.pools == [(1, "zkelect-hooks-orders")], "made before it is needed"
    Actions(means(host), keepers(one), None).actions()[messages.Fence](one, FENCE)
    assert len(host.pools) == 1
    (event,) = one.posted
    return event


@pytest.mark.parametrize("error, why", [
    (OSError("no"), "it cannot be run: no"), (ValueError("no"), "it cannot be run: no"),
    (RuntimeError("no"), "a defect: RuntimeError('no')"), (MemoryError(), "a defect: MemoryError()"),
])
def test_whatever_a_fence_command_fails_for_is_told_to_the_step_that_waits(error, why):
    host = Fencing()
    host.error = error
    assert fence(host) == events.ElectionEvent("orders", messages.Fenced(3, False, why))


def test_a_fence_command_for_which_there_is_no_thread_has_failed():
    host = Fencing()
    host.threads = False
    assert fence(host).event == messages.Fenced(3, False, """a defect: RuntimeError("can't start new thread")""")


def test_an_election_without_a_fence_command_needs_no_thread_for_one():
    host = Fencing()
    one = candidacy(host)
    assert host.pools == []
    one.hooks.get_ready(("/bin/fence",))
    one.hooks.get_ready(("/bin/fence",))
    assert len(host.pools) == 1


@pytest.mark.parametrize("action", [
    messages.Propose(3), messages.Release(3, False, ""), messages.Release(3, True, ""), messages.Withdraw(3),
], ids=["propose", "release", "release dirty", "withdraw"])
@pytest.mark.parametrize("owned", [True, False])
def test_a_proposal_by_which_another_group_runs_is_neither_taken_nor_given_up(action, owned):
    """With another group in the file that of before runs on until it is stopped, and the session has the proposal for it."""
    one, asked = candidacy(Host(node_name="a"), elector=SimpleNamespace(election_znode="/e")), []
    one.ask = lambda *words: asked.append(words)
    leftovers = SimpleNamespace(owns=lambda znode: owned and znode == "/e")
    posted = []
    Actions(means(Host(node_name="a"), post=posted.append), keepers(one, leftovers=leftovers), None).actions()[type(action)](one, action)
    assert len(asked) == (not owned)
    assert posted == [events.ElectionEvent("orders", messages.RequestFailed(
        3, False, "an earlier configuration's proposal in this election is not given up yet",
    ))] * owned
