"""What supervisord's answer to a start decides."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.processes.group_events import GroupStarted, GroupStartFailed
from supervisor_zkelect.processes.kin import Kin
from supervisor_zkelect.processes.starting import Starter
from supervisor_zkelect.processes.state import GroupState
from supervisor_zkelect.supervisord.client import ALREADY_STARTED, BAD_NAME, SPAWN_ERROR, SUCCESS, Fault
from supervisor_zkelect.supervisord.groups import Started

NOT_EXECUTABLE = 21


def outcome(found, error=None):
    """The one event that comes of a start that supervisord answers with this."""
    events, requests = [], []
    states = SimpleNamespace(hear=lambda *_: None, question=None)
    starter = Starter(
        lambda: 0.0, events.append, lambda *_: None, SimpleNamespace(add=requests.append), states, lambda: False
    )
    state = GroupState("primary", Kin("primary", via_loader=True))
    starter.start(state, 7)
    [request] = requests
    request.sent()
    request.answered(found, error)
    assert state.start is None and state.mode == "started" and not state.start_open
    [event] = events
    return event


def answer(*members):
    """supervisord's answer for members of (status, state, pid, spawnerr)."""
    names = "abc"
    return Started(
        [{"name": name, "status": status, "description": "as it is"} for name, (status, *_) in zip(names, members)],
        [
            {"name": name, "statename": state, "pid": pid, "spawnerr": trouble}
            for name, (_, state, pid, trouble) in zip(names, members)
        ],
    )


@pytest.mark.parametrize("member", [
    (SUCCESS, "STARTING", 40, ""),
    (SUCCESS, "RUNNING", 40, ""),
    (ALREADY_STARTED, "RUNNING", 40, ""),
    (SUCCESS, "EXITED", 0, ""),
    # Its process ended before supervisord answered, or after it.
    (SPAWN_ERROR, "BACKOFF", 0, "Exited too quickly (process log may have details)"),
    (SUCCESS, "BACKOFF", 0, "Exited too quickly (process log may have details)"),
    # There were no processes to be had at that moment.
    (SPAWN_ERROR, "BACKOFF", 0, "Too many processes in process table to spawn 'a'"),
    # The same with startretries = 0. Its event says what it ended with, which this answer does not.
    (SUCCESS, "FATAL", 0, "Exited too quickly (process log may have details)"),
    (SPAWN_ERROR, "FATAL", 0, "Exited too quickly (process log may have details)"),
])
def test_what_supervisord_tries_to_run_is_started(member):
    assert outcome(answer(member)) == GroupStarted("primary", 7)
    assert outcome(answer((SUCCESS, "RUNNING", 41, ""), member)) == GroupStarted("primary", 7)


@pytest.mark.parametrize("found, error, told", [
    (answer((SUCCESS, "RUNNING", 41, ""), (NOT_EXECUTABLE, "STOPPED", 0, "")), None, "b: as it is"),
    (answer((SUCCESS, "STOPPED", 0, "")), None, "a is STOPPED"),
    (answer((SUCCESS, "RUNNING", 41, ""), (SUCCESS, "STOPPING", 42, "")), None, "b is STOPPING"),
    (None, Fault(BAD_NAME, "BAD_NAME: supervisord has no group primary"), "no group primary"),
])
def test_what_it_refuses_to_run_is_not(found, error, told):
    event = outcome(found, error)
    assert isinstance(event, GroupStartFailed) and told in event.reason and event.op == 7
