"""The messages of a guard: what is none is refused, and what is one arrives as it was sent."""

import json
from typing import NamedTuple

import pytest

from supervisor_zkelect.core.lease import NO_LEASE, Lease
from supervisor_zkelect.guard import keeper_protocol, protocol
from supervisor_zkelect.guard.codec import handlers

PROGRAMS = protocol.GroupPrograms("orders", stop_failed=("a", "b"))
GRANT = protocol.Grant("orders", "host:80", 7, NO_LEASE)

TO_GUARD = [
    protocol.Hello(4, ("boot", "pid:[1]", 10, 20), {"primary": PROGRAMS}, ("g", "p")),
    protocol.StartOrder("primary", 5, GRANT), protocol.AdoptOrder("primary", GRANT), protocol.AddressOrder("primary", "host:81"),
    protocol.AckOrder("primary", 7, True), protocol.StopOrder("primary", 6, float("inf"), GRANT), protocol.KillOrder("primary", 7),
    protocol.EnsureDeadOrder("primary", 8), protocol.LookOrder("primary", 9),
    protocol.MemberNote("primary", ("orders", "RUNNING", 4)),
    protocol.LeaseOrder(3, {"primary": (7, Lease(1.0, 2.0, 3.0))}), protocol.CutOrder(3.0), protocol.GroupsOrder({}, 2.0),
    protocol.Bye("released"), protocol.Run("primary", "orders"), protocol.RunRefused("primary", "orders", "no grant"),
    protocol.KeepFolder(),
]


def test_every_message_to_the_guard_arrives_as_it_was_sent():
    assert {type(one) for one in TO_GUARD} == protocol.TO_GUARD.kinds
    for one in TO_GUARD:
        arrived = protocol.TO_GUARD.decode(json.loads(protocol.TO_GUARD.encode(one)))
        assert arrived == one and type(arrived) is type(one)


@pytest.mark.parametrize("message", [
    {}, {"do": 1}, {"do": ["run"]}, {"do": "run"}, {"do": "run", "group": 7}, {"do": "run", "group": "primary", "name": None},
    {"do": "refused", "group": "primary", "name": "orders", "reason": {}}, {"do": "welcome"}, {"do": "start"},
    {"do": "run", "group": "primary", "more": "x"}, {"do": "kill", "group": "primary", "op": "5"},
    {"do": "kill", "group": "primary", "op": True}, {"do": "lease", "n": 1, "leases": {"primary": [7, [1.0, 2.0]]}},
    {"do": "lease", "n": 1, "leases": [7]}, {"do": "adopt", "group": "primary", "grant": ["orders", "a"]},
])
def test_what_is_no_message_is_refused(message):
    with pytest.raises((KeyError, TypeError, ValueError)):
        protocol.TO_GUARD.decode(message)


def test_a_message_of_another_direction_is_not_sent():
    with pytest.raises(KeyError):
        protocol.TO_GUARD.encode(keeper_protocol.KeeperEnded())


class Other(NamedTuple):
    """No message of a guard's."""


def test_a_kind_without_a_handler_is_an_error_when_the_table_is_made():
    table = {kind: print for kind in keeper_protocol.TO_KEEPER.kinds}
    assert handlers(keeper_protocol.TO_KEEPER.kinds, table) == table
    for wrong in ({}, {**table, Other: print}):
        with pytest.raises(TypeError, match="not one handler for each kind"):
            handlers(keeper_protocol.TO_KEEPER.kinds, wrong)
