"""The requests on their way to the listener: who is given which, once, and for how long they are kept."""

import pytest
from supervisor.xmlrpc import Faults, RPCError

from supervisor_zkelect.operators.mailbox import KEEP_TIME, MOST_REQUESTS, REFRESH, TAKE_TIME, TicketedRequests
from supervisor_zkelect.processes import proc

LISTENER, NEXT = (proc.Process(pid, 7, 1, pid, 1, "S", 1) for pid in (100, 200))


def tickets(taken):
    return [request["ticket"] for request in taken]


def test_a_listener_is_given_each_request_once_and_its_successor_what_is_not_answered():
    requests = TicketedRequests()
    one, other = requests.add("members", "a", {}, 1.0), requests.add("resign", "b", {"force": True}, 2.0)
    assert requests.take(LISTENER, 3.0) == [
        {"ticket": one, "verb": "members", "election": "a", "args": {}, "age": 2.0},
        {"ticket": other, "verb": "resign", "election": "b", "args": {"force": True}, "age": 1.0},
    ]
    assert requests.take(LISTENER, 3.0) == []
    requests.find(one, 4.0).answer = "{}"
    assert tickets(requests.take(NEXT, 4.0)) == [other]


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
