"""The verdict on a node, by what its record says at one moment."""

import math

import pytest

from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.guard import record
from supervisor_zkelect.web.verdict import SILENCE, TOLD_WITHIN, RecordRead, Verdict, judge

NOW = 1000.0
LEASE = Lease(1003.0, 1004.0, 1005.0)
ENTRY = record.Entry("orders", "primary", "a:80", 7, True, 0, LEASE, True)


def verdict(now=NOW, seen=NOW, trouble="", entries=None, took=0.0, **changes):
    entries = [ENTRY._replace(**changes)] if entries is None else entries
    return judge(RecordRead(trouble) if trouble else RecordRead("", record.Record(seen, entries), now - took), "orders", now)


def test_who_has_a_grant_a_lease_and_an_ack_is_primary():
    assert verdict() == Verdict(True, "primary", 3.0, True, 7, True, NOW + TOLD_WITHIN)


@pytest.mark.parametrize("given, why", [
    ({"granted": False}, "this node does not lead"), ({"acked": False}, "not acked yet"), ({"lease": NO_LEASE}, "the lease is over"),
    ({"entries": []}, "this node does not lead"), ({"entries": [ENTRY._replace(election="other")]}, "this node does not lead"),
    ({"trouble": "no record"}, "no record"), ({"seen": NOW - SILENCE}, "the guard is silent"),
    ({"seen": -math.inf}, "the guard does not show that it runs; one of an older version? restart the listener"),
    ({"took": TOLD_WITHIN}, "this program stood still while it looked"),
])
def test_whatever_is_missing_makes_nobody_primary(given, why):
    found = verdict(**given)
    assert not found.primary and found.why == why


def test_it_turns_at_the_very_moment_at_which_the_group_is_asked_to_stop():
    """And not at that at which it is killed: what is being stopped serves nobody."""
    before, at = math.nextafter(LEASE.stop_at, 0), LEASE.stop_at
    assert verdict(before, before).primary and not verdict(at, at).primary
    assert verdict(at, at).why == "the lease is over" and verdict(at, at).lease == 0.0


def test_a_pause_without_an_end_counts_for_as_long_as_the_guard_shows_itself():
    """Its lease ends never, so nothing else would tell that nobody guards the group any more."""
    paused = {"lease": LEASE._replace(paused_until=math.inf)}
    later = NOW + 1e6
    assert verdict(later, later, **paused) == Verdict(True, "primary", None, True, 7, True, later + TOLD_WITHIN)
    assert verdict(later, later - SILENCE + 0.01, **paused).primary
    assert not verdict(later, later - SILENCE, **paused).primary


def test_a_pause_with_an_end_leaves_the_group_its_time_to_stop():
    """As `Lease.stops_at` has it: the stop begins as long before the pause's end as it would before the deadline."""
    lease = LEASE._replace(paused_until=1100.0)
    assert verdict(1097.99, 1097.0, lease=lease).primary and not verdict(1098.0, 1097.0, lease=lease).primary


def test_an_older_grant_of_the_same_election_does_not_hide_the_one_that_stands():
    """An election whose group was renamed has an entry for each."""
    former = ENTRY._replace(group="former", granted=False, acked=False)
    assert verdict(entries=[former, ENTRY]).primary


def test_a_verdict_tells_what_is_known_besides():
    assert verdict(granted=False) == Verdict(False, "this node does not lead", None, False, None, True)
    assert verdict(acked=False) == Verdict(False, "not acked yet", 3.0, False, 7, True)
    assert verdict(seen=0.0) == Verdict(False, "the guard is silent", 3.0, True, 7, False)


def test_a_verdict_is_told_before_the_lease_ends_and_soon_or_not_at_all():
    """Whoever judged may stand still before he tells, and go on when another node leads."""
    assert verdict(took=0.005).until == NOW - 0.005 + TOLD_WITHIN
    late = LEASE.stop_at - 0.001
    assert verdict(late, late).until == LEASE.stop_at
    assert verdict(acked=False).until == math.inf and "until" not in verdict().document()
