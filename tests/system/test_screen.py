"""What is on the screen against what an outside observer heard, which asks the services themselves.

What the screen says must never be more than was so: who is primary there serves, who stands by does not, and what is not known
any more is said to be of the past.
"""

import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.cluster import CANNOT, NOT_PRIMARY, ON_ITS_WAY, PRIMARY, UNKNOWN
from lab.node import service_command
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.operators.view import FRESH
from supervisor_zkelect.system.clock import now

#: Seconds in which the observer, which asks each service every few milliseconds, has certainly heard one that serves.
HEARD = 0.5


class Screen:
    """What `supervisorctl role` showed on a node at one moment."""

    def __init__(self, cluster, name):
        begun = now()
        done = cluster[name].ctl("role", "orders")
        ended = now()
        self.took = ended - begun
        turns = cluster.observers["orders"].verdict(begun - HEARD).turns
        self.all_the_while = [turn.name for turn in turns if turn.first < begun and turn.last > ended]
        self.serving = cluster.observers["orders"].serving(self.took + HEARD)
        self.lately = cluster.observers["orders"].serving(self.took + FRESH + HEARD)
        self.status, self.text = done.returncode, done.stdout + done.stderr
        lines = self.text.splitlines()
        cells = re.split(r"\s{2,}", lines[1]) if len(lines) > 1 else []
        self.role, self.primary, self.place = (cells[1], cells[4], cells[5]) if len(cells) > 5 else ("", "", "")
        self.said = next((line for line in lines if line.startswith("orders: ")), "")

    def problem(self, cluster, name):
        """What the observer heard otherwise; "" when it agrees."""
        if self.status == PRIMARY and name not in self.serving:
            return f"{name} is primary on its screen, and does not serve"
        if self.status == PRIMARY and cluster[name].addresses["orders"] not in self.primary:
            return f"{name} is primary on its screen, which names another"
        if self.status == NOT_PRIMARY and name in self.all_the_while:
            return f"{name} stands by on its screen, and served all the while"
        return ""


def shows(cluster, name, status, *pieces, place="", primary=None):
    """Wait until the screen of a node shows this, and see that the observer agrees. primary: the node that is shown, now."""
    address = cluster[primary].addresses["orders"] if primary else ""
    seen = []

    def fits():
        screen = Screen(cluster, name)
        seen[:] = [screen.text]
        fit = screen.status == status and (not place or screen.place == place) and screen.primary.startswith(address)
        return fit and all(re.search(piece, screen.text) for piece in pieces) and screen

    try:
        screen = cluster.until(fits, f"the screen of {name} to show {status} {pieces} {place}")
    except AssertionError as problem:
        raise AssertionError(f"{seen}\n{problem}") from None
    assert not screen.problem(cluster, name), (screen.problem(cluster, name), screen.text, screen.serving)
    if primary:
        assert primary in screen.lately, (screen.text, screen.lately)
    return screen


def watched(cluster):
    """Have the cluster observed before anything of it runs."""
    for observer in cluster.observers.values():
        cluster.stack.enter_context(observer)
    return cluster


def begin(cluster, *names):
    for name in names:
        cluster[name].start()


def test_the_queue_as_it_is(make_cluster, zk_server):
    """Alone; with one and two standbys; one of them gone; its listener frozen; a twin; and when all of the primary is killed."""
    cluster = watched(make_cluster(zk_server.hosts, ("a", "b", "c", "twin")))
    cluster["twin"].environment["ZKELECT_NODE"] = "b"
    begin(cluster, "a")
    shows(cluster, "a", PRIMARY, place="1 of 1", primary="a")
    begin(cluster, "b")
    shows(cluster, "b", NOT_PRIMARY, "there is nothing to do", place="2 of 2", primary="a")
    shows(cluster, "a", PRIMARY, place="1 of 2", primary="a")
    begin(cluster, "c")
    shows(cluster, "c", NOT_PRIMARY, "behind 2 others", place="3 of 3", primary="a")
    # Neither has been woken by who came after it.
    assert shows(cluster, "a", PRIMARY, primary="a").place == "1 of 3"
    assert shows(cluster, "b", NOT_PRIMARY, primary="a").place == "2 of 3"
    begin(cluster, "twin")
    shows(cluster, "twin", CANNOT, "should take part but cannot: .*node's name", "different node_name")
    cluster["twin"].terminate()
    listener = cluster["b"].listener_pid()
    cluster["b"].freeze(listener)
    screen = shows(cluster, "b", UNKNOWN, "stopped by a signal; kill -CONT")
    assert screen.role != "standby" and "127.0.0.1" not in screen.text
    cluster["b"].thaw(listener)
    shows(cluster, "b", NOT_PRIMARY, primary="a")
    cluster["b"].terminate()
    shows(cluster, "c", NOT_PRIMARY, "there is nothing to do", place="2 of 2", primary="a")
    assert shows(cluster, "a", PRIMARY, primary="a").place == "1 of 2"
    cluster["a"].crash()
    killed, screen = now(), Screen(cluster, "c")
    # Nobody knows of it before T is over. Until then the ack names it, and its heir does not claim to lead.
    while now() < killed + 2 and screen.status == NOT_PRIMARY:
        assert not screen.problem(cluster, "c") and "c" not in screen.serving
        screen = Screen(cluster, "c")
    shows(cluster, "c", PRIMARY, place="1 of 1", primary="c")
    cluster.verdict()


@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_zookeeper_away(make_cluster, tmp_path, how):
    """The primary goes on within its lease, and what is shown of others is of the past."""
    with ZooKeeper(tmp_path / "zk", tick_ms=600) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=12, tick=0.6, reached=zookeeper.hosts).start()
        shows(cluster, "a", PRIMARY, place="1 of 2", primary="a")
        shows(cluster, "b", NOT_PRIMARY, place="2 of 2", primary="a")
        since = now()
        zookeeper.freeze() if how == "frozen" else zookeeper.kill()
        last = rf"last known {cluster['a'].addresses['orders']} \(a\), [\d.]+ m?s ago"
        shows(cluster, "a", PRIMARY, last, "primary for [0-9.]+ s at most, as ZooKeeper does not answer", "was 1 of 2")
        shows(cluster, "b", CANNOT, last, "cut off from ZooKeeper", "was 2 of 2")
        # The lease ends, and with it the service; the standby does not know, and says so.
        cluster.until(lambda: not cluster.observers["orders"].serving(HEARD), "the service to be ended")
        shows(cluster, "a", CANNOT, "cut off from ZooKeeper")
        screen = shows(cluster, "b", CANNOT, "last known")
        age = float(re.search(r"last known .*, ([\d.]+) s ago", screen.text)[1])
        assert abs(now() - since - age) < FRESH + screen.took + 1
        zookeeper.thaw() if how == "frozen" else zookeeper.start()
        leader = cluster.leader()
        shows(cluster, leader, PRIMARY, primary=leader, place="1 of 2")
        cluster.verdict()


def test_a_service_that_dies_hesitates_or_does_not_stop(make_cluster, zk_server):
    """Restarted where it was killed; resigning and slow to stop; late to be healthy; in FATAL; and without a listener."""
    cluster = watched(make_cluster(zk_server.hosts, overrides={"zkelect": {"backoff_min": "30", "backoff_max": "30"}}))
    for node in cluster.nodes.values():
        command = service_command(node.addresses["orders"], "--ignore-term")
        script = node.folder / "service"
        script.write_text(f"#!/bin/sh\n[ ! -e {node.folder}/broken ] || exit 1\nexec {command}\n")
        script.chmod(0o755)
        node.overrides["program:orders"] = {"command": f"zkelect run -- {script}", "startretries": "1", "stopwaitsecs": "12"}
    cluster["a"].overrides["eventlistener:zkelect"] = {"autorestart": "false"}
    begin(cluster, "a")
    pid = cluster.primary("a")
    begin(cluster, "b")
    shows(cluster, "b", NOT_PRIMARY, primary="a")

    cluster["a"].kill(pid)
    cluster.until(lambda: cluster.pid("a") not in (0, pid), "the service to run again")
    shows(cluster, "a", PRIMARY, primary="a")
    shows(cluster, "b", NOT_PRIMARY, primary="a")

    cluster["b"].health_file.touch()
    with ThreadPoolExecutor() as pool:
        resigned = pool.submit(cluster["a"].zkelect, "resign", "orders", timeout=180)
        screen = shows(cluster, "a", ON_ITS_WAY, "stops the programs, and kills them in [0-9.]+ s, because: resigned")
        assert screen.role == "demoting" and screen.serving == ["a"]
        screen = shows(cluster, "b", ON_ITS_WAY, "waits for the service to be healthy, and gives up in [0-9]+ [ms]", "503")
        assert screen.role == "promoting" and "a" not in cluster.observers["orders"].serving(0.1)
        screen = shows(cluster, "a", NOT_PRIMARY, "nobody is primary")
        assert screen.primary == "-" and screen.place == "2 of 2"
        cluster["b"].health_file.unlink()
        assert resigned.result().returncode == 0
    shows(cluster, "b", PRIMARY, primary="b")
    shows(cluster, "a", NOT_PRIMARY, primary="b")

    (cluster["b"].folder / "broken").touch()
    cluster["b"].kill(cluster.primary("b"))
    shows(cluster, "b", ON_ITS_WAY, r"takes no part for another \d+ s, because: the program orders is in FATAL.*; correct that")
    assert "b" not in cluster.observers["orders"].serving(HEARD)
    shows(cluster, "a", PRIMARY, place="1 of 1", primary="a")

    cluster["a"].kill(cluster["a"].listener_pid(), sig=signal.SIGKILL)
    told = "is dead; supervisord has zkelect:zkelect in EXITED; see why in its log, then supervisorctl start zkelect"
    screen = shows(cluster, "a", UNKNOWN, told)
    assert "127.0.0.1" not in screen.text
    cluster["a"].ctl("start", "zkelect")
    shows(cluster, "a", PRIMARY, primary="a")
    cluster["a"].ctl("stop", "zkelect")
    shows(cluster, "a", UNKNOWN, "in STOPPED; supervisorctl start zkelect")
    cluster.verdict()


def test_whom_zookeeper_refuses(make_cluster, zk_server):
    overrides = {"zkelect": {"digest": "%(ENV_ZK_DIGEST)s", "acl": "creator"}}
    cluster = make_cluster(zk_server.hosts, reached=None, overrides=overrides, env={"ZK_DIGEST": "zk:gehe1m"})
    cluster["b"].environment["ZK_DIGEST"] = "zk:wrong"
    watched(cluster)
    begin(cluster, "a")
    cluster.role_is("a", "primary")
    begin(cluster, "b")
    screen = shows(cluster, "b", CANNOT, "should take part but cannot: .*correct the credentials or the ACL")
    assert screen.primary == "-" and "wrong" not in screen.text
    shows(cluster, "a", PRIMARY, primary="a")
    assert cluster["a"].terminate() is None
    assert cluster["b"].ctl("shutdown").returncode == 0
    assert Screen(cluster, "b").status == UNKNOWN or not cluster["b"].running


def test_questions_while_zookeeper_is_silent_hold_nothing_up(make_cluster, tmp_path):
    """They are answered with what is last known, and afterwards the node goes on in its term at once."""
    with ZooKeeper(tmp_path / "zk", tick_ms=2000) as zookeeper:
        cluster = make_cluster(zookeeper.hosts, timeout=40, tick=2, reached=zookeeper.hosts).start()
        pid, token = cluster.primary("a"), cluster.token("a")
        zookeeper.freeze()
        since = now()
        while now() < since + 2.5:
            for name in cluster.nodes:
                assert json.loads(cluster[name].ctl("role", "orders", "--json").stdout)["known"]
        zookeeper.thaw()
        thawed = now()
        screen = shows(cluster, "a", PRIMARY, place="1 of 2", primary="a")
        # An elector that is held up is so for T.
        assert now() - thawed < 15 and "last known" not in screen.text
        shows(cluster, "b", NOT_PRIMARY, place="2 of 2", primary="a")
        assert (cluster.settled("a"), cluster.token("a")) == (pid, token)
        assert cluster.verdict().names == ["a"]
