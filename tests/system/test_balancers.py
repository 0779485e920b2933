"""The samples for HAProxy and nginx, by the real programs, in front of services that come and go as a test says.

Who is primary is told by the server and the agent of `zkelect http`, in this process, with verdicts of the test's.
"""

import asyncio
import contextlib
import http.client
import os
import shlex
import subprocess
import threading
import time

import pytest

from lab import balancers
from lab.balancers import HAProxy, Nginx
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.web.agent import Agent
from supervisor_zkelect.web.verdict import RecordRead, judge
from tests.unit.web.parts import Node, Served

#: Seconds that anything may take.
LONG = 20

LEASE, ENTRY = Lease(1e9, 1e9, 1e9), record.Entry("orders", "primary", "x:1", 7, True, 0, Lease(1e9, 1e9, 1e9), True)


class Service:
    """Answers with its name while it is up; while it is down nobody listens. asked: method and path of each request that came.
    deaf: paths at which it hangs up without an answer, each as often as its number says."""

    def __init__(self, name, port, loop):
        self.name, self.port, self._loop, self._server = name, port, loop, None
        self.asked, self.deaf, self._open = [], {}, set()

    async def _answer(self, reader, writer):
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, path = head.decode().split()[:2]
                length = next((int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")), 0)
                await reader.readexactly(length)
                self.asked.append((method, path))
                if self.deaf.get(path, 0):
                    self.deaf[path] -= 1
                    return
                if path == "/slow":
                    await asyncio.sleep(0.5)
                body = self.name.encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LONG)

    def up(self):
        async def begin():
            self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port, backlog=1024)

        self._call(begin())

    def down(self, graceful=False):
        """graceful: what is open goes on."""

        async def end():
            self._server.close()
            for writer in () if graceful else list(self._open):
                writer.transport.abort()

        self._call(end())


class Side(Node):
    """A node: its service, what its record says, and the server and the agent that tell of it."""

    def __init__(self, name, loop):
        super().__init__("orders")
        self.name, self.loop, self.entries, self.trouble = name, loop, [], ""
        self.port, self.agent_port = child.free_port(), child.free_port()
        self.service = Service(name, child.free_port(), loop)
        self.agent = None

    def look(self):
        if self.trouble:
            return RecordRead(self.trouble)
        return RecordRead("", record.Record(MOMENT, self.entries), MOMENT)

    def verdict(self, election):
        return judge(self.look(), election, MOMENT)._replace(until=float("inf"))

    def lead(self):
        self.service.up()
        self.entries = [ENTRY]

    def stop(self):
        """The grant is revoked, and the service stops."""
        self.entries = [ENTRY._replace(granted=False, acked=False)]
        self.service.down()

    def stand_by(self):
        self.entries = []

    def tell(self):
        """Begin to answer agent-checks."""
        self.agent = Agent(self.look, lambda: ["orders"], lambda: MOMENT)
        asyncio.run_coroutine_threadsafe(self.agent.listen("127.0.0.1", self.agent_port), self.loop).result(LONG)

    def fall_silent(self):
        self.loop.call_soon_threadsafe(self.agent.close)


#: What the clock shows to who judges.
MOMENT = 1000.0


def probed(side):
    """A node's server, at a port to which it may come back."""
    return Served(side, port=side.port)


@pytest.fixture
def loop():
    one = asyncio.new_event_loop()
    thread = threading.Thread(target=one.run_forever)
    thread.start()
    yield one

    async def end():
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(end(), one).result(LONG)
    one.call_soon_threadsafe(one.stop)
    thread.join(LONG)
    one.close()


@pytest.fixture
def pair(loop):
    """Two nodes, of which `a` leads."""
    a, b = Side("a", loop), Side("b", loop)
    a.lead()
    for one in (a, b):
        one.tell()
    yield a, b
    for one in (a, b):
        for port in (one.port, one.agent_port, one.service.port):
            child.give_back(port)


@pytest.fixture
def port():
    one = child.free_port()
    yield one
    child.give_back(one)


def exchanged(pair, port, probes):
    """What a test has in the place of the sample's addresses. probes: "port" or "agent-port"."""
    found = {"bind :80": f"bind 127.0.0.1:{port}"}
    for side, host in zip(pair, ("10.0.0.1", "10.0.0.2")):
        number = side.port if probes == "port" else side.agent_port
        was = 8787 if probes == "port" else 8788
        found[f"{host}:8080 {probes} {was}"] = f"127.0.0.1:{side.service.port} {probes} {number}"
    return found


@pytest.fixture(params=["haproxy.cfg", "haproxy-agent.cfg"])
def haproxy(request, pair, port, tmp_path):
    with contextlib.ExitStack() as stack:
        for side in pair:
            stack.enter_context(probed(side))
        probes = "agent-port" if "agent" in request.param else "port"
        text = balancers.sample(f"haproxy/{request.param}", exchanged(pair, port, probes))
        one = stack.enter_context(HAProxy(tmp_path / "haproxy", text, port))
        one.by_agent = probes == "agent-port"
        until(lambda: one.states()["b"] in ("DOWN", "MAINT"), LONG, "HAProxy to know of the standby")
        yield one


def ask(port, method="GET", path="/"):
    """Status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)
    with contextlib.closing(connection):
        connection.request(method, path, body=b"" if method == "POST" else None)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


class Clients:
    """Clients that ask again and again, in a `with` statement. answers: (when it was asked, when it was answered, what)."""

    def __init__(self, port, number=4):
        self._port, self._over, self.answers = port, threading.Event(), []
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]

    def _run(self):
        while not self._over.wait(0.01):
            asked = time.monotonic()
            try:
                found = ask(self._port)
            except (OSError, http.client.HTTPException) as error:
                found = (0, repr(error))
            self.answers.append((asked, time.monotonic(), found))

    def more(self, number=20):
        before = len(self.answers)
        until(lambda: len(self.answers) >= before + number, LONG, "more answers")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(LONG)


def handed_over(old, new, silence=0.2):
    """The service moves; for so many seconds nobody serves."""
    old.stop()
    threading.Event().wait(silence / 2)
    old.stand_by()
    threading.Event().wait(silence / 2)
    new.lead()


def test_no_request_fails_at_handovers(haproxy, pair, port):
    """They come one right after the other, and a service is away for longer than a real one is."""
    sides = list(pair)
    with Clients(port) as clients:
        clients.more()
        for _ in range(4):
            handed_over(*sides)
            sides.reverse()
            moved = time.monotonic()
            until(lambda: any(asked > moved for asked, _, _ in clients.answers), LONG, "an answer")
        clients.more()
    assert {found for _, _, found in clients.answers} <= {(200, "a"), (200, "b")}, clients.answers
    until(lambda: haproxy.states()[sides[0].name] == "UP", LONG, "the primary to be up")
    late = [found for asked, _, found in clients.answers if asked > moved + 1.0]
    assert set(late) <= {(200, sides[0].name)}


def test_what_is_shown_of_each_node(haproxy, pair):
    a, b = pair
    off, stops = ("MAINT", "DRAIN") if haproxy.by_agent else ("DOWN", "DOWN")
    until(lambda: haproxy.states() == {"a": "UP", "b": off, "hold": "no"}, LONG, "the nodes to be known")
    a.entries = [ENTRY._replace(granted=False, acked=False)]
    until(lambda: haproxy.states()["a"] == stops, LONG, f"a to be {stops}")
    a.entries = []
    until(lambda: haproxy.states()["a"] == off, LONG, f"a to be {off}")
    a.entries = [ENTRY]
    until(lambda: haproxy.states()["a"] == "UP", LONG, "a to be up again, after whatever it was")
    a.trouble = "no record"
    until(lambda: haproxy.states()["a"] == "DOWN", LONG, "a to be down")
    a.trouble = ""
    until(lambda: haproxy.states()["a"] == "UP", LONG, "a to be up again")
    assert haproxy.states()["b"] == off


def test_a_request_that_the_service_hung_up_on(haproxy, pair, port):
    """Is sent again where that does no harm, and else the client is told."""
    service = pair[0].service
    service.deaf = {"/get": 3, "/post": 1}
    assert ask(port, "GET", "/get") == (200, "a") and service.asked.count(("GET", "/get")) == 4
    assert ask(port, "POST", "/post")[0] == 502 and service.asked.count(("POST", "/post")) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_to_be_held_for_too_long(haproxy, pair, port, method):
    pair[0].stop()
    pair[0].stand_by()
    begun = time.monotonic()
    status, _ = ask(port, method)
    took = time.monotonic() - begun
    # 60 tries, 50 ms apart.
    assert status == 503 and took > 2.5


def test_what_is_not_done_by_get_is_held_as_well(haproxy, pair, port):
    """It was not sent anywhere."""
    a, b = pair
    found = []
    a.stop()
    thread = threading.Thread(target=lambda: found.append(ask(port, "POST")))
    thread.start()
    threading.Event().wait(0.2)
    assert not found
    b.lead()
    thread.join(LONG)
    assert found == [(200, "b")] and b.service.asked == [("POST", "/")]


def test_a_service_that_stops_ends_what_it_has_begun(haproxy, pair, port):
    a, b = pair
    found = []
    thread = threading.Thread(target=lambda: found.append(ask(port, "POST", "/slow")))
    thread.start()
    until(lambda: a.service.asked, LONG, "the request")
    a.entries = [ENTRY._replace(granted=False, acked=False)]
    a.service.down(graceful=True)
    b.lead()
    assert ask(port) == (200, "b")
    thread.join(LONG)
    assert found == [(200, "a")]


@pytest.mark.parametrize("haproxy", ["haproxy-agent.cfg"], indirect=True)
def test_a_restart_of_the_agent_is_no_handover(haproxy, pair, port):
    with Clients(port) as clients:
        clients.more()
        pair[0].fall_silent()
        for _ in range(10):
            clients.more(5)
            assert haproxy.states()["a"] == "UP"
        pair[0].tell()
        clients.more()
    assert {found for _, _, found in clients.answers} == {(200, "a")}


def test_a_restart_of_the_http_program_costs_no_request(pair, port, tmp_path):
    a, b = pair
    text = balancers.sample("haproxy/haproxy.cfg", exchanged(pair, port, "port"))
    with probed(b), HAProxy(tmp_path / "haproxy", text, port) as haproxy, Clients(port) as clients:
        with probed(a):
            until(lambda: haproxy.states()["a"] == "UP" and haproxy.states()["b"] == "DOWN", LONG, "the nodes to be known")
            clients.more()
        until(lambda: haproxy.states()["a"] == "DOWN", LONG, "HAProxy to miss it")
        before = time.monotonic()
        with probed(a):
            until(lambda: any(asked > before for asked, _, _ in clients.answers), LONG, "an answer")
            clients.more()
    assert {found for _, _, found in clients.answers} == {(200, "a")}


HOT = "default-server check inter 20ms fall 1 rise 1 on-marked-down shutdown-sessions"


def test_of_a_hot_pair_the_one_that_lost_is_asked_no_more(pair, port, tmp_path):
    """Its service goes on, and what was open is closed."""
    a, b = pair
    text = balancers.sample("haproxy/haproxy.cfg", {
        **exchanged(pair, port, "port"), "    default-server check inter 20ms fall 2 rise 1\n": "", f"#{HOT}": HOT,
    })
    b.service.up()
    with probed(a), probed(b), HAProxy(tmp_path / "haproxy", text, port) as haproxy:
        until(lambda: haproxy.states()["a"] == "UP" and haproxy.states()["b"] == "DOWN", LONG, "the nodes to be known")
        with Clients(port) as clients:
            clients.more()
            open_one = threading.Thread(target=lambda: found.append(ask(port, "POST", "/slow")))
            found = []
            open_one.start()
            until(lambda: ("POST", "/slow") in a.service.asked, LONG, "the request")
            a.entries = []
            until(lambda: haproxy.states()["a"] == "DOWN", LONG, "the loser to be down")
            lost = time.monotonic()
            threading.Event().wait(0.1)
            b.entries = [ENTRY]
            until(lambda: haproxy.states()["b"] == "UP", LONG, "the winner to be up")
            clients.more()
        open_one.join(LONG)
    assert {found for _, _, found in clients.answers} == {(200, "a"), (200, "b")}
    assert {found for asked, _, found in clients.answers if asked > lost} == {(200, "b")}
    assert found[0][0] in (502, 503), found


# nginx


@pytest.fixture
def nginx(pair, port, tmp_path):
    folder = tmp_path / "nginx"
    text = balancers.sample("nginx/nginx.conf", {
        "listen 80": f"listen 127.0.0.1:{port}", "10.0.0.1:8080": f"127.0.0.1:{pair[0].service.port}",
        "10.0.0.2:8080": f"127.0.0.1:{pair[1].service.port}",
    })
    with Nginx(folder, text, port) as one:
        yield one


def test_nginx_finds_the_primary_again_and_again(nginx, pair, port):
    sides = list(pair)
    for _ in range(4):
        assert [ask(port) for _ in range(10)] == [(200, sides[0].name)] * 10
        sides[0].stop()
        # It cannot wait; and it leaves out neither of them for that.
        assert ask(port)[0] == 502
        sides[1].lead()
        sides.reverse()


@pytest.fixture
def pointed(pair, port, tmp_path):
    """An nginx that `point-nginx` points at the primary; and a way to run that with an address."""
    folder = tmp_path / "nginx"
    text = balancers.sample("nginx/nginx-primary.conf", {
        "listen 80": f"listen 127.0.0.1:{port}", "/etc/nginx/zkelect": str(folder),
    })
    one = Nginx(folder, text, port)

    def point(address):
        env = {**os.environ, "POINT_NGINX_FOLDER": str(folder), "POINT_NGINX": f"{folder}/run-nginx", "ZKELECT_ELECTION": "orders",
               "ZKELECT_PRIMARY": address, "ZKELECT_TOKEN": "7"}
        return subprocess.run([balancers.CONTRIB / "nginx" / "point-nginx"], env=env, capture_output=True, text=True, timeout=LONG)

    script = folder / "run-nginx"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(one.words())} "$@"\n')
    script.chmod(0o755)
    return one, point


def test_nginx_is_pointed_at_the_primary(pointed, pair, port):
    """Both services answer, as those of a hot pair do."""
    nginx, point = pointed
    a, b = pair
    b.service.up()
    # At the beginning nobody is primary, and nginx does not run.
    assert "pid" in point("").stderr
    with nginx:
        assert ask(port)[0] == 502
        for side in (a, b, a):
            done = point(f"127.0.0.1:{side.service.port}")
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            # A worker that is pointed elsewhere may take one more until it knows that it is to go.
            told = {(200, side.name)}
            until(lambda told=told: {ask(port) for _ in range(20)} == told, LONG, "nginx to be pointed there")
        # Nobody: the last one stays.
        assert point("").returncode == 0 and ask(port) == (200, "a")


def test_nginx_is_not_told_what_is_no_address(pointed, pair, port):
    nginx, point = pointed
    right = f"127.0.0.1:{pair[0].service.port}"
    point(right)
    with nginx:
        for wrong in ("127.0.0.1:1; server 127.0.0.1:2", "h:1; }", "h 1", "$(id)", "h:1\n", "no-such-host.invalid:99999"):
            done = point(wrong)
            assert done.returncode == 1 and done.stderr, wrong
            assert (nginx.folder / "orders.servers").read_text() == f"server {right} max_fails=0;\n"
        assert ask(port) == (200, "a")
