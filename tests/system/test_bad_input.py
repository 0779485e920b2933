"""Bad input through the real thing: the command ends with status 2, the listener starts nothing."""

import pytest

from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.cluster import NOT_PRIMARY
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.demo.zookeeper import ZooKeeper

BAD = {
    "unknown option": ({"zkelect": {"colour": "red"}}, "colour = red"),
    "relative znode": ({"election:orders": {"election_znode": "orders"}}, "election_znode = orders"),
    "missing group": ({"election:orders": {"group": "secondary"}}, "group = secondary"),
    "autostart": ({"program:orders": {"autostart": "true"}}, "autostart = true"),
}


@pytest.mark.parametrize("what", BAD)
def test_nothing_is_started(make_cluster, zk_server, what):
    overrides, told = BAD[what]
    cluster = make_cluster(zk_server.hosts, ("a",), overrides=overrides)
    node = cluster["a"].start()
    log = node.folder / "logs" / "supervisord.log"
    until(lambda: "exited: zkelect (exit status 2" in log.read_text(), 30, "the listener to end with status 2")
    said = "".join(path.read_text() for path in (node.folder / "logs").glob("zkelect-stderr*"))
    assert told in said and "Traceback" not in said
    checked = node.zkelect("check", "-c", str(node.zkelect_conf))
    assert checked.returncode == 2 and told in checked.stdout + checked.stderr
    if what != "autostart":
        assert "spawned: 'orders'" not in log.read_text()


def test_another_live_node_of_this_name_is_refused(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, overrides={"zkelect": {"node_name": "same"}})
    cluster["a"].start()
    cluster.primary("a")
    log = cluster["b"].start().folder / "logs" / "supervisord.log"
    until(lambda: "exited: zkelect (exit status 2" in log.read_text(), 40, "the twin to end with status 2")
    said = "".join(path.read_text() for path in log.parent.glob("zkelect-stderr*"))
    assert "another live node with this node's name" in said and not cluster["b"].service_pids()
    cluster.primary("a")


def test_a_proposal_left_over_by_this_node_is_waited_out(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, ("a",)).start()
    cluster["a"].kill_all()
    cluster["a"].start()
    cluster.primary("a")


def test_zookeeper_that_is_down_is_told_once_and_waited_for(make_cluster, tmp_path):
    port = child.free_port()
    cluster = make_cluster(f"127.0.0.1:{port}", ("a",))
    node = cluster["a"].start()
    cluster.role("a", NOT_PRIMARY)
    before = node.listener_pid()
    checked = node.zkelect("check", "-c", str(node.zkelect_conf))
    assert checked.returncode == 1 and f"127.0.0.1:{port}" in checked.stdout + checked.stderr
    cluster.until(lambda: "trying on" in cluster.logs(), "the trouble to be told")
    with ZooKeeper(tmp_path / "zk", tick_ms=200, port=port):
        cluster.primary("a")
        assert node.listener_pid() == before
    said = "".join(path.read_text() for path in (node.folder / "logs").glob("zkelect-stderr*"))
    assert said.count("trying on") == 1 and "Connection refused" in said, said
