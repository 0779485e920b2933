"""What monitors are told: the text, and what it says of a node in each condition."""

import json
import math
import shutil
import subprocess
import sys

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from supervisor_zkelect import __version__
from supervisor_zkelect.core import roles, tally, tally_words
from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.guard.record import Entry
from supervisor_zkelect.operators.view import judge
from supervisor_zkelect.web import metrics

NOW = 1000.0
TOKEN = (7 << 32) + 15


def entry(granted=True, lease=None, token=TOKEN):
    return Entry("orders", "primary", "x:1", token, granted, 0, lease or Lease.until(NOW + 6.0, 0.5, 1.5))


def histogram(*seconds):
    one = tally.Histogram()
    for each in seconds:
        one.add(each)
    return one.document()


def counters(**changes):
    return {
        "bounds": list(tally_words.BOUNDS),
        "session": {
            "lost": 1, "suspended": 3, "writes": {"claim": histogram(0.002)}, "failed_writes": {"ack": 2},
            "heartbeats": {"quorum": histogram(0.002, 0.2), "server": histogram()},
        },
        "elections": [{
            "election": "orders", "transitions": [["promoting", "primary", "acked", 2], ["primary", "demoting", "lease", 1]],
            "steps": {"starting": histogram(0.3)}, "promotions": histogram(0.9, 40.0), "checks": {"passed": 9, "failed": 4}, **changes,
        }],
    }


def report(known=True, age=0.5, session=None, counted=None, guard=True, **facts):
    """The listener's report, as supervisord's mailbox gives it, of a primary whose ack was read 3 s ago."""
    told = {
        "role": "primary", "step": "", "since": 900.0, "deadline": NOW + 6.0, "ack": "x:1", "ack_at": NOW - 3.0, "place": 1,
        "candidates": 3, "unguarded": False, "paused": None, "unfit": None, "aside": None, **facts,
    }
    body = {
        "v": 1, "node": "a", "pid": 7, "boottime": NOW - age, "time": 2e9 - age, "guard": guard, "elections": {"orders": told},
        "counters": counters() if counted is None else counted,
        "session": {"state": "connected", "timeout": 10.0, "ride_through": 4.0, **(session or {})},
    }
    return judge(json.dumps({"known": known, "why": "" if known else "dead", "age": age, "now": NOW, "report": body}))


def nodes(*given):
    return [{"node": name, "role": role, "since": 1000 * since, "place": None, "note": ""} for name, role, since in given]


PAIR = nodes(("a", "primary", 1234.5), ("b", "standby", 7), ("c", "gone", 7))


def picture(age=0.2, here=None, **changes):
    """The document of /status on a primary."""
    told = {"here": {"primary": True, "why": "primary", "guarded": True, **(here or {})}, "address": "x:1", "nodes": PAIR, "paused": None}
    return {"v": 1, "node": "a", "age": age, "zookeeper": {"connected": True}, "elections": {"orders": {**told, **changes}}}


def told(entries=None, view=None, document=None):
    """(name, label=value …) -> value, as a monitor reads it."""
    text = metrics.render([entry()] if entries is None else entries, view or report(), document or picture(), NOW).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = " ".join([sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()) if name != "election")])
            assert key not in found, "told twice"
            assert sample.labels.get("election", "orders") == "orders"
            found[key] = sample.value
    return found


def test_a_primary():
    found = told()
    assert found[f"zkelect_build_info node=a version={__version__}"] == 1
    assert {name: value for name, value in found.items() if "_role role=" in name and value} == {"zkelect_election_role role=primary": 1}
    for name, value in {
        "zkelect_listener_up": 1, "zkelect_report_age_seconds": 0.5, "zkelect_guard_up": 1, "zkelect_zookeeper_connected": 1,
        "zkelect_zookeeper_session_timeout_seconds": 10, "zkelect_zookeeper_ride_through_seconds": 4,
        "zkelect_election_primary": 1, "zkelect_election_role_number": 4, "zkelect_election_acked": 1,
        # Entered 99.5 s before the report was made.
        "zkelect_election_role_since_timestamp_seconds": 2e9 - 0.5 - 99.5, "zkelect_election_view_age_seconds": 0.2,
        "zkelect_election_candidates": 3, "zkelect_election_position": 1, "zkelect_election_token": TOKEN,
        "zkelect_election_term_start_timestamp_seconds": 1234.5, "zkelect_lease_remaining_seconds": 4.0,
        "zkelect_guarded": 1, "zkelect_paused": 0, "zkelect_maintenance": 0, "zkelect_fit": 1,
        "zkelect_election_nodes role=primary": 1, "zkelect_election_nodes role=standby": 1, "zkelect_election_nodes role=gone": 1,
        "zkelect_election_nodes role=maintenance": 0,
    }.items():
        assert found[name] == value, name


def test_what_was_counted():
    found = told()
    for name, value in {
        "zkelect_zookeeper_session_losses_total": 1, "zkelect_zookeeper_connection_losses_total": 3,
        "zkelect_zookeeper_write_failures_total write=ack": 2, "zkelect_zookeeper_write_failures_total write=claim": 0,
        "zkelect_zookeeper_write_duration_seconds_count write=claim": 1,
        "zkelect_heartbeat_round_trip_seconds_count by=quorum": 2, "zkelect_heartbeat_round_trip_seconds_sum by=quorum": 0.202,
        "zkelect_heartbeat_round_trip_seconds_bucket by=quorum le=0.001": 0,
        "zkelect_heartbeat_round_trip_seconds_bucket by=quorum le=0.0025": 1,
        "zkelect_heartbeat_round_trip_seconds_bucket by=quorum le=0.1": 1,
        "zkelect_heartbeat_round_trip_seconds_bucket by=quorum le=0.25": 2,
        "zkelect_heartbeat_round_trip_seconds_bucket by=quorum le=+Inf": 2,
        "zkelect_heartbeat_round_trip_seconds_count by=server": 0,
        "zkelect_role_transitions_total from=promoting reason=acked to=primary": 2,
        "zkelect_role_transitions_total from=primary reason=lease to=demoting": 1,
        "zkelect_health_checks_total result=passed": 9, "zkelect_health_checks_total result=failed": 4,
        "zkelect_step_duration_seconds_count step=starting": 1, "zkelect_promotion_duration_seconds_count": 2,
        # The last range has no end.
        "zkelect_promotion_duration_seconds_bucket le=30.0": 1, "zkelect_promotion_duration_seconds_bucket le=+Inf": 2,
    }.items():
        assert found[name] == value, name


def test_a_transition_that_is_to_be_alerted_of_is_told_before_there_is_one():
    """To Prometheus the step from no series to 1 is no increase."""
    found = told(view=report(counted=counters(transitions=[])))
    assert found["zkelect_role_transitions_total from=promoting reason=acked to=primary"] == 0
    ended = {name for name in found if name.startswith("zkelect_role_transitions_total from=primary")}
    assert {name.split("reason=")[1].split()[0] for name in ended} == set(tally_words.MEANINGS) - {"joined", "elected", "acked", "released"}


def test_a_standby():
    found = told([], report(role="standby", place=2, ack_at=NOW - 0.1), picture(here={"primary": False}))
    assert found["zkelect_election_primary"] == 0 and found["zkelect_election_role_number"] == 2
    assert found["zkelect_election_position"] == 2 and found["zkelect_election_acked"] == 1
    # What the listener has seen is newer than the picture.
    assert found["zkelect_election_view_age_seconds"] == pytest.approx(0.1)
    assert "zkelect_lease_remaining_seconds" not in found and "zkelect_election_token" not in found


@pytest.mark.parametrize("view", [None, report(known=False, age=9.0)])
def test_of_a_listener_that_does_not_answer_nothing_is_believed(view):
    """The record and ZooKeeper go on telling."""
    found = told(view=view or judge(json.dumps({"known": False, "why": "gone", "age": None, "now": NOW})))
    assert found["zkelect_listener_up"] == 0 and found["zkelect_election_role role=unknown"] == 1
    assert found["zkelect_election_role role=primary"] == 0 and found["zkelect_election_role_number"] == 0
    assert found["zkelect_election_primary"] == 1 and found["zkelect_lease_remaining_seconds"] == 4.0
    assert found["zkelect_guard_up"] == 1 and found["zkelect_election_acked"] == 1
    for name in ("zkelect_guarded", "zkelect_zookeeper_connected", "zkelect_fit", "zkelect_election_candidates"):
        assert name not in found, name
    assert not [name for name in found if "_total" in name or "_bucket" in name]


def test_where_supervisord_does_not_answer():
    text = metrics.render([entry()], None, picture(), NOW).decode()
    assert "\nzkelect_listener_up 0.0\n" in text and 'zkelect_election_role{election="orders",role="unknown"} 1.0' in text
    assert "zkelect_report_age_seconds " not in text.replace("# HELP zkelect_report_age_seconds ", "").replace("# TYPE zkelect_report_age_seconds ", "")


def test_a_primary_whose_lease_ran_out_while_its_report_says_so_still_is_unknown():
    found = told(view=report(deadline=NOW - 1.0))
    assert found["zkelect_election_role role=unknown"] == 1


@pytest.mark.parametrize("lease, left", [
    (Lease.until(NOW + 6.0, 0.5, 1.5), 4.0), (Lease.until(NOW - 9.0, 0.5), 0.0),
    (Lease.until(NOW + 6.0, 0.5)._replace(paused_until=math.inf), math.inf),
    (Lease.until(NOW - 9.0, 0.5, 1.5)._replace(paused_until=NOW + 60.0), 58.0),
])
def test_what_is_left_of_a_lease_is_until_the_service_is_asked_to_stop(lease, left):
    assert told([entry(lease=lease)])["zkelect_lease_remaining_seconds"] == left


def test_a_grant_that_was_revoked_has_no_lease():
    assert not {"zkelect_lease_remaining_seconds", "zkelect_election_token"} & told([entry(False, NO_LEASE)]).keys()


def test_an_ack_whose_node_is_gone_is_nobodys():
    """The znode stays when its writer's host is gone, and the next in line may be in maintenance."""
    dead = nodes(("a", "primary, cut off", 7), ("b", "maintenance", 7))
    found = told([], report(role="maintenance", ack_at=NOW - 3.0), picture(nodes=dead, here={"primary": False}))
    assert found["zkelect_election_acked"] == 0 and found["zkelect_election_nodes role=gone"] == 1
    assert "zkelect_election_term_start_timestamp_seconds" not in found
    assert found["zkelect_maintenance"] == 1 and found["zkelect_election_nodes role=maintenance"] == 1


def test_an_ack_whose_node_is_gone_is_nobodys_by_the_listeners_word_either():
    assert told(view=report(primary_gone=True), document=picture(age=None))["zkelect_election_acked"] == 0
    assert told(view=report(primary_gone=None), document=picture(age=None))["zkelect_election_acked"] == 1


def test_a_picture_that_was_never_taken_tells_nothing():
    found = told(document=picture(age=None))
    assert found["zkelect_election_acked"] == 1 and found["zkelect_election_view_age_seconds"] == 3.0
    assert not [name for name in found if name.startswith("zkelect_election_nodes")]
    found = told(view=report(ack_at=None), document=picture(age=None))
    assert not {"zkelect_election_acked", "zkelect_election_view_age_seconds"} & found.keys()


def test_who_is_not_let_look_into_an_election_does_not_see_that_nobody_leads():
    found = told(document=picture(nodes=[], address="", trouble="refused"))
    assert found["zkelect_election_acked"] == 1 and found["zkelect_election_view_age_seconds"] == 3.0
    assert not [name for name in found if name.startswith("zkelect_election_nodes")]


def test_without_zookeeper_what_was_seen_grows_old():
    found = told(view=report(session={"state": "suspended"}, ack_at=NOW - 90.0), document=picture(age=58.0))
    assert found["zkelect_zookeeper_connected"] == 0 and found["zkelect_election_view_age_seconds"] == 58.0


@pytest.mark.parametrize("changes", [{"age": 60.0}, {"unread_since": 1}], ids=["old", "not let look any more"])
def test_what_was_seen_long_ago_is_not_told(changes):
    """No rule may go by it: the nodes may be others by now, and the pause over."""
    found = told(document=picture(**{"age": 0.2, "paused": {"says": "paused"}, **changes}))
    assert not [name for name in found if name.startswith("zkelect_election_nodes")] and found["zkelect_paused"] == 0
    assert "zkelect_election_term_start_timestamp_seconds" not in found
    # What the listener was told of the ack counts still.
    assert found["zkelect_election_view_age_seconds"] == 3.0


def test_an_election_that_is_over_is_not_told():
    """The guard's record keeps it."""
    found = told(entries=[entry(), entry()._replace(election="former", granted=False)])
    assert found["zkelect_election_primary"] == 1


@pytest.mark.parametrize("known, names", [(True, {"orders", "led"}), (False, {"orders", "led", "added"})])
def test_an_election_that_the_listener_has_not_taken_yet_is_not_told(known, names):
    """Nobody leads in one that was added to the file, which is no failure. Without the listener's word the file's are told."""
    document = picture()
    document["elections"]["added"] = document["elections"]["led"] = {**document["elections"]["orders"], "here": {}}
    text = metrics.render([entry(), entry()._replace(election="led")], report(known=known), document, NOW).decode()
    assert {sample.labels["election"] for family in text_string_to_metric_families(text) for sample in family.samples
            if "election" in sample.labels} == names


@pytest.mark.parametrize("facts, seen, paused", [
    ({"paused": {"why": "paused", "stands": True, "held": True}}, None, 1), ({"paused": {"stands": False, "held": True}}, None, 1),
    # It is asked for, and nobody has consented.
    ({"paused": {"stands": False, "held": False}}, None, 0), ({}, {"says": "paused"}, 1),
])
def test_a_pause(facts, seen, paused):
    assert told(view=report(**facts), document=picture(paused=seen))["zkelect_paused"] == paused


@pytest.mark.parametrize("facts, name", [
    ({"unguarded": True}, "zkelect_guarded"), ({"unfit": "no disk"}, "zkelect_fit"), ({"aside": "priority = 0"}, "zkelect_fit"),
])
def test_what_is_amiss_is_0(facts, name):
    assert told(view=report(**facts))[name] == 0


@pytest.mark.parametrize("here, guard, up", [({"guarded": False}, True, 0), ({"guarded": True}, False, 1)])
def test_whether_the_guard_runs_the_record_knows_better_than_the_report(here, guard, up):
    assert told(view=report(guard=guard), document=picture(here=here))["zkelect_guard_up"] == up


def test_a_listener_of_an_older_version_counts_nothing():
    found = told(view=report(counted={}))
    assert found["zkelect_election_role_number"] == 4 and not [name for name in found if "_total" in name or "_bucket" in name]


STRANGE = 'x"}\n# evil {role="'


def test_what_others_say_makes_no_label():
    """Nor does what a listener of a newer version counts."""
    odd = counters(
        transitions=[["primary", STRANGE, STRANGE, 3], [STRANGE, "primary", "acked", 1], [1, 2], "no"],
        steps={STRANGE: histogram(1.0), "starting": {"n": ["a"], "sum": 1}, "probing": {"n": [1] * 40, "sum": 1}, "asking": {"n": 3}},
        checks={STRANGE: 3}, promotions=None,
    )
    odd["session"].update(writes={STRANGE: histogram(1.0)}, failed_writes={STRANGE: 1}, heartbeats=[], lost="many")
    seen = nodes((STRANGE, STRANGE, 7), ("b", "in the queue", 7), ("c", None, "x"))
    view = report(counted=odd, role=STRANGE, candidates=STRANGE, since=STRANGE, ack=STRANGE)
    text = metrics.render([entry()], view, picture(nodes=seen, trouble=STRANGE, address=STRANGE), NOW).decode()
    assert "evil" not in text
    found = told(view=view, document=picture(nodes=seen, address=STRANGE))
    assert found["zkelect_role_transitions_total from=primary reason=other to=unknown"] == 3
    assert found["zkelect_role_transitions_total from=unknown reason=acked to=primary"] == 1
    assert found["zkelect_election_role role=unknown"] == 1 and found["zkelect_election_nodes role=unknown"] == 3
    assert found["zkelect_zookeeper_session_losses_total"] == 0
    assert not [name for name in found if name.startswith(("zkelect_step_duration", "zkelect_promotion_duration"))]


def test_what_is_counted_of_an_election_that_is_not_told_of_makes_no_series():
    counted = counters()
    counted["elections"].append({**counted["elections"][0], "election": STRANGE})
    assert told(view=report(counted=counted)) == told()


@pytest.mark.parametrize("guard, up", [(True, 1), (False, 0)])
def test_without_a_picture_the_report_tells_of_the_guard(guard, up):
    assert told([], report(guard=guard), {"node": "a"})["zkelect_guard_up"] == up


def test_the_number_of_series_is_bounded():
    """Whatever is counted; so many at most for each election, and for a node."""
    every = [[one, other, why, 1] for one in roles.NUMBERS for other in roles.NUMBERS for why in tally_words.MEANINGS]
    full = counters(transitions=every, steps={step: histogram(1.0) for step in tally_words.TIMED})
    usual, most = len(told()), len(told(view=report(counted=full)))
    assert usual < 250 and most < 1500


def test_each_metric_is_told_and_documented_once():
    names = [one.name for one in metrics.METRICS]
    assert len(set(names)) == len(names) and all(one.text for one in metrics.METRICS)
    found = {name.split()[0] for name in told()}
    assert {one.told + "_count" * (one.kind == metrics.HISTOGRAM) for one in metrics.METRICS} <= found


def test_nothing_is_kept_in_the_process():
    """Two questions have answers of their own, and the registry that all of a process share has nothing of ours."""
    before = len(list(REGISTRY.collect()))
    first = metrics.render([entry()], report(), picture(), NOW)
    metrics.render([], report(role="standby"), picture(), NOW)
    assert metrics.render([entry()], report(), picture(), NOW) == first
    assert len(list(REGISTRY.collect())) == before
    assert not [one.name for one in REGISTRY.collect() if one.name.startswith("zkelect")]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="script/setup installs promtool")
@pytest.mark.parametrize("text", [
    metrics.render([entry()], report(), picture(), NOW), metrics.render([], None, {"node": "a"}, NOW),
    metrics.render([entry(lease=Lease.until(NOW, 0.5)._replace(paused_until=math.inf))], report(), picture(), NOW),
])
def test_promtool_finds_nothing_to_say_about_names_help_and_units(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")


@pytest.mark.parametrize("module", ["listener.listener", "guard.process", "loader.run", "operators.cli", "operators.monitor", "web.program", "web.here"])
def test_only_who_makes_metrics_loads_the_package_for_them(module):
    code = f"import sys, supervisor_zkelect.{module}; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
