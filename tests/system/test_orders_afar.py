"""Orders from any host, without a node's file, and who may give them, against a real ZooKeeper."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl, make_digest_acl

from supervisor_zkelect.core import nodes
from supervisor_zkelect.operators import cli
from supervisor_zkelect.operators.outcome import DONE, ERROR, INTERRUPTED, UNDER_WAY, UNKNOWN
from supervisor_zkelect.zookeeper import giving
from supervisor_zkelect.zookeeper.given import Given
from tests.system.test_elector_orders import candidate

NODES, OPERATORS = "nodes:secret", "operators:key"


@pytest.fixture
def run(zk_server, root, capsys):
    """Runs `zkelect` as on a host that has no file."""

    def run(*words, servers=None):
        status = cli.main([*words, "--servers", servers or zk_server.hosts, "--root", root])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def two(join):
    """Two members, of which a leads."""
    members = {name: candidate(join, name) for name in "ab"}
    members["a"].try_be_leader()
    members["a"].claim("a", "a:1")
    members["a"].ack_leader("a:1")
    return members


def test_nodes_obey_what_is_ordered_without_their_files(pair, zk_server):
    words = ("--servers", zk_server.hosts + pair.chroot)
    done = pair["b"].zkelect("switchover", "orders", "--to", "b", "--reason", "a disk of a", *words)
    assert done.returncode == DONE and done.stdout.startswith("orders: b leads at "), done.stdout + done.stderr
    assert "  checked: b stands in the queue" in done.stdout
    pair.primary("b")
    pair.standby("a")
    assert ": a disk of a" in pair["a"].logs().partition("switched over to b by order of ")[2].splitlines()[0]
    done = pair["b"].zkelect("maintenance", "on", "--node", "a", *words)
    assert done.returncode == DONE and "a is in maintenance" in done.stdout
    alive = pair["b"].zkelect("forget", "a", *words)
    assert alive.returncode == ERROR and "a lives" in alive.stderr
    assert pair["b"].zkelect("maintenance", "off", "--node", "a", *words).returncode == DONE

    def told():
        log = json.loads(pair["a"].ctl("zkelect", "orders", "--log", "--json").stdout)["log"]
        return [(one["what"], one["node"], one["done"], one["reason"]) for one in log]

    all_of_it = [("switchover", "b", True, "a disk of a"), ("maintenance on", "a", True, ""), ("maintenance off", "a", True, "")]
    pair.until(lambda: told() == all_of_it, "the log to have all of it")
    assert "orders in orders may be given by anyone who reaches ZooKeeper" in pair["b"].zkelect("check").stdout
    pair["a"].terminate()
    pair.until(lambda: pair["b"].ctl("zkelect", "forget", "a").returncode == DONE, "a to be gone")
    assert [row["node"] for row in json.loads(pair["b"].zkelect("list", "--json", *words).stdout)["elections"]["orders"]["nodes"]] == ["b"]


def test_of_two_orders_at_once_from_two_hosts_one_is_refused(two, join):
    tools = [join(), join()]
    gate, answers = threading.Barrier(2), []

    def order(tool, by):
        tool.prepare()
        gate.wait(20)
        answers.append(giving.give(tool, Given("switchover", "b", by, seconds=3600.0)))

    threads = [threading.Thread(target=order, args=(tool, str(number))) for number, tool in enumerate(tools)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answer.ok for answer in answers) == [False, True]
    assert "another switchover is ordered" in next(answer.text for answer in answers if not answer.ok)


@pytest.mark.parametrize("off", [3_600_000, -3_600_000])
def test_a_host_whose_clock_is_an_hour_off_orders_for_the_time_that_it_means(two, join, off):
    tool = join()
    shown = tool.server_time()
    answer = giving.give(tool, Given("switchover", "b", due=shown + 1_800_000, clock=shown + off))
    assert answer.ok and "1 h 0 m" in answer.warning or "59 m" in answer.warning, answer
    assert abs(tool.read_control().switchover.due - shown - 1_800_000) < 1
    past = giving.give(tool, Given("switchover", "b", due=shown - 1))
    assert not past.ok and "is over" in past.text


def test_garbage_is_told_and_reset_from_any_host(two, run, zk, root):
    zk.set(f"{root}/e/ack-state/control", b"garbage")
    status, _, err = run("switchover", "e")
    assert status == ERROR and "--reset" in err and err.count("\n") == 1
    assert run("orders", "--reset")[0] == DONE
    status, _, err = run("switchover", "e", "--wait", "1")
    assert status == UNDER_WAY and "waiting for a to begin" in err
    assert run("switchover", "--cancel")[0] == DONE


def test_zookeeper_away_is_one_line(run):
    status, out, err = run("switchover", "e", servers="127.0.0.1:1")
    assert status == UNKNOWN and not out and err.count("\n") == 1 and "cannot reach ZooKeeper" in err


def test_a_node_that_is_gone_is_forgotten_with_what_it_left(two, join, zk, root):
    two["b"].tell_of_node("b", nodes.NodeEntry(state="standby"))
    tool = join()
    assert "b lives" in giving.give(tool, Given("forget", "b")).text
    two["b"].close()
    zk.create(f"{root}/e/ack-state/nodes/b/pulse-7")
    assert giving.give(tool, Given("forget", "b")).ok and tool.known_nodes() == []


def test_operators_who_may_write_the_control_alone_give_orders_and_change_nothing_else(zk_server, root, run, tmp_path, join):
    """The example of two roles in docs/elections.md."""
    one = candidate(lambda **given: join(digest=NODES, acl="creator+read", **given), "a")
    two = candidate(lambda **given: join(digest=NODES, acl="creator+read", **given), "b")
    one.try_be_leader()
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    two.tell_of_node("b", nodes.NodeEntry(state="standby"))
    (tmp_path / "digest").write_text(OPERATORS)
    words = ("--digest-file", str(tmp_path / "digest"))
    status, _, err = run("switchover", "e", *words)
    assert status == ERROR and err.count("\n") == 1 and "the order was not written" in err, err
    both = [make_digest_acl(*NODES.split(":"), all=True), make_acl("world", "anyone", read=True)]
    operators = make_digest_acl(*OPERATORS.split(":"), read=True, write=True, create=True, delete=True)
    client = KazooClient(hosts=zk_server.hosts, auth_data=[("digest", NODES)])
    client.start(timeout=20)
    for name in ("control", "outcomes"):
        client.set_acls(f"{root}/e/ack-state/{name}", [*both, operators])
    status, out, err = run("switchover", "e", "--to", "b", "--in", "60", *words)
    assert status == DONE and "warning" not in out, out + err
    assert run("orders", "e", "--log", "--json", *words)[0] == DONE and one.read_control().switchover.to == "b"
    assert two.proposal in [member.name for member in one.members()]
    two.close()
    status, _, err = run("forget", "b", "e", *words)
    assert status == ERROR and "was not written" in err and one.known_nodes() == ["b"]
    client.delete(f"{root}/e", recursive=True)
    client.stop()
    client.close()


@pytest.mark.parametrize("begun", [False, True])
def test_a_terminal_shows_what_is_awaited_and_ctrl_c_takes_back_what_has_not_begun(two, zk_server, root, begun):
    """The members of this election do nothing by themselves."""
    screen, end = pty.openpty()
    words = ("switchover", "e", "--to", "b", "--servers", zk_server.hosts, "--root", root)
    tool = subprocess.Popen([sys.executable, "-m", "supervisor_zkelect.operators.cli", *words], stderr=end, stdout=subprocess.PIPE)
    os.close(end)
    shown = b""
    try:
        while b"waiting for a to begin" not in shown:
            shown += os.read(screen, 1000)
        if begun:
            two["a"].begin("switchover", two["a"].read_control().switchover.order.id, "a")
            while b"waiting for a to stop" not in shown:
                shown += os.read(screen, 1000)
        tool.send_signal(signal.SIGINT)
        assert tool.wait(20) == INTERRUPTED and tool.stdout.read() == b""
        shown += os.read(screen, 1000)
    finally:
        tool.kill()
        tool.wait()
        tool.stdout.close()
        os.close(screen)
    told = shown.replace(b"\r\n", b"\n").rpartition(b"\x1b[K")[2].decode()
    assert told.count("\n") == 1 and ("has begun, and stands" in told if begun else "is taken back, and nothing was stopped" in told)
    assert (two["a"].read_control().switchover is not None) == begun
