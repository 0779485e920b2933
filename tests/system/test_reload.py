"""`zkelect reload` and SIGHUP: a changed file is checked, refused, or taken with as little as the change allows."""

import os
import signal

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect.guard import kept_config, record
from tests.system.test_edits import restart_listener, rewrite, without
from tests.system.test_kept_configuration import address_of_programs, listener_log, members, readdressed

ORDERS = "[election:orders]\n"


@pytest.fixture(scope="module")
def zk_server(tmp_path_factory):
    """One that grants timeouts in which a listener may take as long as a busy machine needs for its restart."""
    with ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick_ms=1000) as server:
        yield server


@pytest.fixture
def patient(make_cluster, zk_server):
    """Make a pair, or other nodes, of which `a` is primary; in the end nobody may have heard two."""
    made = []

    def make(**options):
        overrides = {"zkelect": {"reattach_grace": "60"}}
        made.append(make_cluster(
            zk_server.hosts, timeout=20, tick=1, reached=zk_server.hosts, overrides=overrides, **options
        ).start())
        return made[-1]

    yield make
    for cluster in made:
        for election in cluster.elections:
            cluster.verdict(election)


class Unmoved:
    """What must stay as it is: the service, its term, the listener."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.before = self.now()

    def now(self):
        cluster = self.cluster
        return cluster.pid("a"), cluster.token("a"), cluster["a"].listener_pid(), cluster["a"].part("orders")["role"]

    def still(self):
        return self.now() == self.before and self.before[0] and self.before[3] == "primary"


def test_what_can_be_taken_at_once_is(patient, zk_server):
    cluster = patient()
    node, unmoved = cluster["a"], Unmoved(cluster)
    address = readdressed(cluster, node)
    port = zk_server.hosts.rpartition(":")[2]
    rewrite(
        node, ("servers = %(ENV_ZKELECT_SERVERS)s", f"servers = localhost:{port},{zk_server.hosts}"),
        (ORDERS, f"{ORDERS}fall = 7\nhealth_interval = 1\n"), ("reattach_grace = 60", "reattach_grace = 50"),
    )
    assert "changed and not used yet: [zkelect] servers" in node.zkelect("check").stdout
    done = node.zkelect("reload")
    assert done.returncode == 0 and "[election:orders] fall: at once" in done.stdout, done.stdout + done.stderr
    cluster.until(lambda: cluster.ack("a") == address, "the ack to have the new address")
    cluster.until(lambda: members(node)["a"] == address, "the holder to have it as well")
    assert unmoved.still() and node.part("orders")["address"] == address
    settings = kept_config.load(str(node.folder / "run"))
    assert (settings.elections[0].fall, settings.elections[0].address, len(settings.servers)) == (7, address, 2)
    # supervisord lets a program that ends within its startsecs wait for longer than seven checks take.
    cluster.until(
        lambda: node.rpc.call("supervisor.getProcessInfo", "primary:orders")["statename"] == "RUNNING", "the program to be RUNNING"
    )
    pid = cluster.pid("a")
    node.kill(pid)
    cluster.until(lambda: cluster.pid("a") not in (0, pid), "the service to run again")
    assert address_of_programs(node) == address
    assert "nothing has changed" in node.zkelect("reload").stdout
    # What was read then is what the health check goes by: six failures are not enough.
    node.health_file.touch()
    cluster.until(lambda: "7 health checks in a row failed" in listener_log(node), "the service to be found sick")
    node.health_file.unlink()
    cluster.primary("b")


def test_a_bad_file_is_refused_with_its_lines(patient):
    cluster = patient()
    node, unmoved = cluster["a"], Unmoved(cluster)
    rewrite(node, (ORDERS, f"{ORDERS}fall = 7\ncolour = red\n"), ("[zkelect]\n", "[zkelect]\nkill_time = ten\n"))
    done = node.ctl("zkelect", "reload")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "[election:orders] colour = red" in done.stdout and "[zkelect] kill_time = ten" in done.stdout
    node.kill(node.listener_pid(), sig=signal.SIGHUP)
    cluster.until(lambda: listener_log(node).count("nothing is changed") == 2, "the signal to be answered")
    assert unmoved.still() and "unusable" not in node.zkelect("role").stdout


def test_a_login_that_supervisord_refuses_is_refused(patient):
    cluster = patient(inet=True)
    node, unmoved = cluster["a"], Unmoved(cluster)
    rewrite(node, ("[zkelect]\n", "[zkelect]\nserverurl = http://127.0.0.1:1\n"))
    done = node.zkelect("reload")
    assert done.returncode == 2 and "[zkelect] serverurl: http://127.0.0.1:1: Connection refused" in done.stdout, done.stdout
    assert unmoved.still()


def test_a_signal_has_the_file_taken(patient):
    cluster = patient()
    node, unmoved = cluster["a"], Unmoved(cluster)
    address = readdressed(cluster, node)
    assert node.ctl("signal", "HUP", "zkelect:zkelect").returncode == 0
    cluster.until(lambda: cluster.ack("a") == address, "the ack to have the new address")
    assert unmoved.still()
    # What takes more than that is left alone.
    rewrite(node, ("session_timeout = 20", "session_timeout = 18"))
    assert node.ctl("signal", "HUP", "zkelect:zkelect").returncode == 0
    cluster.until(lambda: "--yes does it" in listener_log(node), "the signal to be answered")
    assert unmoved.still()


def test_a_shorter_promise_ends_no_term(patient):
    cluster = patient()
    node, unmoved = cluster["a"], Unmoved(cluster)
    rewrite(node, ("[zkelect]\n", "[zkelect]\nheartbeat_interval = 0.2\nride_through = 1\nkill_time = 16.5\n"))
    done = node.zkelect("reload")
    assert done.returncode == 0, done.stdout + done.stderr
    folder, owner = str(node.folder / "run"), record.owner_of(node.supervisord_pid)

    def told():
        entry = record.find(folder, owner, "primary")
        return entry.lease.deadline - entry.lease.kill_at > 16

    cluster.until(told, "the guard to have the new times")
    assert "the group is stopped" not in listener_log(node)
    assert unmoved.still()


def test_a_new_session_is_taken_on_the_operators_word_only(patient):
    cluster = patient()
    node, unmoved = cluster["a"], Unmoved(cluster)
    rewrite(node, ("session_timeout = 20", "session_timeout = 18"), (ORDERS, f"{ORDERS}fall = 7\n"))
    asked = node.zkelect("reload")
    assert asked.returncode == 1 and "[zkelect] session_timeout: new session" in asked.stdout
    assert "orders (primary)" in asked.stderr and "--yes" in asked.stderr and unmoved.still()
    assert kept_config.load(str(node.folder / "run")).elections[0].fall == 3
    assert node.zkelect("reload", "--yes").returncode == 0
    cluster.settled("b")
    cluster.until(lambda: node.report().get("session", {}).get("timeout") == 18, "a session with the new timeout")
    cluster.standby("a")
    assert "ended without releasing" not in cluster["b"].logs()


def test_a_new_term_of_one_election_leaves_the_others_alone(patient):
    cluster = patient(sample="two-elections.conf", elections=("orders", "billing"))
    node, unmoved = cluster["a"], Unmoved(cluster)
    text = node.zkelect_conf.read_text()
    node.zkelect_conf.write_text(without(text, "election:billing"))
    asked = node.zkelect("reload")
    assert asked.returncode == 1 and "[election:billing]: new term" in asked.stdout and "billing (primary)" in asked.stderr
    assert cluster.pid("a", "billing") and node.zkelect("reload", "--yes").returncode == 0
    cluster.primary("b", "billing")
    cluster.until(lambda: "billing" not in node.report().get("elections", {"billing": 0}), "the election to be gone")
    cluster.primary("a", "orders")
    assert (cluster.pid("a"), cluster.token("a")) == unmoved.before[:2]
    assert "ended without releasing" not in cluster["b"].logs() and "stopped: billing-server (exit status 0)" in node.logs()
    node.zkelect_conf.write_text(text)
    assert node.zkelect("reload", "--yes").returncode == 0
    cluster.standby("a", "billing")
    cluster.primary("a", "orders")
    assert (cluster.pid("a"), cluster.token("a")) == unmoved.before[:2]


def test_another_way_to_supervisord_takes_another_listener(patient):
    cluster = patient(inet=True)
    node, unmoved = cluster["a"], Unmoved(cluster)
    rewrite(node, ("[zkelect]\n", f"[zkelect]\nserverurl = {node.inet_url}\n"))
    done = node.zkelect("reload")
    assert done.returncode == 0 and "[zkelect] serverurl: restart" in done.stdout, done.stdout + done.stderr
    cluster.until(lambda: node.listener_pid() not in (None, unmoved.before[2]), "another listener")
    cluster.primary("a")
    assert (cluster.pid("a"), cluster.token("a")) == unmoved.before[:2]


def test_a_mended_file_is_taken_after_a_bad_one(patient):
    cluster = patient()
    node, good = cluster["a"], cluster["a"].zkelect_conf.read_text()
    rewrite(node, ("[zkelect]\n", "[zkelect]\ncolour = red\n"))
    restart_listener(cluster)
    cluster.role_is("a", "primary")
    unmoved = Unmoved(cluster)
    assert "unusable" in node.zkelect("role").stdout
    node.zkelect_conf.write_text(good)
    assert "zkelect reload" in node.zkelect("check").stdout
    assert node.zkelect("reload").returncode == 0 and unmoved.still()
    assert "unusable" not in node.zkelect("role").stdout
    cluster.until(lambda: "no problem found" in node.zkelect("check").stdout, "check to find nothing wrong")


def test_servers_of_another_ensemble_take_a_new_session(patient, tmp_path):
    cluster = patient()
    node, unmoved = cluster["a"], Unmoved(cluster)
    with ZooKeeper(tmp_path / "other", tick_ms=1000) as other:
        rewrite(node, ("servers = %(ENV_ZKELECT_SERVERS)s", f"servers = {other.hosts}"))
        asked = node.zkelect("reload")
        assert asked.returncode == 1 and "[zkelect] servers: new session" in asked.stdout, asked.stdout + asked.stderr
    asked = node.zkelect("reload")
    assert asked.returncode == 2 and other.hosts in asked.stdout, asked.stdout + asked.stderr
    assert unmoved.still() and os.path.exists(node.folder / "run" / kept_config.NAME)


def test_an_election_that_is_taken_out_leaves_its_group_time_to_stop(patient):
    cluster = patient(sample="two-elections.conf", elections=("orders", "billing"))
    node, unmoved = cluster["a"], Unmoved(cluster)
    node.zkelect_conf.write_text(without(node.zkelect_conf.read_text(), "election:billing"))
    restart_listener(cluster)
    cluster.primary("b", "billing")
    cluster.primary("a", "orders")
    assert (cluster.pid("a"), cluster.token("a")) == unmoved.before[:2]
    assert "group billing: killed" not in listener_log(node) and "billing: released" in listener_log(node)
