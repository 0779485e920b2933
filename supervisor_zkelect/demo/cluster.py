"""Several nodes with one election of one sample, and an observer of their services.

    with Cluster(folder, zookeeper, ["a", "b"], timeout=4, tick=0.5) as cluster:
        cluster.start()
        cluster.primary("a")

`start` starts the nodes one after the other, so that the first named becomes primary. What a test waits for has a
limit, and a failure carries the nodes' logs.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from supervisor_zkelect.config import samples
from supervisor_zkelect.demo import child, observer
from supervisor_zkelect.demo.node import Node
from supervisor_zkelect.demo.wait import until

PATIENCE = 60.0
"""Seconds that a wait may take, where four session timeouts are not more."""


class Cluster:
    """Nodes by name in `nodes`, in `folder`.

    servers: "host:port,..." of ZooKeeper as the nodes reach it.
    reached: the same as this process reaches it.
    timeout, tick: session_timeout and tick_time in seconds.
    overrides: further options of the sample, as Node takes them.
    elections: those of the sample.
    chroot: below which the nodes have their znodes, "" for the root; None for a path that no other cluster has.
    """

    def __init__(
        self, folder: Path, servers: str, names: Sequence[str], *, reached: str, timeout: float = 4,
        tick: float = 0.2, sample: str = "zkelect.conf", elections: Sequence[str] = ("orders",),
        overrides: Optional[Mapping[str, Mapping[str, Optional[str]]]] = None, chroot: Optional[str] = None,
    ) -> None:
        self.stack = ExitStack()
        self.reached = reached
        self.patience = max(PATIENCE, 4 * timeout)
        self._client: Optional[KazooClient] = None
        self.elections = list(elections)
        self.chroot = f"/{child.new_marker()}" if chroot is None else chroot
        self.nodes: Dict[str, Node] = {}
        for name in names:
            merged = {section: dict(options) for section, options in (overrides or {}).items()}
            merged["zkelect"] = {
                "chroot": self.chroot or None, "session_timeout": str(timeout), "tick_time": str(tick),
                **merged.get("zkelect", {}),
            }
            addresses = {}
            for election in elections:
                port = child.free_port()
                self.stack.callback(child.give_back, port)
                addresses[election] = f"{self.host(name)}:{port}"
            self.nodes[name] = self.node(
                folder / name, name, servers, addresses=addresses, sample=samples.path(sample), overrides=merged,
            )
            self.stack.callback(self.nodes[name].close)
        self.observers = {
            election: self.watcher({name: node.addresses[election] for name, node in self.nodes.items()})
            for election in elections
        }

    def host(self, name: str) -> str:
        """The address of the node's services."""
        return "127.0.0.1"

    def node(self, folder: Path, name: str, servers: str, **options: Any) -> Node:
        """Make one of the nodes. options: as Node takes them."""
        return Node(folder, name, servers, **options)

    def watcher(self, addresses: Dict[str, str]) -> observer.Observer:
        """Make one of the observers."""
        return observer.Observer(addresses)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def start(self) -> Cluster:
        """Start the observers and the nodes, and wait until all have the roles of their order."""
        for watcher in self.observers.values():
            self.stack.enter_context(watcher)
        for number, (name, node) in enumerate(self.nodes.items()):
            node.start()
            for election in self.elections:
                if number == 0:
                    self.primary(name, election)
                else:
                    self.standby(name, election)
        return self

    def logs(self) -> str:
        return "\n".join(node.logs() for node in self.nodes.values())

    def until(self, holds: Any, what: str, limit: Optional[float] = None, pause: Optional[float] = None) -> Any:
        """Wait until `holds()` is true, by default for `patience` seconds; a failure carries the nodes' logs."""
        try:
            return until(holds, limit or self.patience, what, pause)
        except TimeoutError as problem:
            raise AssertionError(f"{problem}\n{self.logs()}") from None

    def standby(self, name: str, election: str = "orders") -> None:
        """Wait until the node stands in the queue without leading it."""
        self.role_is(name, "standby", election)

    def role_is(self, name: str, role: str, election: str = "orders", step: str = "") -> None:
        """Wait until the node's listener reports the role, and the step if one is given."""
        node = self.nodes[name]

        def reported() -> bool:
            part = node.part(election)
            return part.get("role") == role and step in ("", part["step"])

        self.until(reported, f"the role of {name} to be {role} {step}")

    def client(self) -> KazooClient:
        """This process's own client of the ZooKeeper, which tries on whatever befalls that."""
        if self._client is None:
            retry = dict(max_tries=-1, delay=0.05, max_delay=0.5)
            self._client = KazooClient(self.reached, timeout=10, connection_retry=retry, command_retry=retry)
            self.stack.callback(self._end_client)
            self._client.start_async()
        return self._client

    def _end_client(self) -> None:
        client = self.client()
        client.stop()
        client.close()

    def ack(self, name: str, election: str = "orders") -> str:
        """The content of the ack znode, "" when there is none. name: of the node that asks; here, this process asks for all."""
        try:
            data, _ = self.client().get_async(f"{self.chroot}/zkelect/{election}/ack").get(timeout=5)
        except NoNodeError:
            return ""
        return str(data, "utf-8")

    def pid(self, name: str, election: str = "orders") -> int:
        """Of the service that answers on the node, 0 when none does."""
        try:
            return observer.ask(self.nodes[name].addresses[election], 1.0)
        except OSError:
            return 0

    def primary(self, name: str, election: str = "orders", other: int = 0) -> int:
        """Wait until ack, report and service agree that the node is primary; returns the service's pid.

        other: a pid that is not meant.
        """
        address = self.nodes[name].addresses[election]
        pid: int = self.until(
            lambda: (found := self.pid(name, election)) not in (0, other) and found, f"the service of {name}"
        )
        self.until(lambda: self.ack(name, election) == address, f"the ack to name {name}")
        self.role_is(name, "primary", election)
        return pid

    def token(self, name: str, election: str = "orders") -> int:
        """The fencing token that the node's listener reports; 0 without one."""
        return int(self.nodes[name].part(election).get("token") or 0)

    def settled(self, name: str, election: str = "orders") -> int:
        """Wait until the node is primary and every other running node stands by; returns the service's pid."""
        pid = self.primary(name, election)
        for other, node in self.nodes.items():
            if other != name and node.running:
                self.standby(other, election)
        return pid
