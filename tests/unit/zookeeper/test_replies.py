"""What a server may say, and kazoo's client and our own under it."""

import logging
import struct
import time

import pytest
from kazoo import exceptions as kazoo_errors

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.zookeeper import connect, kazoo_internals, replies
from supervisor_zkelect.zookeeper.attached import AttachedClient
from supervisor_zkelect.zookeeper.errors import NotConnected
from tests.false_server import PASSWORD, Server, grant, reply

STAT = struct.pack(">qqqqiiiqiiq", *[1] * 11)

#: What is said instead of the answer to a connect request.
BAD_GRANTS = {
    "zero": grant(0, 7), "negative": grant(-1), "least": grant(-2**31), "tiny": grant(1), "huge": grant(2**31 - 1),
    "by far": grant(90_000), "no session": grant(10000, 0), "long password": grant(password=b"p" * 5000),
    "negative length": struct.pack(">i", -1), "empty": struct.pack(">i", 0),
    "100 MB": struct.pack(">i", 100 << 20) + b"x" * 65536,
    "2 GB": struct.pack(">i", 2**31 - 1), "text": b"HTTP/1.1 400 Bad Request\r\n\r\n", "short": struct.pack(">i", 3) + b"abc",
    "password of 2 GB": struct.pack(">iiiqi", 20, 0, 10000, 7, 2**31 - 1),
}

#: What is said instead of the answer to the first request, whose number is 1.
BAD_REPLIES = {
    "negative length": struct.pack(">i", -5), "100 MB": struct.pack(">i", 100 << 20),
    "too short": struct.pack(">i", 4) + b"abcd", "another's": reply(99), "authentication's": reply(-4),
    "refused ping": reply(-2, error=replies.UNAUTHENTICATED_CODE), "no number of any": reply(-100),
    "no error of any": reply(1, error=-9999),
    "2^31 children": reply(1, struct.pack(">i", 2**31 - 1)), "a name of 2 GB": reply(1, struct.pack(">iii", 2, 2**31 - 1, 0)),
    "no UTF-8": reply(1, struct.pack(">ii", 1, 2) + b"\xff\xfe"), "nothing": reply(1),
}


@pytest.fixture
def serve():
    servers = []

    def serve(first, more=b""):
        servers.append(Server(first, more))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def kazoo(caplog):
    """Start a client of kazoo's at a server; it is stopped, whatever happens."""
    caplog.set_level(logging.WARNING)
    clients = []

    def kazoo(server, prepare=lambda client: None, **options):
        client = connect.make_client(server.hosts, 10.0, **options)
        clients.append(client)
        prepare(client)
        client.start_async()
        return client

    yield kazoo
    for client in clients:
        client.handler.create_connection = lambda *arguments, **options: (_ for _ in ()).throw(OSError("over"))
        client._session_timeout = 100
        connect.stop_client(client)


@pytest.mark.parametrize("name", BAD_GRANTS)
def test_a_bad_answer_to_a_connect_request(serve, kazoo, caplog, name):
    """The client goes on, ever more slowly, and tells why."""
    server = serve(BAD_GRANTS[name])
    client = kazoo(server)
    until(lambda: server.asked > replies.PAUSES_AFTER + 1, 30, "more than one attempt")
    assert client._connection._connection_routine.is_alive() and not client.connected
    said = [record.getMessage() for record in caplog.records if "Connection dropped" in record.getMessage()]
    assert len(said) >= replies.PAUSES_AFTER and "Unhandled exception" not in caplog.text
    if name != "zero":
        # That is how the end of a session is told to who wants to go on with it.
        with pytest.raises(NotConnected):
            AttachedClient(server.hosts, (7, PASSWORD), 10.0).start(0.5)


def test_an_attach_to_a_session_that_is_over(serve):
    client = AttachedClient(serve(grant(0, 0)).hosts, (7, PASSWORD), 10.0)
    client.start(10)
    assert client.client_id[0] == 0
    client.drop()


@pytest.mark.parametrize("name", BAD_REPLIES)
def test_a_bad_answer_to_a_request(serve, kazoo, name):
    """Who asked is told at once that the connection is lost; the client makes another for the same session."""
    server = serve(grant(), BAD_REPLIES[name])
    client = kazoo(server)
    until(lambda: client.connected, 30, "the client to be connected")
    answer = client.get_children_async("/x")
    until(lambda: server.asked > 1, 30, "another connection")
    assert client._connection._connection_routine.is_alive() and client._session_id == 7
    with pytest.raises(Exception) as caught:
        answer.get(timeout=10)
    assert not replies.is_answer(caught.value)
    ours = AttachedClient(server.hosts, (7, PASSWORD), 10.0)
    ours.start(10)
    asked = ours.get_children_async("/x")
    if name in ("another's", "authentication's", "refused ping", "no number of any"):
        # These are passed over; the answer may yet come.
        with pytest.raises(TimeoutError):
            asked.get(0.2)
    else:
        with pytest.raises(kazoo_errors.ConnectionLoss):
            asked.get(10)
    ours.drop()


@pytest.mark.parametrize("said", [reply(5), reply(-4, error=-101), reply(-4, error=-9999), b"\0\0\0\x02ab", b"x" * 99],
                         ids=["another's", "another error", "no error", "short", "text"])
def test_a_bad_answer_to_an_authentication(serve, kazoo, caplog, said):
    server = serve(grant(), said)
    client = kazoo(server, digest="zk:gehe1m")
    until(lambda: server.asked > 1, 30, "another connection")
    assert client._connection._connection_routine.is_alive() and client._session_id == 7
    assert "Unhandled" not in caplog.text and "gehe1m" not in caplog.text
    with pytest.raises(NotConnected):
        AttachedClient(server.hosts, (7, PASSWORD), 10.0, "zk:gehe1m").start(0.5)


def test_what_is_longer_than_usual_is_read_where_that_is_asked_for(serve, kazoo):
    data = b"x" * (2 << 20)
    server = serve(grant(), reply(1, struct.pack(">i", len(data)) + data + STAT))
    client = kazoo(server, limits=lambda: (4 << 20, 2.0))
    until(lambda: client.connected, 30, "the client to be connected")
    assert client.get_async("/x").get(timeout=30)[0] == data
    ours = AttachedClient(server.hosts, (7, PASSWORD), 10.0, longest=4 << 20)
    ours.start(10)
    assert ours.get_async("/x").get(30)[0] == data
    ours.drop()


def test_a_server_that_wants_authentication(serve, kazoo, caplog):
    server = serve(grant(), reply(1, error=replies.UNAUTHENTICATED_CODE))
    client = kazoo(server)
    until(lambda: client.connected, 30, "the client to be connected")
    client.exists_async("/x")
    until(lambda: "enforce.auth.enabled" in caplog.text, 30, "the reason to be told")
    ours = AttachedClient(server.hosts, (7, PASSWORD), 10.0)
    ours.start(10)
    with pytest.raises(kazoo_errors.AuthFailedError, match="enforce.auth.enabled"):
        ours.exists_async("/x").get(10)
    ours.drop()


def test_connections_that_come_to_nothing_are_followed_by_pauses():
    pace = replies.ReconnectPace()
    pauses = []
    for _ in range(30):
        pace.taken()
        pauses.append(pace.pause)
    assert pauses[:5] == [0, 0, 0, 0.1, 0.2] and pauses == sorted(pauses) and pauses[-1] == replies.LONGEST_PAUSE
    pace.answered()
    assert pace.pause == 0


def test_the_next_connection_waits_for_the_pause_and_a_stop_does_not(serve):
    server, pace = serve(grant()), replies.ReconnectPace()
    client = connect.make_client(server.hosts, 10.0, pace=pace)
    host, _, port = server.hosts.partition(":")
    for _ in range(replies.PAUSES_AFTER + 1):
        pace.taken()
    # A client that was not started is stopped, so that nothing is waited for.
    with pytest.raises(OSError, match="stopped"):
        client.handler.create_connection(address=(host, int(port)), timeout=1.0)
    pace.answered()
    client.handler.create_connection(address=(host, int(port)), timeout=30.0).close()


@pytest.mark.parametrize("error, answered", [
    (None, True), (kazoo_errors.NoNodeError(), True), (kazoo_errors.NoAuthError(), True),
    (kazoo_errors.RolledBackError(), True), (kazoo_errors.ConnectionLoss(), False), (kazoo_errors.SessionExpiredError(), False),
    (kazoo_errors.AuthFailedError(replies.UNAUTHENTICATED), False),
    (kazoo_errors.ConnectionClosedError(), False), (struct.error("x"), False), (RuntimeError("xids"), False),
])
def test_what_proves_nothing_of_a_session(error, answered):
    assert replies.is_answer(error) is answered


REFUSED = reply(-4, error=-115)


def test_credentials_that_are_refused_for_as_long_as_a_lease_lasts_end_the_session(serve, kazoo):
    """Each try keeps it alive, and its proposal would stand in the queue for ever."""
    server = serve(grant(1000), REFUSED)
    client = kazoo(server, lambda client: kazoo_internals.ask_timeout(client, 1.0), digest="zk:gehe1m", client_id=(7, PASSWORD))
    until(lambda: kazoo_internals.has_ended(client), 60, "the client to give up")
    assert server.asked > 1
    longer = kazoo(serve(grant(8000), REFUSED), lambda client: kazoo_internals.ask_timeout(client, 1.0), digest="z:p", client_id=(7, PASSWORD))
    begun = time.monotonic()
    until(lambda: kazoo_internals.has_ended(longer), 60, "this one to give up")
    assert time.monotonic() - begun >= 8.0, "the leases go by what was granted"


def test_credentials_that_are_refused_end_a_client_that_has_no_session(serve, kazoo):
    client = kazoo(serve(grant(), REFUSED), digest="zk:gehe1m")
    until(lambda: kazoo_internals.has_ended(client), 30, "the client to give up")


@pytest.mark.parametrize("sasl", [False, True])
def test_a_session_lives_on_whose_client_cannot_authenticate_just_now(serve, kazoo, caplog, sasl):
    """A server that ends meanwhile, or one with other credentials, says nothing of the session."""
    states = []

    def dropped(host, timeout):
        raise kazoo_errors.AuthFailedError("Connection dropped in SASL")

    def prepared(client):
        client.add_listener(states.append)
        if sasl:
            client._connection.sasl_options, client._connection._authenticate_with_sasl = {}, dropped

    server = serve(grant(), REFUSED)
    client = kazoo(server, prepared, digest=None if sasl else "zk:gehe1m", client_id=(7, PASSWORD))
    until(lambda: server.asked > replies.PAUSES_AFTER + 1, 30, "more than one attempt")
    assert client._connection._connection_routine.is_alive() and client._session_id == 7 and "LOST" not in states
    assert "this client cannot authenticate" in caplog.text
