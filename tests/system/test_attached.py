"""The client of a release: attached to a session, over one connection."""

import socket
import struct
import threading

import pytest
from kazoo import exceptions as kazoo_errors
from kazoo.client import KazooClient

from lab.zookeeper import Ensemble
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.guard import keeper, release, saved_session
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper.attached import AttachedClient
from supervisor_zkelect.zookeeper.errors import NotConnected
from tests.system.conftest import OWNER, TIME, places


@pytest.fixture
def attach(zk_server, kazoo):
    clients = []

    def attach():
        client = AttachedClient(zk_server.hosts, kazoo.identity, 10)
        clients.append(client)
        client.start(TIME)
        assert client.client_id[0] == kazoo.identity[0]
        return client

    yield attach
    for client in clients:
        client.drop()


def test_a_term_is_released_over_the_attached_session(zk_server, kazoo, attach, tmp_path):
    other = KazooClient(hosts=zk_server.hosts)
    other.start(timeout=TIME)
    first, second = Elector(kazoo, *places(tmp_path.name)), Elector(other, *places(tmp_path.name))
    first.prepare()
    first.create_proposal()
    second.create_proposal()
    assert first.try_be_leader().leads
    first.claim("a", "x:1")
    first.ack_leader("x:1")
    name = first.proposal
    attached = attach()
    mine = Elector(attached, *places(tmp_path.name))
    assert mine.adopt_proposal() == name
    assert mine.try_be_leader().leads
    mine.release()
    mine.amend_history(lambda data: data + b"1", TIME)
    mine.amend_history(lambda data: data + b"2", TIME)
    assert second.try_be_leader().leads and second.holder() is None and second.read_ack() == b""
    assert second.history() == b"12"
    attached.close(TIME)
    other.stop()
    other.close()


def test_closing_gives_up_what_the_session_has(zk_server, kazoo, attach, tmp_path):
    kazoo.create(f"/{tmp_path.name}", ephemeral=True)
    attach().close(TIME)
    looking = KazooClient(hosts=zk_server.hosts)
    looking.start(timeout=TIME)
    assert looking.exists(f"/{tmp_path.name}") is None
    looking.stop()
    looking.close()


def test_a_session_that_is_over_is_another(zk_server):
    client = AttachedClient(zk_server.hosts, (12345, b"x" * 16), 10)
    client.start(TIME)
    assert client.client_id[0] == 0
    client.drop()


def test_what_fails_is_what_kazoo_raises(attach, tmp_path):
    attached = attach()
    assert attached.exists_async("/nothing").get(TIME) is None
    with pytest.raises(kazoo_errors.NoNodeError):
        attached.get_async("/nothing").get(TIME)
    attached.create_async(f"/{tmp_path.name}", b"x").get(TIME)
    with pytest.raises(kazoo_errors.NodeExistsError):
        attached.create_async(f"/{tmp_path.name}", b"x").get(TIME)
    with pytest.raises(kazoo_errors.BadVersionError):
        attached.set_async(f"/{tmp_path.name}", b"y", 7).get(TIME)
    transaction = attached.transaction()
    transaction.check(f"/{tmp_path.name}", 0)
    transaction.delete("/nothing")
    results = transaction.commit_async().get(TIME)
    assert isinstance(results[0], kazoo_errors.RolledBackError) and isinstance(results[1], kazoo_errors.NoNodeError)


def test_answers_are_told_apart_in_any_order(attach, tmp_path):
    attached = attach()
    attached.create_async(f"/{tmp_path.name}", b"").get(TIME)
    for name in "abc":
        attached.create_async(f"/{tmp_path.name}/{name}", name.encode()).get(TIME)
    answers = {name: attached.get_async(f"/{tmp_path.name}/{name}") for name in "abc"}
    assert [answers[name].get(TIME)[0] for name in "cab"] == [b"c", b"a", b"b"]
    assert sorted(attached.get_children_async(f"/{tmp_path.name}").get(TIME)) == ["a", "b", "c"]


@pytest.fixture
def serve():
    """Listen on a port, and do `behave` with each connection."""
    doors = []

    def start(behave):
        door = socket.create_server(("127.0.0.1", 0))
        doors.append(door)

        def run():
            while True:
                try:
                    behave(door.accept()[0])
                except OSError:
                    return

        threading.Thread(target=run, daemon=True).start()
        return f"127.0.0.1:{door.getsockname()[1]}"

    yield start
    for door in doors:
        door.shutdown(socket.SHUT_RDWR)
        door.close()


def dead_server():
    with socket.create_server(("127.0.0.1", 0)) as door:
        return f"127.0.0.1:{door.getsockname()[1]}"


BEHAVIOURS = {
    "hangs up": lambda connection: connection.close(),
    "hangs up in a message": lambda connection: (connection.sendall(b"\0\0\0\x25\0"), connection.close()),
    "speaks another language": lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "sends a short message": lambda connection: connection.sendall(b"\0\0\0\0"),
}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_server_that_does_not_fit_is_passed_over(zk_server, kazoo, serve, name):
    bad = [serve(BEHAVIOURS[name]), dead_server()]
    client = AttachedClient(",".join([*bad, zk_server.hosts]), kazoo.identity, 10)
    client.start(TIME)
    assert client.client_id[0] == kazoo.identity[0]
    client.drop()
    with pytest.raises(NotConnected, match="cannot reach ZooKeeper"):
        AttachedClient(",".join(bad), kazoo.identity, 10).start(TIME)


def test_a_connection_that_is_lost_fails_what_was_asked(zk_server, kazoo, attach):
    attached = attach()
    attached._connection.shutdown(socket.SHUT_RDWR)
    for _ in range(2):
        with pytest.raises(kazoo_errors.ConnectionLoss):
            attached.get_async("/").get(TIME)


def test_a_server_that_is_silent_costs_the_time_that_was_given(zk_server, kazoo, serve):
    kept = []
    client = AttachedClient(",".join([serve(kept.append)] * 5), kazoo.identity, 10)
    begun = now()
    with pytest.raises(NotConnected):
        client.start(0.2)
    assert now() - begun < 10


def test_a_znode_is_made_with_its_parents(attach, tmp_path):
    attached = attach()
    attached.create_async(f"/{tmp_path.name}/a/b/c", b"x", makepath=True).get(TIME)
    assert attached.get_async(f"/{tmp_path.name}/a/b/c").get(TIME)[0] == b"x"


def test_a_name_with_several_addresses_stands_for_all_of_them(zk_server, kazoo, serve, monkeypatch):
    host, _, port = zk_server.hosts.rpartition(":")
    bad = int(serve(BEHAVIOURS["hangs up"]).rpartition(":")[2])
    resolve = socket.getaddrinfo

    def resolved(name, *arguments, flags=0, **options):
        if name != "zk.example":
            return resolve(name, *arguments, flags=flags, **options)
        if flags:
            raise socket.gaierror("not numeric")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in ((host, bad), (host, int(port)))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    for _ in range(4):
        client = AttachedClient("zk.example:2181", kazoo.identity, 10)
        client.start(TIME)
        assert client.client_id[0] == kazoo.identity[0]
        client.drop()


def test_a_name_that_is_not_resolved_in_time_does_not_hold_up_the_others(zk_server, kazoo, monkeypatch):
    resolve, never = socket.getaddrinfo, threading.Event()

    def resolved(name, *arguments, flags=0, **options):
        if name == "slow.example":
            if flags:
                raise socket.gaierror("not numeric")
            never.wait()
        return resolve(name, *arguments, flags=flags, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    client = AttachedClient(f"slow.example:2181,{zk_server.hosts}", kazoo.identity, 10)
    client.start(TIME)
    assert client.client_id[0] == kazoo.identity[0]
    client.drop()
    never.set()


def released(folder, ended):
    """Have a keeper release what is saved in the folder; its exit status."""
    attach = lambda former, keeping: release.Attached(former, folder, "/no/configuration", keeping)  # noqa: E731
    return keeper.Keeper(folder, OWNER, attach, lambda message: None).release(ended)


def test_a_release_that_loses_its_connection_is_tried_again(zk_server, kept, serve):
    """What it could not give up stays saved."""

    def grant_and_hang_up(connection):
        connection.recv(1000)
        password = b"p" * 16
        body = struct.pack(">iiq", 0, 10000, kept.elector.session_id) + struct.pack(">i", 16) + password + b"\0"
        connection.sendall(struct.pack(">i", len(body)) + body)
        connection.close()

    folder = kept(serve(grant_and_hang_up))
    assert released(folder, {}) == 1
    assert saved_session.load(folder, None) is not None
    folder = kept(zk_server.hosts)
    ended = {"primary": {"token": kept.token, "noticed": 1.0, "dead": 2.0, "why": "it is a test"}}
    assert released(folder, ended) == 0
    assert saved_session.load(folder, None) is None


def test_a_release_notes_the_end_of_the_term_that_it_released_and_of_no_other(zk_server, kept):
    folder = kept(zk_server.hosts)
    ended = {"primary": {"token": kept.token + 1, "noticed": 1.0, "dead": 2.0, "why": "another"}}
    assert released(folder, ended) == 0
    looking = KazooClient(hosts=zk_server.hosts)
    looking.start(timeout=TIME)
    elector = Elector(looking, kept.elector.election_znode, "n", kept.elector.election_ack)
    assert elector.history() == b"" and elector.holder() is None and elector.read_ack() == b""
    looking.stop()
    looking.close()


def test_a_server_that_a_session_has_left_writes_nothing_more_for_it(tmp_path):
    """Else what a listener sent that was killed could come after another has gone on in its session. The model of ZooKeeper
    (tests/simulation) takes it for granted."""
    with Ensemble(tmp_path) as ensemble:
        leader, (one, other) = ensemble.leader(), ensemble.followers()
        for number, (left, taken) in enumerate([(one, other), (one, leader), (leader, other)]):
            path = f"/p{number}"
            old = KazooClient(hosts=left.hosts, timeout=10)
            old.start(timeout=TIME)
            old.create(path, ephemeral=True)
            attached = AttachedClient(taken.hosts, old.client_id, 10)
            attached.start(TIME)
            assert attached.client_id[0] == old.client_id[0]
            transaction = old.transaction()
            transaction.delete(path)
            with pytest.raises((kazoo_errors.SessionMovedError, kazoo_errors.ConnectionLoss)):
                transaction.commit_async().get(timeout=TIME)
            assert attached.exists_async(path).get(TIME) is not None
            attached.drop()
            old.stop()
            old.close()
