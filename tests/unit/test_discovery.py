"""Who is primary, followed for threads and for asyncio, with a ZooKeeper in memory. Looks come by watches alone: without them there
is one in 20 minutes."""

import asyncio
import contextlib
import socket
import struct
import subprocess
import threading

import pytest
from kazoo.protocol.states import KazooState

from lab import certificates
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.discovery import AsyncPrimary, Known, Primary
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import connect, discovery
from supervisor_zkelect.zookeeper.errors import BadArgument, NotConnected, TimedOut
from tests.unit.zookeeper.cluster import ROOT, STATE, Cluster
from tests.unit.zookeeper.memory import Client

ACK, HOLDER = f"{ROOT}/ack", f"{STATE}/holder"

#: Seconds that anything may take.
LONG = 20


class Served(Client):
    """A client as the follower has it: with watches, a connection that comes and goes, and a thread that may end."""

    def __init__(self, ensemble):
        super().__init__(ensemble)
        self.connected, self.watches, self.asked, self.listeners, self.given = False, {}, [], [], set()
        self.started = self.stopped = self.closed = False
        self.routine = threading.current_thread()

    @property
    def _connection(self):
        return type("Connection", (), {"_connection_routine": self.routine})

    def add_listener(self, listener):
        self.listeners.append(listener)

    def start_async(self):
        self.started = True
        self.connect()

    def connect(self):
        self.connected = True
        self._state(KazooState.CONNECTED)

    def drop(self):
        """As kazoo does it, which calls each watch and forgets it."""
        self.connected = False
        self._state(KazooState.SUSPENDED)
        for path in list(self.watches):
            self.fire(path)

    def _state(self, state):
        for listener in self.listeners:
            listener(state)

    def fire(self, path):
        watches, self.watches[path] = self.watches.get(path, ()), set()
        for watch in watches:
            watch(None)

    def _watched(self, path, watch):
        if watch is not None:
            self.given.add(watch)
            self.watches.setdefault(path, set()).add(watch)

    def get_async(self, path, watch=None):
        self.asked.append(("get", path))
        answer = super().get_async(path)
        if answer.exception is None:
            self._watched(path, watch)
        return answer

    def exists_async(self, path, watch=None):
        self.asked.append(("exists", path))
        self._watched(path, watch)
        return super().exists_async(path)

    def sync_async(self, path):
        self.asked.append(("sync", path))
        return super().sync_async(path)

    def stop(self):
        self.stopped = True

    def close(self):
        self.closed = True


class World:
    """An election, and the clients by which somebody follows it."""

    def __init__(self):
        self.cluster, self.clients = Cluster(), []
        self.cluster.join("none").withdraw()
        self.ensemble = self.cluster.ensemble

    def make(self, *arguments, **options):
        self.clients.append(Served(self.ensemble))
        return self.clients[-1]

    @property
    def client(self):
        return self.clients[-1]

    def primary(self, changed=None, face=Primary, **options):
        return face("h:2181", "orders", changed, **{"session_timeout": 3600.0, **options})

    def lead(self, node):
        """Returns who is primary then, as a client is to know."""
        self.cluster.join(node)
        self.cluster.lead(node)
        self.client.fire(ACK)
        return Known(f"{node}:1", self.cluster.nodes[node].token, node)

    def release(self, node):
        self.cluster.nodes[node].release()
        self.client.fire(ACK)


@pytest.fixture
def world(monkeypatch):
    one = World()
    monkeypatch.setattr(connect, "make_client", one.make)
    return one


def test_address_and_token_are_told_together(world):
    with world.primary() as primary:
        assert primary.wait(LONG, after=Known("x")) == Known("")
        first = world.lead("a")
        assert primary.wait(LONG) == first == primary.known
        assert (primary.address, primary.token, primary.trouble) == ("a:1", first.token, "")
        world.release("a")
        assert primary.wait(LONG, after=first) == Known("") and primary.address == "" and primary.token is None
        second = world.lead("b")
        assert primary.wait(LONG) == second and second.token > first.token
    assert world.client.stopped and world.client.closed and len(world.clients) == 1


def test_an_ack_that_is_made_later(world):
    world.ensemble.delete(ACK)
    with world.primary() as primary:
        assert primary.wait(LONG, after=Known("x")) == Known("")
        assert primary.wait(LONG, after=Known("x"), max_age=3600.0) == Known("")
        until(lambda: world.client.watches.get(ACK), LONG, "a watch on the ack that is not there")
        known = world.lead("a")
        assert primary.wait(LONG) == known


def test_looks_leave_one_callback_with_the_client(world):
    with world.primary() as primary:
        for _ in range(5):
            known = world.lead("a")
            assert primary.wait(LONG) == known
            world.release("a")
            primary.wait(LONG, after=known)
    assert len(world.client.given) == 1


def test_waiting_ends(world):
    with world.primary() as primary:
        with pytest.raises(TimedOut, match=r"^no primary of orders is known after 0\.01 s: nobody is primary$"):
            primary.wait(0.01) and primary.wait(0.01)
        known = world.lead("a")
        assert primary.wait(LONG) == known
        with pytest.raises(TimedOut, match=r"^nothing new is known of orders after 0\.01 s$"):
            primary.wait(0.01, after=known)
        with pytest.raises(BadArgument):
            primary.wait(0)


def test_who_waits_for_an_election_that_is_not_there_is_told_so(world):
    world.ensemble.delete(ACK)
    with world.primary() as primary:
        assert primary.wait(LONG, after=Known("x")) == Known("")
        with pytest.raises(TimedOut, match=r"^no primary of orders is known after 0\.01 s: /zkelect/orders/ack does not exist$"):
            primary.wait(0.01)
        known = world.lead("a")
        assert primary.wait(LONG) == known
        world.release("a")
        primary.wait(LONG, after=known)
        with pytest.raises(TimedOut, match=r": nobody is primary$"):
            primary.wait(0.01)


def test_what_is_too_old_is_asked_for_at_once(world):
    with world.primary() as primary:
        known = world.lead("a")
        assert primary.wait(LONG) == known
        for _ in range(3):
            asked, age = len(world.client.asked), primary.age
            assert primary.wait(LONG, max_age=primary.age / 2) == known
            assert len(world.client.asked) > asked and primary.age < age + 1
        # What is new enough is not.
        asked = len(world.client.asked)
        assert primary.wait(LONG, max_age=1000.0) == known and len(world.client.asked) == asked

    async def main():
        async with world.primary(face=AsyncPrimary) as other:
            await other.wait(after=Known("x"))
            return await other.wait(max_age=other.age / 2)

    assert run(main()) == Known("a:1", known.token, "a")


def test_without_a_connection_the_last_is_known_and_old(world):
    with world.primary() as primary:
        known = world.lead("a")
        assert primary.wait(LONG) == known
        world.client.drop()
        until(lambda: primary.trouble, LONG, "the trouble")
        before = now() - primary.age
        assert primary.known == known and "no connection" in primary.trouble
        # Waiting for somebody is over at once, and waiting for news that are new enough is not.
        assert primary.wait(LONG) == known
        with pytest.raises(TimedOut, match="no connection to ZooKeeper"):
            primary.wait(0.01, max_age=1e-9)
        assert now() - primary.age == pytest.approx(before, abs=1e-3)
        world.cluster.nodes["a"].release()
        world.client.asked.clear()
        world.client.connect()
        assert primary.wait(LONG, after=known) == Known("") and primary.trouble == ""
        # The server may be behind the one before.
        assert world.client.asked[0] == ("sync", ACK)
        assert now() - primary.age > before


def test_before_anything_is_known(world, monkeypatch):
    monkeypatch.setattr(Served, "start_async", lambda self: None)
    with world.primary() as primary:
        assert (primary.known, primary.address, primary.token, primary.age) == (None, None, None, None)
        with pytest.raises(TimedOut, match="no connection|has not answered"):
            primary.wait(0.01)


def test_who_may_not_read_the_holder_is_told_the_address(world):
    with world.primary() as primary:
        world.ensemble.denied.add(("read", HOLDER))
        world.lead("a")
        assert primary.wait(LONG) == Known("a:1", None)


def test_who_may_not_read_the_ack_is_told_that(world):
    world.ensemble.denied.add(("read", ACK))
    with world.primary() as primary:
        with pytest.raises(TimedOut, match="does not let this node read the ack"):
            until(lambda: "read the ack" in primary.trouble, LONG, "the trouble")
            primary.wait(0.01)


def test_a_client_that_has_ended_is_made_anew(world, monkeypatch):
    monkeypatch.setattr(discovery, "_REST", 0.0)
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    with world.primary() as primary:
        primary.wait(LONG, after=Known("x"))
        world.client.routine = gone
        world.client.fire(ACK)
        until(lambda: len(world.clients) == 2 and world.clients[0].closed, LONG, "another client")
        known = world.lead("a")
        assert primary.wait(LONG) == known


def test_a_callback_blocks_nobody_and_gets_the_latest(world):
    told, threads, go = [], set(), threading.Event()

    def changed(known):
        told.append(known)
        threads.add(threading.current_thread().name)
        assert go.wait(LONG)
        raise RuntimeError("is logged, and the next one is told")

    with world.primary(changed) as primary:
        first = world.lead("a")
        assert primary.wait(LONG) == first
        until(lambda: told, LONG, "the callback")
        for before, node in zip("abc", "bcd"):
            world.release(before)
            last = world.lead(node)
            # While it blocks, all others are told.
            until(lambda: primary.known == last, LONG, f"{node} to be known")
        go.set()
        until(lambda: told[-1] == last, LONG, "the last one to be told")
        assert len(told) <= 3 and threads == {"zkelect-primary"}


def test_close_wakes_who_waits_and_ends_the_callbacks(world):
    told, ended = [], []
    primary = world.primary(told.append)
    until(lambda: told, LONG, "the callback")

    def wait():
        with pytest.raises(NotConnected, match="closed"):
            primary.wait(LONG)
        ended.append(list(primary.changes()))

    thread = threading.Thread(target=wait)
    thread.start()
    primary.close()
    primary.close()
    thread.join(LONG)
    assert ended == [[]]
    world.client.fire(ACK)
    assert not {one.name for one in threading.enumerate()} & {"zkelect-discovery", "zkelect-primary"}


@pytest.mark.parametrize("away", [False, True])
def test_a_server_that_says_nothing_does_not_hold_the_end_up(away):
    """kazoo alone would wait for ten seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        if away:
            server.close()
        primary = Primary(f"{host}:{port}", "orders")
        until(lambda: primary.trouble == "there is no connection to ZooKeeper", LONG, "a try")
        begun = now()
        primary.close()
        assert now() - begun < 5
    assert not {one.name for one in threading.enumerate()} & {"zkelect-discovery", "Thread-kazoo"}


@contextlib.contextmanager
def frozen():
    """A server that takes a session, and answers nothing any more. Gives its address, and what is set once it was asked."""
    asked = threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(struct.pack(">iiiqi16s", 36, 0, 10000, 1, 16, b"x" * 16))
                while connection.recv(1000):
                    asked.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*server.getsockname()), asked
        server.shutdown(socket.SHUT_RDWR)
    thread.join(LONG)


def test_a_server_that_freezes_does_not_hold_the_end_up(monkeypatch):
    """A question to it would be waited for, and the end of the session after that."""
    monkeypatch.setattr(discovery, "_ANSWER_TIME", LONG)
    with frozen() as (address, asked):
        primary = Primary(address, "orders")
        assert asked.wait(LONG)
        begun = now()
        primary.close()
        assert now() - begun < LONG / 2
    assert not {one.name for one in threading.enumerate()} & {"zkelect-discovery", "Thread-kazoo"}


def test_who_waits_in_a_loop_is_woken_before_the_session_has_ended(world, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(Served, "stop", lambda self: go.wait(LONG))

    async def main():
        async with world.primary(face=AsyncPrimary) as primary:
            waiting = asyncio.ensure_future(primary.wait())
            await primary.wait(after=Known("x"))
            closing = asyncio.ensure_future(primary.close())
            with pytest.raises(NotConnected):
                await waiting
            assert not closing.done()
            go.set()
            await closing

    monkeypatch.setattr(discovery, "_CLOSE_TIME", LONG)
    run(main())


def no_thread():
    raise RuntimeError("can't start new thread")


def test_where_no_thread_is_to_be_had_it_is_tried_again(world, monkeypatch):
    monkeypatch.setattr(discovery, "_REST", 0.01)
    undone, start = [], Served.start_async
    monkeypatch.setattr(discovery.kazoo_internals, "undo_start", undone.append)
    monkeypatch.setattr(Served, "start_async", lambda self: no_thread())
    with world.primary() as primary:
        until(lambda: len(undone) > 1, LONG, "a second try")
        with pytest.raises(TimedOut, match="no thread to be had"):
            primary.wait(0.01)
        monkeypatch.setattr(Served, "start_async", start)
        assert primary.wait(LONG, after=Known("x")) == Known("")
        assert undone == world.clients[:-1] and not any(one.stopped for one in world.clients)


def test_a_client_is_replaced_where_no_thread_is_to_be_had_to_cut_it_off(world, monkeypatch):
    monkeypatch.setattr(discovery, "_REST", 0.0)
    cut = []
    monkeypatch.setattr(discovery.kazoo_internals, "shut_down_connection", cut.append)
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    with world.primary() as primary:
        primary.wait(LONG, after=Known("x"))
        monkeypatch.setattr(threading.Timer, "start", lambda self: no_thread())
        world.client.routine = gone
        world.client.fire(ACK)
        until(lambda: len(world.clients) == 2 and world.clients[0].closed, LONG, "another client")
        assert cut == world.clients[:1]


def test_a_callback_may_close(world):
    closed = threading.Event()

    def changed(known):
        primary.close()
        closed.set()

    gate = threading.Event()
    primary = world.primary(lambda known: gate.wait(LONG) and changed(known))
    gate.set()
    assert closed.wait(LONG)
    until(lambda: world.client.closed, LONG, "the client to be closed")


def test_close_waits_for_a_callback_that_runs(world):
    began, go, done = threading.Event(), threading.Event(), []

    def changed(known):
        began.set()
        assert go.wait(LONG)
        done.append(known)

    primary = world.primary(changed)
    assert began.wait(LONG)
    threading.Timer(0.05, go.set).start()
    primary.close()
    assert done


def test_each_change_by_a_loop(world):
    seen = []
    with world.primary() as primary:
        for known in primary.changes():
            seen.append(known.address)
            if known.address == "a:1":
                world.release("a")
            elif len(seen) == 1:
                world.lead("a")
            else:
                break
    assert seen == ["", "a:1", ""]


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, LONG))


def test_asyncio(world):
    async def main():
        told, threads = [], set()

        def changed(known):
            told.append(known)
            threads.add(threading.current_thread())
            if len(told) == 1:
                raise RuntimeError("is logged, and the next one is told")

        async with world.primary(changed, AsyncPrimary) as primary:
            assert await primary.wait(after=Known("x")) == Known("")
            with pytest.raises(TimedOut, match="nobody is primary"):
                await primary.wait(0.01)
            waiting = [asyncio.ensure_future(primary.wait()) for _ in range(3)]
            given_up = asyncio.ensure_future(primary.wait())
            await asyncio.sleep(0)
            given_up.cancel()
            known = world.lead("a")
            assert await asyncio.gather(*waiting) == [known] * 3
            assert (primary.address, primary.token, primary.trouble) == ("a:1", known.token, "") and primary.age < LONG
            seen = []
            async for one in primary.changes():
                seen.append(one.address)
                if not one.address:
                    break
                world.release("a")
            assert seen == ["a:1", ""]
            while told != [Known(""), known, Known("")]:
                await asyncio.sleep(0.001)
            assert threads == {threading.current_thread()}
            closing = asyncio.ensure_future(primary.close())
            with pytest.raises(NotConnected):
                await primary.wait()
            await closing
        assert world.client.closed and not primary._waiting
        with pytest.raises(NotConnected):
            async with primary:
                pass

    run(main())


def test_asyncio_before_it_begins(world):
    async def main():
        primary = world.primary(face=AsyncPrimary)
        with pytest.raises(NotConnected, match="async with"):
            await primary.wait()
        await primary.close()

    run(main())
    assert not world.clients


def test_an_event_loop_that_is_closed_is_no_trouble(world):
    """Whoever forgot to close."""
    primary = world.primary(face=AsyncPrimary)
    asyncio.run(primary.__aenter__())
    known = world.lead("a")
    until(lambda: primary.known == known, LONG, "the primary")
    primary._follower.close()
    assert world.client.closed


@pytest.mark.parametrize("wrong, told", [
    ({"election": ""}, "election is ''"), ({"election": "a/b"}, "election is 'a/b'"), ({"servers": "h:x"}, "servers"),
    ({"servers": 5}, "servers"), ({"root": "orders"}, "election_znode"), ({"session_timeout": 0}, "session_timeout"),
    ({"digest": "me"}, "digest"), ({"changed": 5}, "changed"), ({"election_ack": "/zkelect/orders/election"}, "election_ack"),
])
def test_wrong_arguments_are_refused_before_anything_is_begun(world, wrong, told):
    with pytest.raises(BadArgument, match=told):
        Primary(**{"servers": "h:1", "election": "orders", **wrong})
    assert not world.clients


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """PEM files of a client, and others; `client.both` has certificate and key, `locked.key` a password, "x"."""
    folder = tmp_path_factory.mktemp("pem")
    certificates.certificates(folder)
    (folder / "client.both").write_text((folder / "client.pem").read_text() + (folder / "client.key").read_text())
    openssl = ["openssl", "pkey", "-in", folder / "client.key", "-aes128", "-passout", "pass:x", "-out", folder / "locked.key"]
    subprocess.run(openssl, check=True, capture_output=True)
    (folder / "text").write_text("no PEM")
    (folder / "folder").mkdir()
    return folder


@pytest.mark.parametrize("wrong, told", [
    ({"tls_ca": "{}/typo.pem"}, "tls_ca is '.*/typo.pem': there is no such file"),
    ({"tls_ca": "{}/folder"}, "tls_ca is '.*/folder': there is no such file"),
    ({"tls_ca": "{}/text"}, "tls_ca is '.*/text': it has no certificate"), ({"tls_ca": "{}/client.key"}, "tls_ca is .*: it has no cert"),
    ({"tls_ca": ""}, "tls_ca is ''"), ({"tls_ca": "\0"}, "tls_ca is"), ({"tls_ca": 5}, "tls_ca is 5; give text"),
    ({"tls_cert": "{}/typo.pem"}, "tls_cert is '.*/typo.pem': there is no such file"), ({"tls_cert": ""}, "tls_cert is ''"),
    ({"tls_cert": "{}/client.both", "tls_key": "{}/typo.key"}, "tls_key is '.*/typo.key': there is no such file"),
    ({"tls_cert": "{}/client.pem"}, "tls_cert, '.*/client.pem', and its key cannot be used"),
    ({"tls_cert": "{}/client.pem", "tls_key": "{}/server.key"}, "tls_cert, .*, and tls_key, '.*/server.key', cannot be used: .*not a pair"),
    ({"tls_cert": "{}/text", "tls_key": "{}/client.key"}, "cannot be used"),
    # OpenSSL would ask for the password on the terminal.
    ({"tls_cert": "{}/client.pem", "tls_key": "{}/locked.key"}, "or the wrong tls_key_password"),
    ({"tls_cert": "{}/client.pem", "tls_key": "{}/locked.key", "tls_key_password": "hush"}, "or the wrong tls_key_password"),
    ({"tls_cert": "{}/client.pem", "tls_key": "{}/locked.key", "tls_key_password": "hush" * 1000}, "or the wrong tls_key_password"),
    ({"tls_cert": "{}/client.both", "tls_key_password": 5}, "tls_key_password is of the type int; give text"),
    # Alone they would do nothing, and with the first nobody would speak TLS.
    ({"tls_key": "{}/client.key"}, "tls_key has no effect without tls_cert"),
    ({"tls": True, "tls_key": "{}/client.key"}, "tls_key has no effect without tls_cert"),
    ({"tls_key_password": "hush"}, "tls_key_password has no effect without tls_cert"),
    ({"tls": "yes"}, "tls is 'yes'; give True or False"),
])
@pytest.mark.parametrize("face", [Primary, AsyncPrimary])
def test_a_client_that_could_never_connect_is_refused(world, files, face, wrong, told):
    given = {name: value.format(files) if isinstance(value, str) else value for name, value in wrong.items()}
    with pytest.raises(BadArgument, match=told) as caught:
        face("h:1", "orders", **given)
    assert not world.clients and "hush" not in str(caught.value) and "\n" not in str(caught.value)


def test_where_and_how_it_asks(monkeypatch, files):
    made = []

    def make(hosts, timeout, digest, **options):
        made.append((hosts, timeout, digest, options))
        raise RuntimeError("is logged")

    ca, cert, both, locked = (str(files / name) for name in ("ca.pem", "client.pem", "client.both", "locked.key"))
    own = {"tls_ca": ca, "tls_cert": cert, "tls_key": locked, "tls_key_password": "x"}
    monkeypatch.setattr(connect, "make_client", make)
    for more in ({"digest": "me:secret"}, {"tls": True}, own, {"tls_cert": both}):
        primary = Primary(["zk1:1", "zk2:2/app"], "orders", **more)
        with pytest.raises(NotConnected):
            primary.wait(LONG)
        assert "unexpected" in primary.trouble
        primary.close()
        assert primary._where == ("/app/zkelect/orders/election", "/app/zkelect/orders/ack", "/app/zkelect/orders/ack-state", "n-")
    with contextlib.closing(Primary("h:1", "orders", root="/", election_state="/s")) as primary:
        assert primary._where[:3] == ("/orders/election", "/orders/ack", "/s")
    usual = {"use_ssl": True, "ca": None, "certfile": None, "keyfile": None, "keyfile_password": "", "verify_certs": True,
             "check_hostname": True}
    assert made[:4] == [
        ("zk1:1,zk2:2", 10.0, "me:secret", {}), ("zk1:1,zk2:2", 10.0, None, usual),
        ("zk1:1,zk2:2", 10.0, None, {**usual, "ca": ca, "certfile": cert, "keyfile": locked, "keyfile_password": "x"}),
        ("zk1:1,zk2:2", 10.0, None, {**usual, "certfile": both, "keyfile": both}),
    ]
