"""Two real nodes with the shipped sample: what a client and the operator see."""

import json

import pytest

from supervisor_zkelect import samples
from supervisor_zkelect.demo import child, observer, story
from supervisor_zkelect.demo.node import Node
from supervisor_zkelect.demo.wait import until

TIMES = {"zkelect": {"session_timeout": "4", "tick_time": "0.2"}}


@pytest.fixture
def pair(zk_server, tmp_path, zk):
    nodes = []
    chroot = f"/{tmp_path.name}-{child.new_marker()}"
    for name in ("a", "b"):
        overrides = {"zkelect": {**TIMES["zkelect"], "chroot": chroot}}
        nodes.append(Node(
            tmp_path / name, name, zk_server.hosts, addresses={"orders": f"127.0.0.1:{child.free_port()}"},
            sample=samples.path("zkelect.conf"), overrides=overrides, journals=tmp_path / "journals",
        ))
    addresses = {node.name: node.addresses["orders"] for node in nodes}
    try:
        with observer.Observer(addresses) as watcher:
            nodes[0].start()
            primary(nodes[0])
            nodes[1].start()
            role(nodes[1], 3)
            yield nodes
        assert not watcher.verdict().overlap, "\n".join(node.logs() for node in nodes)
    finally:
        for node in nodes:
            node.close()
            child.give_back(int(node.addresses["orders"].rpartition(":")[2]))
        if zk.exists(chroot):
            zk.delete(chroot, recursive=True)


def role(node, status):
    until(lambda: node.ctl("role", "orders").returncode == status, 40, f"role on {node.name} to exit with {status}")


def primary(node):
    """Wait until ack, role and the service agree that this node is primary."""
    address = node.addresses["orders"]
    until(lambda: node.zkelect("primary", "orders", "-c", str(node.zkelect_conf)).stdout.strip() == address, 40,
          f"the ack to name {node.name}\n{node.logs()}")
    role(node, 0)
    return until(lambda: observer.ask(address, 1.0), 40, f"the service of {node.name} to answer")


def test_a_killed_service_comes_back_here(pair):
    a, b = pair
    pid = primary(a)
    a.kill(pid)
    until(lambda: observer.ask(a.addresses["orders"], 1.0) not in (0, pid), 40, "the service to be back")
    primary(a)
    role(b, 3)


def test_everything_killed_at_once_fails_over(pair):
    a, b = pair
    a.kill_all()
    primary(b)
    a.start()
    role(a, 3)


def test_a_shut_down_supervisord_hands_over(pair):
    a, b = pair
    a.terminate()
    primary(b)
    assert not a.processes()


def test_resign_tells_who_leads_now(pair):
    a, b = pair
    done = a.zkelect("resign", "orders", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert b.addresses["orders"] in done.stdout and json.loads(done.stdout)
    primary(b)
    role(a, 3)
    assert b.ctl("zkelect", "resign", "orders").returncode == 0
    primary(a)


def test_a_sick_service_steps_down(pair):
    a, b = pair
    a.health_file.write_text("")
    primary(b)
    role(a, 3)


def test_a_dead_or_frozen_listener_makes_the_role_unknown(pair):
    a, _ = pair
    pid = a.listener_pid()
    a.freeze(pid)
    role(a, 4)
    a.thaw(pid)
    role(a, 0)


def test_the_demo_runs_to_its_end(capsys):
    assert story.run() == 0, capsys.readouterr().out
