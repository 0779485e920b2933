"""What follows at once from what the role machine knows of an election."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.core.messages import ControlSeen, Shutdown
from supervisor_zkelect.core.roles import DEMOTING, DETACHED, PRIMARY, PROMOTING, STANDBY, WITHDRAWN
from supervisor_zkelect.core.state import (
    CALM,
    CONTESTED,
    INFINITY,
    Beginning,
    Resigning,
    Rules,
    State,
    lasting_trouble,
    lease_of,
    next_wakeup,
)

RULES = Rules(
    name="orders", node="self", address="a:1", kill_time=0.3, stopwaitsecs=10.0, rise=1, fall=3,
    health_interval=1.0, promote_timeout=60.0, backoff_min=1.0, backoff_max=60.0,
)
RESIGNING = Resigning("t", 90.0, 7)
NOTHING = ControlSeen()
WAITS = State(step="waiting", up=True, grace=2.0, not_before=104.0, orders=NOTHING)
LEADS = State(role=PRIMARY, step="", orders=ControlSeen(bar="aside", bar_id="m"), begin_at=101.0)


@pytest.mark.parametrize("state, due", [
    (State(), INFINITY),
    (State(retry_at=105.0), 105.0), (State(probe_at=105.0), 105.0), (State(look_at=105.0), 105.0), (State(repair_at=105.0), 105.0),
    (State(retry_at=105.0, probe_at=104.0, look_at=103.0, repair_at=106.0), 103.0),
    # Its lease, while it is enforced.
    (State(role=PRIMARY, step="", deadline=110.0, grace=2.0), 107.7), (State(role=PROMOTING, step="starting", deadline=110.0, grace=2.0), 107.7),
    (State(role=DEMOTING, step="stopping", deadline=110.0, grace=2.0), INFINITY), (State(role=PRIMARY, step=""), INFINITY),
    (State(role=STANDBY, step="watching", deadline=110.0), INFINITY),
    (State(step="waiting", inherited=7, deadline=110.0, grace=2.0), 107.7),
    # The time that it has to become healthy, which a fence does not count for.
    (State(role=PROMOTING, step="claiming", healthy_by=120.0), 120.0), (State(role=PROMOTING, step="fencing", healthy_by=120.0), INFINITY),
    (State(role=PRIMARY, step="", healthy_by=120.0), INFINITY),
    # The end of a back-off, which a session is needed for.
    (WAITS, 104.0), (replace(WAITS, orders=None), INFINITY), (replace(WAITS, grace=-0.1), INFINITY), (replace(WAITS, cleaning=7), INFINITY),
    (replace(WAITS, ending=True), INFINITY), (replace(WAITS, leaving=Shutdown("SIGTERM", 200.0)), INFINITY),
    (replace(WAITS, orders=ControlSeen("aside", 200.0, "m")), 200.0), (replace(WAITS, up=False), INFINITY),
    (replace(WAITS, step="clearing"), INFINITY), (replace(WAITS, role=STANDBY), INFINITY),
    # The next try to hand over, and the time of an order.
    (LEADS, 101.0), (replace(LEADS, beginning=Beginning(7, "maintenance", "m", "aside")), INFINITY), (replace(LEADS, inherited=7), INFINITY),
    (replace(LEADS, orders=ControlSeen(order="s", due=103.0)), 103.0), (replace(LEADS, orders=ControlSeen(order="s", due=99.0)), 101.0),
    (replace(LEADS, orders=ControlSeen(order="s", due=103.0, begun=5)), 101.0), (replace(LEADS, orders=NOTHING), INFINITY),
    (State(step="clearing", orders=ControlSeen("aside", 200.0, "m")), INFINITY),
    # Those who wait for an answer.
    (State(resigning=(Resigning("t", 90.0, 7, by=103.0, ask_at=101.0),)), 103.0),
    (State(resigning=(Resigning("t", 90.0, 7, by=103.0, ask_at=101.0, left_at=91.0),)), 101.0),
    (State(resigning=(Resigning("t", 90.0, 7, left_at=91.0),)), 0.0), (State(resigning=(RESIGNING,)), INFINITY),
])
def test_when_time_alone_makes_something_due(state, due):
    assert next_wakeup(RULES, state) == pytest.approx(due)


def test_others_write_the_ack_too_where_it_is_written_again_and_again():
    assert State(repairs=CONTESTED, repaired_at=100.0).contested(100.0 + CALM - 0.1)
    assert not State(repairs=CONTESTED, repaired_at=100.0).contested(100.0 + CALM)
    assert not State(repairs=CONTESTED - 1, repaired_at=100.0).contested(100.1)


def test_a_lease_has_what_a_kill_takes_and_a_grace_set_aside():
    assert RULES.lease(100.0) == Lease.until(100.0, 0.3)
    assert lease_of(RULES, State(deadline=100.0, grace=2.0)) == Lease.until(100.0, 0.3, 2.0)


def test_what_goes_with_nobodys_session_is_told_with_the_remedy():
    assert lasting_trouble("") == ""
    assert lasting_trouble("/e/n-0") == (
        "/e/n-0 stands in the queue and is no ephemeral znode, so it goes with nobody's session, and whoever stands behind it never "
        "leads; delete it (zkCli.sh: delete /e/n-0)"
    )


@pytest.mark.parametrize("role, step, changes, settled", [
    (WITHDRAWN, "", {}, True), (DETACHED, "waiting", {}, True), (DETACHED, "waiting", {"inherited": 7}, False),
    (DETACHED, "waiting", {"cleaning": 3}, False), (DETACHED, "clearing", {}, False), (DEMOTING, "closing", {"cleaning": 3}, True),
    (DEMOTING, "releasing", {}, True), (DEMOTING, "releasing", {"led": True}, False), (DEMOTING, "releasing", {"cleaning": 3}, False),
    (DEMOTING, "stopping", {}, False), (PRIMARY, "", {}, False), (STANDBY, "watching", {}, False),
])
def test_when_a_session_may_be_closed(role, step, changes, settled):
    assert State(role=role, step=step, **changes).settled == settled


@pytest.mark.parametrize("role, step, inherited, may_run, enforced, leased, renewed", [
    (DETACHED, "waiting", None, False, False, False, False), (DETACHED, "waiting", 7, True, True, True, True),
    (PROMOTING, "claiming", None, False, False, True, True), (PROMOTING, "claiming", 7, True, True, True, True),
    (PROMOTING, "starting", None, True, True, True, True), (PROMOTING, "probing", None, True, True, True, True),
    (PROMOTING, "acking", None, True, True, True, True), (PRIMARY, "", None, True, True, True, True),
    (DEMOTING, "stopping", None, True, False, False, True), (DEMOTING, "releasing", None, False, False, False, False),
    (DEMOTING, "closing", None, False, False, False, False), (STANDBY, "watching", None, False, False, False, False),
])
def test_whether_the_group_may_be_running(role, step, inherited, may_run, enforced, leased, renewed):
    state = State(role=role, step=step, inherited=inherited)
    assert (state.may_run, state.enforced, state.leased, state.renewed) == (may_run, enforced, leased, renewed)


def test_a_group_that_is_killed_has_no_time_left_to_use():
    assert not State(role=DEMOTING, step="stopping", killed=True).renewed
