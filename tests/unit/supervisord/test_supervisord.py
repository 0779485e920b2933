"""Which address of supervisord a call takes: that of a socket's path, and of a host name that has several, or none yet."""

import contextlib
import os
import socket
import threading
import time

import pytest

from supervisor_zkelect.supervisord.client import Fault, Supervisord, Unreachable
from tests.doors import hanging, refusing

ANSWER = "<?xml version='1.0'?><methodResponse><params><param><value><int>%d</int></value></param></params></methodResponse>"
FAULT = (
    "<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>%d</int></value></member>"
    "<member><name>faultString</name><value><string>no</string></value></member></struct></value></fault></methodResponse>"
)


@contextlib.contextmanager
def answering(place, number=7, text=ANSWER, before=lambda call: None):
    """A supervisord in so far as each call is answered with this number; yields (address, list of calls). place: a host, an
    address, or a path. before: is called with each call before that is answered."""
    family = socket.AF_UNIX if "/" in place else socket.AF_INET6 if ":" in place else socket.AF_INET
    with socket.socket(family) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(place if family == socket.AF_UNIX or not isinstance(place, str) else (place, 0))
        door.listen(8)
        calls = []

        def serve():
            while True:
                try:
                    connection = door.accept()[0]
                except OSError:
                    return
                with connection:
                    calls.append(connection.recv(65536))
                    before(calls[-1])
                    body = text % number
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield door.getsockname(), calls
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("name", ["app#1", "what?", "100%", "a%23b", "two words", "[1]", "a;b", "app#1?b", "user@host:80"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_socket_may_have_any_path(name, relative, tmp_path, monkeypatch):
    """supervisord writes unix:// and the path as it is, also for a relative one, as supervisorctl takes it."""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    path = f"{name}/s.sock" if relative else str(tmp_path / name / "s.sock")
    with answering(path):
        assert Supervisord(f"unix://{path}").call("supervisor.getPID") == 7


@pytest.fixture
def names(monkeypatch):
    """Have every name resolve to these addresses."""

    def resolve(*addresses):
        found = [
            (socket.AF_INET6 if ":" in one[0] else socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return resolve


def test_an_address_that_refuses_is_passed_over(names):
    with refusing() as dead, answering("127.0.0.1") as (address, calls):
        names(dead, dead, address)
        door = Supervisord("http://localhost:9001")
        assert door.call("supervisor.getPID") == 7
        assert b"Host: localhost:9001" in calls[0]
        # From now on it is the first, also for what waits for nothing.
        door.wake()
        assert door.call("supervisor.getPID") == 7
        assert len(calls) == 3 and calls[1] == b""


def test_an_address_that_hangs_costs_a_part_of_the_limit_once(names):
    with hanging() as dead, answering("127.0.0.1") as (address, _):
        names(dead, address)
        door = Supervisord("http://localhost:9001", timeout=2.0)
        begun = time.monotonic()
        assert door.call("supervisor.getPID") == 7
        assert time.monotonic() - begun < 2.0
        # From now on it is not asked first.
        begun = time.monotonic()
        assert door.call("supervisor.getPID", timeout=60) == 7
        assert time.monotonic() - begun < 30


def test_a_family_that_this_machine_has_not_is_passed_over(names, monkeypatch):
    made = socket.socket

    def without(family=socket.AF_INET, *arguments, **options):
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return made(family, *arguments, **options)

    with answering("127.0.0.1") as (address, _):
        names(("::1", 9001, 0, 0), address)
        monkeypatch.setattr(socket, "socket", without)
        assert Supervisord("http://localhost:9001").call("supervisor.getPID") == 7


def test_where_none_answers_the_reason_is_told_and_nothing_was_sent(names):
    with refusing() as one, refusing() as other:
        names(one, other)
        with pytest.raises(Unreachable, match="http://localhost:9001: Connection refused") as error:
            Supervisord("http://localhost:9001").call("supervisor.getPID")
        assert not error.value.sent


def test_a_request_that_may_have_been_taken_is_not_sent_again(names):
    """A supervisord that hangs has taken the connection."""
    with socket.socket() as frozen, answering("127.0.0.1") as (address, calls):
        frozen.bind(("127.0.0.1", 0))
        frozen.listen(8)
        names(frozen.getsockname(), address)
        with pytest.raises(Unreachable) as error:
            Supervisord("http://localhost:9001").call("supervisor.getPID", timeout=0.3)
        assert error.value.sent and not calls


class NameService:
    """Knows one name, or does not answer. asked: how often it was asked. fails: what it says instead, if anything; known: the
    addresses that the name has; goes_on: while it is not set, it takes a minute."""

    def __init__(self, monkeypatch):
        self.asked, self.known, self.goes_on = 0, [], threading.Event()
        self.fails = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        self.goes_on.set()
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host, port, *arguments, flags=0, **options):
        if flags & socket.AI_NUMERICHOST:
            return self._real(host, port, *arguments, flags=flags, **options)
        self.asked += 1
        fails, known = self.fails, self.known
        self.goes_on.wait(60)
        if fails:
            raise fails
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in known]


@pytest.fixture
def service(monkeypatch):
    made = NameService(monkeypatch)
    yield made
    made.goes_on.set()


def test_a_name_that_cannot_be_resolved_yet_is_looked_up_with_the_next_call(service):
    """As at boot, where the listener begins before the resolver does."""
    with answering("127.0.0.1") as (address, calls):
        door = Supervisord("http://node1.example:9001")
        with pytest.raises(Unreachable, match="node1.example cannot be resolved: Temporary failure") as error:
            door.call("supervisor.getPID")
        assert not error.value.sent
        door.wake()
        service.fails, service.known = None, [address]
        assert door.call("supervisor.getPID") == 7 and len(calls) == 1
        asked = service.asked
        assert door.call("supervisor.getPID") == 7 and service.asked == asked


def test_a_name_service_that_hangs_holds_a_call_up_no_longer_than_its_limit(service):
    with answering("127.0.0.1") as (address, _):
        door = Supervisord("http://node1.example:9001")
        service.goes_on.clear()
        service.fails, service.known = None, [address]
        for _ in range(3):
            with pytest.raises(Unreachable, match="0.05 s.*node1.example") as error:
                door.call("supervisor.getPID", timeout=0.05)
            assert not error.value.sent
        # One look-up is under way, for all calls.
        assert service.asked == 2
        service.goes_on.set()
        assert door.call("supervisor.getPID", timeout=60) == 7


def test_a_name_service_that_hangs_keeps_no_guard_from_beginning(service):
    """Nobody else may be there to end the group."""
    with answering("127.0.0.1") as (address, _):
        service.goes_on.clear()
        service.fails, service.known = None, [address]
        begun = time.monotonic()
        door = Supervisord("http://node1.example:9001")
        assert time.monotonic() - begun < 30 and service.asked == 1
        service.goes_on.set()
        assert door.call("supervisor.getPID", timeout=60) == 7


def test_a_name_is_known_though_no_thread_is_to_be_had_for_the_first_look(service, monkeypatch):
    with answering("127.0.0.1") as (address, _):
        service.fails, service.known = None, [address]

        def refuse(thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as without:
            without.setattr(threading.Thread, "start", refuse)
            door = Supervisord("http://node1.example:9001")
        asked = service.asked
        assert door.call("supervisor.getPID", timeout=60) == 7 and service.asked == asked


def test_without_a_thread_for_the_look_up_a_call_fails_and_the_next_one_tries_again(service, monkeypatch):
    with answering("127.0.0.1") as (address, _):
        door = Supervisord("http://node1.example:9001")
        service.fails, service.known = None, [address]

        def refuse(thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as without:
            without.setattr(threading.Thread, "start", refuse)
            with pytest.raises(Unreachable, match="no thread") as error:
                door.call("supervisor.getPID")
            assert not error.value.sent
        assert door.call("supervisor.getPID") == 7


def test_a_name_that_can_be_none_is_told_as_one_that_is_not_known(service):
    service.fails = UnicodeError("label empty or too long")
    with pytest.raises(Unreachable, match="is not a valid host name"):
        Supervisord(f"http://{'a' * 64}.example:9001").call("supervisor.getPID")


def test_an_ipv6_literal():
    try:
        with answering("::1") as (address, calls):
            assert Supervisord(f"http://[::1]:{address[1]}").call("supervisor.getPID") == 7
            assert f"Host: [::1]:{address[1]}".encode() in calls[0]
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error.strerror}")


def methods(calls):
    return [call.partition(b"<methodName>")[2].partition(b"</methodName>")[0].decode() for call in calls]


@pytest.fixture(params=["path", "port"])
def place(request, tmp_path):
    if request.param == "path":
        return str(tmp_path / "s.sock")
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()


def url_of(place):
    return f"unix://{place}" if isinstance(place, str) else f"http://127.0.0.1:{place[1]}"


def test_whoever_answers_is_asked_once_who_it_is(place):
    with answering(place) as (_, calls):
        door = Supervisord(url_of(place), pid=7)
        for _ in range(3):
            assert door.call("supervisor.getState") == 7
        assert methods(calls) == ["supervisor.getPID", *3 * ["supervisor.getState"]]


def test_another_supervisord_is_asked_for_nothing(place):
    with answering(place, 8) as (_, calls):
        door = Supervisord(url_of(place), pid=7)
        for _ in range(2):
            with pytest.raises(Unreachable, match="another supervisord, process 8, and not by process 7, which is meant") as error:
                door.call("supervisor.stopProcessGroup", "primary", False)
            assert not error.value.sent
        assert methods(calls) == 2 * ["supervisor.getPID"]


def test_another_one_at_a_socket_that_was_removed_is_asked_for_nothing(tmp_path):
    """The first still listens; only nobody finds it any more."""
    path = str(tmp_path / "s.sock")
    with answering(path):
        door = Supervisord(f"unix://{path}", pid=7)
        assert door.call("supervisor.getState") == 7
        os.unlink(path)
        with answering(path, 8) as (_, calls):
            with pytest.raises(Unreachable, match="process 8"):
                door.call("supervisor.stopProcessGroup", "primary", False)
            assert methods(calls) == ["supervisor.getPID"]


def test_another_one_at_a_place_that_was_given_up_is_asked_for_nothing(place):
    door = Supervisord(url_of(place), pid=7)
    with answering(place):
        assert door.call("supervisor.getState") == 7
    if isinstance(place, str):
        os.unlink(place)
    with pytest.raises(Unreachable):
        door.call("supervisor.getState")
    with answering(place, 8) as (_, calls):
        with pytest.raises(Unreachable, match="process 8"):
            door.call("supervisor.stopProcessGroup", "primary", False)
        assert methods(calls) == ["supervisor.getPID"]


def test_one_that_does_not_say_who_it_is_refuses_by_itself(place):
    """While it shuts down, supervisord refuses that question as it does every call."""
    with answering(place, 6, FAULT) as (_, calls):
        with pytest.raises(Fault) as error:
            Supervisord(url_of(place), pid=7).call("supervisor.getState")
        assert error.value.shutting_down and methods(calls) == ["supervisor.getPID", "supervisor.getState"]


@pytest.mark.parametrize("late", [1, 2], ids=["at first", "later"])
def test_an_answer_that_comes_too_late_is_no_sign_of_another_one(place, late):
    """A supervisord that is slow would have no time left after it was asked who it is, for ever; and one that stands still is to
    find the order itself when it goes on."""
    goes_on, seen = threading.Event(), []

    def stand_still(call):
        seen.append(call)
        if methods(seen).count("supervisor.getState") == late:
            goes_on.wait(60)

    with answering(place, before=stand_still) as (_, calls):
        door = Supervisord(url_of(place), pid=7)
        for _ in range(late - 1):
            assert door.call("supervisor.getState", timeout=60) == 7
        with pytest.raises(Unreachable, match="did not answer"):
            door.call("supervisor.getState", timeout=0.3)
        with pytest.raises(Unreachable, match="did not answer") as error:
            door.call("supervisor.stopProcessGroup", "primary", False, timeout=0.3)
        assert error.value.sent
        goes_on.set()
        assert door.call("supervisor.getState", timeout=60) == 7
    asked = methods(calls)
    assert asked.count("supervisor.getPID") == 1 and "supervisor.stopProcessGroup" in asked, asked


def test_a_socket_that_changes_hands_while_its_owner_is_asked_gets_no_order(tmp_path):
    path, opened = str(tmp_path / "s.sock"), contextlib.ExitStack()

    def change_hands(call):
        os.unlink(path)
        taken.extend(opened.enter_context(answering(path, 8)))

    taken = []
    with opened, answering(path, before=change_hands):
        door = Supervisord(f"unix://{path}", pid=7)
        with pytest.raises(Unreachable, match="taken over by another process") as error:
            door.call("supervisor.stopProcessGroup", "primary", False)
        assert not error.value.sent
        with pytest.raises(Unreachable, match="process 8"):
            door.call("supervisor.stopProcessGroup", "primary", False)
        assert "supervisor.stopProcessGroup" not in methods(taken[1])


def test_another_one_at_another_address_is_asked_for_nothing(names):
    """While the one that is meant is away for a moment."""
    with answering("127.0.0.2", 8) as (second, calls):
        with answering("127.0.0.1") as (first, _):
            names(first, second)
            door = Supervisord("http://localhost:9001", pid=7)
            assert door.call("supervisor.getState") == 7
        with pytest.raises(Unreachable, match="process 8"):
            door.call("supervisor.stopProcessGroup", "primary", False)
        with answering(first):
            assert door.call("supervisor.stopProcessGroup", "primary", False) == 7
        assert methods(calls) == ["supervisor.getPID"]


def test_one_that_is_not_the_first_of_several_addresses_is_found(names):
    with answering("127.0.0.2") as (second, _), answering("127.0.0.1", 8) as (first, calls):
        names(first, second)
        door = Supervisord("http://localhost:9001", pid=7)
        with pytest.raises(Unreachable, match="process 8"):
            door.call("supervisor.getState")
        assert door.call("supervisor.getState") == 7 and methods(calls) == ["supervisor.getPID"]


def test_nothing_was_sent_where_the_password_is_refused(place):
    with answering(place, text="%d") as _:
        with pytest.raises(Unreachable) as error:
            Supervisord(url_of(place), pid=7).call("supervisor.stopProcessGroup", "primary", False)
        assert not error.value.sent


def test_a_socket_that_changes_hands_while_this_process_stands_still_is_not_proven(tmp_path, monkeypatch):
    """It is connected to the one that is meant, and sees the place of the other."""
    path, opened, looks, stat = str(tmp_path / "s.sock"), contextlib.ExitStack(), [], os.stat

    def look(place, *arguments, **options):
        looks.append(place)
        if looks.count(path) == 2:
            os.unlink(path)
            taken.extend(opened.enter_context(answering(path, 8)))
        return stat(place, *arguments, **options)

    taken = []
    with opened, answering(path) as (_, calls):
        door = Supervisord(f"unix://{path}", pid=7)
        monkeypatch.setattr(os, "stat", look)
        with pytest.raises(Unreachable, match="taken over"):
            door.call("supervisor.stopProcessGroup", "primary", False)
        with pytest.raises(Unreachable, match="process 8"):
            door.call("supervisor.stopProcessGroup", "primary", False)
        assert "supervisor.stopProcessGroup" not in methods(calls) + methods(taken[1])
