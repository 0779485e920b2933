"""A network of namespaces on one machine whose links can be cut so that packets vanish without a word.

    with Network(["zk", "a", "b"]) as network:
        network.cut("a")            # a hears nobody inside, and nobody hears a
        network.cut("zk", "b")      # these two do not hear each other, both hear the rest
        network.heal()

Every place has two links. The inner one, through which the places speak to each other, is the one that is
cut. The outer one leads to the process that made the network and to everybody outside of the namespaces; it
is never cut, so that an observer still hears what a cut-off node's service says.

A cut takes no link down and answers nothing: connections hang as they do when a switch dies. A place is cut
off by letting its port of the switch drop all frames, two places by a wrong hardware address for each other.
Only `ip` is needed for it. For packets that are held back and arrive later, see relay.py.

A namespace lives as long as the process that sits in it, which dies with the process that made the network
(child.py), and takes its links along: there is nothing to clean up afterwards.
"""

from __future__ import annotations

import ctypes
import os
import random
import secrets
import shutil
import socket
import subprocess
from functools import cache, partial
from typing import Dict, List, NamedTuple, Optional, Sequence

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until

NETWORKS = range(512)
"""The /24 networks of 198.18.0.0/15, which is set aside for tests of networks (RFC 2544)."""

OUTSIDE = 254
"""The last number of this process's own address; places are numbered from 1 inside and from 129 outside."""

MOST_PLACES = 100

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)

LINKS = "zkl"
"""The beginning of the names of links outside of the namespaces; the pid of their maker follows."""

LISTENING, FORWARDING = 1, 3
"""States of a switch's port (ip-link(8), bridge_slave). One that listens drops all frames, both ways. So does
one in state 0, disabled, but the kernel enables that again with the next event of its link."""


class Place(NamedTuple):
    """A network namespace: its name, the path that setns(2) takes, and its IPv4 addresses.

    inner: where the other places reach it. outer: where this process and the rest of the machine reach it.
    """

    name: str
    path: str
    inner: str
    outer: str

    def enter(self) -> None:
        """Move the calling thread, and no other, into the namespace. Raises OSError."""
        enter(self.path)


class NetworkUnavailable(RuntimeError):
    """This machine or this user cannot make network namespaces; the message says why, and what would help."""


@cache
def available() -> Optional[str]:
    """None when a Network can be made here, else the reason, in one line. It is tried, once per process."""
    missing = [name for name in ("ip", "unshare") if shutil.which(name, path=_path()) is None]
    if missing:
        return f"{' and '.join(missing)} not found; on Debian or Ubuntu: apt-get install iproute2 util-linux"
    if os.geteuid() != 0:
        return "making network namespaces takes root"
    try:
        with Network(["a", "b"]):
            return None
    except NetworkUnavailable as problem:
        return str(problem)


class Network:
    """The places, by name in `places`. They exist from `__enter__` or `open` to `__exit__` or `close`.

    Raises ValueError for names that are used twice and for more than MOST_PLACES.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if len(set(names)) != len(names) or len(names) > MOST_PLACES:
            raise ValueError(f"between 1 and {MOST_PLACES} different names are needed, not {list(names)}")
        self.names = list(names)
        self.places: Dict[str, Place] = {}
        self.marker = child.new_marker()
        self._ticket: Optional[socket.socket] = None
        self._hub = ""
        self._link = ""

    def __enter__(self) -> Network:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Place:
        return self.places[name]

    def open(self) -> Network:
        """Make it. Raises NetworkUnavailable."""
        try:
            self._open()
        except (OSError, subprocess.SubprocessError, TimeoutError) as problem:
            self.close()
            raise NetworkUnavailable(f"network namespaces cannot be made here: {problem}") from problem
        return self

    def cut(self, name: str, other: Optional[str] = None) -> None:
        """Let all packets between `name` and the others vanish, or those between `name` and `other` only."""
        if other is None:
            self._port(name, LISTENING)
        else:
            self._neighbours(name, other, deaf=True)

    def heal(self, name: Optional[str] = None, other: Optional[str] = None) -> None:
        """Undo `cut` with the same arguments; without arguments, every cut."""
        if name is not None and other is not None:
            self._neighbours(name, other, deaf=False)
        elif name is not None:
            self._port(name, FORWARDING)
        else:
            for each in self.names:
                self._port(each, FORWARDING)
            self._introduce()

    def close(self) -> None:
        """Let go of the namespaces; one in which something runs goes away with it, so close nodes first."""
        child.sweep(self.marker)
        self.places = {}
        if self._link:
            # The kernel removes it too, some time after the last process of the hub is gone; then this one
            # fails.
            child.run(["ip", "link", "del", self._link], env=_environment(), timeout=30)
            self._link = ""
        if self._ticket is not None:
            self._ticket.close()
            self._ticket = None

    def _open(self) -> None:
        base = self._reserve()
        self._hub = self._namespace()
        # The hub has no address and so cannot become a way around a cut: two switches, one of them for the
        # outside.
        lines = []
        for switch in ("inner", "outer"):
            lines += [f"link add {switch} type bridge stp_state 0", f"link set {switch} up"]
        _ip(self._hub, lines)
        for number, name in enumerate(self.names, 1):
            path = self._namespace()
            self.places[name] = Place(name, path, f"{base}.{number}", f"{base}.{128 + number}")
            self._plug(path, "inner", number, f"{base}.{number}/25")
            self._plug(path, "outer", number, f"{base}.{128 + number}/25")
        self._introduce()
        # At most 15 characters: pids have up to 7.
        self._link = f"{LINKS}{os.getpid()}-{secrets.token_hex(2)}"
        _ip(
            self._hub,
            [
                f"link add uplink type veth peer name {self._link} netns {os.getpid()}",
                "link set uplink master outer",
                "link set uplink up",
            ],
        )
        _ip(None, [f"addr add {base}.{OUTSIDE}/25 dev {self._link}", f"link set {self._link} up"])
        for place in self.places.values():
            until(partial(_answers, place.outer), 20, f"{place.name} to be reachable at {place.outer}")

    def _reserve(self) -> str:
        """The first three numbers of a network that no other process using this class has."""
        taken = subprocess.run(
            ["ip", "-4", "-o", "addr"],
            env=_environment(),
            stdout=subprocess.PIPE,
            text=True,
            timeout=30,
            check=True,
        ).stdout
        for number in random.SystemRandom().sample(NETWORKS, len(NETWORKS)):
            base = f"198.{18 + number // 256}.{number % 256}"
            ticket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                ticket.bind(f"\0zkelect-network-{base}")
            except OSError:
                ticket.close()
                continue
            if f" {base}." in taken:
                ticket.close()
                continue
            self._ticket = ticket
            return base
        raise OSError("all networks of 198.18.0.0/15 are in use on this machine")

    def _namespace(self) -> str:
        """Start a process in a network namespace of its own; the path of the namespace."""
        sitter = child.start(["unshare", "--net", "sleep", "infinity"], env=_environment(self.marker))
        path = f"/proc/{sitter.pid}/ns/net"
        here = os.readlink("/proc/self/ns/net")
        until(lambda: sitter.poll() is not None or os.readlink(path) != here, 20, "a network namespace")
        if sitter.poll() is not None:
            raise OSError("unshare --net is not permitted; it takes CAP_SYS_ADMIN (in docker: --privileged)")
        _ip(path, ["link set lo up"])
        return path

    def _plug(self, path: str, switch: str, number: int, address: str) -> None:
        """A link from a place to a switch, with the same name at the place as the switch has."""
        port, mac = f"{switch}-{number}", _mac(switch, number)
        pid = path.split("/")[2]
        _ip(
            self._hub,
            [
                f"link add {port} type veth peer name {switch} address {mac} netns {pid}",
                f"link set {port} master {switch}",
                f"link set {port} up",
            ],
        )
        _ip(path, [f"addr add {address} dev {switch}", f"link set {switch} up"])

    def _introduce(self) -> None:
        """Tell all places each other's hardware address.

        Nobody has to ask for it then, and so nobody reports, three seconds into a cut, that a host is
        unreachable.
        """
        for place in self.places.values():
            others = [other for other in self.names if other != place.name]
            _ip(place.path, [self._neighbour(other, deaf=False) for other in others])

    def _neighbours(self, name: str, other: str, deaf: bool) -> None:
        _ip(self.places[name].path, [self._neighbour(other, deaf)])
        _ip(self.places[other].path, [self._neighbour(name, deaf)])

    def _neighbour(self, name: str, deaf: bool) -> str:
        # The number 0 is nobody's: the switch floods such frames to all ports, and all hosts drop them.
        mac = _mac("inner", 0 if deaf else self.names.index(name) + 1)
        return f"neigh replace {self.places[name].inner} lladdr {mac} dev inner nud permanent"

    def _port(self, name: str, state: int) -> None:
        port = f"inner-{self.names.index(name) + 1}"
        _ip(self._hub, [f"link set dev {port} type bridge_slave state {state}"])


def enter(path: str) -> None:
    """Move the calling thread, and no other, into the network namespace with this path. Raises OSError."""
    with open(path, "rb") as namespace:
        if _libc.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns", path)


def _mac(switch: str, number: int) -> str:
    return f"02:5a:{1 if switch == 'inner' else 2:02x}:00:00:{number:02x}"


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _environment(marker: str = "") -> Dict[str, str]:
    return child.environment(marker or child.new_marker())


def _answers(address: str) -> bool:
    """True when a host says anything at all, a refusal included. Raises OSError when it says nothing."""
    try:
        socket.create_connection((address, 1), timeout=0.2).close()
    except ConnectionRefusedError:
        pass
    return True


def _ip(netns: Optional[str], lines: List[str]) -> None:
    """Run lines of ip(8) in a namespace, None for the present one. Raises OSError with what it says.

    One process for all of them, so that they take effect at almost the same moment.
    """
    prepare = None if netns is None else partial(enter, netns)
    done = child.run(["ip", "-batch", "-"], env=_environment(), prepare=prepare, timeout=30, text="\n".join(lines) + "\n")
    if done.returncode:
        raise OSError(f"ip: {done.stderr.strip()}; of: {'; '.join(lines)}")
