"""Credentials, ACLs and TLS towards a real ZooKeeper."""

import pytest
from kazoo import exceptions as kazoo_errors
from kazoo.client import KazooClient

from supervisor_zkelect import proc
from supervisor_zkelect.demo.cluster import NOT_PRIMARY
from supervisor_zkelect.demo.zookeeper import ZooKeeper, certificates

SECRET = "zk:gehe1m"


def logs(cluster):
    return "".join(
        path.read_text(errors="replace") for node in cluster.nodes.values() for path in (node.folder / "logs").iterdir()
    )


@pytest.mark.parametrize("acl, readable", [("creator", False), ("creator+read", True)])
def test_others_cannot_write(make_cluster, zk_server, zk, acl, readable):
    overrides = {"zkelect": {"digest": "%(ENV_ZK_DIGEST)s", "acl": acl}}
    cluster = make_cluster(zk_server.hosts, overrides=overrides, env={"ZK_DIGEST": SECRET}).start()
    ack, election = (f"{cluster.chroot}/zkelect/orders/{name}" for name in ("ack", "election"))
    with pytest.raises(kazoo_errors.NoAuthError):
        zk.set(ack, b"10.6.6.6:1")
    with pytest.raises(kazoo_errors.NoAuthError):
        zk.create(f"{election}/n-", ephemeral=True, sequence=True)
    if readable:
        assert zk.get(ack)[0].decode() == cluster["a"].addresses["orders"]
    else:
        with pytest.raises(kazoo_errors.NoAuthError):
            zk.get(ack)
    cluster["a"].kill_all()
    cluster.settled("b")
    shown = cluster["b"].zkelect("status", "--json").stdout
    commands = " ".join(
        proc.cmdline(process.pid).replace(b"\0", b" ").decode() for process in cluster["b"].processes()
    )
    assert "listen" in commands and '"primary"' in shown
    assert "gehe1m" not in logs(cluster) + shown + commands
    owner = KazooClient(zk_server.hosts, auth_data=[("digest", SECRET)])
    owner.start(30)
    owner.delete(cluster.chroot, recursive=True)
    owner.stop()


def test_a_node_without_the_password_says_so_and_tries_on(make_cluster, zk_server):
    overrides = {"zkelect": {"digest": "%(ENV_ZK_DIGEST)s", "acl": "creator"}}
    cluster = make_cluster(zk_server.hosts, overrides=overrides, env={"ZK_DIGEST": SECRET})
    cluster["b"].environment["ZK_DIGEST"] = "zk:wrong"
    cluster["a"].start()
    cluster.primary("a")
    stranger = cluster["b"].start()
    cluster.until(lambda: "correct the credentials or the ACL" in logs(cluster), "the refusal to be told")
    cluster.role("b", NOT_PRIMARY)
    assert stranger.listener_pid() is not None
    cluster.primary("a")


def test_tls_with_client_certs(make_cluster, tmp_path):
    files = certificates(tmp_path / "certificates")
    with ZooKeeper(tmp_path / "zk", tick_ms=200, tls=files) as zookeeper:
        overrides = {"zkelect": {
            "tls_ca": files.ca, "tls_cert": files.client_cert, "tls_key": files.client_key,
        }}
        cluster = make_cluster(zookeeper.hosts, overrides=overrides).start()
        cluster["a"].kill_all()
        cluster.settled("b")
        cluster["a"].overrides["zkelect"].update(tls_cert=files.stranger_cert, tls_key=files.stranger_key)
        cluster["a"].start()
        cluster.until(lambda: "trying on" in cluster["a"].logs(), "the refusal to be told")
        cluster.role("a", NOT_PRIMARY)
        cluster.primary("b")
