"""A server, or something between it and the node, that answers nonsense: waited out, never the end of a node."""

import socket
import struct
import threading

import pytest

from lab.cluster import CANNOT
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.system.clock import now
from tests.false_server import Server, grant

#: An answer to a request that nobody made: length, xid, zxid, error.
STRAY = struct.pack(">iiqi", 16, 99, -1, 0)


class Spoiler:
    """A relay to a server.

    `spoil` puts bytes in front of what the server says next, on every connection. `forget` ends all connections, and the
    next one is taken and never answered.
    """

    def __init__(self, server):
        self._server = server
        self._door = socket.create_server(("127.0.0.1", 0))
        self.hosts = f"127.0.0.1:{self._door.getsockname()[1]}"
        self.nonsense = b""
        self.spoilt = threading.Event()
        self.forgetting = False
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        # shutdown wakes the thread that accepts; close alone would not.
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def spoil(self, nonsense):
        self.nonsense = nonsense

    def forget(self):
        self.forgetting = True
        for connection in self.open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed

    def _accept(self):
        while True:
            try:
                client = self._door.accept()[0]
            except OSError:
                return
            self.open.append(client)
            if self.forgetting:
                self.forgetting = False
                continue
            server = socket.create_connection(self._server)
            threading.Thread(target=self._relay, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._relay, args=(server, client, True), daemon=True).start()

    def _relay(self, source, target, answers):
        try:
            data = source.recv(65536)
            while data:
                if answers and self.nonsense:
                    data, self.nonsense = self.nonsense + data, b""
                    self.spoilt.set()
                target.sendall(data)
                data = source.recv(65536)
        except OSError:
            pass  # either side hung up, and so does the other now
        for side in (source, target):
            side.close()


def connected(cluster):
    """How often nodes have been connected so far."""
    return sum(node.logs(50000).count("ZooKeeper: connected") for node in cluster.nodes.values())


NONSENSE = {
    "stray": STRAY, "text": b"HTTP/1.1 400 Bad Request\r\n\r\n", "negative length": struct.pack(">i", -1),
    "100 MB": struct.pack(">i", 100 << 20) + b"x" * 100_000, "2 GB": struct.pack(">i", 2**31 - 1),
    "empty": struct.pack(">i", 0),
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_in_a_session(make_cluster, tmp_path, nonsense):
    """The connection is closed, and the term goes on over another."""
    with ZooKeeper(tmp_path / "zk", tick_ms=200, extra={"maxSessionTimeout": 20000}) as server:
        spoiler = Spoiler(("127.0.0.1", server.port))
        try:
            cluster = make_cluster(spoiler.hosts, ("a",), timeout=20).start()
            listener, pid, token = cluster["a"].listener_pid(), cluster.primary("a"), cluster.token("a")
            before = connected(cluster)
            spoiler.spoil(nonsense)
            cluster.until(spoiler.spoilt.is_set, "the nonsense to be sent")
            cluster.until(lambda: "ZooKeeper: suspended: Connection dropped: a" in cluster["a"].logs(50000), "the loss, and why")
            cluster.until(lambda: connected(cluster) > before, "the node to be connected again")
            assert (cluster.settled("a"), cluster.token("a"), cluster["a"].listener_pid()) == (pid, token, listener)
            cluster.verdict()
        finally:
            cluster.stack.close()
            spoiler.close()


def test_a_server_that_takes_a_connection_and_forgets_it(make_cluster, tmp_path):
    """As one does that has just begun: the next try comes long before the session's timeout."""
    with ZooKeeper(tmp_path / "zk", tick_ms=200, extra={"maxSessionTimeout": 20000}) as server:
        spoiler = Spoiler(("127.0.0.1", server.port))
        try:
            cluster = make_cluster(spoiler.hosts, ("a",), timeout=20).start()
            pid, token, before, since = cluster.primary("a"), cluster.token("a"), connected(cluster), now()
            spoiler.forget()
            cluster.until(lambda: connected(cluster) > before, "the node to be connected again")
            assert now() - since < 10
            assert cluster.settled("a") == pid and cluster.token("a") == token
            cluster.verdict()
        finally:
            cluster.stack.close()
            spoiler.close()


GRANTS = {"zero": 0, "negative": -1, "tiny": 1, "huge": 2**31 - 1}


@pytest.mark.parametrize("timeout", GRANTS.values(), ids=GRANTS)
def test_a_session_timeout_that_nobody_can_work_with(make_cluster, timeout):
    """It is told, in few lines, and the server is asked ever less often."""
    server = Server(grant(timeout))
    try:
        cluster = make_cluster(server.hosts, ("a",))
        node = cluster["a"].start()
        told = f"a session timeout of {timeout / 1000:g} s is granted"
        cluster.until(lambda: told in cluster.logs(), "the refusal to be told")
        assert told in node.ctl("role").stdout
        cluster.role("a", CANNOT)
        since, asked = now(), server.asked
        cluster.until(lambda: now() - since > 10, "some time to pass")
        assert server.asked - asked <= 4
        log = "".join(path.read_text() for path in (node.folder / "logs").glob("zkelect-stderr*"))
        assert log.count("is granted") <= 2 and node.listener_pid() and not node.service_pids()
    finally:
        cluster.stack.close()
        server.close()


def test_a_server_that_is_no_zookeeper(make_cluster):
    """It talks at once, as one that speaks SSH does, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def talk():
            while True:
                try:
                    with door.accept()[0] as client:
                        client.sendall(b"\0\0\0\x04what")
                except OSError:
                    return

        threading.Thread(target=talk, daemon=True).start()
        cluster = make_cluster(f"127.0.0.1:{door.getsockname()[1]}", ("a",))
        node = cluster["a"].start()
        cluster.until(lambda: "trying again" in cluster.logs(), "the trouble to be told")
        cluster.role("a", CANNOT)
        assert node.listener_pid() and not node.service_pids()
        door.shutdown(socket.SHUT_RDWR)
