"""Writes contrib/grafana/zkelect.json, the dashboard for Grafana, from a table of its panels.

    python -m docs.write_dashboard
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from supervisor_zkelect.core import roles

FILE = Path(__file__).parents[1] / "contrib" / "grafana" / "zkelect.json"

Fields = Dict[str, Any]

WIDTH = 24
"""Columns of a dashboard."""

GOOD, WATCH, BAD, PLAIN = "green", "orange", "red", "text"

_OF = 'job="$job", election=~"$election"'
_RATE = "$__rate_interval"


class Panel(NamedTuple):
    """kind: of Grafana's panels. queries: expression and legend. width, height: in the grid. unit: as Grafana has it. text: what
    it shows, for who points at it. mappings: value -> text and colour. steps: from which value on which colour."""

    title: str
    kind: str
    queries: Tuple[Tuple[str, str], ...]
    width: int = 8
    height: int = 7
    unit: str = "short"
    text: str = ""
    mappings: Tuple[Tuple[int, str, str], ...] = ()
    steps: Tuple[Tuple[float, str], ...] = ()
    bars: bool = False


def _quantile(share: float, name: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({name}_bucket{{job=\"$job\"}}[{_RATE}])))"


_COLOURS = {
    roles.PRIMARY: GOOD, roles.STANDBY: "blue", roles.PROMOTING: "yellow", roles.DEMOTING: WATCH, roles.MAINTENANCE: "purple",
    roles.UNKNOWN: BAD,
}
_ROLES = tuple((number, name, _COLOURS.get(name, PLAIN)) for name, number in roles.NUMBERS.items())
_YES = ((0, "no", BAD), (1, "yes", GOOD))
_RARELY = ((0, "no", PLAIN), (1, "yes", WATCH))

PANELS: Tuple[Panel, ...] = (
    Panel(
        "Primaries", "stat", ((f"sum by (election) (zkelect_election_primary{{{_OF}}})", "{{election}}"),), 6, 5,
        text="Nodes that are primary by their own lease; one in each election.", mappings=((0, "nobody", BAD), (1, "1", GOOD)),
        steps=((2, BAD),),
    ),
    Panel(
        "Standbys", "stat", ((f'max by (election) (zkelect_election_nodes{{{_OF}, role="standby"}})', "{{election}}"),), 6, 5,
        text="Nodes that could take over, as ZooKeeper has them.", steps=((0, BAD), (1, GOOD)),
    ),
    Panel(
        "Primary for", "stat", ((
            f"time() - max by (election) (zkelect_election_term_start_timestamp_seconds{{{_OF}}})", "{{election}}",
        ),), 6, 5, "s", "Since when the present primary is that.",
    ),
    Panel(
        "Least lease left", "stat", ((f"min by (election) (zkelect_lease_remaining_seconds{{{_OF}}})", "{{election}}"),), 6, 5,
        "s", "Until the service would be asked to stop if ZooKeeper answered nothing from now on.",
    ),
    Panel(
        "Roles", "state-timeline", ((f"zkelect_election_role_number{{{_OF}}}", "{{election}} {{instance}}"),), 24, 8,
        text="The role of each node.", mappings=_ROLES,
    ),
    Panel(
        "Lease left", "timeseries", ((f"zkelect_lease_remaining_seconds{{{_OF}}}", "{{election}} {{instance}}"),), 12, 8, "s",
        "It is renewed with each heartbeat. What is left at least while all is well is the ride-through.",
    ),
    Panel(
        "Heartbeats", "timeseries", (
            (_quantile(0.5, "zkelect_heartbeat_round_trip_seconds", "instance, by"), "median {{instance}} {{by}}"),
            (_quantile(0.99, "zkelect_heartbeat_round_trip_seconds", "instance, by"), "99 % {{instance}} {{by}}"),
        ), 12, 8, "s", "How long ZooKeeper takes to answer: its quorum, or one server.",
    ),
    Panel(
        "Changes of role", "timeseries", ((
            f"sum by (election, instance, from, to, reason) (increase(zkelect_role_transitions_total{{{_OF}}}[{_RATE}])) > 0",
            "{{election}} {{instance}}: {{from}} to {{to}}, {{reason}}",
        ),), 12, 8, text="With the reason of each.", bars=True,
    ),
    Panel(
        "Steps", "bargauge", ((
            f"sum by (step) (increase(zkelect_step_duration_seconds_sum{{{_OF}}}[$__range]))"
            f" / sum by (step) (increase(zkelect_step_duration_seconds_count{{{_OF}}}[$__range])) > 0", "{{step}}",
        ),), 12, 8, "s", "What each step took on average, of all that ended in the time that is shown.",
    ),
    Panel(
        "Promotions", "timeseries", ((
            f"histogram_quantile(0.5, sum by (le, election) (increase(zkelect_promotion_duration_seconds_bucket{{{_OF}}}[1h])))",
            "median {{election}}",
        ),), 8, 7, "s", "From the head of the queue until the ack is written, of the last hour.",
    ),
    Panel(
        "Failed health checks", "timeseries", ((
            f'sum by (election, instance) (increase(zkelect_health_checks_total{{{_OF}, result="failed"}}[{_RATE}]))',
            "{{election}} {{instance}}",
        ),), 8, 7, text="Those while a service starts are among them.", bars=True,
    ),
    Panel(
        "Writes to ZooKeeper", "timeseries", (
            (_quantile(0.99, "zkelect_zookeeper_write_duration_seconds", "write"), "99 % {{write}}"),
        ), 8, 7, "s", "From the request until the quorum's answer.",
    ),
    Panel(
        "ZooKeeper", "state-timeline", (('zkelect_zookeeper_connected{job="$job"}', "{{instance}}"),), 8, 6,
        text="Whether the listener has a connection.", mappings=_YES,
    ),
    Panel(
        "Losses", "timeseries", (
            (f'increase(zkelect_zookeeper_connection_losses_total{{job="$job"}}[{_RATE}])', "connections {{instance}}"),
            (f'increase(zkelect_zookeeper_session_losses_total{{job="$job"}}[{_RATE}])', "sessions {{instance}}"),
        ), 8, 6, text="Lost connections to ZooKeeper, and lost sessions.", bars=True,
    ),
    Panel(
        "Age of what is seen", "timeseries", ((f"zkelect_election_view_age_seconds{{{_OF}}}", "{{election}} {{instance}}"),), 8,
        6, "s", "How old a node's picture of ZooKeeper is.",
    ),
    Panel(
        "Guard and listener", "state-timeline", (
            ('zkelect_guard_up{job="$job"}', "guard {{instance}}"), ('zkelect_listener_up{job="$job"}', "listener {{instance}}"),
            (f"zkelect_guarded{{{_OF}}}", "guarded {{election}} {{instance}}"),
        ), 12, 8, text="Whether they run, and whether the service of an election would be stopped in time.", mappings=_YES,
    ),
    Panel(
        "Pause and maintenance", "state-timeline", (
            (f"max by (election) (zkelect_paused{{{_OF}}})", "paused {{election}}"),
            (f"zkelect_maintenance{{{_OF}}}", "maintenance {{election}} {{instance}}"),
        ), 12, 8, text="What operators have ordered.", mappings=_RARELY,
    ),
)

_SOURCE = {"type": "prometheus", "uid": "${source}"}


def _panel(number: int, one: Panel, x: int, y: int) -> Fields:
    steps = [{"color": PLAIN if one.kind in ("stat", "state-timeline") else GOOD, "value": None}]
    steps += [{"color": colour, "value": value} for value, colour in one.steps]
    mappings: List[Fields] = [{
        "type": "value", "options": {str(value): {"text": text, "color": colour, "index": place} for place, (value, text, colour)
                                     in enumerate(one.mappings)},
    }] if one.mappings else []
    custom: Fields = {"drawStyle": "bars", "fillOpacity": 60, "stacking": {"mode": "normal"}} if one.bars else {}
    if one.kind == "state-timeline":
        custom = {"fillOpacity": 80, "lineWidth": 0}
    return {
        "id": number, "title": one.title, "type": one.kind, "description": one.text, "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": one.width, "h": one.height},
        "fieldConfig": {
            "defaults": {
                "unit": one.unit, "custom": custom, "mappings": mappings, "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": _options(one),
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for place, (expression, legend) in enumerate(one.queries)
        ],
    }


def _options(one: Panel) -> Fields:
    last = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    if one.kind == "stat":
        return {**last, "colorMode": "background", "graphMode": "none", "textMode": "auto"}
    if one.kind == "bargauge":
        return {**last, "orientation": "horizontal", "displayMode": "basic"}
    if one.kind == "state-timeline":
        return {"showValue": "auto", "mergeValues": True, "legend": {"displayMode": "hidden"}}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}


def _variable(name: str, label: str, query: str, all_of_them: bool) -> Fields:
    return {
        "name": name, "label": label, "type": "query", "datasource": _SOURCE, "definition": query,
        "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "includeAll": all_of_them, "multi": all_of_them,
        "allValue": ".*" if all_of_them else None, "current": {"text": "All", "value": ["$__all"]} if all_of_them else {},
    }


def dashboard() -> Fields:
    """The dashboard, as Grafana imports it."""
    panels: List[Fields] = []
    x = y = height = 0
    for number, one in enumerate(PANELS, 1):
        if x + one.width > WIDTH:
            x, y, height = 0, y + height, 0
        panels.append(_panel(number, one, x, y))
        x, height = x + one.width, max(height, one.height)
    return {
        "title": "supervisor-zkelect", "uid": "supervisor-zkelect", "tags": ["zkelect"], "schemaVersion": 37, "version": 1,
        "editable": True, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "",
        "description": "Made by python -m docs.write_dashboard; what the metrics mean stands in docs/metrics.md.",
        "templating": {"list": [
            {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}},
            _variable("job", "Job", "label_values(zkelect_build_info, job)", False),
            _variable("election", "Election", 'label_values(zkelect_election_primary{job="$job"}, election)', True),
        ]},
        "annotations": {"list": [{
            "name": "Changes of the primary", "datasource": _SOURCE, "enable": True, "iconColor": GOOD,
            "expr": f'sum by (election, instance) (increase(zkelect_role_transitions_total{{{_OF}, to="primary"}}[{_RATE}])) > 0',
            "titleFormat": "{{instance}} is primary in {{election}}", "step": "",
        }]},
        "panels": panels,
    }


def text() -> str:
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text())
