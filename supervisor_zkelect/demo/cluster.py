"""Several nodes with one election of one sample, and an observer of their services.

    with Cluster(folder, zookeeper, ["a", "b"], timeout=4, tick=0.5) as cluster:
        cluster.start()
        cluster.primary("a")
        ...
        cluster.verdict()

`start` starts the nodes one after the other, so that the first named becomes primary. What a test waits for has a
limit in PATIENCE, and a failure carries the nodes' logs.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from supervisor_zkelect import samples
from supervisor_zkelect.demo import child, observer
from supervisor_zkelect.demo.netns import Network
from supervisor_zkelect.demo.node import Node
from supervisor_zkelect.demo.wait import until

PATIENCE = 60.0

PRIMARY, NOT_PRIMARY, UNKNOWN = 0, 3, 4
"""Exit statuses of `role` (DESIGN.md, "What an operator types")."""


class Cluster:
    """Nodes by name in `nodes`, in `folder`.

    servers: "host:port,..." of ZooKeeper as the nodes reach it.
    timeout, tick: session_timeout and tick_time in seconds.
    network: places for nodes of these names; None for loopback.
    overrides: further options of the sample, as Node takes them.
    elections: those of the sample.
    more: further arguments of each Node.
    """

    def __init__(
        self, folder: Path, servers: str, names: Sequence[str], *, timeout: float = 4, tick: float = 0.2,
        network: Optional[Network] = None, sample: str = "zkelect.conf", elections: Sequence[str] = ("orders",),
        overrides: Optional[Mapping[str, Mapping[str, Optional[str]]]] = None, **more: Any,
    ) -> None:
        self.stack = ExitStack()
        self.elections = list(elections)
        self.chroot = f"/{child.new_marker()}"
        self.journals = folder / "journals"
        self.nodes: Dict[str, Node] = {}
        for name in names:
            place = network[name] if network else None
            merged = {section: dict(options) for section, options in (overrides or {}).items()}
            merged["zkelect"] = {
                "chroot": self.chroot, "session_timeout": str(timeout), "tick_time": str(tick),
                **merged.get("zkelect", {}),
            }
            addresses = {}
            for election in elections:
                port = child.free_port()
                self.stack.callback(child.give_back, port)
                addresses[election] = f"{place.outer if place else '127.0.0.1'}:{port}"
            self.nodes[name] = Node(
                folder / name, name, servers, addresses=addresses, sample=samples.path(sample), overrides=merged,
                journals=self.journals, place=place, **more,
            )
            self.stack.callback(self.nodes[name].close)
        self.observers = {
            election: observer.Observer({name: node.addresses[election] for name, node in self.nodes.items()})
            for election in elections
        }

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def start(self) -> "Cluster":
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

    def until(self, holds: Any, what: str, limit: float = PATIENCE) -> Any:
        """Wait until `holds()` is true; a failure carries the nodes' logs."""
        try:
            return until(holds, limit, what)
        except TimeoutError as problem:
            raise AssertionError(f"{problem}\n{self.logs()}") from None

    def role(self, name: str, status: int, election: str = "orders") -> None:
        """Wait until `supervisorctl role` on the node exits with `status`."""
        node = self.nodes[name]
        self.until(
            lambda: node.ctl("role", election).returncode == status, f"role on {name} to exit with {status}"
        )

    def standby(self, name: str, election: str = "orders") -> None:
        """Wait until the node stands in the queue without leading it."""
        node = self.nodes[name]
        self.until(
            lambda: '"role": "standby"' in node.zkelect("role", election, "--json").stdout, f"{name} to stand by"
        )
        self.role(name, NOT_PRIMARY, election)

    def ack(self, name: str, election: str = "orders") -> str:
        """What a client on the node finds in the ack znode."""
        node = self.nodes[name]
        return node.zkelect("primary", election, "-c", str(node.zkelect_conf)).stdout.strip()

    def pid(self, name: str, election: str = "orders") -> int:
        """Of the service that answers on the node, 0 when none does."""
        try:
            return observer.ask(self.nodes[name].addresses[election], 1.0)
        except OSError:
            return 0

    def primary(self, name: str, election: str = "orders", other: int = 0) -> int:
        """Wait until ack, role and service agree that the node is primary; returns the service's pid.

        other: a pid that is not meant.
        """
        address = self.nodes[name].addresses[election]
        pid = self.until(
            lambda: (found := self.pid(name, election)) not in (0, other) and found, f"the service of {name}"
        )
        self.until(lambda: self.ack(name, election) == address, f"the ack to name {name}")
        self.role(name, PRIMARY, election)
        return pid

    def token(self, name: str, election: str = "orders") -> int:
        """The fencing token that the node's role shows; 0 without one."""
        found = re.search(r'"token": (\d+)', self.nodes[name].zkelect("role", election, "--json").stdout)
        return int(found.group(1)) if found else 0

    def settled(self, name: str, election: str = "orders") -> int:
        """Wait until the node is primary and every other running node stands by; returns the service's pid."""
        pid = self.primary(name, election)
        for other, node in self.nodes.items():
            if other != name and node.running:
                self.standby(other, election)
        return pid

    def verdict(self, election: str = "orders", overlap: float = 0.0) -> observer.Verdict:
        """What the observer heard. Raises AssertionError when two served at once, seen or by their journals.

        overlap: seconds for which they may, where the fault is one that nothing on a node can cover.
        """
        heard = self.observers[election].verdict()
        assert heard.questions and all(heard.questions.values()), "the observer asked nobody"
        journals: List[Union[str, Path]] = sorted(self.journals.iterdir()) if self.journals.exists() else []
        assert not heard.overlap or heard.overlap.seconds < overlap, f"two served at once: {heard.overlap} {heard.turns}\n{self.logs()}"
        if len(self.elections) == 1:
            for journal in journals:
                both = observer.overlap(journal)
                assert not both or both.seconds < overlap, f"two lived at once by {journal}: {both}\n{self.logs()}"
        return heard
