"""A real Prometheus that asks nodes."""

import signal
import threading
from functools import partial

import pytest

from docs import write_dashboard
from lab.prometheus import Prometheus
from lab.web import WithHttp
from supervisor_zkelect.web import metrics
from tests.unit.web.parts import Node, Served
from tests.unit.web.test_alerts import RULES, dashboard_queries
from tests.unit.web.test_metrics import NOW, entry, picture, report

#: Seconds that something may take in Prometheus.
TIME = 60.0


@pytest.fixture
def prometheus(tmp_path):
    """Make a Prometheus that asks these; it is ended."""
    made = []

    def make(*targets):
        made.append(Prometheus(tmp_path / "prometheus", targets, RULES))
        return made[-1].__enter__()

    yield make
    for one in made:
        one.__exit__()


class Told(Node):
    """A node whose metrics are made of what the test has."""

    def __init__(self, entries, view, document):
        super().__init__("orders")
        self.given = entries, view, document

    def metrics(self):
        return lambda: metrics.render(*self.given, NOW)


def until(condition, what):
    pause, left = threading.Event(), TIME
    while not condition():
        assert left > 0, what
        pause.wait(0.1)
        left -= 0.1


def test_a_real_one_takes_all_that_a_node_tells_and_the_dashboard_has_something_to_show(prometheus):
    standby = report(role="standby", place=2)
    with Served(Told([entry()], report(), picture())) as a, Served(Told([], standby, picture(here={"primary": False}))) as b:
        one = prometheus(f"127.0.0.1:{a.port}", f"127.0.0.1:{b.port}")
        until(lambda: one.value("sum(up)") == 2 and one.value("sum(zkelect_election_primary)") == 1, "both to be asked")
        # On a busy machine an answer may come too late once.
        until(lambda: one.amiss() == [], "both to be asked without an error")
        # Each metric came, and with the type that it has.
        for metric in metrics.METRICS:
            name = metric.told + "_count" * (metric.kind == metrics.HISTOGRAM)
            until(partial(one.query, name), name)
        until(lambda: one.value('zkelect_election_role{role="primary"} == 1') == 1, "the role")
        # What has changed is another matter.
        steady = [query for query in dashboard_queries(write_dashboard.dashboard()) if "> 0" not in query]
        until(lambda: all(one.query(query) for query in steady), "each panel to show something")
        # Before its first answers Prometheus has nothing of any node, and says so.
        until(lambda: one.firing() == [], "no alert to fire")


# A pair


@pytest.fixture
def asked(tmp_path, zk_server, turn, prometheus):
    """A pair with `zkelect http` on each node, and a Prometheus that asks both. at: name -> where a node answers."""
    cluster = WithHttp(tmp_path, zk_server.hosts, ("a", "b"), reached=zk_server.hosts)
    try:
        cluster.start()
        cluster.at = {name: f"127.0.0.1:{port}" for name, port in cluster.ports.items()}
        cluster.prometheus = prometheus(*cluster.at.values())
        yield cluster
        cluster.verdict()
    finally:
        cluster.stack.close()


def leads(cluster, name):
    """Wait until Prometheus has it that this node leads, and no other, and that nothing is wrong."""
    one = cluster.prometheus
    cluster.until(
        lambda: [found["metric"]["instance"] for found in one.query("zkelect_election_primary == 1")] == [cluster.at[name]]
        and one.value(f'zkelect_election_role{{role="primary", instance="{cluster.at[name]}"}}') == 1, f"{name} to lead in Prometheus",
    )


def fires(cluster, *alerts):
    """Wait until these fire and no others. On a busy machine a lease may run low, and that is told for minutes."""

    def firing():
        return [one for one in cluster.prometheus.firing() if one != "ZkelectLeaseLow"]

    try:
        cluster.until(lambda: firing() == sorted(alerts), f"these alerts, and no others: {', '.join(alerts) or 'none'}")
    except AssertionError as error:
        raise AssertionError(f"{error}\nthey are: {cluster.prometheus.alerts()}") from None


def test_alerts_come_and_go_with_the_faults_of_a_pair(asked):
    one = asked.prometheus
    leads(asked, "a")
    fires(asked)
    # On a busy machine an answer may come too late once.
    asked.until(lambda: one.amiss() == [], "both to be asked without an error")
    counted = "sum(zkelect_role_transitions_total{to=\"primary\", reason=\"acked\"})"
    assert asked.until(lambda: one.value(counted), "the promotion to be counted") == 1
    assert 0 < asked.until(lambda: one.value("zkelect_lease_remaining_seconds"), "the lease to be told") <= 4
    assert asked.until(lambda: one.value("zkelect_election_token"), "the token to be told") == asked.token("a")
    # A handover by order is no trouble.
    assert asked["a"].zkelect("resign", "orders").returncode == 0
    leads(asked, "b")
    asked.until(lambda: one.value('sum(zkelect_role_transitions_total{from="primary", reason="order"})') == 1, "the order to be counted")
    fires(asked)
    # The standby is gone.
    asked["a"].terminate()
    fires(asked, "ZkelectHttpUnreachable", "ZkelectNoStandby")
    # So is the primary, by force. What has to last for hours lasts for a second here.
    assert asked["b"].zkelect("maintenance", "on", "orders", "--force", "--yes").returncode == 0
    fires(asked, "ZkelectHttpUnreachable", "ZkelectMaintenanceLong", "ZkelectNoPrimary", "ZkelectNoStandby")
    assert asked["b"].zkelect("maintenance", "off", "orders").returncode == 0
    asked["a"].start()
    leads(asked, "b")
    fires(asked)


def test_a_listener_that_stands_still_is_told_and_the_other_node_leads(asked):
    one, pid = asked.prometheus, asked["a"].listener_pid()
    leads(asked, "a")
    asked["a"].kill(pid, sig=signal.SIGSTOP)
    asked.until(lambda: one.value("sum(zkelect_listener_up)") == 1, "the listener to be missed")
    asked.until(lambda: "ZkelectListenerDown" in one.firing(), "that to be told")
    leads(asked, "b")
    asked["a"].kill(pid, sig=signal.SIGCONT)
    asked.until(lambda: one.value("sum(zkelect_listener_up)") == 2, "the listener to be heard again")
    fires(asked)


def test_monitor_says_what_nagios_is_to_know(asked):
    def says(name, status, told, *words):
        """Wait until it says so: a node writes a little later what others see of it."""
        found = []

        def said():
            found.append(asked[name].zkelect("monitor", *words))
            return found[-1].returncode == status and told in found[-1].stdout and len(found[-1].stdout.splitlines()) == 1

        asked.until(said, f"monitor on {name} to exit with {status} and say {told}")
        return found[-1].stdout

    afar = ("orders", "--servers", asked["a"].zk_hosts + asked.chroot)
    assert says("a", 0, "orders: a is primary", "orders").startswith("ZKELECT OK - ")
    says("b", 0, "1 stands by", *afar)
    says("b", 1, "fewer than 2 stand by", "-w", "2")
    assert asked["b"].zkelect("maintenance", "on", "orders").returncode == 0
    says("a", 1, "nobody stands by", *afar)
    says("a", 2, "fewer than 1 stand by", "-c", "1")
    assert asked["a"].zkelect("maintenance", "on", "orders", "--force", "--yes").returncode == 0
    for words in ((), afar):
        assert "orders_primary=0" in says("a", 2, "nobody is primary", *words)
    asked["a"].freeze(asked["a"].listener_pid())
    says("a", 2, "the listener does not answer")
    asked["a"].terminate()
    says("a", 3, "supervisord")
    says("a", 2, "nobody is primary", *afar)
