"""What keeps a node from leading though it should, by the state of its role machine."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import ability, messages, roles
from supervisor_zkelect.core.ability import NodeHindrances, hindrance, until
from supervisor_zkelect.core.state import INFINITY, State

STANDBY = State(role=roles.STANDBY, step="watching", up=True, alive=True, grace=1.0, proposal="n-1", trouble="x")

HINDERED = [
    (dict(), NodeHindrances(kernel="old"), ability.KERNEL),
    (dict(stuck=True), NodeHindrances(), ability.ALIVE),
    (dict(), NodeHindrances(folder="gone"), ability.FOLDER),
    (dict(), NodeHindrances(zookeeper="no answer"), ability.ZOOKEEPER),
    (dict(grace=-1.0), NodeHindrances(), ability.TIMEOUT),
    (dict(role=roles.DETACHED, step="proposing", duplicate_since=3.0), NodeHindrances(), ability.TWIN),
    (dict(lasting="/e/a-0000000000"), NodeHindrances(), ability.QUEUE),
    (dict(role=roles.PROMOTING, step="fencing", retry_delay=0.1), NodeHindrances(), ability.FENCE),
    (dict(role=roles.DETACHED, step="proposing", refused=True), NodeHindrances(), ability.REFUSED),
    (dict(role=roles.DEMOTING, step="releasing", refused=True), NodeHindrances(), ability.REFUSED),
    (dict(), NodeHindrances(guard="no thread"), ability.GUARD),
]


@pytest.mark.parametrize("changes, node, kind", HINDERED)
def test_each_kind(changes, node, kind):
    found = hindrance(replace(STANDBY, **changes), node)
    # What hinders the node is told in its words, and what hinders this election as what troubles it.
    assert found == ability.Hindrance(kind, "".join(node) or "x")


def test_a_group_that_would_not_die_is_told_in_any_case():
    found = hindrance(replace(STANDBY, stuck=True, trouble=""), NodeHindrances(guard="no thread", folder="gone"))
    assert found == ability.Hindrance(ability.ALIVE, "the group is not proven dead")


def test_the_worst_is_told():
    node = NodeHindrances("old", "no thread", "gone", "no answer")
    state = replace(STANDBY, stuck=True, grace=-1.0, duplicate_since=3.0, lasting="/e/a", refused=True)
    told = [hindrance(state, node).kind]
    for what, well in (
        ("kernel", ""), ("stuck", False), ("folder", ""), ("zookeeper", ""), ("grace", 0.0), ("duplicate_since", None), ("lasting", ""),
        ("refused", False),
    ):
        node, state = (node._replace(**{what: well}), state) if what in NodeHindrances._fields else (node, replace(state, **{what: well}))
        told.append(hindrance(state, node).kind)
    assert told == [
        ability.KERNEL, ability.ALIVE, ability.FOLDER, ability.ZOOKEEPER, ability.TIMEOUT, ability.TWIN, ability.QUEUE, ability.REFUSED,
        ability.GUARD,
    ]


@pytest.mark.parametrize("changes, node, kind", [case for case in HINDERED if case[2] not in (ability.KERNEL, ability.ALIVE)])
def test_a_primary_can_and_who_stops_or_ends_is_on_its_way(changes, node, kind):
    for other in (
        dict(role=roles.PRIMARY, step=""), dict(role=roles.DEMOTING, step="stopping"), dict(role=roles.WITHDRAWN, step=""),
        dict(leaving=messages.Shutdown("SIGTERM", 0.0)),
    ):
        assert hindrance(replace(STANDBY, **{**changes, **other}), node) is None


@pytest.mark.parametrize("changes", [
    dict(), dict(grace=0.0), dict(step="asking"), dict(role=roles.DETACHED, step="waiting", not_before=50.0), dict(up=False, grace=-1.0),
    dict(role=roles.PROMOTING, step="probing"), dict(role=roles.PROMOTING, step="fencing"),
    dict(role=roles.PROMOTING, step="claiming", retry_delay=0.2),
])
def test_who_is_well_or_on_its_way_is_not_hindered(changes):
    assert hindrance(replace(STANDBY, **changes), NodeHindrances()) is None


@pytest.mark.parametrize("changes, moment", [
    (dict(role=roles.PROMOTING, step="probing", healthy_by=30.0), 30.0),
    (dict(role=roles.PROMOTING, step="fencing", healthy_by=30.0), None),
    (dict(role=roles.DETACHED, step="waiting", not_before=12.0, rest_until=11.0), 12.0),
    (dict(role=roles.DETACHED, step="waiting", not_before=9.0), None), (dict(role=roles.DETACHED, step="waiting", not_before=10.0), None),
    (dict(role=roles.DETACHED, step="proposing", duplicate_since=8.0, wait_out=6.0), 14.0),
    (dict(role=roles.DEMOTING, step="stopping"), 20.0),
    (dict(role=roles.DEMOTING, step="releasing"), None),
    (dict(role=roles.PRIMARY, step="", healthy_by=INFINITY), None),
    (dict(), None),
])
def test_until_when(changes, moment):
    assert until(replace(STANDBY, **changes), 20.0, 10.0) == moment


def test_a_stop_without_a_limit_has_no_moment():
    stopping = replace(STANDBY, role=roles.DEMOTING, step="stopping")
    assert until(stopping, INFINITY, 10.0) is None and until(stopping, -INFINITY, 10.0) is None


def test_orders_that_cannot_be_read_hinder_and_those_that_are_obeyed_do_not():
    unread = replace(STANDBY, orders=messages.ControlSeen("it cannot be read"))
    assert hindrance(unread, NodeHindrances()) == ability.Hindrance(ability.CONTROL, "it cannot be read")
    assert hindrance(replace(STANDBY, orders=messages.ControlSeen("in maintenance", bar_id="m")), NodeHindrances()) is None


@pytest.mark.parametrize("role, orders, moment", [
    (roles.MAINTENANCE, messages.ControlSeen("in maintenance", 30.0, "m"), 30.0), (roles.MAINTENANCE, None, None),
    (roles.STANDBY, messages.ControlSeen("in maintenance", 30.0, "m"), None), (roles.MAINTENANCE, messages.ControlSeen("x", bar_id="m"), None),
])
def test_until_when_a_maintenance_lasts(role, orders, moment):
    assert until(replace(STANDBY, role=role, step="", orders=orders), 20.0, 10.0) == moment
