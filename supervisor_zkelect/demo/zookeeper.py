"""A real ZooKeeper, from Debian's package `zookeeper` without its scripts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Callable, Dict, List, Optional, Union

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until

JARS_VARIABLE = "ZKELECT_ZOOKEEPER_JARS"
"""Environment variable: another folder with ZooKeeper's jars, an unpacked release or one like JARS."""

JARS = "/usr/share/java"
"""Where Debian and Ubuntu put jars."""

NEEDED = ("zookeeper.jar", "slf4j-simple.jar")
"""Debian's zookeeper.jar names what else it needs in its manifest."""

START_LIMIT = 60.0
"""Seconds after which a server that does not serve counts as failed; 0.3 to 0.9 are usual."""


class ZooKeeperMissing(RuntimeError):
    """Java or ZooKeeper's jars are not installed; the message names the package to install."""


class ServerFailed(RuntimeError):
    """A server ended, or did not serve in time; the message carries the end of its log."""


def check_installed(*more: str) -> List[str]:
    """The beginning of a command that runs ZooKeeper: java, its options and the class path.

    more: jars to be in it beside NEEDED.

    Raises ZooKeeperMissing, naming what is missing and the Debian package that has it.
    """
    java = shutil.which("java")
    folder = Path(os.environ.get(JARS_VARIABLE) or JARS)
    release = next((f for f in (folder / "lib", folder) if list(f.glob("zookeeper-[0-9]*.jar"))), None)
    missing = [] if java else ["the program java"]
    if (folder / NEEDED[0]).exists() or release is None:
        jars = [folder / name for name in (*NEEDED, *more)]
        missing += [str(jar) for jar in jars if not jar.exists()]
    else:
        jars = [folder / "conf", release / "*"]
    if missing or java is None:
        raise ZooKeeperMissing(
            f"ZooKeeper cannot be run here, not found: {', '.join(missing)}; on Debian or Ubuntu: "
            f"apt-get install zookeeper, elsewhere set {JARS_VARIABLE} to the folder of an unpacked ZooKeeper"
        )
    return [
        java,
        "-Xmx128m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.net.preferIPv4Stack=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dzookeeper.jmx.log4j.disable=true",
        "-cp",
        os.pathsep.join(map(str, jars)),
    ]


class ZooKeeper:
    """One server.

    folder: for its data, its configuration and zookeeper.log; made when missing.
    tick_ms: tickTime in milliseconds. Session timeouts are clamped to 2..20 ticks.
    port: client port; 0 takes a free one.
    """

    prepare: Optional[Callable[[], object]] = None
    """Called in the new process before it executes Java (child.py)."""

    def __init__(self, folder: Union[str, os.PathLike[str]], tick_ms: int = 200, port: int = 0) -> None:
        self.folder = Path(folder)
        self.tick_ms = tick_ms
        self.port = port or child.free_port()
        self.marker = child.new_marker()
        self.process: Optional[subprocess.Popen[bytes]] = None

    @property
    def hosts(self) -> str:
        """As clients write it, "host:port"."""
        return f"127.0.0.1:{self.port}"

    @property
    def reached(self) -> str:
        """As `hosts`, for this process, which may be outside the network in which the server runs."""
        return self.hosts

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        """The text of zookeeper.log; warnings and errors only."""
        try:
            return (self.folder / "zookeeper.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def start(self, wait: bool = True) -> ZooKeeper:
        """Start it, again on the same port and data if it ran before, and wait until it serves.

        wait: False returns at once, for a member of an ensemble that serves only when others run too.

        Raises ZooKeeperMissing; ZooKeeperFailed when it ends or does not serve within START_LIMIT seconds.
        """
        if self.running:
            raise RuntimeError(f"the ZooKeeper at {self.hosts} runs already")
        command = self.command()
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        config = self.folder / "zoo.cfg"
        config.write_text("".join(f"{name}={value}\n" for name, value in self.options().items()))
        self.process = child.start(
            [*command, "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config.resolve())],
            env=child.environment(self.marker),
            cwd=str(self.folder),
            output=str(self.folder / "zookeeper.log"),
            prepare=self.prepare,
        )
        if wait:
            self.wait_serving()
        return self

    def command(self) -> List[str]:
        """The beginning of the command line. Raises ZooKeeperMissing."""
        return check_installed()

    def wait_serving(self, timeout: float = START_LIMIT) -> None:
        """Wait until it answers requests of clients. Raises ZooKeeperFailed when it ends or takes longer."""
        try:
            until(
                lambda: self.serving() or not self.running,
                timeout,
                f"ZooKeeper at {self.hosts} to serve",
                0.02,
            )
        except TimeoutError as problem:
            raise ServerFailed(f"{problem}; its log ends: {self.log[-2000:]}") from problem
        if not self.running:
            raise ServerFailed(f"the ZooKeeper at {self.hosts} ended; its log ends: {self.log[-2000:]}")

    def serving(self) -> bool:
        """Whether it says a mode in answer to `srvr`; a member without a quorum does not."""
        return self.mode() in ("standalone", "leader", "follower", "observer")

    def mode(self) -> str:
        """One of "standalone", "leader", "follower", "observer", or "" while it does not serve or answer."""
        try:
            answer = self.four_letters("srvr")
        except OSError:
            return ""
        for line in answer.splitlines():
            if line.startswith("Mode:"):
                return line.split(":", 1)[1].strip()
        return ""

    def four_letters(self, word: str, timeout: float = 2.0) -> str:
        """The answer to `ruok`, `srvr`, `mntr`, `cons`, ... within `timeout` seconds. Raises OSError."""
        with self.connect(timeout) as connection:
            connection.sendall(word.encode())
            chunks: List[bytes] = []
            while True:
                chunk = connection.recv(65536)
                if not chunk:
                    return b"".join(chunks).decode(errors="replace")
                chunks.append(chunk)

    def connect(self, timeout: float) -> socket.socket:
        """A connection as a client makes it, whose steps take `timeout` seconds at most. Raises OSError."""
        host, port = self.reached.split(":")
        return socket.create_connection((host, int(port)), timeout=timeout)

    def kill(self) -> None:
        """SIGKILL, as a crash; nothing when it does not run. Data and port stay for the next start."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait(30)

    def close(self) -> None:
        """End it whatever happens and give the port back."""
        self.kill()
        child.sweep(self.marker)
        child.give_back(self.port)

    def options(self) -> Dict[str, object]:
        """The lines of zoo.cfg."""
        return {
            "dataDir": self.folder.resolve() / "data",
            "tickTime": self.tick_ms,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
            "maxClientCnxns": 0,
            # The demo and tests kill servers, never the machine, so the page cache is durable enough for them.
            "forceSync": "no",
            "snapshot.trust.empty": "true",
            "clientPort": self.port,
            "clientPortAddress": "127.0.0.1",
        }
