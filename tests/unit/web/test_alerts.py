"""The alert rules and the dashboard of contrib/: each alert fires in the fault that it is named for, and in no other."""

import functools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs import list_metrics, write_dashboard
from supervisor_zkelect.core import roles
from supervisor_zkelect.web import metrics

FOLDER = Path(__file__).parents[3] / "contrib"
RULES, SCRAPE = FOLDER / "prometheus" / "zkelect.rules.yml", FOLDER / "prometheus" / "prometheus.yml"
DASHBOARD = FOLDER / "grafana" / "zkelect.json"

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="script/setup installs promtool")

ON_A, ON_B = 'instance="a"', 'instance="b"'
ORDERS = 'election="orders"'
TO_PRIMARY = 'from="promoting", to="primary", reason="acked"'
ENDED = 'from="primary", to="demoting", reason="{}"'


def series(name, instance, *more):
    return f'{name}{{{", ".join(["job=" + json.dumps("zkelect"), instance, *more])}}}'


def of(name, instance, *more):
    """A series of the election, without the prefix of its name."""
    return series(f"zkelect_{name}", instance, ORDERS, *more)


def well():
    """A pair: a leads, b stands by. Values by the minute."""
    told = {
        of("election_primary", ON_A): "1", of("election_primary", ON_B): "0", of("lease_remaining_seconds", ON_A): "4.5",
        of("role_transitions_total", ON_A, ENDED.format("unhealthy")): "0", of("role_transitions_total", ON_A, ENDED.format("order")): "0",
    }
    for instance in (ON_A, ON_B):
        told[series("up", instance)] = told[series("zkelect_build_info", instance)] = "1"
        for name in ("guard_up", "listener_up", "zookeeper_connected"):
            told[series(f"zkelect_{name}", instance)] = "1"
        told[series("zkelect_zookeeper_ride_through_seconds", instance)] = "4"
        for name, value in {
            "election_acked": 1, "election_view_age_seconds": 0.5, "election_role_since_timestamp_seconds": -3600, "guarded": 1, "paused": 0, "maintenance": 0, "fit": 1,
        }.items():
            told[of(name, instance)] = str(value)
        told[of("election_nodes", instance, 'role="standby"')] = "1"
        told[of("election_role", instance, 'role="maintenance"')] = "0"
        told[of("role_transitions_total", instance, TO_PRIMARY)] = "0"
    return told


def gone(instance):
    """Prometheus hears nothing of a node any more after 5 minutes."""
    changes = {name: f"{value}+0x5 stale" for name, value in well().items() if instance in name}
    return {**changes, series("up", instance): "1+0x5 0+0x900"}


def both(name, value, *more):
    return {of(name, instance, *more): value for instance in (ON_A, ON_B)}


NOBODY = {of("election_primary", ON_A): "1+0x5 0+0x900", of("lease_remaining_seconds", ON_A): "4.5+0x5 stale"}
NO_STANDBY = both("election_nodes", "1+0x5 0+0x900", 'role="standby"')
MAINTAINED = {of("maintenance", ON_B): "0+0x5 1+0x900", of("election_role", ON_B, 'role="maintenance"'): "0+0x5 1+0x900"}
# Four terms, one each 5 minutes.
RELAY = {of("role_transitions_total", ON_A, TO_PRIMARY): "0+0x4 1+0x3 2+0x3 3+0x3 4+0x3 5+0x900"}

#: fault: what is told otherwise, and when which alerts fire.
CASES = {
    "nothing is wrong": ({}, {"0m": [], "10m": [], "14h": []}),
    "nobody leads, and the ack is empty": (
        {**NOBODY, **both("election_acked", "1+0x5 0+0x900")}, {"6m": [], "8m": ["ZkelectNoPrimary"]},
    ),
    "ZooKeeper is gone for all, and the primary has stopped": (
        {
            **NOBODY, **both("election_view_age_seconds", "0.5+0x5 60+60x900"),
            **{series("zkelect_zookeeper_connected", one): "1+0x5 0+0x900" for one in (ON_A, ON_B)},
        },
        {"6m": [], "9m": ["ZkelectNoPrimary", "ZkelectZooKeeperAway"]},
    ),
    "a handover of less than a minute": (
        {of("election_primary", ON_A): "1+0x5 0 1+0x900", **both("election_acked", "1+0x5 0 1+0x900")}, {"6m": [], "7m": [], "12m": []},
    ),
    "the primary's exporter is gone, and the standby sees that it leads": (
        gone(ON_A), {"7m": [], "9m": ["ZkelectHttpUnreachable"], "30m": ["ZkelectHttpUnreachable"]},
    ),
    "the primary's host is gone, and nobody takes over": (
        {**gone(ON_A), of("election_acked", ON_B): "1+0x5 0+0x900", **NO_STANDBY, **MAINTAINED},
        {"9m": ["ZkelectHttpUnreachable", "ZkelectNoPrimary"], "15m": ["ZkelectHttpUnreachable", "ZkelectNoPrimary", "ZkelectNoStandby"]},
    ),
    "nothing is scraped any more": (
        {**gone(ON_A), **gone(ON_B)},
        {
            "9m": ["ZkelectHttpUnreachable"],
            "12m": ["ZkelectAbsent", "ZkelectElectionUnseen", "ZkelectHttpUnreachable"],
        },
    ),
    "two lead": ({of("election_primary", ON_B): "0+0x5 1+0x900"}, {"6m": [], "8m": ["ZkelectTwoPrimaries"]}),
    "two seem to lead for a moment": ({of("election_primary", ON_B): "0+0x5 1 0+0x900"}, {"6m": [], "8m": []}),
    "the standby is in maintenance": (
        {**NO_STANDBY, **MAINTAINED},
        {"8m": [], "12m": ["ZkelectNoStandby"], "13h": ["ZkelectMaintenanceLong", "ZkelectNoStandby"]},
    ),
    "the node in maintenance is not heard for a while, and its listener begins anew": (
        {of("maintenance", ON_B): "0+0x5 1+0x300 stale _x7 0+0x2 1+0x500 0+0x90"},
        {"12h": [], "12h10m": ["ZkelectMaintenanceLong"], "13h35m": ["ZkelectMaintenanceLong"], "13h55m": []},
    ),
    "the node in maintenance is switched off": (
        {**gone(ON_B), of("maintenance", ON_B): "1+0x120 stale"}, {"4h": ["ZkelectHttpUnreachable"], "14h": ["ZkelectHttpUnreachable"]},
    ),
    "the group is unguarded": ({of("guarded", ON_A): "1+0x5 0+0x900"}, {"8m": [], "12m": ["ZkelectUnguarded"]}),
    "the guard of a node in maintenance does not know of a group": (
        {of("guarded", ON_B): "1+0x5 0+0x900", **MAINTAINED}, {"12m": []},
    ),
    "the guard is gone": ({series("zkelect_guard_up", ON_A): "1+0x5 0+0x900"}, {"6m": [], "8m": ["ZkelectGuardDown"]}),
    "the primary changes again and again": (RELAY, {"8m": [], "30m": ["ZkelectFlapping"], "2h": []}),
    "it changes again and again by order": (
        {**RELAY, of("role_transitions_total", ON_A, ENDED.format("order")): "0+0x3 1+0x3 2+0x3 3+0x3 4+0x900"}, {"30m": []},
    ),
    "three nodes are rebooted in turn": (
        {of("role_transitions_total", ON_A, TO_PRIMARY): "0+0x4 1+0x4 2+0x4 3+0x900"}, {"8m": [], "30m": [], "2h": []},
    ),
    "a node does not see the others": (
        {of("election_nodes", ON_B, 'role="standby"'): "1+0x5 stale"}, {"9m": [], "12m": ["ZkelectClusterUnseen"]},
    ),
    "it changes once": ({of("role_transitions_total", ON_B, TO_PRIMARY): "0+0x5 1+0x900"}, {"10m": []}),
    "the lease runs low once": ({of("lease_remaining_seconds", ON_A): "4.5+0x5 1.9 4.5+0x900"}, {"5m": [], "7m": ["ZkelectLeaseLow"], "15m": []}),
    "the first lease of a term is a short one": (
        {of("lease_remaining_seconds", ON_A): "4.5+0x5 1.9 4.5+0x900", of("election_role_since_timestamp_seconds", ON_A): "-3600+0x5 360+0x900"},
        {"7m": [], "9m": []},
    ),
    "a pause has no end": ({of("lease_remaining_seconds", ON_A): "4.5+0x5 Inf+0x20"}, {"10m": []}),
    "a node is cut off": (
        {series("zkelect_zookeeper_connected", ON_B): "1+0x5 0+0x900", of("election_view_age_seconds", ON_B): "0.5+0x5 60+60x900"},
        {"6m": [], "8m": ["ZkelectZooKeeperAway"]},
    ),
    "it is paused": ({of("paused", ON_A): "0+0x5 1+0x900"}, {"1h": [], "3h": ["ZkelectPausedLong"]}),
    "it is paused, and not told of for a while": (
        both("paused", "0+0x5 1+0x60 stale _x8 0+0x2 1+0x100 0+0x900"),
        {"2h": [], "2h10m": ["ZkelectPausedLong"], "3h5m": ["ZkelectPausedLong"], "3h20m": []},
    ),
    # With it the guard, which has nothing to guard any more.
    "the listener is gone": (
        {
            series("zkelect_listener_up", ON_A): "1+0x5 0+0x900", series("zkelect_zookeeper_connected", ON_A): "1+0x5 stale",
            of("guarded", ON_A): "1+0x5 stale", of("maintenance", ON_A): "1+0x5 stale",
            series("zkelect_guard_up", ON_A): "1+0x5 0+0x900",
        },
        {"7m": [], "9m": ["ZkelectListenerDown"]},
    ),
}


def rule_test(name, changes, fires):
    found = {**well(), **changes}
    return {
        "name": name, "interval": "1m",
        "input_series": [{"series": key, "values": value if " " in value else f"{value}+0x900"} for key, value in found.items()],
        "promql_expr_test": [{
            "expr": 'group by (alertname) (ALERTS{alertstate="firing"})', "eval_time": moment,
            "exp_samples": [{"labels": f'{{alertname="{one}"}}', "value": 1} for one in alerts],
        } for moment, alerts in fires.items()],
    }


@promtool
def test_each_alert_fires_in_its_fault_and_in_no_other(tmp_path):
    tests = [rule_test(name, *case) for name, case in CASES.items()]
    file = tmp_path / "rules_test.yml"
    # JSON is YAML as well.
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_fault_here():
    fired = {alert for _, fires in CASES.values() for alerts in fires.values() for alert in alerts}
    assert fired == set(re.findall(r"alert: (\w+)", RULES.read_text()))


@promtool
@pytest.mark.parametrize("what, file", [("rules", RULES), ("config", SCRAPE)])
def test_promtool_takes_them(what, file):
    done = subprocess.run(["promtool", "check", what, file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


THERE = {one.told for one in metrics.METRICS} | {
    f"{one.name}_{part}" for one in metrics.METRICS if one.kind == metrics.HISTOGRAM for part in ("bucket", "sum", "count")
}


def asked_in(queries):
    """The names of metrics in queries, without what stands in quotes or is a label's name."""
    return set(re.findall(r"\bzkelect_\w+", re.sub(r'"[^"]*"', "", "\n".join(queries))))


def rule_queries():
    """The expressions of the rules: what stands behind `expr:`, in that line or indented below it."""
    text = RULES.read_text()
    return re.findall(r"expr: (?!\|)(.*)", text) + re.findall(r"expr: \|\n((?: {10}.*\n)+)", text)


def test_the_rules_ask_for_metrics_that_there_are():
    queries = rule_queries()
    assert len(queries) == RULES.read_text().count("alert:")
    assert asked_in(queries) <= THERE and len(asked_in(queries)) > 10


# The dashboard


def dashboard_queries(told):
    """With a value for each variable, as Grafana has it."""
    queries = [target["expr"] for panel in told["panels"] for target in panel["targets"]]
    queries += [one["expr"] for one in told["annotations"]["list"]]
    values = {"$job": "zkelect", "$election": ".*", "$__rate_interval": "5m", "$__range": "1h"}
    return [functools.reduce(lambda text, pair: text.replace(*pair), values.items(), query) for query in queries]


def test_the_dashboard_is_as_the_table_makes_it():
    assert DASHBOARD.read_text() == write_dashboard.text(), "python -m docs.make"


def test_it_asks_for_metrics_that_there_are_and_shows_most():
    asked = asked_in(dashboard_queries(write_dashboard.dashboard()))
    assert asked <= THERE
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in asked}
    left = {one.told for one in metrics.METRICS} - shown
    assert left == {
        "zkelect_build_info", "zkelect_report_age_seconds", "zkelect_zookeeper_session_timeout_seconds", "zkelect_fit",
        "zkelect_zookeeper_ride_through_seconds", "zkelect_zookeeper_write_failures_total", "zkelect_election_role",
        "zkelect_election_role_since_timestamp_seconds", "zkelect_election_acked", "zkelect_election_candidates",
        "zkelect_election_position", "zkelect_election_token",
    }


def test_its_panels_lie_beside_each_other():
    taken = set()
    for panel in write_dashboard.dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and max(x for x, _ in cells) < write_dashboard.WIDTH
        taken |= cells
    assert len({panel["id"] for panel in write_dashboard.dashboard()["panels"]}) == len(write_dashboard.PANELS)


def test_each_role_has_its_number_there():
    roles_panel = next(panel for panel in write_dashboard.dashboard()["panels"] if panel["title"] == "Roles")
    options = roles_panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert {int(number): one["text"] for number, one in options.items()} == {number: name for name, number in roles.NUMBERS.items()}


@promtool
def test_promtool_takes_its_queries(tmp_path):
    queries = dashboard_queries(write_dashboard.dashboard())
    rules = [{"record": f"of:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


# The page about them


def test_the_tables_of_the_page_are_as_the_program_has_them():
    written = list_metrics.FILE.read_text()
    assert written == list_metrics.page(written), "python -m docs.make"
    assert all(table in written for table in list_metrics.tables().values())


def test_the_page_tells_of_each_alert():
    written = list_metrics.FILE.read_text()
    assert [name for name in re.findall(r"alert: (\w+)", RULES.read_text()) if name not in written] == []
