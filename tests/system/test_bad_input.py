"""Bad input through the real thing: the command ends with status 2, the listener starts nothing."""

import pytest
from kazoo.client import KazooClient

from lab.cluster import CANNOT, PRIMARY, UNKNOWN
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record, saved_session
from tests.system.conftest import on

BAD = {
    "unknown option": ({"zkelect": {"colour": "red"}}, "[zkelect] colour = red"),
    "relative znode": ({"election:orders": {"election_znode": "orders"}}, "[election:orders] election_znode = orders"),
    "missing group": ({"election:orders": {"group": "secondary"}}, "[election:orders] group = secondary"),
    "autostart": ({"program:orders": {"autostart": "true"}}, "program orders has autostart = true"),
    "letters that supervisord cannot carry": ({"election:orders": {"group": "größe"}}, "[election:orders] group = größe"),
}


def listener_log(node):
    return "".join(path.read_text() for path in (node.folder / "logs").glob("zkelect-stderr*"))


def problems(node):
    """What `zkelect check` finds, which has to be a wrong configuration and no more than lines of it, beside that no listener
    runs with that."""
    checked = node.zkelect("check", "-c", str(node.zkelect_conf))
    assert (checked.returncode, checked.stderr) == (2, ""), checked.stdout + checked.stderr
    return [line for line in checked.stdout.splitlines() if not line.startswith(("note: ", "the listener zkelect:zkelect is "))]


@pytest.mark.parametrize("what", BAD)
def test_nothing_is_started(make_cluster, zk_server, what):
    overrides, told = BAD[what]
    cluster = make_cluster(zk_server.hosts, ("a",), overrides=overrides)
    node = cluster["a"].start()
    log = node.folder / "logs" / "supervisord.log"
    until(lambda: "exited: zkelect (exit status 2" in log.read_text(), 30, "the listener to end with status 2")
    # supervisord starts the listener again and again; each says the same.
    said = {line[line.index(str(node.folder)):] for line in listener_log(node).splitlines() if told in line}
    assert said == set(problems(node)) and len(said) == 1
    assert "Traceback" not in listener_log(node)
    if what != "autostart":
        assert "spawned: 'orders'" not in log.read_text()


def test_every_problem_is_a_line_of_its_own(make_cluster, zk_server):
    overrides = {"zkelect": {"colour": "red", "kill_time": "9"}, "election:orders": {"health": "ftp://x", "rise": "0"}}
    node = make_cluster(zk_server.hosts, ("a",), overrides=overrides)["a"].start()
    told = ("[zkelect] colour = red", "[zkelect] session_timeout = 4", "[election:orders] health = ftp://x", "rise = 0")
    found = problems(node)
    assert len(found) == len(told) and all(sum(one in line for line in found) == 1 for one in told), found
    until(lambda: all(line in listener_log(node) for line in found), 30, "the listener to say each line")
    assert not node.service_pids()


def test_a_listener_that_may_not_signal_its_service(make_cluster, zk_server):
    """Seen by check, as the listener of another user need not be allowed to run from where the tests are."""
    overrides = {"eventlistener:zkelect": {"user": "nobody", "autostart": "false"}, "program:orders": {"user": "root"}}
    node = make_cluster(zk_server.hosts, ("a",), overrides=overrides)["a"].start()
    found = problems(node)
    assert len(found) == 1 and "program orders runs as uid 0" in found[0] and "run the listener as root" in found[0]


def test_a_runtime_folder_that_another_supervisord_has_is_left_alone(make_cluster, patient):
    """Also while that one's listener starts anew, and its guard, which alone would end the group, is all that is there."""
    cluster = make_cluster(**on(patient))
    one, other = cluster["a"], cluster["b"]
    other.environment[record.VARIABLE] = one.environment[record.VARIABLE]
    one.start()
    pid, token, guard = cluster.primary("a"), cluster.token("a"), one.guard_pid()
    other.start()
    told = f"belongs to another supervisord, process {one.supervisord_pid}"
    cluster.until(lambda: told in other.ctl("role").stdout and told in listener_log(other), "the other one to say so")
    former = one.listener_pid()
    one.kill(former)
    cluster.until(lambda: one.listener_pid() not in (None, former), "a listener to run again")
    cluster.until(lambda: one.ctl("role").returncode == PRIMARY, "it to go on")
    assert cluster.primary("a") == pid and cluster.token("a") == token and one.guard_pid() == guard
    # When that one has ended in order, the folder is free.
    one.terminate()
    cluster.primary("b")


def test_a_supervisord_that_asks_for_a_password(make_cluster, zk_server):
    cluster = make_cluster(
        zk_server.hosts, ("a",), username="operator", password="s3cret", env={"SUPERVISOR_PASSWORD": "wr0ng"}
    )
    node = cluster["a"].start()
    cluster.until(lambda: "refuses the user name or password" in listener_log(node), "the refusal to be told")
    pid = node.listener_pid()
    cluster.role("a", UNKNOWN)
    assert pid == node.listener_pid() and not node.service_pids()
    assert "wr0ng" not in node.logs() and listener_log(node).count("refuses the user name or password") <= 2


def test_another_live_node_of_this_name_is_refused(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, overrides={"zkelect": {"node_name": "same"}})
    cluster["a"].start()
    cluster.primary("a")
    log = cluster["b"].start().folder / "logs" / "supervisord.log"
    until(lambda: "exited: zkelect (exit status 2" in log.read_text(), 40, "the twin to end with status 2")
    told = "another live node with this node's name"
    said = [line for line in listener_log(cluster["b"]).splitlines() if told in line]
    assert len(said) == 1 and str(cluster["b"].zkelect_conf) in said[0] and "node_name" in said[0]
    assert not cluster["b"].service_pids()
    cluster.primary("a")


def test_a_proposal_left_over_by_this_node_is_waited_out(make_cluster, tmp_path):
    """The test itself keeps the session of the former life until the new one has met its proposal: how fast a node starts
    does not matter. T is long, so that this is in time."""
    with ZooKeeper(tmp_path / "zk", tick_ms=200, extra={"maxSessionTimeout": 40000}) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, ("a",), timeout=40).start()
        node = cluster["a"]
        former = saved_session.load(node.environment[record.VARIABLE], None)
        # All at once, so that nobody is left who could release the proposal.
        node.crash()
        until(lambda: not node.processes(), 30, "everything to be dead")
        client = KazooClient(zookeeper.hosts, timeout=40, client_id=(former.id, bytes.fromhex(former.password)))
        cluster.stack.callback(client.stop)
        client.start(30)
        assert client.client_id[0] == former.id
        node.start()
        cluster.until(lambda: "a proposal with this node's name, is gone" in listener_log(node), "the proposal to be met")
        assert not node.service_pids()
        client.stop()
        client.close()
        cluster.primary("a")
        assert "exited: zkelect" not in (node.folder / "logs" / "supervisord.log").read_text()
        cluster.stack.close()


def test_zookeeper_that_is_down_is_told_once_and_waited_for(make_cluster, tmp_path):
    port = child.free_port()
    cluster = make_cluster(f"127.0.0.1:{port}", ("a",))
    node = cluster["a"].start()
    cluster.role("a", CANNOT)
    before = node.listener_pid()
    checked = node.zkelect("check", "-c", str(node.zkelect_conf))
    assert checked.returncode == 1 and f"127.0.0.1:{port}" in checked.stdout + checked.stderr
    cluster.until(lambda: "trying again" in cluster.logs(), "the trouble to be told")
    with ZooKeeper(tmp_path / "zk", tick_ms=200, port=port):
        cluster.primary("a")
        assert node.listener_pid() == before
    said = listener_log(node)
    assert said.count("trying again") == 1 and "Connection refused" in said, said
