"""HAProxy's agent-check: what is answered for a node, and the port."""

import asyncio
import contextlib
import math
import socket
import threading

import pytest

from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.web import agent
from supervisor_zkelect.web.agent import DRAIN, MAINT, READY, Agent, answer
from supervisor_zkelect.web.verdict import SILENCE, TOLD_WITHIN, RecordRead

NOW = 1000.0
LEASE = Lease(1003.0, 1004.0, 1005.0)
ENTRY = record.Entry("orders", "primary", "a:80", 7, True, 0, LEASE, True)

#: Seconds that anything may take.
TIME = 10.0


def answered(now=NOW, name="orders", entries=None, trouble="", seen=NOW, **changes):
    entries = [ENTRY._replace(**changes)] if entries is None else entries
    return answer(RecordRead(trouble) if trouble else RecordRead("", record.Record(seen, entries), NOW), name, ["orders", "stock"], now).line


def test_the_primary_is_ready_and_up():
    """Both words, as HAProxy stays in MAINT after a plain `up`."""
    assert answered() == READY == "ready up"


@pytest.mark.parametrize("given", [
    {"granted": False, "acked": False}, {"lease": Lease(999.0, 1000.5, 1001.0)},
    {"entries": [ENTRY._replace(group="former", granted=False, lease=NO_LEASE), ENTRY._replace(granted=False, acked=False)]},
])
def test_who_is_about_to_stop_is_drained(given):
    assert answered(**given) == DRAIN


@pytest.mark.parametrize("given", [
    # Who is about to serve: in DRAIN HAProxy would check it too soon.
    {"acked": False}, {"entries": [ENTRY._replace(group="former", granted=False, lease=NO_LEASE), ENTRY._replace(acked=False)]},
    {"entries": []}, {"granted": False, "lease": NO_LEASE}, {"granted": False, "lease": Lease(998.0, 1000.0, 1001.0)},
    {"entries": [ENTRY._replace(election="stock")]}, {"lease": Lease(998.0, 1000.0, 1001.0)},
    # The lease of a pause has no end, and the grant that goes with it is gone.
    {"granted": False, "lease": Lease(998.0, 999.0, 1000.0, math.inf)},
])
def test_who_does_not_lead_is_in_maintenance(given):
    assert answered(**given) == MAINT


@pytest.mark.parametrize("given, why", [
    ({"trouble": "no record of a guard: /run/zkelect-0\x1b[2J"}, "unknown: the record of the guard"),
    ({"seen": NOW - SILENCE}, "the guard is silent"), ({"seen": NOW - SILENCE, "granted": False}, "the guard is silent"),
    ({"name": "nope"}, "no such election"), ({"name": ""}, "which election? set agent-send"),
])
def test_where_nothing_is_known_it_is_down_and_says_why(given, why):
    found = answered(**given)
    assert found == f"down #{why}"
    assert found.isprintable() and found.isascii()


def test_who_leads_in_an_election_that_left_the_file_is_told_until_its_listener_has_taken_that():
    assert answered(name="former", entries=[ENTRY._replace(election="former")]) == READY
    assert answered(name="former", entries=[ENTRY._replace(election="former", granted=False)]) == "down #no such election"


# The port


@contextlib.contextmanager
def served(look=lambda: RecordRead("", record.Record(NOW, [ENTRY]), NOW), clock=lambda: NOW):
    """An agent on a loop of its own; gives a function that connects to it, and the agent."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    one = Agent(look, lambda: ["orders"], clock)
    found = []

    def run():
        found.append(loop.run_until_complete(one.listen("127.0.0.1", 0)))
        loop.call_soon(ready.set)
        loop.run_forever()
        one.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(TIME)
    try:
        yield lambda: socket.create_connection(("127.0.0.1", found[0]), TIME), one
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIME)


def rest(connection):
    """All that comes until the end; "reset" where that is not in order."""
    with connection, connection.makefile("rb") as file:
        try:
            return file.read()
        except ConnectionResetError:
            return "reset"


def test_a_line_is_answered_by_a_line_and_the_end():
    with served() as (connect, _):
        for parts in ((b"orders\n",), (b"orders\r\n",), (b"or", b"ders", b"\n"), (b"orders\nmore\n",)):
            one = connect()
            for part in parts:
                one.sendall(part)
            assert rest(one) == b"ready up\n"
        one = connect()
        one.sendall(b"\xff\n")
        assert rest(one) == b"down #no such election\n"


def test_a_verdict_that_does_not_count_any_more_is_not_told():
    """This process stood still between judging and sending, and another node may lead by now."""
    moments = [NOW, NOW + TOLD_WITHIN]
    with served(clock=lambda: moments.pop(0)) as (connect, _):
        one = connect()
        one.sendall(b"orders\n")
        assert rest(one) == b"" and not moments
    # What is not yet primary, or not any more, has no end.
    moments = [NOW, NOW + 100]
    former = RecordRead("", record.Record(NOW, [ENTRY._replace(granted=False, acked=False)]), NOW)
    with served(lambda: former, clock=lambda: moments.pop(0)) as (connect, _):
        one = connect()
        one.sendall(b"orders\n")
        assert rest(one) == b"drain\n"


def test_a_record_that_took_too_long_is_read_again_and_else_nothing_is_told():
    """HAProxy leaves a server as it is where it hears nothing."""
    moments = [NOW + TOLD_WITHIN, NOW, NOW]
    with served(clock=lambda: moments.pop(0)) as (connect, _):
        one = connect()
        one.sendall(b"orders\n")
        assert rest(one) == b"ready up\n" and not moments
    with served(clock=lambda: NOW + TOLD_WITHIN) as (connect, _):
        one = connect()
        one.sendall(b"orders\n")
        assert rest(one) == b""


def test_a_defect_is_no_primary():
    def look():
        raise RuntimeError("no")

    with served(look) as (connect, _):
        one = connect()
        one.sendall(b"orders\n")
        assert rest(one) == b"down #a defect; the log of zkelect http tells which\n"


def test_who_says_too_much_is_let_go(monkeypatch):
    monkeypatch.setattr(agent, "LINE_TIME", 1000.0)
    with served() as (connect, one):
        long, gone = connect(), connect()
        long.sendall(b"x" * 10000)
        gone.close()
        assert rest(long) in (b"", "reset")
        until(lambda: not one._open, TIME, "both to be forgotten")


def test_who_says_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(agent, "LINE_TIME", 0.05)
    with served() as (connect, one):
        assert rest(connect()) in (b"", "reset")
        until(lambda: not one._open, TIME, "it to be forgotten")


def test_of_too_many_connections_the_oldest_goes():
    with served() as (connect, one):
        first = connect()
        first.sendall(b"or")
        others = [connect() for _ in range(agent.MOST_CONNECTIONS)]
        assert rest(first) in (b"", "reset")
        assert len(one._open) == agent.MOST_CONNECTIONS
        others[-1].sendall(b"orders\n")
        assert rest(others[-1]) == b"ready up\n"
        for other in others:
            other.close()


def test_who_opens_many_connections_keeps_no_load_balancer_out(monkeypatch):
    monkeypatch.setattr(agent, "holder", lambda address: "6.6.6.6" if address[1] != balancer.getsockname()[1] else "10.0.0.1")
    with served() as (connect, one):
        balancer = socket.socket()
        balancer.bind(("127.0.0.1", 0))
        balancer.connect(("127.0.0.1", connect().getpeername()[1]))
        others = [connect() for _ in range(2 * agent.MOST_CONNECTIONS)]
        assert rest(others[0]) in (b"", "reset")
        balancer.sendall(b"orders\n")
        assert rest(balancer) == b"ready up\n"
        for other in others:
            other.close()


def test_its_end_ends_what_is_open():
    with served() as (connect, asked):
        one = connect()
        until(lambda: asked._open, TIME, "the connection")
    assert rest(one) in (b"", "reset")
