"""A pair with `zkelect http` behind HAProxy with the samples: what clients see of its handovers, and a command that follows them."""

import socket
import threading
from pathlib import Path

import pytest

from lab import balancers
from lab.balancers import HAProxy
from lab.web import WithHttp
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.web.agent import MAINT
from tests.system.test_balancers import Clients, ask

#: Seconds that anything may take.
LONG = 60


class WithAgents(WithHttp):
    """agents: node -> the port of its agent."""

    def node(self, folder, name, servers, **options):
        agents = vars(self).setdefault("agents", {})
        agents[name] = child.free_port()
        options["overrides"]["zkelect"]["http_agent"] = f"127.0.0.1:{agents[name]}"
        return super().node(folder, name, servers, **options)


@pytest.fixture
def pair(tmp_path, zk_server, turn):
    """Two nodes of which `a` is primary, with `zkelect http`."""
    cluster = WithAgents(Path(tmp_path), zk_server.hosts, ("a", "b"), reached=zk_server.hosts)
    try:
        yield cluster.start()
        cluster.verdict()
    finally:
        cluster.stack.close()
        for port in (*cluster.ports.values(), *cluster.agents.values()):
            child.give_back(port)


def said(port):
    """What an agent says of its node."""
    with socket.create_connection(("127.0.0.1", port), LONG) as link:
        link.sendall(b"orders\n")
        with link.makefile() as file:
            return file.read().strip()


@pytest.fixture(params=["haproxy.cfg", "haproxy-agent.cfg"])
def haproxy(request, pair, tmp_path):
    port = child.free_port()
    probes, ports = ("agent-port 8788", pair.agents) if "agent" in request.param else ("port 8787", pair.ports)
    exchanged = {"bind :80": f"bind 127.0.0.1:{port}"}
    for (name, node), host in zip(pair.nodes.items(), ("10.0.0.1", "10.0.0.2")):
        exchanged[f"{host}:8080 {probes}"] = f"{node.addresses['orders']} {probes.split()[0]} {ports[name]}"
    with HAProxy(tmp_path / "haproxy", balancers.sample(f"haproxy/{request.param}", exchanged), port) as one:
        until(lambda: one.states()["a"] == "UP" != one.states()["b"], LONG, f"HAProxy to know both nodes\n{pair.logs()}")
        yield one
    child.give_back(port)


def test_handovers_cost_clients_nothing_but_time(pair, haproxy):
    """Three times the primary resigns; then supervisord and all that it has started are killed."""
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
                # It stands by, however much of its lease would be left.
                assert said(pair.agents[old]) == MAINT
                if "agent" in haproxy.conf.read_text():
                    until(lambda name=old: haproxy.states()[name] == "MAINT", LONG, f"{old} to be in maintenance")
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
