"""The peers: what an operator would pick instead of this plugin."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any, Callable, List

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from bench.stage import NAMES, OnZooKeeper, Plain, quoted, service_words
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.processes import proc


class KazooElection(OnZooKeeper, Plain):
    """`Election(path, name).run(lambda: Popen(command).wait())` in a loop."""

    name = "kazoo"
    module = "bench.election"

    def coordinate(self) -> None:
        self.start_zookeeper()
        self.client = KazooClient(self.zookeeper.reached, connection_retry=dict(max_tries=-1, delay=0.1, max_delay=1))
        self.stack.callback(lambda: (self.client.stop(), self.client.close()))
        self.client.start(timeout=60)

    def command(self, name: str) -> List[str]:
        words = [sys.executable, "-m", self.module, self.zookeeper.hosts, str(self.timeout), name, "--"]
        return [*words, *service_words(name, self.addresses[name])]

    def candidates(self) -> int:
        try:
            return len(self.client.get_children("/election"))
        except NoNodeError:
            return 0

    def clear(self) -> None:
        # This client too may have lost its session with the coordinator's restart.
        until(lambda: self.client.delete("/election", recursive=True) or True, 60, "the candidates to be deleted", 0.1)


class Careful(KazooElection):
    """Thirty lines more: killed when in doubt, dead with the agent, dead before the election is released."""

    name = "careful script"
    module = "bench.careful"


class Etcd(Plain):
    """`etcdctl lock` in a loop of the shell."""

    name = "etcdctl lock"
    programs = ("etcd=etcd-server", "etcdctl=etcd-client")

    def coordinate(self) -> None:
        place, port = self.network["zk"], child.free_port()
        self.stack.callback(child.give_back, port)
        self.marker = child.new_marker()
        self.inside, self.outside = f"http://{place.inner}:{port}", f"http://{place.outer}:{port}"
        self.stack.callback(child.sweep, self.marker)
        self._serve()

    def _serve(self) -> None:
        peer = "http://127.0.0.1:2380"
        listen = self.inside.replace(self.network["zk"].inner, "0.0.0.0")
        self.etcd = child.start(
            ["etcd", "--data-dir", str(self.folder / "etcd"), "--listen-client-urls", listen,
             "--advertise-client-urls", self.inside, "--listen-peer-urls", peer,
             "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
            env=child.environment(self.marker), cwd=str(self.folder), output=str(self.folder / "etcd.log"),
            prepare=self.network["zk"].enter,
        )
        until(lambda: self._ctl("endpoint", "health").returncode == 0, 60, "etcd to serve")

    def _ctl(self, *words: str) -> Any:
        env = child.environment(self.marker, ETCDCTL_API="3")
        return child.run(["etcdctl", "--endpoints", self.outside, *words], env=env, timeout=30)

    def command(self, name: str) -> List[str]:
        lock = ["etcdctl", "--endpoints", self.inside, "lock", f"--ttl={self.timeout:g}", "orders", "--"]
        line = quoted([*lock, *service_words(name, self.addresses[name])])
        return ["sh", "-c", f"export ETCDCTL_API=3; while :; do {line}; sleep 0.1; done"]

    def candidates(self) -> int:
        listed = self._ctl("get", "--prefix", "orders/", "--keys-only")
        return len(listed.stdout.split()) if listed.returncode == 0 else -1

    def clear(self) -> None:
        self._ctl("del", "--prefix", "orders/")

    def disturb(self, fault: str) -> Callable[[], Any]:
        process = proc.read(self.etcd.pid)
        if fault == "Z":
            proc.kill(process, signal.SIGKILL)
            self.etcd.wait(30)
            self._serve()
            return lambda: None
        proc.kill(process, signal.SIGSTOP)
        return lambda: proc.kill(process, signal.SIGCONT)


KEEPALIVED = """
global_defs {{
    router_id {name}
    vrrp_version {version}
    script_user root
    enable_script_security
}}
vrrp_script served {{
    script "{folder}/check"
    interval 1
    fall 1
    rise 1
}}
vrrp_instance orders {{
    state BACKUP
    nopreempt
    interface inner
    virtual_router_id 51
    priority {priority}
    advert_int {advert:g}
    virtual_ipaddress {{
        {address} dev inner
    }}
    track_script {{
        served
    }}
    notify_master "{folder}/notify master"
    notify_backup "{folder}/notify backup"
    notify_fault "{folder}/notify fault"
    notify_stop "{folder}/notify stop"
}}
"""

NOTIFY = """#!/bin/sh
# Starts the service as master and kills it as anything else. keepalived runs the scripts of one change at a time.
cd {folder}
if [ -e pid ]; then kill -9 "$(cat pid)" 2>/dev/null; rm pid; fi
if [ "$1" = master ]; then
    {environment} setsid {service} >>service.log 2>&1 &
    echo $! >pid.new
    mv pid.new pid
fi
echo "$1" >state
"""

CHECK = """#!/bin/sh
# A master whose service is dead is at fault; a backup has none.
[ ! -e {folder}/pid ] || kill -0 "$(cat {folder}/pid)"
"""


class Keepalived(Plain):
    """VRRP between the two nodes: no coordinator, no quorum."""

    name = "keepalived"
    programs = ("keepalived=keepalived",)

    def __init__(self, advert: float) -> None:
        """advert: seconds between two advertisements; after a good three of them a node counts as dead."""
        super().__init__(timeout=max(1.0, 4 * advert))
        self.advert = advert
        self.setting = f"advert={advert:g}"

    def has(self, fault: str) -> bool:
        return super().has(fault) and not fault.startswith("Z")

    def coordinate(self) -> None:
        for number, name in enumerate(NAMES):
            folder, marker = self.folder / name, self.markers[name]
            values = dict(
                name=name, folder=folder, advert=self.advert, priority=100 + number,
                version=2 if self.advert >= 1 else 3, environment=f"{child.MARKER}={marker}",
                address=self.network["zk"].inner.rpartition(".")[0] + ".120/25",
                service=quoted(service_words(name, self.addresses[name])),
            )
            (folder / "keepalived.conf").write_text(KEEPALIVED.format(**values))
            for script, text in (("notify", NOTIFY), ("check", CHECK)):
                (folder / script).write_text(text.format(**values))
                (folder / script).chmod(0o755)

    def command(self, name: str) -> List[str]:
        folder = self.folder / name
        # Where these are left from a killed one, it says that it runs already.
        for left in ("pid", "state", "keepalived.pid", "vrrp.pid"):
            (folder / left).unlink(missing_ok=True)
        pids = ["-p", str(folder / "keepalived.pid"), "-r", str(folder / "vrrp.pid")]
        return ["keepalived", "-n", "-l", "-D", "-P", "-f", str(folder / "keepalived.conf"), *pids]

    def candidates(self) -> int:
        """By what their notify scripts were told; those of a node that does not run do not count."""
        return sum(self._state(self.folder / name) in ("master", "backup") and bool(self._agents(name))
                   for name in NAMES)

    def _state(self, folder: Path) -> str:
        try:
            return (folder / "state").read_text().strip()
        except FileNotFoundError:
            return ""
