"""A pair with `zkelect http` behind HAProxy with the samples: what clients see of its handovers, and a command that follows them."""

import threading

import pytest

from lab import balancers
from lab.balancers import HAProxy
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from tests.system.test_balancers import Clients, ask

#: Seconds that anything may take.
LONG = 60


@pytest.fixture
def pair(make_cluster, zk_server):
    """Two nodes of which `a` is primary, each with `zkelect http` at ports of its own: `http` and `agent`."""
    cluster = make_cluster(zk_server.hosts)
    for node in cluster.nodes.values():
        node.http, node.agent = child.free_port(), child.free_port()
        node.overrides["zkelect"].update(http=f"127.0.0.1:{node.http}", http_agent=f"127.0.0.1:{node.agent}")
        node.overrides["program:zkelect-http"] = {
            "command": f"zkelect http -c {node.zkelect_conf}", "autorestart": "true", "startsecs": "0",
            "stderr_logfile": f"{node.folder}/logs/http.log",
        }
        node.write()
    yield cluster.start()
    cluster.verdict()
    for node in cluster.nodes.values():
        for port in (node.http, node.agent):
            child.give_back(port)


@pytest.fixture(params=["haproxy.cfg", "haproxy-agent.cfg"])
def haproxy(request, pair, tmp_path):
    port = child.free_port()
    exchanged = {"bind :80": f"bind 127.0.0.1:{port}"}
    for node, host in zip(pair.nodes.values(), ("10.0.0.1", "10.0.0.2")):
        for was, number in ((" port 8787", f" port {node.http}"), (" agent-port 8788", f" agent-port {node.agent}")):
            if ("agent" in was) == ("agent" in request.param):
                exchanged[f"{host}:8080{was}"] = node.addresses["orders"] + number
    with HAProxy(tmp_path / "haproxy", balancers.sample(f"haproxy/{request.param}", exchanged), port) as one:
        until(lambda: one.states()["a"] == "UP" != one.states()["b"], LONG, f"HAProxy to know both nodes\n{pair.logs()}")
        yield one
    child.give_back(port)


def test_handovers_cost_clients_nothing_but_time(pair, haproxy):
    """`supervisorctl zkelect resign` thrice; then supervisord and all that it has started are killed."""
    names = ["a", "b"]
    with Clients(haproxy.port, 8) as clients:
        for turn in range(4):
            old, new = names
            clients.more()
            if turn < 3:
                assert pair[old].ctl("zkelect", "resign", "orders").returncode == 0
            else:
                pair[old].kill_all()
            until(lambda name=new: haproxy.states()[name] == "UP" != haproxy.states()[old], LONG, f"HAProxy to know {new}")
            clients.more()
            pair.until(lambda name=new: f'"{name}"' in ask(haproxy.port)[1], f"answers of {new}")
            if turn < 3:
                pair.leader()
            names.reverse()
    wrong = [found for _, _, found in clients.answers if found[0] != 200]
    assert not wrong, wrong


@pytest.mark.parametrize("haproxy", ["haproxy-agent.cfg"], indirect=True)
def test_maintenance_and_restarts_are_no_failures(pair, haproxy):
    with Clients(haproxy.port) as clients:
        assert pair["b"].ctl("zkelect", "maintenance", "on", "orders").returncode == 0
        assert pair["a"].ctl("restart", "zkelect-http").returncode == 0
        assert pair["a"].ctl("restart", "zkelect:zkelect").returncode == 0
        until(lambda: pair["a"].ctl("role", "orders").returncode == 0, LONG, "a to be primary still")
        for _ in range(20):
            assert haproxy.states()["a"] == "UP" and haproxy.states()["b"] == "MAINT"
            threading.Event().wait(0.02)
        clients.more()
    assert {found[0] for _, _, found in clients.answers} == {200}
