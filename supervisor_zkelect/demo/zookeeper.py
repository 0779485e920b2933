"""A real ZooKeeper, alone or as an ensemble, from Debian's package `zookeeper` without its scripts."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Union

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.netns import Place
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc

JARS_VARIABLE = "ZKELECT_ZOOKEEPER_JARS"
"""Environment variable: another folder with ZooKeeper's jars, an unpacked release or one like JARS."""

JARS = "/usr/share/java"
"""Where Debian and Ubuntu put jars."""

NEEDED = ("zookeeper.jar", "slf4j-simple.jar")
NEEDED_FOR_TLS = ("netty-codec.jar", "netty-resolver.jar", "netty-transport-native-unix-common.jar")
"""Debian's zookeeper.jar names most of what it needs in its manifest; these it does not."""

START_LIMIT = 60.0
"""Seconds after which a server that does not serve counts as failed; 0.3 to 0.9 are usual."""


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


def check_installed(tls: bool = False) -> List[str]:
    """The beginning of a command that runs ZooKeeper: java, its options and the class path.

    Raises ZooKeeperMissing, naming what is missing and the Debian package that has it.
    """
    java = shutil.which("java")
    folder = Path(os.environ.get(JARS_VARIABLE) or JARS)
    release = next((f for f in (folder / "lib", folder) if list(f.glob("zookeeper-[0-9]*.jar"))), None)
    missing = [] if java else ["the program java"]
    if (folder / NEEDED[0]).exists() or release is None:
        jars = [folder / name for name in NEEDED + (NEEDED_FOR_TLS if tls else ())]
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
    host: the address to listen at.
    tls: Certificates; then clients must show a certificate signed by its `ca`, and plain connections fail.
    extra: further lines of zoo.cfg; they replace those of the same name.
    place: where to run in a network that can be cut (netns.py); then `hosts` is its inner address.
    """

    def __init__(
        self,
        folder: Union[str, os.PathLike],
        tick_ms: int = 200,
        port: int = 0,
        host: str = "127.0.0.1",
        tls: Optional[Certificates] = None,
        extra: Optional[Dict[str, object]] = None,
        place: Optional[Place] = None,
    ) -> None:
        self.folder = Path(folder)
        self.tick_ms = tick_ms
        self.host = place.inner if place else host
        self.port = port or child.free_port()
        self.tls = tls
        self.extra = dict(extra or {})
        self.place = place
        self.marker = child.new_marker()
        self.process: Optional[subprocess.Popen] = None
        self._frozen = False

    @property
    def hosts(self) -> str:
        """As clients write it, "host:port"."""
        return f"{self.host}:{self.port}"

    @property
    def reached(self) -> str:
        """As `hosts`, for this process, which may be outside the network in which the server runs."""
        return f"{self.place.outer if self.place else self.host}:{self.port}"

    @property
    def pid(self) -> Optional[int]:
        """Of the running server, else None."""
        return self.process.pid if self.running else None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def frozen(self) -> bool:
        """Whether `freeze` was its last word."""
        return self._frozen

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
            raise RuntimeError(f"the ZooKeeper at {self.hosts} runs already")
        command = check_installed(tls=self.tls is not None)
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        config = self.folder / "zoo.cfg"
        config.write_text("".join(f"{name}={value}\n" for name, value in self._options().items()))
        self.process = child.start(
            [*command, "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config.resolve())],
            env=child.environment(self.marker),
            cwd=str(self.folder),
            output=str(self.folder / "zookeeper.log"),
            netns=self.place.path if self.place else None,
        )
        if wait:
            self.wait_serving()
        return self

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
            raise ZooKeeperFailed(f"{problem}; its log ends: {self.log[-2000:]}") from problem
        if not self.running:
            raise ZooKeeperFailed(f"the ZooKeeper at {self.hosts} ended; its log ends: {self.log[-2000:]}")

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
        host, port = self.reached.split(":")
        with socket.create_connection((host, int(port)), timeout=timeout) as plain:
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
        """SIGKILL, as a crash; nothing when it does not run. Data and port stay for the next start."""
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
        child.give_back(self.port)

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

    def _options(self) -> Dict[str, object]:
        options: Dict[str, object] = {
            "dataDir": self.folder.resolve() / "data",
            "tickTime": self.tick_ms,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
            "maxClientCnxns": 0,
            # Tests kill servers, never the machine, so the page cache is durable enough for them.
            "forceSync": "no",
            "snapshot.trust.empty": "true",
        }
        # Where there is a network of two sides, it listens on both.
        host = "0.0.0.0" if self.place else self.host
        if self.tls:
            options.update(
                {
                    "secureClientPort": self.port,
                    "secureClientPortAddress": host,
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
        else:
            options.update({"clientPort": self.port, "clientPortAddress": host})
        options.update(self.extra)
        return options

    def _key_store(self) -> Path:
        """ZooKeeper's PEM key store is one file: the key, then its certificate."""
        path = self.folder.resolve() / "server.pem"
        path.write_text(Path(self.tls.server_key).read_text() + Path(self.tls.server_cert).read_text())
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
        folder: Union[str, os.PathLike],
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

    def start(self, timeout: float = START_LIMIT) -> "Ensemble":
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
            raise ZooKeeperFailed(str(problem)) from problem
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

    def __enter__(self) -> "Ensemble":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


def certificates(
    folder: Union[str, os.PathLike],
    names: Sequence[str] = ("localhost",),
    addresses: Sequence[str] = ("127.0.0.1",),
) -> Certificates:
    """A certificate authority, a server's and a client's certificate, and a client certificate of another
    authority.

    folder: where the PEM files go; made when missing.
    names, addresses: host names and IP addresses for which the server's certificate is valid.

    Raises RuntimeError when the program openssl is not installed or fails.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    alternatives = ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses])
    _authority(folder, "ca")
    _authority(folder, "other-ca")
    _signed(folder, "server", "ca", f"extendedKeyUsage=serverAuth\nsubjectAltName={alternatives}\n")
    _signed(folder, "client", "ca", "extendedKeyUsage=clientAuth\n")
    _signed(folder, "stranger", "other-ca", "extendedKeyUsage=clientAuth\n")
    paths = ["ca.pem", "server.pem", "server.key", "client.pem", "client.key", "stranger.pem", "stranger.key"]
    return Certificates(*(str(folder / path) for path in paths))


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
"""Unlike an RSA key, made in no time."""


def _authority(folder: Path, name: str) -> None:
    # Extensions that Python's strict checking asks for (VERIFY_X509_STRICT, on by default since 3.13).
    config = folder / f"{name}.cnf"
    config.write_text(
        "[req]\ndistinguished_name=name\nx509_extensions=authority\n[name]\n[authority]\n"
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n"
    )
    subject = ["-days", "2", "-subj", f"/CN=lab {name}"]
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    _openssl(folder, "req", "-x509", "-config", config.name, *_NEW_KEY, *subject, *files)


def _signed(folder: Path, name: str, authority: str, extensions: str) -> None:
    extra = folder / f"{name}.ext"
    extra.write_text(
        "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\n"
        f"authorityKeyIdentifier=keyid\n{extensions}"
    )
    new = ["-subj", f"/CN=lab {name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
    _openssl(folder, "req", "-config", f"{authority}.cnf", *_NEW_KEY, *new)
    signer = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2"]
    files = ["-in", f"{name}.csr", "-extfile", extra.name, "-out", f"{name}.pem"]
    _openssl(folder, "x509", "-req", *signer, *files)


def _openssl(folder: Path, *words: str) -> None:
    try:
        done = subprocess.run(
            ["openssl", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
    except FileNotFoundError:
        raise RuntimeError("openssl not found; on Debian or Ubuntu: apt-get install openssl") from None
    if done.returncode:
        raise RuntimeError(f"openssl {words[0]} failed: {done.stdout.strip()}")
