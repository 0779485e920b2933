"""A ZooKeeper for tests: in a network that can be cut, with TLS, frozen; and several as an ensemble."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

import psutil

from lab.certificates import Certificates
from lab.netns import Place
from supervisor_zkelect.demo import child, zookeeper
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.demo.zookeeper import START_LIMIT, ServerFailed, check_installed

NEEDED_FOR_TLS = ("netty-codec.jar", "netty-resolver.jar", "netty-transport-native-unix-common.jar")
"""Jars that Debian's zookeeper.jar does not name in its manifest."""


class ZooKeeper(zookeeper.ZooKeeper):
    """A server of the demo, and beside what that takes:

    extra: further lines of zoo.cfg; they replace those of the same name.
    tls: Certificates; then clients must show a certificate signed by its `ca`, and plain connections fail.
    place: where to run in a network that can be cut (netns.py); then `hosts` is its inner address.
    """

    def __init__(
        self, folder: Union[str, os.PathLike[str]], tick_ms: int = 200, port: int = 0, *,
        extra: Optional[Dict[str, object]] = None, tls: Optional[Certificates] = None, place: Optional[Place] = None,
    ) -> None:
        super().__init__(folder, tick_ms, port)
        self.prepare = place.enter if place else None
        self.extra = dict(extra or {})
        self.tls = tls
        self.place = place
        self.frozen = False

    @property
    def hosts(self) -> str:
        return f"{self.place.inner}:{self.port}" if self.place else super().hosts

    @property
    def reached(self) -> str:
        return f"{self.place.outer}:{self.port}" if self.place else super().hosts

    @property
    def pid(self) -> Optional[int]:
        """Of the running server, else None."""
        return self.process.pid if self.process is not None and self.running else None

    def __enter__(self) -> ZooKeeper:
        if not self.running:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def command(self) -> List[str]:
        return check_installed(*(NEEDED_FOR_TLS if self.tls else ()))

    def connect(self, timeout: float) -> socket.socket:
        plain = super().connect(timeout)
        if not self.tls:
            return plain
        context = ssl.create_default_context(cafile=self.tls.ca)
        context.load_cert_chain(self.tls.client_cert, self.tls.client_key)
        # Names are checked by the clients under test; this is only a question whether it is up.
        context.check_hostname = False
        try:
            return context.wrap_socket(plain)
        except OSError:
            plain.close()
            raise

    def kill(self) -> None:
        super().kill()
        self.frozen = False

    def stop(self, timeout: float = 10.0) -> None:
        """SIGTERM, and SIGKILL when it takes longer than `timeout` seconds."""
        self.thaw()
        if self.process is not None and self.running:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def restart(self) -> ZooKeeper:
        """SIGKILL and start, on the same port and data."""
        self.kill()
        self.start()
        return self

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections for it, and nothing answers."""
        assert self.process is not None, "it was not started"
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True
        stands = psutil.Process(self.process.pid)
        until(lambda: stands.status() == psutil.STATUS_STOPPED, 10, "ZooKeeper to be stopped by a signal")

    def thaw(self) -> None:
        """SIGCONT. Nothing happens when it is not frozen."""
        if self.process is not None and self.frozen and self.running:
            self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def options(self) -> Dict[str, object]:
        options = super().options()
        # Where there is a network of two sides, it listens on both.
        host = "0.0.0.0" if self.place else options["clientPortAddress"]
        if self.tls:
            del options["clientPort"], options["clientPortAddress"]
            options.update(
                {
                    "secureClientPort": self.port,
                    "secureClientPortAddress": host,
                    "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
                    "ssl.keyStore.location": self._key_store(self.tls),
                    "ssl.keyStore.type": "PEM",
                    "ssl.trustStore.location": self.tls.ca,
                    "ssl.trustStore.type": "PEM",
                    "ssl.clientAuth": "need",
                    # Clients come from addresses that have no names.
                    "ssl.hostnameVerification": "false",
                }
            )
        else:
            options["clientPortAddress"] = host
        return {**options, **self.extra}

    def _key_store(self, tls: Certificates) -> Path:
        """ZooKeeper's PEM key store is one file: the key, then its certificate."""
        path = self.folder.resolve() / "server.pem"
        path.write_text(Path(tls.server_key).read_text() + Path(tls.server_cert).read_text())
        path.chmod(0o600)
        return path


class Ensemble:
    """Several servers that elect a leader; `servers` are in the order of their ids, from 1.

    folder: a folder per server is made in it.
    tick_ms: tickTime in milliseconds; initLimit is 10 and syncLimit 5 ticks unless `extra` says otherwise.
    extra: further lines of every zoo.cfg.
    places: one per server, where to run in a network that can be cut (netns.py).
    """

    def __init__(
        self,
        folder: Union[str, os.PathLike[str]],
        size: int = 3,
        tick_ms: int = 200,
        extra: Optional[Dict[str, object]] = None,
        places: Optional[Sequence[Place]] = None,
    ) -> None:
        self.folder = Path(folder)
        spots: List[Optional[Place]] = list(places) if places else [None] * size
        peers: Dict[str, object] = {"initLimit": 10, "syncLimit": 5}
        self._peer_ports = [child.free_port() for _ in range(2 * len(spots))]
        self.servers = []
        for index, spot in enumerate(spots):
            quorum, election = self._peer_ports[2 * index : 2 * index + 2]
            peers[f"server.{index + 1}"] = f"{spot.inner if spot else '127.0.0.1'}:{quorum}:{election}"
        for index, spot in enumerate(spots):
            data = self.folder / f"server-{index + 1}" / "data"
            data.mkdir(parents=True, exist_ok=True)
            (data / "myid").write_text(f"{index + 1}\n")
            self.servers.append(ZooKeeper(data.parent, tick_ms, extra={**peers, **(extra or {})}, place=spot))

    @property
    def hosts(self) -> str:
        """As clients write it, "host:port,host:port,..."."""
        return ",".join(server.hosts for server in self.servers)

    @property
    def reached(self) -> str:
        """As `hosts`, for this process."""
        return ",".join(server.reached for server in self.servers)

    def start(self, timeout: float = START_LIMIT) -> Ensemble:
        """Start those that do not run, on their ports and data, and wait until all serve.

        Raises ZooKeeperMissing; ZooKeeperFailed when they do not within `timeout` seconds.
        """
        for server in self.servers:
            if not server.running:
                server.start(wait=False)
        for server in self.servers:
            server.wait_serving(timeout)
        try:
            until(
                lambda: self.leader() and len(self.followers()) == len(self.servers) - 1,
                timeout,
                "one leader",
            )
        except TimeoutError as problem:
            raise ServerFailed(str(problem)) from problem
        return self

    def leader(self) -> Optional[ZooKeeper]:
        """The server that says it leads; None while there is none."""
        return next((server for server in self.servers if server.running and server.mode() == "leader"), None)

    def followers(self) -> List[ZooKeeper]:
        """The servers that say they follow."""
        return [server for server in self.servers if server.running and server.mode() == "follower"]

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def close(self) -> None:
        """End all whatever happens and give their ports back."""
        for server in self.servers:
            server.close()
        for port in self._peer_ports:
            child.give_back(port)

    def __enter__(self) -> Ensemble:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
