"""A cluster for tests: in a network that can be cut, with nodes whose processes can be frozen and killed one at a time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from lab import journal as journal_of
from lab import observer
from lab.netns import Network
from lab.node import Node
from lab.observer import Verdict
from supervisor_zkelect.demo import cluster

PRIMARY, NOT_PRIMARY, UNKNOWN, ON_ITS_WAY, CANNOT = 0, 3, 4, 5, 6
"""Exit statuses of `role`: NOT_PRIMARY stands by and could take over, ON_ITS_WAY takes no part or not yet, CANNOT should."""


class Cluster(cluster.Cluster):
    """A cluster of the demo, and beside what that takes:

    reached: None where only the nodes reach ZooKeeper, and `zkelect` on them reads the ack.
    network: places for nodes of these names; None for loopback.
    more: further arguments of each Node.
    """

    nodes: Dict[str, Node]  # type: ignore[assignment]
    observers: Dict[str, observer.Observer]  # type: ignore[assignment]

    def __init__(
        self, folder: Path, servers: str, names: Sequence[str], *, reached: Optional[str] = None, timeout: float = 4,
        tick: float = 0.2, network: Optional[Network] = None, sample: str = "zkelect.conf",
        elections: Sequence[str] = ("orders",), overrides: Optional[Mapping[str, Mapping[str, Optional[str]]]] = None,
        chroot: Optional[str] = None, **more: Any,
    ) -> None:
        self.network = network
        self.journals = folder / "journals"
        self.more = more
        super().__init__(
            folder, servers, names, reached=reached or "", timeout=timeout, tick=tick, sample=sample, elections=elections,
            overrides=overrides, chroot=chroot,
        )

    def host(self, name: str) -> str:
        return self.network[name].outer if self.network else super().host(name)

    def node(self, folder: Path, name: str, servers: str, **options: Any) -> Node:
        place = self.network[name] if self.network else None
        return Node(folder, name, servers, place=place, journals=self.journals, **options, **self.more)

    def watcher(self, addresses: Dict[str, str]) -> observer.Observer:
        return observer.Observer(addresses)

    def ack(self, name: str, election: str = "orders") -> str:
        if self.reached:
            return super().ack(name, election)
        node = self.nodes[name]
        return node.zkelect("primary", election, "-c", str(node.zkelect_conf)).stdout.strip()

    def role(self, name: str, status: int, election: str = "orders") -> None:
        """Wait until `supervisorctl role` on the node exits with `status`."""
        node = self.nodes[name]
        self.until(
            lambda: node.ctl("role", election).returncode == status, f"role on {name} to exit with {status}"
        )

    def leader(self, election: str = "orders", limit: Optional[float] = None) -> str:
        """Wait until one node, whichever, is primary and every other running one stands by; returns its name."""

        def found() -> str:
            roles = {
                name: node.part(election).get("role") for name, node in self.nodes.items() if node.running
            }
            primaries = [name for name, role in roles.items() if role == "primary"]
            fits = len(primaries) == 1 and all(role in ("primary", "standby") for role in roles.values())
            if not fits or not self.pid(primaries[0], election):
                return ""
            return primaries[0] if self.ack(primaries[0], election) == self.nodes[primaries[0]].addresses[election] else ""

        # All in one look: who leads may just be losing that.
        name: str = self.until(found, "one node to be primary, in the ack and by its service, and all others to stand by", limit)
        return name

    def told(self, election: str = "orders") -> None:
        """Wait until `supervisorctl role` on every running node says what the services do: clean, to an operator."""

        def says_so(node: Any, name: str) -> bool:
            # The service may just be moving.
            return bool(node.ctl("role", election).returncode == (PRIMARY if self.pid(name, election) else NOT_PRIMARY))

        for name, node in self.nodes.items():
            if node.running:
                self.until(partial(says_so, node, name), f"role on {name} to say what its service does")

    def journal(self, election: str = "orders") -> Path:
        """Where the services of the election write their lives, in a file named for their group as in the samples."""
        return self.journals / ("primary" if len(self.elections) == 1 else election)

    def lives(self, election: str = "orders") -> List[journal_of.Life]:
        """The lives in the journal of the election's services, so far."""
        path = self.journal(election)
        return journal_of.lives(path) if path.exists() else []

    def verdict(self, election: str = "orders", overlap: float = 0.0) -> Verdict:
        """The observer's verdict. Raises AssertionError when two served at once, as it heard or by the services' own
        journal, or when a later term has not the higher fencing token.

        overlap: seconds for which they may, where the fault is one that nothing on a node can cover.
        """
        heard = self.observers[election].verdict()
        assert heard.questions and all(heard.questions.values()), "the observer asked nobody"
        problems = []
        if heard.overlap and heard.overlap.seconds >= overlap:
            problems.append(f"two served at once: {heard.overlap} {heard.turns}")
        path = self.journal(election)
        if path.exists():
            both = journal_of.overlap(path)
            if both and both.seconds >= overlap:
                problems.append(f"two lived at once by their journal: {both}")
            problems += journal_of.disorder(path)
        assert not problems, "\n".join([*problems, self.logs()])
        return heard
