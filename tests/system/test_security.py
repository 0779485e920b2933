"""Credentials, ACLs and TLS towards a real ZooKeeper."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kazoo import exceptions as kazoo_errors

from lab.certificates import certificates
from lab.cluster import CANNOT
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.guard import kept_config, record
from supervisor_zkelect.processes import proc

SECRET = "zk:gehe1m"


def logs(cluster):
    return "".join(
        path.read_text(errors="replace") for node in cluster.nodes.values() for path in (node.folder / "logs").iterdir()
    )


def listener_log(node):
    return "".join(path.read_text() for path in (node.folder / "logs").glob("zkelect-stderr*"))


@pytest.mark.parametrize("acl, readable", [("creator", False), ("creator+read", True)])
def test_others_cannot_write(make_cluster, zk_server, zk, acl, readable):
    overrides = {"zkelect": {"digest": "%(ENV_ZK_DIGEST)s", "acl": acl}}
    cluster = make_cluster(zk_server.hosts, reached=None, overrides=overrides, env={"ZK_DIGEST": SECRET}).start()
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
    # With the listener and supervisord dead the guard releases, for which it needs the credentials.
    cluster["a"].kill_all()
    cluster.settled("b")
    assert "ended without releasing" not in logs(cluster)
    shown = cluster["b"].zkelect("status", "--json").stdout
    commands = " ".join(
        proc.cmdline(process.pid).replace(b"\0", b" ").decode() for process in cluster["b"].processes()
    )
    assert "listen" in commands and '"primary"' in shown
    assert "gehe1m" not in logs(cluster) + shown + commands
    folder = Path(cluster["b"].environment[record.VARIABLE])
    private = {record.SESSION, kept_config.NAME}
    assert all(b"gehe1m" not in path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name not in private)
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in private)


def test_a_node_without_the_password_says_so_and_tries_on(make_cluster, zk_server):
    overrides = {"zkelect": {"digest": "%(ENV_ZK_DIGEST)s", "acl": "creator"}}
    cluster = make_cluster(zk_server.hosts, reached=None, overrides=overrides, env={"ZK_DIGEST": SECRET})
    cluster["b"].environment["ZK_DIGEST"] = "zk:wrong"
    cluster["a"].start()
    cluster.primary("a")
    stranger = cluster["b"].start()
    cluster.until(lambda: "correct the credentials or the ACL" in logs(cluster), "the refusal to be told")
    cluster.role("b", CANNOT)
    checked = stranger.zkelect("check", "-c", str(stranger.zkelect_conf))
    assert checked.returncode == 1 and "election_znode" in checked.stdout and "wrong" not in checked.stdout
    # Each refusal is told once, however often it is met.
    told = [line.partition(" WARNING ")[2] for line in logs(cluster).splitlines() if "correct the credentials or the ACL" in line]
    assert len(set(told)) == len(told) and all(told), told
    assert stranger.listener_pid() is not None
    cluster.primary("a")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory, files):
    with ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick_ms=200, tls=files) as server:
        yield server


def test_tls_with_client_certs(make_cluster, tls_server, files):
    overrides = {"zkelect": {"tls_ca": files.ca, "tls_cert": files.client_cert, "tls_key": files.client_key}}
    cluster = make_cluster(tls_server.hosts, overrides=overrides).start()
    checked = cluster["a"].zkelect("check", "-c", str(cluster["a"].zkelect_conf))
    assert checked.returncode == 0, checked.stdout
    cluster["a"].kill_all()
    cluster.settled("b")
    cluster.verdict()


def test_tls_that_is_refused_is_told_in_one_line(make_cluster, tls_server, files, tmp_path):
    own = {"tls_ca": files.ca, "tls_cert": files.client_cert, "tls_key": files.client_key}
    refused = {
        "ca": ({**own, "tls_ca": certificates(tmp_path / "others").ca}, "certificate verify failed"),
        "none": ({"tls_ca": files.ca}, "Connection dropped"),
        "stranger": ({**own, "tls_cert": files.stranger_cert, "tls_key": files.stranger_key}, "Connection dropped"),
        "plain": ({}, "Connection dropped"),
    }
    cluster = make_cluster(tls_server.hosts, list(refused))
    for name, (options, _) in refused.items():
        cluster[name].overrides["zkelect"].update(options)
        cluster[name].start()

    for name in refused:
        cluster.until(lambda: cluster[name].part("orders").get("unguarded") is False, f"{name} to have its guard")

    def check(node):
        return node.zkelect("check", "-c", str(node.zkelect_conf))

    with ThreadPoolExecutor() as pool:
        checked = dict(zip(refused, pool.map(check, cluster.nodes.values())))
    for name, (_, told) in refused.items():
        cluster.until(lambda: told in listener_log(cluster[name]), f"{name}'s refusal to be told")
        lines = [line for line in listener_log(cluster[name]).splitlines() if "ZooKeeper" in line]
        # A server that takes more than two seconds for its part is told before it, once.
        slow = [line for line in lines if line.endswith("no answer; trying again")]
        said = [line for line in lines if line not in slow]
        assert len(slow) <= 1, lines
        problems = [line for line in checked[name].stdout.splitlines() if not line.startswith("note: ")]
        assert (len(said), len(problems), checked[name].returncode) == (1, 1, 1), (said, problems)
        assert all(told in line and tls_server.hosts in line for line in said + problems), (said, problems)
        cluster.role(name, CANNOT)
        assert cluster[name].listener_pid() and not cluster[name].service_pids()
