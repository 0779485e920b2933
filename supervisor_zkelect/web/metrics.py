"""What a monitor is told, in Prometheus' text format. Made anew for each question, from what is known at that moment.

Labels have only values of closed sets, and the names of elections, which this node's own file has: no token, address, node's name
or text of anybody's is one, but that of this node in `zkelect_build_info`. So the number of series is bounded, and what strangers
write into znodes makes none.
"""

from __future__ import annotations

import itertools
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest

from supervisor_zkelect import __version__
from supervisor_zkelect.core import roles, tally_words
from supervisor_zkelect.core.tally_words import ACKED, ELECTED, JOINED, MEANINGS, OTHER, RELEASED
from supervisor_zkelect.guard import record
from supervisor_zkelect.operators.view import View, as_dict, as_dicts, is_number
from supervisor_zkelect.system import clock

GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"


class Metric(NamedTuple):
    """name: without the suffix that the format adds. kind: GAUGE, COUNTER or HISTOGRAM. text: for `# HELP` and docs/metrics.md.
    labels: their names."""

    name: str
    kind: str
    text: str
    labels: Tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Its name as a query has it."""
        return f"{self.name}_total" if self.kind == COUNTER else self.name


OLD = 60.0
"""Seconds after which what was seen of other nodes is not told any more: no rule is to go by a cluster that may be another one by
now, and one rule tells that nothing is seen."""

_ELECTION = ("election",)

METRICS: Tuple[Metric, ...] = (
    Metric("zkelect_build_info", GAUGE, "1; the labels tell which node and which version answers", ("node", "version")),
    Metric("zkelect_listener_up", GAUGE, "1 where the listener lives and its last report may be believed, else 0"),
    Metric("zkelect_report_age_seconds", GAUGE, "Age of the listener's last report"),
    Metric("zkelect_guard_up", GAUGE, "1 where the guard runs, which ends leases in time if the listener cannot, else 0"),
    Metric("zkelect_zookeeper_connected", GAUGE, "1 where the listener has a connection to ZooKeeper, else 0"),
    Metric("zkelect_zookeeper_session_timeout_seconds", GAUGE, "The session timeout that ZooKeeper has granted"),
    Metric(
        "zkelect_zookeeper_ride_through_seconds", GAUGE,
        "How long ZooKeeper may be silent before anything happens to the service; so much is left of a lease that is renewed",
    ),
    Metric("zkelect_zookeeper_session_losses", COUNTER, "Sessions with ZooKeeper that were lost"),
    Metric("zkelect_zookeeper_connection_losses", COUNTER, "Connections to ZooKeeper that were lost"),
    Metric(
        "zkelect_zookeeper_write_duration_seconds", HISTOGRAM,
        f"Time from a request to write ({', '.join(tally_words.WRITES)}) until the quorum's answer", ("write",),
    ),
    Metric("zkelect_zookeeper_write_failures", COUNTER, "Requests to write that failed; each is made again", ("write",)),
    Metric(
        "zkelect_heartbeat_round_trip_seconds", HISTOGRAM,
        "Time until a heartbeat was answered: by the quorum, which renews leases, or on a node that does not lead by one server",
        ("by",),
    ),
    Metric(
        "zkelect_election_primary", GAUGE,
        "1 where this node is primary: what /primary/ELECTION answers, by the lease and the ack, else 0", _ELECTION,
    ),
    Metric("zkelect_election_role", GAUGE, "1 for the role that this node has, 0 for the others", ("election", "role")),
    Metric(
        "zkelect_election_role_number", GAUGE,
        "The role as a number: " + ", ".join(f"{number} {name}" for name, number in roles.NUMBERS.items()), _ELECTION,
    ),
    Metric("zkelect_election_role_since_timestamp_seconds", GAUGE, "When this node entered its role, since 1970", _ELECTION),
    Metric(
        "zkelect_election_acked", GAUGE, "1 where a node is primary as this one sees it in ZooKeeper, else 0", _ELECTION,
    ),
    Metric("zkelect_election_view_age_seconds", GAUGE, "Age of what this node has seen in ZooKeeper", _ELECTION),
    Metric("zkelect_election_candidates", GAUGE, "Candidates in the queue, who leads included", _ELECTION),
    Metric("zkelect_election_position", GAUGE, "This node's place in the queue, from 1; only where it stands there", _ELECTION),
    Metric(
        "zkelect_election_nodes", GAUGE, "Nodes by their role as this one sees them in ZooKeeper; gone: its session is over",
        ("election", "role"),
    ),
    Metric("zkelect_election_token", GAUGE, "Fencing token of the term under which the service runs here", _ELECTION),
    Metric("zkelect_election_term_start_timestamp_seconds", GAUGE, "Since when the primary is that, since 1970", _ELECTION),
    Metric(
        "zkelect_lease_remaining_seconds", GAUGE,
        "Time until the service here is asked to stop unless the lease is renewed; +Inf in a pause without an end", _ELECTION,
    ),
    Metric(
        "zkelect_role_transitions", COUNTER, "Changes of this node's role, with the reason as one word",
        ("election", "from", "to", "reason"),
    ),
    Metric("zkelect_step_duration_seconds", HISTOGRAM, "Time that this node spent in a step", ("election", "step")),
    Metric(
        "zkelect_promotion_duration_seconds", HISTOGRAM, "Time from the head of the queue until this node was primary", _ELECTION,
    ),
    Metric("zkelect_health_checks", COUNTER, "Health checks of the service by their result", ("election", "result")),
    Metric(
        "zkelect_guarded", GAUGE, "1 where the lease is enforced whatever becomes of the listener, 0 where it is not", _ELECTION,
    ),
    Metric("zkelect_paused", GAUGE, "1 where a pause stands or holds the service here, else 0", _ELECTION),
    Metric("zkelect_maintenance", GAUGE, "1 where this node is in maintenance, else 0", _ELECTION),
    Metric(
        "zkelect_fit", GAUGE, "0 where this node stands aside by priority 0 or its check `fit`, or that fails, else 1", _ELECTION,
    ),
)
"""All that may be told, in this order. Counters begin anew with the listener."""

GONE = "gone"

#: Roles of nodes as others see them.
NODE_ROLES = (*roles.NUMBERS, GONE)

_STEPS = {*tally_words.TIMED}

#: Why a term may end, or a promotion.
_ENDS = tuple(word for word in MEANINGS if word not in (JOINED, ELECTED, ACKED, RELEASED))

#: Transitions that are told from the beginning: an increase from nothing to 1 is none to Prometheus.
_FROM_ZERO = (
    (roles.STANDBY, roles.PROMOTING, ELECTED), (roles.PROMOTING, roles.PRIMARY, ACKED),
    *((role, roles.DEMOTING, word) for role in (roles.PRIMARY, roles.PROMOTING) for word in _ENDS),
)

Labels = Tuple[str, ...]
Told = Tuple[str, Labels, Any]
"""A metric's name, the values of its labels, and its value: a number, or (bounds, a histogram as `tally.Histogram` tells it)."""


def render(
    entries: Sequence[record.Entry], report: Optional[View], picture: Mapping[str, Any], now: Optional[float] = None
) -> bytes:
    """All metrics of this node.

    entries: of the guard's record; none where it cannot be believed. report: the listener's last one, as `view.judge` has it;
    None where supervisord does not answer. picture: the document of /status. now: seconds of CLOCK_BOOTTIME, None for this
    moment.
    """
    moment = clock.now() if now is None else now
    seen = as_dict(picture.get("elections"))
    view = report if report is not None else View(False, "supervisord does not answer", None, moment, {})
    leases = {one.election: one for one in entries if one.granted}
    # The guard remembers elections that are over. One that the file has and the listener not yet is nobody's failure.
    names = sorted({*view.names, *leases} if view.known else {*seen, *view.names, *leases})
    told: List[Told] = [*_node(view, picture), *_counted(view.report if view.known else {}, names)]
    for name in names:
        told += _election(name, view, as_dict(seen.get(name)), _age(picture, name), leases.get(name), moment)
    return generate_latest(_Collector(told))


def _age(picture: Mapping[str, Any], name: str) -> Optional[float]:
    """Of what is seen of an election, in seconds; None where nothing is seen, or what was seen counts no more."""
    age = picture.get("age")
    unread = as_dict(as_dict(picture.get("elections")).get(name)).get("unread_since")
    return float(age) if is_number(age) and age < OLD and not unread else None


class _Collector:
    """Gives what is told to prometheus_client, without any registry."""

    def __init__(self, told: Iterable[Told]) -> None:
        self._told: Dict[str, List[Tuple[Labels, Any]]] = {}
        for name, labels, value in told:
            self._told.setdefault(name, []).append((labels, value))

    def collect(self) -> Iterator[Any]:
        for metric in METRICS:
            samples = self._told.get(metric.name, [])
            if metric.kind == HISTOGRAM:
                histogram = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
                for labels, (bounds, found) in samples:
                    histogram.add_metric(labels, *_buckets(bounds, found))
                yield histogram
                continue
            kind = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
            family = kind(metric.name, metric.text, labels=metric.labels)
            for labels, value in samples:
                family.add_metric(labels, value)
            yield family


def _buckets(bounds: Sequence[float], found: Mapping[str, Any]) -> Tuple[List[Tuple[str, float]], float]:
    """The buckets, each with those below it counted in, and the sum."""
    counts = [*found["n"], *[0] * (len(bounds) + 1 - len(found["n"]))]
    ends = [*(repr(float(end)) for end in bounds), "+Inf"]
    return list(zip(ends, itertools.accumulate(counts))), float(found["sum"])


# The node


def _node(view: View, picture: Mapping[str, Any]) -> Iterator[Told]:
    yield "zkelect_build_info", (str(picture.get("node", "")), __version__), 1
    yield "zkelect_listener_up", (), int(view.known)
    if view.age is not None:
        yield "zkelect_report_age_seconds", (), view.age
    here = [as_dict(as_dict(one).get("here")) for one in as_dict(picture.get("elections")).values()]
    if here or view.known:
        up = any(one.get("guarded") is True for one in here) if here else view.report.get("guard") is True
        yield "zkelect_guard_up", (), int(up)
    if not view.known:
        return
    session = as_dict(view.report.get("session"))
    yield "zkelect_zookeeper_connected", (), int(view.connected)
    for field, name in (("timeout", "session_timeout"), ("ride_through", "ride_through")):
        if is_number(session.get(field)):
            yield f"zkelect_zookeeper_{name}_seconds", (), session[field]


def _counted(report: Mapping[str, Any], names: Sequence[str]) -> Iterator[Told]:
    """What the listener has counted. names: of the elections."""
    counters = as_dict(report.get("counters"))
    bounds = counters.get("bounds")
    if not isinstance(bounds, list) or not all(map(is_number, bounds)):
        return
    session = as_dict(counters.get("session"))
    for field, metric in (("lost", "session_losses"), ("suspended", "connection_losses")):
        yield f"zkelect_zookeeper_{metric}", (), _number(session.get(field))
    failed = as_dict(session.get("failed_writes"))
    for what in tally_words.WRITES:
        yield "zkelect_zookeeper_write_failures", (what,), _number(failed.get(what))
    yield from _histograms("zkelect_zookeeper_write_duration_seconds", (), session.get("writes"), bounds, tally_words.WRITES)
    yield from _histograms("zkelect_heartbeat_round_trip_seconds", (), session.get("heartbeats"), bounds, tally_words.HEARTBEATS)
    for counted in as_dicts(counters.get("elections")):
        if counted.get("election") in names:
            yield from _counted_of(counted["election"], counted, bounds)


def _counted_of(election: str, counted: Mapping[str, Any], bounds: Sequence[float]) -> Iterator[Told]:
    transitions = dict.fromkeys(_FROM_ZERO, 0.0)
    for one in counted.get("transitions") or []:
        if isinstance(one, list) and len(one) == 4:
            key = _known(one[0], roles.NUMBERS), _known(one[1], roles.NUMBERS), _known(one[2], MEANINGS, OTHER)
            transitions[key] = transitions.get(key, 0.0) + _number(one[3])
    for (before, after, why), number in transitions.items():
        yield "zkelect_role_transitions", (election, before, after, why), number
    checks = as_dict(counted.get("checks"))
    for result in (tally_words.PASSED, tally_words.FAILED):
        yield "zkelect_health_checks", (election, result), _number(checks.get(result))
    yield from _histograms("zkelect_step_duration_seconds", (election,), counted.get("steps"), bounds, _STEPS)
    yield from _histograms(
        "zkelect_promotion_duration_seconds", (election,), {"": counted.get("promotions")}, bounds, ("",)
    )


def _histograms(name: str, labels: Labels, found: Any, bounds: Sequence[float], known: Iterable[str]) -> Iterator[Told]:
    """Those of the histograms that are known, and well formed. The one called "" has no label of its own."""
    for what, histogram in sorted(as_dict(found).items()):
        counts = as_dict(histogram).get("n")
        formed = isinstance(counts, list) and len(counts) <= len(bounds) + 1 and all(map(is_number, counts))
        if what in known and formed and is_number(histogram.get("sum")):
            yield name, (*labels, what) if what else labels, (bounds, histogram)


# An election


def _election(
    name: str, view: View, seen: Mapping[str, Any], age: Optional[float], entry: Optional[record.Entry], now: float
) -> Iterator[Told]:
    """seen: what the picture has of it. age: as `_age`. entry: of the term that is granted."""
    yield "zkelect_election_primary", (name,), int(as_dict(seen.get("here")).get("primary") is True)
    role = _known(view.role(name), roles.NUMBERS)
    for other in roles.NUMBERS:
        yield "zkelect_election_role", (name, other), int(other == role)
    yield "zkelect_election_role_number", (name,), roles.NUMBERS[role]
    if entry is not None:
        yield "zkelect_election_token", (name,), entry.token
        yield "zkelect_lease_remaining_seconds", (name,), max(0.0, entry.lease.stops_at - now)
    yield from _seen(name, seen, age)
    if role != roles.UNKNOWN:
        yield from _reported(name, view, role)
    yield from _acked(name, view, seen, age, role)
    paused = as_dict(view.facts(name).get("paused")) if role != roles.UNKNOWN else {}
    stands = paused.get("stands") is True or paused.get("held") is True
    yield "zkelect_paused", (name,), int(stands or age is not None and bool(seen.get("paused")))


def _reported(name: str, view: View, role: str) -> Iterator[Told]:
    """What the listener says, whose report is believed."""
    facts, report = view.facts(name), view.report
    since, told_at, wall = facts.get("since"), report.get("boottime"), report.get("time")
    if is_number(since) and is_number(told_at) and is_number(wall):
        yield "zkelect_election_role_since_timestamp_seconds", (name,), wall - (told_at - since)
    for fact, metric in (("candidates", "candidates"), ("place", "position")):
        if is_number(facts.get(fact)):
            yield f"zkelect_election_{metric}", (name,), facts[fact]
    yield "zkelect_guarded", (name,), int(not facts.get("unguarded"))
    yield "zkelect_maintenance", (name,), int(role == roles.MAINTENANCE)
    yield "zkelect_fit", (name,), int(not (facts.get("unfit") or facts.get("aside")))


def _seen(name: str, seen: Mapping[str, Any], age: Optional[float]) -> Iterator[Told]:
    """What this node has seen in ZooKeeper of all nodes. Where it sees none, not even itself, it is not let look."""
    nodes = as_dicts(seen.get("nodes"))
    if age is None or not nodes:
        return
    counts = dict.fromkeys(NODE_ROLES, 0)
    for one in nodes:
        # Of one whose session is over the ack may still say that it leads.
        counts[GONE if str(one.get("role")).endswith("cut off") else _known(one.get("role"), NODE_ROLES)] += 1
    for role, number in counts.items():
        yield "zkelect_election_nodes", (name, role), number
    led = [one["since"] for one in nodes if one.get("role") == roles.PRIMARY and is_number(one.get("since"))]
    if led:
        yield "zkelect_election_term_start_timestamp_seconds", (name,), led[0] / 1000


def _acked(name: str, view: View, seen: Mapping[str, Any], age: Optional[float], role: str) -> Iterator[Told]:
    """Whether somebody is primary by ZooKeeper's last word, from the newer of two: the picture, or what the listener was told."""
    words: List[Tuple[float, bool]] = []
    nodes = as_dicts(seen.get("nodes"))
    if age is not None and nodes:
        # Not of one whose session is over.
        leads = any(one.get("role") == roles.PRIMARY for one in nodes)
        words.append((age, bool(seen.get("address")) and leads))
    facts = view.facts(name)
    at = facts.get("ack_at")
    if role != roles.UNKNOWN and is_number(at):
        words.append((max(0.0, view.now - at), bool(facts.get("ack")) and facts.get("primary_gone") is not True))
    if words:
        newest, acked = min(words)
        yield "zkelect_election_acked", (name,), int(acked)
        yield "zkelect_election_view_age_seconds", (name,), newest


def _known(word: Any, words: Iterable[str], other: str = roles.UNKNOWN) -> str:
    """The word, if it is one of these. What another version says may be none."""
    return word if isinstance(word, str) and word in words else other


def _number(value: Any) -> float:
    return float(value) if is_number(value) else 0.0
