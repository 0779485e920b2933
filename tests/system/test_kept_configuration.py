"""A file that cannot be used any more: the listener, and a release, go on with the last good configuration."""

import json

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect.config import load
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import kept_config
from supervisor_zkelect.processes import proc
from tests.system.test_edits import restart_listener, rewrite

SECRET = "zk:gehe1m"


@pytest.fixture(scope="module")
def zk_server(tmp_path_factory):
    """One that grants timeouts in which a listener may take as long as a busy machine needs for its restart."""
    with ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick_ms=1000) as server:
        yield server


def listener_log(node):
    return "".join(path.read_text() for path in (node.folder / "logs").glob("zkelect-stderr*"))


def with_secret_file(make_cluster, zk_server, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    return patient(make_cluster, zk_server, {"digest_file": str(secret), "acl": "creator+read"}), secret


def patient(make_cluster, zk_server, options=None, names=("a", "b")):
    overrides = {"zkelect": {"reattach_grace": "60", **(options or {})}}
    return make_cluster(zk_server.hosts, names, timeout=20, tick=1, reached=zk_server.hosts, overrides=overrides).start()


BAD = {
    "unknown option": (("[zkelect]\n", "[zkelect]\ncolour = red\n"), "[zkelect] colour = red"),
    "no option": (("[zkelect]\n", "[zkelect]\nwhat is this\n"), "is neither a [section] nor option = value"),
    "unset variable": (("%(ENV_ORDERS_ADDRESS)s", "%(ENV_NOPE)s"), "variable NOPE is not set"),
    "missing group": (("group = primary", "group = prmary"), "[election:orders] group = prmary"),
    "own group": (("group = primary", "group = zkelect"), "[election:orders] group = zkelect"),
    # What can be read, and does not work.
    "port of nobody": (("servers = ", "servers = 127.0.0.1:1\n#"), "[zkelect] servers: ZooKeeper"),
    "another's digest": (("digest_file = ", "digest = zk:another\n#"), "[zkelect] digest, [zkelect] digest_file: ZooKeeper"),
    "socket of nobody": (("[zkelect]\n", "[zkelect]\nserverurl = unix:///nowhere.sock\n"), "[zkelect] serverurl: unix:///nowhere"),
    "secret that is gone": (None, "[zkelect] digest_file"),
}


def test_the_service_runs_on_in_the_same_term(make_cluster, zk_server, tmp_path):
    cluster, secret = with_secret_file(make_cluster, zk_server, tmp_path)
    node, pid, token = cluster["a"], cluster.primary("a"), cluster.token("a")
    good = node.zkelect_conf.read_text()
    for edit, told in BAD.values():
        node.zkelect_conf.write_text(good)
        if edit is None:
            secret.unlink()
        else:
            rewrite(node, edit)
        restart_listener(cluster)
        assert cluster.settled("a") == pid and cluster.token("a") == token
        assert told in listener_log(node) and "last good configuration" in listener_log(node)
        for words in (("role",), ("status",), ("check",)):
            shown = node.zkelect(*words)
            assert told in shown.stdout and "unusable for" in shown.stdout, shown.stdout + shown.stderr
            assert shown.returncode == (2 if words == ("check",) else 0)
    former = node.listener_pid()
    node.kill(former)
    cluster.until(lambda: node.listener_pid() not in (None, former), "another listener")
    assert cluster.settled("a") == pid and cluster.token("a") == token
    # Another proposal is made by it as well.
    assert node.zkelect("resign", "orders").returncode == 0
    cluster.settled("b")
    assert "gehe1m" not in cluster.logs()
    node.zkelect_conf.write_text(good)
    secret.write_text(f"{SECRET}\n")
    restart_listener(cluster)
    cluster.settled("b")
    cluster.until(lambda: "no problem found" in node.zkelect("check").stdout, "check to find nothing wrong")
    assert "unusable" not in node.zkelect("role").stdout
    cluster.verdict()


def test_who_was_stopped_leads_at_no_former_servers(make_cluster, zk_server):
    """The other nodes may have been moved to those of the file, and this one may not reach them."""
    cluster = patient(make_cluster, zk_server, {"reattach_grace": "0"}, ("a",))
    node = cluster["a"]
    assert node.ctl("stop", "zkelect").returncode == 0
    queue = f"{cluster.chroot}/zkelect/orders/election"
    cluster.until(lambda: not cluster.pid("a") and not cluster.client().get_children(queue), "the term to be released")
    rewrite(node, ("servers = ", "servers = 127.0.0.1:1\n#"))
    assert node.ctl("start", "zkelect").returncode == 0
    told = "see whether `servers` are right and can be reached"
    cluster.until(lambda: told in node.zkelect("role").stdout, "the node to wait for the servers of its file")
    assert not cluster.pid("a") and not cluster.client().get_children(queue)
    assert "last good configuration" not in listener_log(node)
    cluster.verdict()


def test_a_release_needs_no_file(make_cluster, zk_server, tmp_path):
    cluster, secret = with_secret_file(make_cluster, zk_server, tmp_path)
    cluster.primary("a")
    rewrite(cluster["a"], ("[zkelect]\n", "[zkelect]\ncolour = red\n"))
    secret.unlink()
    cluster["a"].kill_all()
    cluster.settled("b")
    assert "ended without releasing" not in cluster["b"].logs() and "gehe1m" not in cluster.logs()
    cluster.verdict()


def test_programs_that_became_unfit_run_on_to_the_end_of_their_term(make_cluster, zk_server):
    cluster = patient(make_cluster, zk_server)
    node, pid, token = cluster["a"], cluster.primary("a"), cluster.token("a")
    node.overrides["program:orders"] = {"autostart": "true"}
    node.write()
    assert node.ctl("reread").returncode == 0
    restart_listener(cluster)
    assert cluster.settled("a") == pid and cluster.token("a") == token
    assert "has autostart = true" in node.zkelect("role").stdout
    # Its listener ends with the term, and cannot tell any more who leads then.
    assert "this node shuts down before another one leads" in node.zkelect("resign", "orders").stderr
    cluster.primary("b")
    log = node.folder / "logs" / "supervisord.log"
    until(lambda: "exited: zkelect (exit status 2" in log.read_text(), 30, "the listener to end with status 2")
    cluster.verdict()


def test_what_has_not_proven_good_is_not_kept(make_cluster, zk_server):
    cluster = patient(make_cluster, zk_server, names=("a",))
    node = cluster["a"]
    folder = str(node.folder / "run")
    good = kept_config.load(folder)
    environ = {**node.environment, "SUPERVISOR_SERVER_URL": f"unix://{node.socket}"}
    assert good == load.from_file(str(node.zkelect_conf), environ=environ)
    rewrite(node, ("group = primary", "group = prmary"))
    restart_listener(cluster)
    cluster.primary("a")
    assert kept_config.load(folder) == good and kept_config.read(folder).unusable_since is not None


def test_without_a_copy_it_ends_with_status_2(make_cluster, zk_server):
    cluster = patient(make_cluster, zk_server, names=("a",))
    node = cluster["a"]
    # What is only removed is put back.
    (node.folder / "torn").write_bytes(bytes(1 << 16))
    (node.folder / "torn").replace(node.folder / "run" / kept_config.NAME)
    rewrite(node, ("[zkelect]\n", "[zkelect]\ncolour = red\n"))
    node.ctl("restart", "zkelect:zkelect")
    log = node.folder / "logs" / "supervisord.log"
    until(lambda: "exited: zkelect (exit status 2" in log.read_text(), 30, "the listener to end with status 2")


def test_a_file_that_was_named_wrongly_is_what_is_told_of(make_cluster, zk_server):
    """And not the one that the last good configuration was read from, which is well."""
    cluster = patient(make_cluster, zk_server, names=("a",))
    node, pid, token = cluster["a"], cluster.primary("a"), cluster.token("a")
    missing = str(node.folder / "zkelekt.conf")
    command = f"zkelect listen -c {missing}"
    assert command not in node.zkelect_conf.read_text()
    former = node.listener_pid()
    node.overrides["eventlistener:zkelect"] = {"command": command}
    node.write()
    node.ctl("update")
    cluster.until(lambda: node.listener_pid() not in (None, former), "another listener")
    assert cluster.settled("a") == pid and cluster.token("a") == token
    assert node.report()["config"] == missing
    check, role = node.zkelect("check").stdout, node.zkelect("role").stdout
    assert f"{missing}: has been unusable for" in check and "is well now" not in check and str(node.zkelect_conf) not in check
    assert missing in role and "unusable for" in role and str(node.zkelect_conf) not in role
    reload = node.zkelect("reload")
    assert reload.returncode == 2 and f"{missing} cannot be used, and nothing is changed" in reload.stdout + reload.stderr
    with open(missing, "w") as file:
        file.write(node.zkelect_conf.read_text())
    assert f"{missing}: is well now, and is not used yet" in node.zkelect("check").stdout
    reload = node.zkelect("reload")
    assert reload.returncode == 0 and missing in reload.stdout
    cluster.until(lambda: "no problem found" in node.zkelect("check").stdout, "check to find nothing wrong")
    assert cluster.pid("a") == pid and cluster.token("a") == token


def readdressed(cluster, node):
    """Another address of the same service, in the file."""
    address = node.addresses["orders"].replace("127.0.0.1", "localhost")
    rewrite(node, ("address = %(ENV_ORDERS_ADDRESS)s", f"address = {address}"))
    return address


def members(node):
    return {one["node"]: one["address"] for one in json.loads(node.zkelect("members", "--json").stdout)["elections"]["orders"]}


def address_of_programs(node):
    """What the service that runs now was told."""
    return proc.environ(next(iter(node.service_pids("primary"))))["ZKELECT_ADDRESS"]


def test_another_address_is_told_everywhere_in_the_same_term(make_cluster, zk_server, tmp_path):
    fenced = tmp_path / "fenced"
    fence = tmp_path / "fence"
    fence.write_text(f'#!/bin/sh\necho "$ZKELECT_OLD_ADDRESS" >{fenced}\n')
    fence.chmod(0o755)
    # The service may take longer to begin again than three checks that are a second apart.
    overrides = {"zkelect": {"reattach_grace": "60"}, "election:orders": {"fence": str(fence), "health_interval": "5"}}
    cluster = make_cluster(
        zk_server.hosts, timeout=20, tick=1, reached=zk_server.hosts, overrides=overrides
    ).start()
    node, pid, token = cluster["a"], cluster.primary("a"), cluster.token("a")
    address = readdressed(cluster, node)
    restart_listener(cluster)
    cluster.role_is("a", "primary")
    cluster.until(lambda: cluster.ack("a") == address, "the ack to have the new address")
    assert cluster.pid("a") == pid and cluster.token("a") == token and members(node)["a"] == address
    node.kill(pid)
    cluster.until(lambda: cluster.pid("a") not in (0, pid), "the service to run again")
    assert address_of_programs(node) == address
    node.crash()
    cluster.primary("b")
    assert fenced.read_text().strip() == address
    cluster.verdict()


@pytest.mark.parametrize("edit", ["port of nobody", "socket of nobody"])
def test_a_file_is_not_tried_where_listener_and_guard_are_killed_together(make_cluster, zk_server, tmp_path, edit):
    """What it takes to find out that nobody answers is longer than many a lease, and nobody would end the group meanwhile."""
    cluster, secret = with_secret_file(make_cluster, zk_server, tmp_path)
    node, pid, token = cluster["a"], cluster.primary("a"), cluster.token("a")
    rewrite(node, BAD[edit][0])
    node.kill(node.listener_pid(), node.guard_pid())
    told = "there was no time to try it, as groups may run and no guard was there; zkelect reload takes it"
    cluster.until(lambda: told in listener_log(node), "the file to be left untried")
    assert cluster.settled("a") == pid and cluster.token("a") == token
    cluster.verdict()
