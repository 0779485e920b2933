"""A real ZooKeeper, alone or as an ensemble, run from Debian's package `zookeeper` without its service scripts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Union

from supervisor_zkelect import proc
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until

JARS = Path("/usr/share/java")
"""Where Debian and Ubuntu put jars."""

NEEDED = ("zookeeper.jar", "slf4j-simple.jar")
NEEDED_FOR_TLS = ("netty-codec.jar", "netty-resolver.jar", "netty-transport-native-unix-common.jar")

START_LIMIT = 60.0
"""Seconds after which a server that does not serve counts as failed; 0.3 to 0.9 s are usual on an idle machine."""

PORT_TRIES = 5


class ZooKeeperMissing(RuntimeError):
    """Java or ZooKeeper's jars are not installed; the message names the package to install."""


class ZooKeeperFailed(RuntimeError):
    """A server ended, or did not serve in time; the message carries the end of its log."""


class Certificates(NamedTuple):
    """Paths of PEM files. Each certificate is signed by `ca`; `stranger` is signed by another authority."""

    ca: str
    server_cert: str
    server_key: str
    client_cert: str
    client_key: str
    stranger_cert: str
    stranger_key: str


def check_installed(tls: bool = False) -> str:
    """The path of the java program, when all that is needed is there.

    Raises ZooKeeperMissing, naming what is missing and the Debian package that has it.
    """
    java = shutil.which("java")
    missing = [] if java else ["the program java"]
    missing += [str(JARS / name) for name in NEEDED + (NEEDED_FOR_TLS if tls else ()) if not (JARS / name).exists()]
    if missing or java is None:
        raise ZooKeeperMissing(
            f"ZooKeeper cannot be run here, {', '.join(missing)} not found; "
            "on Debian or Ubuntu: apt-get install zookeeper"
        )
    return java


class ZooKeeper:
    """One server.

    folder: for its data, its configuration and zookeeper.log; made when missing.
    tick_ms: tickTime in milliseconds. Session timeouts are clamped to 2..20 ticks.
    port: client port; None takes a free one at the first start, and keeps it.
    host: the address to listen at.
    tls: Certificates; then clients must show a certificate signed by its `ca`, and plain connections fail.
    extra: further lines of zoo.cfg; replaces those of the same name.
    prefix: words before the java command, such as ["ip", "netns", "exec", NAME]. The server must still be reachable
        from this process at `host`, or at `reach` when that is given.
    """

    def __init__(
        self,
        folder: Union[str, os.PathLike],
        tick_ms: int = 500,
        port: Optional[int] = None,
        host: str = "127.0.0.1",
        tls: Optional[Certificates] = None,
        extra: Optional[Dict[str, object]] = None,
        prefix: Sequence[str] = (),
        reach: Optional[str] = None,
    ) -> None:
        self.folder = Path(folder)
        self.tick_ms = tick_ms
        self.host = host
        self.reach = reach or host
        self.port = port
        self.tls = tls
        self.extra = dict(extra or {})
        self.prefix = list(prefix)
        self.marker = child.new_marker()
        self.process: Optional[subprocess.Popen] = None
        self._fixed_port = port is not None
        self._own_port: Optional[int] = None
        self._frozen = False

    @property
    def address(self) -> str:
        """"host:port", as clients write it. Known after the first start."""
        if self.port is None:
            raise RuntimeError("this ZooKeeper has no port before its first start")
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> Optional[int]:
        """Of the running server, else None."""
        return self.process.pid if self.running else None

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

    def start(self, wait: bool = True) -> "ZooKeeper":
        """Start it, again on the same port and data if it ran before, and wait until it serves.

        wait: False returns at once, for a member of an ensemble that serves only when others run too.

        Raises ZooKeeperMissing; ZooKeeperFailed when it ends or does not serve within START_LIMIT seconds.
        """
        if self.running:
            raise RuntimeError(f"the ZooKeeper at {self.address} runs already")
        for left in range(PORT_TRIES - 1, -1, -1):
            if self.port is None:
                self.port = self._own_port = child.free_port()
            self._launch()
            if not wait:
                return self
            try:
                self.wait_serving()
            except ZooKeeperFailed:
                taken = "Address already in use" in self.log
                self.kill()
                if self._fixed_port or not taken or not left:
                    raise
                child.give_back(self.port)
                self.port = None
                continue
            # The port belongs to this server from now on, also over a restart.
            self._fixed_port = True
            return self
        raise AssertionError("the last try returned or raised")

    def wait_serving(self, timeout: float = START_LIMIT) -> None:
        """Wait until it answers requests of clients. Raises ZooKeeperFailed when it ends or takes longer."""
        try:
            until(lambda: self.serving() or not self.running, timeout, f"ZooKeeper at {self.address} to serve", 0.02)
        except TimeoutError as problem:
            raise ZooKeeperFailed(f"{problem}; its log ends: {self.log[-2000:]}") from problem
        if not self.running:
            raise ZooKeeperFailed(f"the ZooKeeper at {self.address} ended; its log ends: {self.log[-2000:]}")

    def serving(self) -> bool:
        """Whether it says a mode in answer to `srvr`; a member without a quorum does not."""
        return self.mode() in ("standalone", "leader", "follower", "observer")

    def mode(self) -> str:
        """"standalone", "leader", "follower", "observer", or "" when it does not serve or does not answer."""
        try:
            answer = self.four_letters("srvr")
        except OSError:
            return ""
        for line in answer.splitlines():
            if line.startswith("Mode:"):
                return line.split(":", 1)[1].strip()
        return ""

    def four_letters(self, word: str, timeout: float = 2.0) -> str:
        """The server's answer to `ruok`, `srvr`, `mntr`, `cons`, ... within `timeout` seconds. Raises OSError."""
        with socket.create_connection((self.reach, self.port), timeout=timeout) as plain:
            connection: socket.socket = plain
            if self.tls:
                context = ssl.create_default_context(cafile=self.tls.ca)
                context.load_cert_chain(self.tls.client_cert, self.tls.client_key)
                # Names are checked by the clients under test; this is only a question whether it is up.
                context.check_hostname = False
                connection = context.wrap_socket(plain)
            with connection:
                connection.sendall(word.encode())
                chunks = []
                while True:
                    chunk = connection.recv(65536)
                    if not chunk:
                        return b"".join(chunks).decode(errors="replace")
                    chunks.append(chunk)

    def kill(self) -> None:
        """SIGKILL, as a crash. Data and port stay for the next start. Nothing happens when it does not run."""
        self._end(signal.SIGKILL)

    def stop(self, timeout: float = 10.0) -> None:
        """SIGTERM, and SIGKILL when it takes longer than `timeout` seconds."""
        self.thaw()
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def restart(self) -> "ZooKeeper":
        """SIGKILL and start, on the same port and data."""
        self.kill()
        return self.start()

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections for it, and nothing answers."""
        self.process.send_signal(signal.SIGSTOP)
        self._frozen = True
        until(lambda: proc.read(self.process.pid).state in "Tt", 10, "ZooKeeper to be stopped by a signal")

    def thaw(self) -> None:
        """SIGCONT. Nothing happens when it is not frozen."""
        if self._frozen and self.running:
            self.process.send_signal(signal.SIGCONT)
        self._frozen = False

    def close(self) -> None:
        """End it whatever happens and give the port back."""
        self.kill()
        child.sweep(self.marker)
        if self._own_port is not None:
            child.give_back(self._own_port)

    def __enter__(self) -> "ZooKeeper":
        if not self.running:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, number: int) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(number)
            self.process.wait(30)
        self._frozen = False

    def _launch(self) -> None:
        java = check_installed(tls=self.tls is not None)
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        options = self._options()
        config = self.folder / "zoo.cfg"
        config.write_text("".join(f"{name}={value}\n" for name, value in options.items()))
        names = list(NEEDED) + (list(NEEDED_FOR_TLS) if self.tls else [])
        # An old log must not be taken for this start's.
        log = self.folder / "zookeeper.log"
        if not self._fixed_port:
            log.unlink(missing_ok=True)
        command = [
            java,
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Djava.net.preferIPv4Stack=true",
            f"-Dorg.slf4j.simpleLogger.defaultLogLevel={'warn'}",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dzookeeper.jmx.log4j.disable=true",
            "-cp",
            os.pathsep.join(str(JARS / name) for name in names),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(config),
        ]
        self.process = child.start(
            command,
            env=child.environment(self.marker),
            cwd=str(self.folder),
            output=str(log),
            prefix=self.prefix,
        )

    def _options(self) -> Dict[str, object]:
        options: Dict[str, object] = {
            "dataDir": self.folder.resolve() / "data",
            "tickTime": self.tick_ms,
            "clientPortAddress": self.host,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
            "maxClientCnxns": 0,
            # Tests kill servers, never the machine, so the page cache is durable enough for them.
            "forceSync": "no",
            "snapshot.trust.empty": "true",
        }
        if self.tls:
            options.update(
                {
                    "secureClientPort": self.port,
                    "secureClientPortAddress": self.host,
                    "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
                    "ssl.keyStore.location": self._key_store(),
                    "ssl.keyStore.type": "PEM",
                    "ssl.trustStore.location": self.tls.ca,
                    "ssl.trustStore.type": "PEM",
                    "ssl.clientAuth": "need",
                    # Clients come from addresses that have no names.
                    "ssl.hostnameVerification": "false",
                }
            )
            del options["clientPortAddress"]
        else:
            options["clientPort"] = self.port
        options.update(self.extra)
        return options

    def _key_store(self) -> Path:
        """ZooKeeper's PEM key store is one file: the key, then its certificate."""
        path = self.folder.resolve() / "server.pem"
        path.write_text(Path(self.tls.server_key).read_text() + Path(self.tls.server_cert).read_text())
        path.chmod(0o600)
        return path


class Ensemble:
    """Several servers that elect a leader.

    folder: one folder per server is made in it.
    size: number of servers.
    tick_ms: tickTime in milliseconds; initLimit 10 and syncLimit 5 ticks unless `extra` says otherwise.
    hosts, prefixes, reaches: one per server, for servers in network namespaces.
    """

    def __init__(
        self,
        folder: Union[str, os.PathLike],
        size: int = 3,
        tick_ms: int = 500,
        extra: Optional[Dict[str, object]] = None,
        hosts: Optional[Sequence[str]] = None,
        prefixes: Optional[Sequence[Sequence[str]]] = None,
        reaches: Optional[Sequence[str]] = None,
    ) -> None:
        self.folder = Path(folder)
        self._hosts = list(hosts or ["127.0.0.1"] * size)
        self._reserved: List[int] = []
        self.servers: List[ZooKeeper] = []
        self._shape = (size, tick_ms, dict(extra or {}), list(prefixes or [()] * size), list(reaches or self._hosts))

    @property
    def addresses(self) -> str:
        """"host:port,host:port,...", as clients write it."""
        return ",".join(server.address for server in self.servers)

    def start(self, timeout: float = START_LIMIT) -> "Ensemble":
        """Start all, again on the same ports and data if they ran before, and wait until all serve.

        Raises ZooKeeperMissing; ZooKeeperFailed when they do not within `timeout` seconds.
        """
        for left in range(PORT_TRIES - 1, -1, -1):
            fresh = not self.servers
            if fresh:
                self._make()
            try:
                for server in self.servers:
                    if not server.running:
                        server.start(wait=False)
                for server in self.servers:
                    server.wait_serving(timeout)
                until(lambda: self.leader() and len(self.followers()) == len(self.servers) - 1, timeout, "one leader")
                return self
            except (ZooKeeperFailed, TimeoutError) as problem:
                taken = any("Address already in use" in server.log for server in self.servers)
                if not (fresh and taken and left):
                    raise ZooKeeperFailed(str(problem)) from problem
                self.close()
        raise AssertionError("the last try returned or raised")

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
        """End all whatever happens and give their ports back; a later start makes others."""
        for server in self.servers:
            server.close()
        for port in self._reserved:
            child.give_back(port)
        self.servers = []
        self._reserved = []

    def __enter__(self) -> "Ensemble":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self) -> None:
        size, tick_ms, extra, prefixes, reaches = self._shape
        ports = [[child.free_port() for _ in range(3)] for _ in range(size)]
        self._reserved = [port for three in ports for port in three]
        peers: Dict[str, object] = {"initLimit": 10, "syncLimit": 5}
        for index, (host, (_, quorum, election)) in enumerate(zip(self._hosts, ports)):
            peers[f"server.{index + 1}"] = f"{host}:{quorum}:{election}"
        for index, host in enumerate(self._hosts):
            folder = self.folder / f"server-{index + 1}"
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "data").mkdir(parents=True)
            (folder / "data" / "myid").write_text(f"{index + 1}\n")
            self.servers.append(
                ZooKeeper(
                    folder,
                    tick_ms=tick_ms,
                    port=ports[index][0],
                    host=host,
                    extra={**peers, **extra},
                    prefix=prefixes[index],
                    reach=reaches[index],
                )
            )


def make_certificates(folder: Union[str, os.PathLike], names: Sequence[str] = ("localhost",),
                      addresses: Sequence[str] = ("127.0.0.1",)) -> Certificates:
    """A certificate authority, a server's and a client's certificate, and a client certificate of another authority.

    folder: where the PEM files go; made when missing.
    names, addresses: host names and IP addresses for which the server's certificate is valid.

    Raises FileNotFoundError when openssl is not installed, subprocess.CalledProcessError when it fails.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.which("openssl") is None:
        raise FileNotFoundError("openssl not found; on Debian or Ubuntu: apt-get install openssl")
    alternatives = ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses])
    _authority(folder, "ca")
    _authority(folder, "other-ca")
    _signed(folder, "server", "ca", f"subjectAltName={alternatives}\nextendedKeyUsage=serverAuth,clientAuth\n")
    _signed(folder, "client", "ca", "extendedKeyUsage=clientAuth\n")
    _signed(folder, "stranger", "other-ca", "extendedKeyUsage=clientAuth\n")
    paths = ["ca.pem", "server.pem", "server.key", "client.pem", "client.key", "stranger.pem", "stranger.key"]
    return Certificates(*(str(folder / path) for path in paths))


def _authority(folder: Path, name: str) -> None:
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=zkelect demo {name}",
             "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"))


def _signed(folder: Path, name: str, authority: str, extensions: str) -> None:
    request, text = folder / f"{name}.csr", folder / f"{name}.ext"
    text.write_text(extensions)
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=zkelect demo {name}",
             "-keyout", str(folder / f"{name}.key"), "-out", str(request))
    _openssl("x509", "-req", "-in", str(request), "-CA", str(folder / f"{authority}.pem"),
             "-CAkey", str(folder / f"{authority}.key"), "-CAcreateserial", "-days", "2",
             "-extfile", str(text), "-out", str(folder / f"{name}.pem"))


def _openssl(*words: str) -> None:
    done = subprocess.run(["openssl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"openssl {words[0]} failed: {done.stdout.strip()}")
