"""The guard's door, with real sockets and, where this runs as root, users without rights."""

import errno
import json
import os
import selectors
import signal
import socket
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from supervisor_zkelect.guard import door
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system.clock import now

NOBODY, OTHER = 65534, 65533

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


class House:
    """A door and its loop. supervisord: the pid of the one that the guard has."""

    def __init__(self, folder, supervisord):
        self.path = str(folder / "door")
        self.selector = selectors.DefaultSelector()
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.listening.bind(self.path)
        os.chmod(self.path, 0o666)
        self.listening.listen(128)
        self.heard, self.left, self.longest = [], [], 0.0
        self.door = door.Door(self.selector, proc.read(supervisord), self.take, self.left.append)
        self.door.listen(self.listening)

    def take(self, peer, message):
        self.heard.append((peer.kind, message["do"]))
        if message["do"] == "hello":
            self.door.keep(peer)
        self.door.answer(peer, {"ok": True})

    def turn(self, wait=0.0):
        ready = self.selector.select(wait)
        # Of this thread, since others may have the processor.
        began = time.thread_time()
        for key, mask in ready:
            key.data(key.fileobj, mask)
        self.door.keep_time()
        self.longest = max(self.longest, time.thread_time() - began)

    def turns(self, until, limit=30.0):
        end = now() + limit
        while not until():
            assert now() < end
            self.turn(0.01)

    def peers(self, kind):
        return list(self.door._peers[kind])

    def connect(self):
        link = socket.socket(socket.AF_UNIX)
        link.connect(self.path)
        link.setblocking(False)
        self.turn()
        return link

    def close(self):
        for kind in door.PLACES:
            for peer in self.peers(kind):
                self.door.drop(peer)
        self.listening.close()
        self.selector.close()


@pytest.fixture
def open_folder():
    """A folder that every user can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="zkelect-door-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def house(open_folder):
    made = House(open_folder, supervisord=1 if os.getppid() != 1 else 2)
    yield made
    made.close()


@pytest.fixture
def user():
    """Run a function in a process of another user."""
    made = []

    def begin(uid, work):
        pid = os.fork()
        if not pid:
            try:
                os.setresuid(uid, uid, uid)
                work()
            finally:
                os._exit(0)
        made.append(pid)
        return pid

    yield begin
    for pid in made:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def said(link):
    """What was answered, and whether the conversation is over."""
    data = b""
    while True:
        try:
            piece = link.recv(65536)
        except BlockingIOError:
            return data, False
        except ConnectionResetError:
            return data, True
        if not piece:
            return data, True
        data += piece


def test_one_message_and_its_answer_are_all(house):
    link = house.connect()
    link.send(b'{"do":"one"}\n{"do":"two"}\n')
    house.turn()
    data, over = said(link)
    assert data.count(b"\n") == 1 and json.loads(data) == {"ok": True} and over
    assert house.heard == [(door.OWN, "one")]


def test_a_listener_that_is_kept_goes_on_and_its_end_is_told(house):
    link = house.connect()
    link.send(b'{"do":"hello"}\n{"do":"two"}\n{"do":')
    house.turn()
    link.send(b'"three"}\n[]\n')
    house.turn()
    data, over = said(link)
    assert [do for _, do in house.heard] == ["hello", "two", "three"] and not over
    assert data.splitlines()[-1] == b'{"ok":false,"error":"not understood"}'
    assert not house.left
    link.close()
    house.turn()
    assert len(house.left) == 1


WRONG = {
    "newlines": b"\n" * 60000, "array": b"[1]\n", "text": b'"do"\n', "number": b"7\n", "no do": b"{}\n", "nothing": b"\0\n",
    "deep": b"[" * 4000 + b"\n", "deep object": b'{"do":' * 600 + b"\n", "long": b'{"do":"' + b"x" * 60000 + b'"}\n',
    "no end": b"x" * 60000, "no utf-8": b'{"do":"\xff\xfe"}\n', "null": b"null\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("uid", [pytest.param(NOBODY, marks=as_root), os.getuid()])
def test_the_first_that_is_no_message_ends_the_conversation(house, user, caplog, text, uid):
    """And there is one line about all of them."""
    def work():
        for _ in range(3):
            link = socket.socket(socket.AF_UNIX)
            link.connect(house.path)
            try:
                link.sendall(text)
                link.shutdown(socket.SHUT_WR)
                while link.recv(65536):
                    pass
            except OSError:
                pass

    pid = user(uid, work)
    house.turns(lambda: proc.read(pid).gone)
    assert house.longest < 0.5
    assert not house.peers(door.OWN) and not house.peers(door.STRANGER)
    if uid != NOBODY and text == WRONG["long"]:
        assert len(house.heard) == 3
    else:
        assert not house.heard and sum("was not understood" in line for line in caplog.messages) <= 1


@as_root
@pytest.mark.parametrize("fails", ["order", "answer", "hello"])
def test_with_what_cannot_be_heard_or_answered_the_conversation_ends(house, monkeypatch, fails):
    """What follows would pass for a proof that all that came before was heard."""
    real, taken = house.take, []

    def lack(*words, **options):
        raise MemoryError

    def take(peer, message):
        taken.append(message["do"])
        if message["do"] == fails:
            lack()
        with monkeypatch.context() as patched:
            if fails == "answer" and message["do"] == "order":
                patched.setattr(door.json, "dumps", lack)
            real(peer, message)

    house.door._take = take
    link = house.connect()
    link.send(b'{"do":"hello"}\n')
    if fails != "hello":
        house.turns(lambda: house.heard)
        link.send(b'{"do":"order"}\n{"do":"lease"}\n')
    with pytest.raises(MemoryError):
        house.turns(lambda: "lease" in taken)
    assert taken == (["hello"] if fails == "hello" else ["hello", "order"])
    assert said(link)[1] and len(house.left) == int(fails != "hello")


def test_a_stranger_has_four_kibibytes_and_root_a_mebibyte(house, user):
    def work(size):
        link = socket.socket(socket.AF_UNIX)
        link.connect(house.path)
        link.sendall(b'{"do":"run","x":"' + b"x" * size + b'"}\n')
        link.recv(100)

    for uid, size in ((NOBODY, 4000), (NOBODY, 5000), (0, 5000), (0, 900_000), (0, 1_100_000)):
        pid = user(uid, lambda: work(size))
        house.turns(lambda: proc.read(pid).gone)
    assert [kind for kind, _ in house.heard] == [door.STRANGER, door.OWN, door.OWN]


@as_root
def test_strangers_take_no_place_of_others(house, user, monkeypatch):
    """Hundreds of connections, half open; of two users."""
    # On a busy machine this takes longer than a connection may.
    monkeypatch.setattr(door, "PEER_TIME", 300.0)

    def work():
        links = []
        for _ in range(300):
            link = socket.socket(socket.AF_UNIX)
            try:
                # It waits for its turn: with a time limit it would fail at once where the other user fills the queue.
                link.connect(house.path)
                link.send(b'{"do"')
            except OSError:
                # It was closed again.
                continue
            links.append(link)
        signal.pause()

    own = house.connect()
    pids = [user(uid, work) for uid in (NOBODY, OTHER)]
    house.turns(lambda: len({peer.uid for peer in house.peers(door.STRANGER)}) == 2)
    for _ in range(200):
        house.turn(0.005)
        assert len(house.peers(door.STRANGER)) <= 2 * door.PLACES[door.STRANGER]
    own.send(b'{"do":"here"}\n')
    house.turns(lambda: (door.OWN, "here") in house.heard)
    assert all(not proc.read(pid).gone for pid in pids) and house.longest < 0.5


@as_root
@pytest.mark.parametrize("orphan", [False, True])
def test_what_supervisord_has_started_has_places_of_its_own(open_folder, user, orphan):
    """While another process of the same user takes all that the user can get; be it a child of supervisord's that it has not
    started, as an orphan is where supervisord is process 1."""
    house = House(open_folder, supervisord=os.getpid())

    def flood():
        links = []
        while True:
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(0)
            try:
                link.connect(house.path)
            except OSError:
                continue
            links = [*links[-100:], link]

    def grandchild():
        if orphan:
            flood()
        if os.fork() == 0:
            flood()
        os.wait()

    def child():
        os.setpgrp()
        for _ in range(20):
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(10)
            while True:
                try:
                    link.connect(house.path)
                    break
                except BlockingIOError:
                    # As a chain loader, since nothing tells when there is room at a door.
                    time.sleep(0.0005)
            link.send(b'{"do":"run"}\n')
            link.recv(100)
            link.close()

    try:
        flooding = user(NOBODY, grandchild)
        house.turns(lambda: len(house.peers(door.STRANGER)) == door.PLACES[door.STRANGER])
        pid = user(NOBODY, child)
        house.turns(lambda: proc.read(pid).gone)
        assert house.heard == [(door.CHILD, "run")] * 20 and house.longest < 0.5
        assert not proc.read(flooding).gone
    finally:
        for process in proc.tree([proc.read(flooding)]):
            proc.kill(process)
        house.close()


def test_one_byte_after_the_other_is_over_in_time(house, monkeypatch):
    link = house.connect()
    for _ in range(3):
        link.send(b" ")
        house.turn()
    assert house.peers(door.OWN)
    monkeypatch.setattr(door, "PEER_TIME", -1.0)
    house.turn()
    assert not house.peers(door.OWN) and said(link)[1]


def test_who_connected_is_told_by_the_kernel_when_the_connection_is_taken(house, user):
    """One that is gone by then is nobody, whoever has its pid later."""
    def work():
        link = socket.socket(socket.AF_UNIX)
        link.connect(house.path)
        child = os.fork()
        if child:
            with open(house.path + ".child", "w") as file:
                file.write(str(child))
        else:
            signal.pause()

    pid = user(os.getuid(), work)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with open(house.path + ".child") as file:
        child = proc.read(int(file.read()))
    # Its child has the connection still.
    house.turn()
    peer, = house.peers(door.OWN)
    assert peer.pid == pid and peer.process is None
    link = house.connect()
    assert house.peers(door.OWN)[-1].process.identity == proc.read(os.getpid()).identity
    link.close()
    proc.kill(child)


@pytest.mark.parametrize("error, told", [(errno.ENOPROTOOPT, True), (errno.EINVAL, False), (errno.ESRCH, False)])
def test_where_the_kernel_says_that_it_is_gone_nobody_with_its_pid_is_taken_for_it(error, told):
    class Connection:
        def getsockopt(self, level, option):
            raise OSError(error, os.strerror(error))

    assert (door.identify(Connection(), os.getpid()) is not None) == told


def test_a_peer_that_cannot_be_told_for_want_of_descriptors_may_come_again():
    class Connection:
        def getsockopt(self, level, option):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with pytest.raises(OSError, match="Too many open files"):
        door.identify(Connection(), os.getpid())


def test_an_older_kernel_tells_by_pid_and_start_time(house, monkeypatch):
    monkeypatch.setattr(door, "SO_PEERPIDFD", 9999)
    house.connect()
    assert house.peers(door.OWN)[-1].process.identity == proc.read(os.getpid()).identity
    monkeypatch.setattr(proc, "pidfd", lambda process: None)
    house.connect()
    assert house.peers(door.OWN)[-1].process is None


def test_a_door_that_cannot_be_opened_again_at_once_is_opened_later(house, monkeypatch):
    left, register = [errno.ENFILE, errno.ENOMEM], house.selector.register

    def accept_fails(listening):
        raise OSError(left.pop(0), "no more")

    def register_fails(*given):
        if left:
            raise OSError(left.pop(0), "no more")
        return register(*given)

    house.door._on_door(SimpleNamespace(accept=lambda: accept_fails(None), fileno=house.listening.fileno), 1)
    monkeypatch.setattr(house.selector, "register", register_fails)
    monkeypatch.setattr(door, "now", lambda: house.door.opens_at)
    with pytest.raises(OSError, match="no more"):
        house.door.keep_time()
    house.door.keep_time()
    assert house.door.opens_at == float("inf") and house.listening.fileno() in house.selector.get_map()
