"""What strangers can do: to the connections of others, to the log, to supervisord; and what probes tell them."""

import asyncio
import base64
import logging
import math
import threading

import pytest

from supervisor_zkelect.web import admission, connections, passwords, streams
from supervisor_zkelect.web.admission import Admission
from supervisor_zkelect.web.connections import Connections, holder
from supervisor_zkelect.web.fresh import Fresh
from supervisor_zkelect.web.lines import StrangerLines
from supervisor_zkelect.web.report import Reporter
from supervisor_zkelect.web.site import Request, Route, Site
from tests.unit.web.parts import OTHER, TIME, Node, Served

# Connections


class Stream:
    until, closed = math.inf, False

    def write_to_fd(self, data):
        return len(data)

    def close(self):
        self.closed = True


class Many:
    """Connections at a given time."""

    def __init__(self, monkeypatch, most):
        self.now, self.all = 0.0, Connections()
        monkeypatch.setattr(connections, "MOST", most)
        monkeypatch.setattr(connections.clock, "now", lambda: self.now)

    def open(self, host, asks=False):
        one = Stream()
        self.all.opened(one, (host, 1))
        if asks:
            self.all.asked(one)
        return one


def test_who_asks_once_on_many_connections_keeps_no_load_balancer_out(monkeypatch):
    many = Many(monkeypatch, 8)
    attacker = [many.open("6.6.6.6", asks=True) for _ in range(8)]
    balancer = many.open("10.0.0.1")
    for _ in range(20):
        many.now += 0.01
        attacker.append(many.open("6.6.6.6", asks=True))
    assert not balancer.closed
    many.all.asked(balancer)
    assert not balancer.closed and [one.closed for one in attacker] == [True] * 21 + [False] * 7


def test_who_has_not_asked_for_a_second_goes_first(monkeypatch):
    many = Many(monkeypatch, 4)
    others = [many.open("2.2.2.2", asks=True)]
    silent = many.open("1.1.1.1")
    others += [many.open("2.2.2.2", asks=True) for _ in range(2)]
    many.now += connections.ASK_TIME
    many.open("3.3.3.3")
    assert silent.closed and not any(one.closed for one in others)


def test_the_end_closes_all(monkeypatch):
    many = Many(monkeypatch, 4)
    held = [many.open("1.1.1.1"), many.open("2.2.2.2", asks=True)]
    many.all.end()
    assert all(one.closed for one in held)


def test_addresses_of_one_host_count_as_one():
    assert holder(("2001:db8::1", 1, 0, 0)) == holder(("2001:db8::ffff:2", 1, 0, 0)) != holder(("2001:db8:0:1::1", 1, 0, 0))
    assert holder(("::ffff:10.0.0.1", 1, 0, 0)) == holder(("10.0.0.1", 1))


def test_a_connection_whose_answer_nobody_takes_is_closed(monkeypatch):
    monkeypatch.setattr(connections, "STUCK", 0.05)

    async def run():
        stream, taken, loop = Stream(), Stream(), asyncio.get_running_loop()
        done = loop.create_future()
        connections.close_if_stuck(stream, loop.create_future())
        connections.close_if_stuck(taken, done)
        done.set_result(None)
        while not stream.closed:
            await asyncio.sleep(0.01)
        assert not taken.closed

    asyncio.run(asyncio.wait_for(run(), TIME))


# Requests


@pytest.mark.parametrize("path", ["/primary?" + "&" * 21, "/history?" + "&" * 21, "/%ff?" + "a=" * 500, "/primary/%0a%1b", "/?" + "&" * 5000])
def test_no_request_makes_a_traceback(path, caplog):
    with Served() as served:
        assert served.ask(path)[0] in (200, 400, 404)
        assert served.ask("/live")[0] == 200
    assert not [one for one in caplog.records if one.exc_info]


def test_a_defect_is_one_line(caplog):
    with Served() as served:
        served.node.verdicts["orders"] = RuntimeError("a\nmistake")
        for _ in range(20):
            assert served.ask("/primary")[0] == 500
    told = [one for one in caplog.records if "a defect" in one.getMessage()]
    assert 1 <= len(told) <= 3 and not told[0].exc_info and "\n" not in told[0].getMessage()


def test_strangers_are_told_who_is_primary_and_no_more():
    node = Node("orders")
    site = Site(node, lambda: [])

    def body(path, **more):
        route, asked, answer = site.find(Request("GET", path, **more))
        return (answer if route is None else route.answer(asked)).body.decode()

    assert body("/primary/orders") == '{"v": 1, "election": "orders", "primary": true, "why": "primary"}\n'
    node.verdicts["orders"], node.standbys["orders"] = OTHER._replace(why="secret"), "secret"
    assert '"not primary"' in body("/primary")
    for path in ("/primary", "/standby", "/ready", "/primary/other"):
        told = body(path)
        assert "secret" not in told and "token" not in told and "orders, " not in told
        assert "secret" in body(path, near=True) or path == "/primary/other"
    assert "orders" not in body("/primary/other") and "orders" in body("/primary/other", near=True)
    assert "orders" not in body("/ready") and "secret" not in body("/standby", near=True, host="evil.example")


def test_a_browser_under_another_name_is_told_not_even_that():
    with Served() as served:
        # Of a page without TLS a browser is known by its name alone.
        for header, value in (("Origin", "x"), ("Sec-Fetch-Site", "x"), ("User-Agent", "Mozilla/5.0 (X11)")):
            assert served.ask("/primary", headers={"Host": "evil.example", header: value})[0] == 421
            assert served.ask("/primary", headers={"Host": "localhost", header: value})[0] == 200
        assert served.ask("/primary", headers={"Host": "evil.example", "User-Agent": "curl/8"})[0] == 200


# supervisord


def test_one_question_to_a_silent_supervisord_is_enough():
    asked, silent = [], threading.Event()

    def call(method):
        asked.append(method)
        silent.wait(TIME)
        return ""

    async def run():
        fresh = Fresh(Reporter(call), None)
        route = Route(lambda asked: None, reports=True)
        waiting = [asyncio.ensure_future(fresh.prepare(route)) for _ in range(50)]
        while not asked:
            await asyncio.sleep(0.01)
        assert fresh.threads._work_queue.qsize() == 0
        silent.set()
        await asyncio.gather(*waiting)
        assert len(asked) == 1 and fresh.prepare(route) is None
        fresh.end()

    asyncio.run(asyncio.wait_for(run(), TIME))


# Passwords


def authorization(password):
    return "Basic " + base64.b64encode(b"ann:" + password).decode()


@pytest.fixture
def users(tmp_path, monkeypatch):
    monkeypatch.setattr(passwords, "ROUNDS", 10)
    path = tmp_path / "users"
    path.write_text(passwords.line("ann", "secret"))
    return path


def test_refused_passwords_are_told_with_the_address_and_paced(users, caplog, monkeypatch):
    # What other tests have caused is paced apart.
    monkeypatch.setattr(admission, "lines", StrangerLines())
    with Served(password_file=str(users)) as served:
        for number in range(20):
            assert served.ask("/status", headers={"Authorization": authorization(b"%d" % number)})[0] == 401
    told = [one.getMessage() for one in caplog.records if "refused a password" in one.getMessage()]
    assert 1 <= len(told) <= 3 and "127.0.0.1" in told[0]


@pytest.fixture
def slow(users):
    """Passwords whose proof takes until the event is set."""
    held, proving = passwords.Passwords(str(users)), threading.Event()
    held.prove = lambda header: proving.wait(TIME)
    return held, proving


def test_one_address_does_not_take_all_places_of_those_that_wait(slow):
    held, proving = slow

    async def run():
        one = Admission(held)
        waiting = [asyncio.ensure_future(one.refusal(f"Basic {number}", "6.6.6.6")) for number in range(admission.MOST_OF_ONE)]
        await asyncio.sleep(0)
        assert (await one.refusal("Basic x", "6.6.6.6")).status == 503
        # All of a network of IPv6 is one host's.
        waiting += [
            asyncio.ensure_future(one.refusal(f"Basic {number}", f"2001:db8::{number}")) for number in range(admission.MOST_OF_ONE)
        ]
        await asyncio.sleep(0)
        assert (await one.refusal("Basic x", "2001:db8::ffff")).status == 503
        other = asyncio.ensure_future(one.refusal("Basic y", "10.0.0.1"))
        proving.set()
        assert await asyncio.gather(other, *waiting) == [None] * (1 + 2 * admission.MOST_OF_ONE)
        one.end()

    asyncio.run(asyncio.wait_for(run(), TIME))


def test_no_more_passwords_wait_than_are_proven_soon_whoever_sends_them(slow):
    held, proving = slow

    async def run():
        one = Admission(held)
        waiting = [asyncio.ensure_future(one.refusal(f"Basic {number}", f"10.0.0.{number}")) for number in range(admission.MOST)]
        await asyncio.sleep(0)
        assert (await one.refusal("Basic x", "10.0.1.1")).status == 503
        proving.set()
        await asyncio.gather(*waiting)
        assert not one.waiting
        one.end()

    asyncio.run(asyncio.wait_for(run(), TIME))


def test_a_password_is_proven_once(users):
    held = passwords.Passwords(str(users))
    prove, proven = held.prove, []
    held.prove = lambda header: proven.append(header) or prove(header)

    async def run():
        one, header = Admission(held), authorization(b"secret")
        for _ in range(3):
            assert await one.refusal(header, "10.0.0.1") is None
        assert proven == [header]
        one.end()

    asyncio.run(asyncio.wait_for(run(), TIME))


def test_streams_end_when_the_passwords_change(users, monkeypatch):
    monkeypatch.setattr(streams, "PACE", 0.02)
    with Served(password_file=str(users)) as served, served.connect() as one:
        one.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization(b'secret')}\r\n\r\n".encode())
        file = one.makefile("rb")
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        users.write_text(passwords.line("ann", "another"))
        assert served.ask("/status")[0] == 401
        file.read()


def test_a_mistake_in_the_file_is_told_once(users, caplog):
    caplog.set_level(logging.ERROR)
    held = passwords.Passwords(str(users))
    users.write_text("nonsense")
    for _ in range(3):
        held.refresh()
    users.unlink()
    for _ in range(3):
        held.refresh()
    assert [one.getMessage().partition(";")[0] for one in caplog.records] == [
        f"{users} line 1 is not USER:HASH", f"{users} does not exist",
    ]
