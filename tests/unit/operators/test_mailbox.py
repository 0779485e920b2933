"""The requests on their way to the listener: who is given which, and for how long they are kept."""

import json
import os
from types import SimpleNamespace

import pytest
from supervisor.xmlrpc import Faults, RPCError

from supervisor_zkelect.operators import mailbox
from supervisor_zkelect.operators.mailbox import KEEP_TIME, MOST_REQUESTS, REFRESH, TAKE_TIME, Mailbox, TicketedRequests
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import clock

LISTENER, NEXT = (proc.Process(pid, 7, 1, pid, 1, "S", 1) for pid in (100, 200))


def tickets(taken):
    return [request["ticket"] for request in taken]


@pytest.mark.parametrize("tells", [True, False])
def test_a_listener_is_given_a_request_until_it_tells_that_it_has_it_and_its_successor_what_is_not_answered(tells):
    """Whatever becomes of the answer that brought it. One of an earlier version does not tell, and is given each once."""
    requests = TicketedRequests()
    one, other = requests.add("members", "a", {}, 1.0), requests.add("resign", "b", {"force": True}, 2.0)
    assert requests.take(LISTENER, 3.0, [] if tells else None) == [
        {"ticket": one, "verb": "members", "election": "a", "args": {}, "age": 2.0},
        {"ticket": other, "verb": "resign", "election": "b", "args": {"force": True}, "age": 1.0},
    ]
    assert tickets(requests.take(LISTENER, 3.0, [] if tells else None)) == [one, other] * tells
    assert tickets(requests.take(LISTENER, 3.0, [one] if tells else None)) == [other] * tells
    # What was told stands, also where a report was held up on its way.
    assert tickets(requests.take(LISTENER, 3.0, [] if tells else None)) == [other] * tells
    assert requests.take(LISTENER, 3.0, [other] if tells else None) == []
    requests.find(one, 4.0).answer = "{}"
    assert tickets(requests.take(NEXT, 4.0, [] if tells else None)) == [other]
    assert requests.take(NEXT, 2.1 + TAKE_TIME, [] if tells else None) == []


def test_a_listener_may_answer_what_it_has_not_told_that_it_has():
    box = Mailbox(None)
    ticket = box._requests.add("members", "a", {}, clock.now())
    with pytest.raises(RPCError):
        box.answer(ticket, "{}")
    box._requests.take(LISTENER, clock.now(), [])
    box.answer(ticket, "{}")
    assert box.get_answer(ticket) == "{}" and box._requests.take(LISTENER, clock.now(), []) == []


@pytest.fixture
def put(monkeypatch):
    """Puts the report of a listener, which this process is; returns the tickets that it is given."""
    program = SimpleNamespace(pid=os.getpid(), group=None, config=SimpleNamespace(name="zkelect"))
    monkeypatch.setattr(mailbox.os, "kill", lambda pid, number: None)
    box = Mailbox(SimpleNamespace(options=SimpleNamespace(pidhistory={os.getpid(): program})))

    def put(**more):
        report = {"pid": os.getpid(), "boottime": clock.now(), "elections": {}, **more}
        return tickets(json.loads(box.put_report(json.dumps(report))))

    put.box = box
    return put


def test_the_tickets_in_a_report_are_for_the_mailbox_alone(put):
    assert put(taken=[]) == []
    ticket = put.box.request("members", "a", "")
    assert [put(taken=[]), put(taken=[]), put(taken=[ticket])] == [[ticket], [ticket], []]
    assert "taken" not in json.loads(put.box.get_report())["report"]
    again = put.box.request("members", "a", "")
    assert [put(), put()] == [[again], []]


@pytest.mark.parametrize("wrong", ["x", 7, {}, [7], [["x"]]])
def test_what_is_no_list_of_tickets_is_refused(put, wrong):
    with pytest.raises(RPCError) as caught:
        put(taken=wrong)
    assert caught.value.code == Faults.BAD_ARGUMENTS


def test_all_who_wait_for_a_report_share_a_request_until_it_is_taken():
    requests = TicketedRequests()
    first = requests.add(REFRESH, "", {}, 1.0)
    assert requests.add(REFRESH, "", {}, 2.0) == first
    assert tickets(requests.take(LISTENER, 3.0)) == [first]
    assert requests.add(REFRESH, "", {}, 4.0) != first


def test_a_request_that_nobody_took_in_time_is_given_to_nobody_and_kept_for_the_answer():
    requests = TicketedRequests()
    late = requests.add("members", "", {}, 1.0)
    assert requests.take(LISTENER, 1.0 + TAKE_TIME + 0.1) == []
    assert requests.find(late, 1.0 + KEEP_TIME).ticket == late
    with pytest.raises(RPCError) as caught:
        requests.find(late, 1.1 + KEEP_TIME)
    assert caught.value.code == Faults.BAD_NAME


def test_room_is_made_by_answers_and_refreshes_and_not_by_requests():
    requests = TicketedRequests()
    kept = [requests.add("members", "", {}, 1.0) for _ in range(MOST_REQUESTS - 2)]
    refresh, answered = requests.add(REFRESH, "", {}, 1.0), requests.add("members", "", {}, 1.0)
    requests.find(answered, 1.0).answer = "{}"
    newer = [requests.add("members", "", {}, 1.0) for _ in range(2)]
    for gone in (refresh, answered):
        with pytest.raises(RPCError):
            requests.find(gone, 1.0)
    with pytest.raises(RPCError) as caught:
        requests.add("members", "", {}, 1.0)
    assert caught.value.code == Faults.FAILED
    assert tickets(requests.take(LISTENER, 1.0)) == [*kept, *newer]
