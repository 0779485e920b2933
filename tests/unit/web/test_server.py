"""The server's limits, and who is let in."""

import asyncio
import base64
import json
import math
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system import clock
from supervisor_zkelect.web import connections, passwords, server, streams
from tests.unit.web.parts import OTHER, TIME, Node, Served


def lines(connection):
    """What comes on a connection, until it ends."""
    with connection.makefile("rb") as file:
        yield from file


def test_a_connection_is_used_again_and_again():
    with Served() as served, served.connect() as one:
        file = one.makefile("rb")
        for _ in range(3):
            one.sendall(b"HEAD /primary/orders HTTP/1.1\r\nHost: x\r\n\r\n")
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            while file.readline() != b"\r\n":
                pass


def test_an_old_probe_without_a_host_is_answered():
    """HAProxy's `httpchk` asks so unless it is told otherwise."""
    with Served() as served, served.connect() as one:
        one.sendall(b"OPTIONS /primary/orders HTTP/1.0\r\n\r\n")
        assert next(lines(one)) == b"HTTP/1.1 200 OK\r\n"
    with Served() as served, served.connect() as one:
        one.sendall(b"GET /primary/orders HTTP/1.0\r\n\r\n")
        assert json.loads(list(lines(one))[-1])["primary"] is True


def test_a_header_or_a_body_that_is_too_long_ends_the_connection():
    with Served() as served:
        for text in (b"GET /live HTTP/1.1\r\nX: " + b"x" * (1 << 20), b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n"):
            with served.connect() as one:
                try:
                    one.sendall(text)
                    assert b"200" not in b"".join(lines(one))
                except (BrokenPipeError, ConnectionResetError):
                    pass
        assert served.ask("/live")[0] == 200


def test_who_is_slow_with_a_header_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(server, "IDLE_TIME", 0.2)
    with Served() as served, served.connect() as one:
        one.sendall(b"GET /live HTTP/1.1\r\nX")
        assert list(lines(one)) == []


def large():
    """A node with 16 MiB to tell."""
    node = Node()
    document = {**node.status(), "much": "x" * (16 << 20)}
    node.status = lambda: document
    return node


def test_answers_that_nobody_takes_are_bounded(monkeypatch):
    """What fits into the kernel's buffers does not wait."""
    monkeypatch.setattr(connections, "MOST_UNTAKEN", 24 << 20)
    with Served(large()) as served, served.connect() as one:
        one.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        file = one.makefile("rb")
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        status, headers, _ = served.ask("/status")
        assert status == 503 and headers["Retry-After"] and served.ask("/primary")[0] == 200
        assert served.ask("/status", "HEAD")[0] == 200
        while file.readline() != b"\r\n":
            pass
        file.read(16 << 20)
        assert served.ask("/status")[0] == 200


def test_events_that_nobody_takes_are_bounded_with_them(monkeypatch):
    monkeypatch.setattr(connections, "MOST_UNTAKEN", 24 << 20)
    with Served(large()) as served:
        with served.connect() as one:
            one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
            for path in ("/status", "/events"):
                status, headers, _ = served.ask(path)
                assert status == 503 and headers["Retry-After"] and len(served.streams) == 1
            assert served.ask("/live")[0] == 200
        # What one who has gone did not take waits no more.
        until(lambda: not len(served.streams), TIME, "the stream to end")
        assert served.ask("/status")[0] == 200


def test_a_reader_has_its_next_event_when_there_is_room_for_it(monkeypatch):
    monkeypatch.setattr(streams, "PACE", 0.01)
    monkeypatch.setattr(streams, "CONFIRMED", 0.0)
    monkeypatch.setattr(connections, "SMALL", 100)
    reader, made, node = Reader(), [], Node()

    async def run():
        one = streams.Streams(lambda: made.append(1) or node.status())
        await one.make()
        assert one.begin(reader, None) == ""
        monkeypatch.setattr(connections, "MOST_UNTAKEN", 0)
        while len(made) < 5:
            await asyncio.sleep(0.01)
        assert reader.told.count(b"event: status") == 1 and len(one) == 1
        monkeypatch.setattr(connections, "MOST_UNTAKEN", 1 << 20)
        while reader.told.count(b"event: status") < 2:
            await asyncio.sleep(0.01)
        one.end()

    asyncio.run(asyncio.wait_for(run(), TIME))


def test_a_reader_that_has_gone_before_its_stream_began_has_none():
    class Gone:
        stream = SimpleNamespace(closed=lambda: True)

    async def run():
        one = streams.Streams(Node().status)
        await one.make()
        assert one.begin(Gone, None) == "" and len(one) == 0
        one.end()

    asyncio.run(run())


@pytest.mark.parametrize("elections, thread", [(1, "MainThread"), (streams.LARGE, "zkelect-events_0")])
def test_a_large_event_is_encoded_aside_and_once_for_all_who_begin(monkeypatch, elections, thread):
    node, made = Node(*map(str, range(elections))), []
    encode = streams.event_of
    monkeypatch.setattr(streams, "event_of", lambda *words: made.append(threading.current_thread().name) or encode(*words))

    async def run():
        one = streams.Streams(node.status)
        await asyncio.gather(*(one.make() for _ in range(5)))
        assert not any([one.begin(Reader(), None) for _ in range(5)]) and len(one) == 5
        one.end()

    asyncio.run(run())
    assert made == [thread]


class Reader:
    """The connection of a stream. told: what it was sent."""

    def __init__(self):
        self.stream, self.told = SimpleNamespace(closed=lambda: False, close=lambda: None), b""

    def set_close_callback(self, callback):
        pass

    def write_headers(self, line, headers, text):
        return self.write(text)

    def write(self, text):
        self.told += text
        sent = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent


def test_who_begins_keeps_no_change_from_those_who_read(monkeypatch):
    """The event that is made for him has the change already."""
    monkeypatch.setattr(streams, "PACE", 0.05)
    monkeypatch.setattr(streams, "CONFIRMED", 1000 * TIME)
    node, reader = Node(), Reader()

    async def run():
        one = streams.Streams(node.status)
        await one.make()
        assert one.begin(reader, None) == ""
        while reader.told.count(b"event: status") < 2:
            await asyncio.sleep(0.01)
        # Nobody is told in between.
        node.verdicts["orders"] = OTHER
        monkeypatch.setattr(streams, "clock", SimpleNamespace(now=lambda: clock.now() + 10))
        await one.make()
        while b"this node does not lead" not in reader.told:
            await asyncio.sleep(0.01)
        one.end()

    asyncio.run(asyncio.wait_for(run(), TIME))


def test_too_many_idle_connections_keep_nobody_out(monkeypatch):
    """Of one address the one goes that asked least lately."""
    monkeypatch.setattr(connections, "MOST", 5)
    with Served() as served:
        asking = served.connect()
        file = asking.makefile("rb")
        idle = []
        for _ in range(20):
            idle.append(served.connect())
            asking.sendall(b"OPTIONS /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert file.readline() == b"HTTP/1.1 204 No Content\r\n"
            while file.readline() != b"\r\n":
                pass
            assert served.ask("/live")[0] == 200
        assert all(list(lines(one)) == [] for one in idle[:15])
        for one in (asking, *idle):
            one.close()


@pytest.fixture
def users(tmp_path, monkeypatch):
    monkeypatch.setattr(passwords, "ROUNDS", 10)
    path = tmp_path / "users"
    path.write_text(passwords.line("ann", "secret"))
    return str(path)


def test_a_password_covers_everything_but_probes(users):
    with Served(Node("orders"), users) as served:
        for probe in ("/primary/orders", "/live", "/ready"):
            assert served.ask(probe)[0] == 200
        for path in ("/status", "/history", "/events"):
            status, headers, _ = served.ask(path)
            assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ")
        wrong, right = ({"Authorization": "Basic " + base64.b64encode(b"ann:" + one).decode()} for one in (b"x", b"secret"))
        assert served.ask("/status", headers=wrong)[0] == 401
        assert served.ask("/status", headers=right)[0] == 200 and served.ask("/history", headers=right)[0] == 200


def events(connection):
    """The documents of a stream, as they come."""
    for line in lines(connection):
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def test_a_stream_tells_each_change(monkeypatch):
    monkeypatch.setattr(streams, "PACE", 0.02)
    with Served() as served, served.connect() as one:
        one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        told = events(one)
        assert next(told)["elections"]["orders"]["here"]["primary"] is True
        served.node.age = 5.0
        served.node.verdicts["orders"] = served.node.verdicts["orders"]._replace(primary=False, why="gone")
        assert next(told)["elections"]["orders"]["here"]["why"] == "gone"


def test_a_stream_shows_that_it_lives_and_how_old_it_is(monkeypatch):
    monkeypatch.setattr(streams, "PACE", 0.02)
    monkeypatch.setattr(streams, "CONFIRMED", 0.1)
    with Served() as served, served.connect() as one:
        one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        told = events(one)
        next(told)
        served.node.age = 7.0
        while next(told)["age"] != 7.0:
            pass


def test_streams_are_limited_and_end_with_their_readers(monkeypatch):
    monkeypatch.setattr(streams, "MOST", 1)
    monkeypatch.setattr(streams, "PACE", 0.02)
    with Served() as served:
        with served.connect() as one:
            one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            next(events(one))
            status, headers, _ = served.ask("/events")
            assert status == 503 and headers["Retry-After"]
        with served.connect() as one:
            while len(served.streams):
                pass
            one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            next(events(one))


def head(file):
    """The first line of an answer, and its headers but for those of one connection."""
    first, *found = iter(file.readline, b"\r\n")
    return first, sorted(line for line in found if not line.startswith((b"Transfer-Encoding", b"Date")))


def test_head_of_a_stream_has_its_headers_and_is_no_stream(monkeypatch):
    with Served() as served, served.connect() as one, served.connect() as other:
        file = one.makefile("rb")
        for _ in range(2):
            # The connection goes on.
            one.sendall(b"HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            asked = head(file)
        assert len(served.streams) == 0
        other.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert head(other.makefile("rb")) == asked and asked[0] == b"HTTP/1.1 200 OK\r\n"
        assert b"Content-Type: text/event-stream\r\n" in asked[1] and not [line for line in asked[1] if b"Content-Length" in line]
        monkeypatch.setattr(streams, "MOST", 1)
        assert served.ask("/events", "HEAD")[0] == served.ask("/events")[0] == 503


def test_an_answer_that_does_not_hold_any_more_is_not_sent(monkeypatch):
    """The process may stand still between the verdict and its sending, and go on when another node leads."""
    with Served() as served:
        until = clock.now() + TIME
        served.node.verdicts["orders"] = verdict = served.node.verdicts["orders"]._replace(until=until)
        with served.connect() as one:
            file = one.makefile("rb")
            one.sendall(b"HEAD /primary/orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            while file.readline() != b"\r\n":
                pass
            monkeypatch.setattr(connections.clock, "now", lambda: until)
            served.node.verdict = lambda election, looks=[verdict]: looks.pop() if looks else verdict._replace(primary=False)
            # What has no such limit is answered on the same connection all the same.
            one.sendall(b"HEAD /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            while file.readline() != b"\r\n":
                pass
            one.sendall(b"HEAD /primary/orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert file.read() == b""
        assert served.ask("/live")[0] == 200


@pytest.mark.parametrize("primary, sent", [(True, True), (False, False)])
def test_an_answer_that_is_late_is_judged_again(primary, sent):
    """A busy machine is no reason to tell a load balancer nothing."""
    with Served() as served, served.connect() as one:
        verdict = served.node.verdicts["orders"]
        looks = []

        def look(election):
            looks.append(election)
            return verdict._replace(until=clock.now() - 1.0) if len(looks) == 1 else verdict._replace(
                primary=primary, until=clock.now() + TIME if primary else math.inf
            )

        served.node.verdict = look
        file = one.makefile("rb")
        one.sendall(b"HEAD /primary/orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert file.readline() == (b"HTTP/1.1 200 OK\r\n" if sent else b"") and len(looks) == 2


def test_a_stream_on_the_connection_of_a_probe_has_no_such_limit(monkeypatch):
    with Served() as served, served.connect() as one:
        until = clock.now() + TIME
        served.node.verdicts["orders"] = served.node.verdicts["orders"]._replace(until=until)
        file = one.makefile("rb")
        one.sendall(b"HEAD /primary/orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while file.readline() != b"\r\n":
            pass
        monkeypatch.setattr(connections.clock, "now", lambda: until)
        one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"


def test_who_is_let_in_no_more_begins_no_stream(users):
    """The passwords may change while its first event is made."""
    with Served(password_file=users) as served:
        async def make():
            Path(users).write_text(passwords.line("ann", "another one"))
            served.passwords.refresh()

        served.streams.make = make
        code = base64.b64encode(b"ann:secret").decode()
        assert served.ask("/events", headers={"Authorization": f"Basic {code}"})[0] == 401 and len(served.streams) == 0


def test_who_was_let_in_while_the_passwords_changed_begins_no_stream(users):
    """The derivation goes by the users of its beginning, and those streams that were open are closed by its end."""
    with Served(password_file=users) as served, served.connect() as one:
        prove, changed = served.passwords.prove, threading.Event()

        def refresh():
            served.passwords.refresh()
            changed.set()

        def proven(header):
            found = prove(header)
            if not changed.is_set():
                Path(users).write_text(passwords.line("ann", "another one"))
                served.loop.call_soon_threadsafe(refresh)
                assert found and changed.wait(TIME)
            return found

        served.passwords.prove = proven
        code = base64.b64encode(b"ann:secret").decode()
        one.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {code}\r\n\r\n".encode())
        assert next(lines(one)) == b"HTTP/1.1 401 Unauthorized\r\n" and len(served.streams) == 0
