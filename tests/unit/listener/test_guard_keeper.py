"""The conversation with the guard."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import roles
from supervisor_zkelect.core.silence import HASTE, LONGEST
from supervisor_zkelect.core.state import State
from supervisor_zkelect.guard import link, protocol
from supervisor_zkelect.listener.enforcement import Enforcement
from supervisor_zkelect.listener.guard_keeper import GUARD_LACKS, PACE, GuardKeeper
from tests.unit.listener.parts import NOW, Host, candidacies, candidacy, means


def keeper(host, ones, pid=8):
    """A guard's keeper whose guard has this pid."""
    host.guard = lambda post: SimpleNamespace(pid=pid)
    return GuardKeeper(means(host), ones, None, None, None, None, None, None)


@pytest.mark.parametrize("up, pid, independent", [(False, 8, False), (True, 7, False), (True, 8, True)])
def test_a_guard_that_is_a_thread_of_the_listener_ends_with_it(up, pid, independent):
    guard = keeper(Host(), candidacies(), pid=pid)
    guard.up = up
    assert guard.independent is independent


def test_what_a_former_listener_had_begun_to_stop_is_waited_for_while_its_lease_lasts():
    host = Host(kill_time=0.1)
    one = candidacy(host)
    guard = keeper(host, candidacies(one))
    guard.found = {"primary": {"dead": False, "deadline": 104.0}}
    for host.moment, waits in ((102.9, True), (103.0, False)):
        assert guard.clears_in_time(one) is waits
    host.moment, guard.found["primary"]["dead"] = 102.0, True
    assert not guard.clears_in_time(one)


@pytest.mark.parametrize("found, at", [
    # Its lease ends first; its stopwaitsecs do; a pause keeps the lease from ending; nobody has started it under a lease.
    ({"deadline": 104.0}, 103.9), ({"deadline": 200.0}, 110.0), ({"deadline": 90.0, "paused_until": math.inf}, 110.0),
    ({"deadline": 90.0, "paused_until": 104.0}, 103.9), ({"deadline": -math.inf}, -math.inf), (None, -math.inf),
])
def test_what_a_former_listener_had_begun_to_stop_has_its_time(found, at):
    host = Host(kill_time=0.1)
    one = candidacy(host)
    one.rules = replace(one.rules, kill_time=0.1)
    guard = keeper(host, candidacies(one))
    guard.found = {} if found is None else {"primary": {"paused_until": -math.inf, **found}}
    assert guard.killed_by(one, 110.0) == pytest.approx(at)


class Guard:
    """A guard's link. orders: what it was told; told: the same as tuples. replaced: how often it was."""

    pid, replaced = 8, 0

    def __init__(self):
        self.orders = []

    @property
    def told(self):
        return [tuple(order) for order in self.orders]

    def send(self, order):
        self.orders.append(order)

    def replace(self):
        self.replaced += 1


@pytest.fixture
def one():
    """A keeper whose guard is there, and a group that runs under a lease for another minute."""
    host, guard = Host(), Guard()
    host.guard = lambda post: guard
    host.resort.complete = lambda: True
    host.resort.arm = lambda cgroups: None
    running = candidacies(candidacy(host, State(role=roles.PRIMARY, step="", token=5, deadline=NOW + 60.0)))
    for leads in running:
        leads.group.send = guard.send
    enforcement = Enforcement(means(host), running)
    keeper = GuardKeeper(means(host), running, None, enforcement, None, lambda: 0.4, lambda: None, lambda echo: None)
    keeper.handlers()[protocol.Welcome](protocol.Welcome(True, False, protocol.VERSION, {}, 8, ""))
    return SimpleNamespace(host=host, guard=guard, running=running, keeper=keeper)


def pass_time(one, seconds):
    """In turns as the loop takes them."""
    end = one.host.moment + seconds
    while one.host.moment < end:
        one.host.moment += HASTE / 3
        one.keeper.keep_time(one.host.moment)


def test_a_guard_that_echoes_nothing_is_replaced(one):
    one.keeper.extend(one.running)
    assert [(n, leases["primary"][0]) for n, leases in one.guard.told] == [(1, 5)]
    pass_time(one, LONGEST - 0.05)
    assert not one.guard.replaced and not one.keeper.can_enforce()
    pass_time(one, 0.1)
    assert one.guard.replaced == 1


def test_a_guard_that_should_kill_is_replaced_sooner(one):
    one.host.moment = NOW + 59.5
    # The listener itself stood still until then, and now all of the node want the processor.
    one.keeper.keep_time(one.host.moment)
    pass_time(one, LONGEST)
    one.keeper.extend(one.running)
    pass_time(one, 2 * HASTE)
    assert one.guard.replaced == 1


def test_a_guard_that_lacks_something_for_long_is_replaced(one):
    echo = one.keeper.handlers()[protocol.LeaseEcho]
    for number, seconds in enumerate((0.0, GUARD_LACKS, 0.1), 1):
        one.host.moment += seconds
        one.keeper.extend(one.running)
        echo(protocol.LeaseEcho(number, one.host.moment, "no descriptors"))
        assert not one.keeper.can_enforce() and "no descriptors" in one.keeper.unenforced()
    assert one.guard.replaced == 1


@pytest.mark.parametrize("found, ends", [({"primary": {"granted": True}}, True), ({"primary": {"granted": False}}, False), ({}, False)])
def test_a_guard_that_believes_an_old_record_is_told_to_end_what_nobody_runs(found, ends):
    host, link = Host(), Guard()
    candidate = candidacy(host, State(role=roles.DETACHED, step="waiting"))
    host.guard = lambda post: link
    keeper = GuardKeeper(means(host), candidacies(candidate), None, None, None, None, None, None)
    keeper.found = found
    keeper.tell_anew()
    assert [told[0] for told in link.told] == ["primary"] * ends


def test_a_new_guard_is_told_whether_the_ack_is_written():
    """The old one may have ended before it wrote that. What is inherited is not known to this listener, and stands in the record."""
    told = []
    for state in ({"role": roles.PRIMARY}, {"role": roles.PROMOTING, "step": "probing"}, {"step": "waiting", "inherited": 5}):
        host, link = Host(), Guard()
        link.send = told.append
        candidate = candidacy(host, State(**{"step": "", "token": 5, "deadline": NOW + 60.0, **state}))
        candidate.group.send = told.append
        host.guard = lambda post, link=link: link
        GuardKeeper(means(host), candidacies(candidate), None, None, None, None, None, None).tell_anew()
    adopted = [one.grant.acked for one in told if isinstance(one, protocol.AdoptOrder)]
    assert adopted == [True, False, False]
    assert [one for one in told if isinstance(one, protocol.AckOrder)] == [protocol.AckOrder("primary", 5, True)]


def test_a_guard_that_may_not_have_heard_of_another_address_is_told_again(one):
    one.keeper.tell_anew()
    [leads] = one.running
    assert protocol.AddressOrder("primary", leads.settings.address) in one.guard.orders


@pytest.mark.parametrize("echoed", [False, True])
def test_a_cut_is_repeated_until_it_is_known_to_have_been_taken(one, echoed):
    """And no longer: what was extended since then lasts longer, and rightly so."""
    one.keeper.extend(one.running)
    one.keeper.cut(NOW + 20.0)
    one.keeper.handlers()[protocol.LeaseEcho](protocol.LeaseEcho(1, NOW))
    one.keeper.extend(one.running)
    if echoed:
        one.keeper.handlers()[protocol.LeaseEcho](protocol.LeaseEcho(2, NOW))
    for _ in range(2):
        del one.guard.orders[:]
        one.keeper.handlers()[protocol.Welcome](
            protocol.Welcome(True, False, protocol.VERSION, {"primary": {"deadline": NOW + 60.0}}, 8, "")
        )
        one.keeper.tell_anew()
        cuts = [order for order in one.guard.orders if isinstance(order, protocol.CutOrder)]
        assert cuts == [protocol.CutOrder(NOW + 20.0)] * (not echoed) == one.guard.orders[:len(cuts)]
        assert one.keeper.found["primary"]["deadline"] == NOW + (60.0 if echoed else 20.0)
    one.keeper.extend(one.running)
    one.keeper.handlers()[protocol.LeaseEcho](protocol.LeaseEcho(1, NOW))
    del one.guard.orders[:]
    one.keeper.tell_anew()
    assert not any(isinstance(order, protocol.CutOrder) for order in one.guard.orders)


@pytest.mark.parametrize("echoed, rest", [(True, 0.0), (False, PACE)])
def test_a_guard_that_has_echoed_nothing_is_not_opened_again_at_full_speed(one, echoed, rest):
    """What ended the conversation may be what the listener repeats first."""
    one.keeper.extend(one.running)
    if echoed:
        one.keeper.handlers()[protocol.LeaseEcho](protocol.LeaseEcho(one.keeper.sent, NOW, "", [], []))
    one.keeper.handlers()[link.GuardDown](link.GuardDown("the guard closed the connection"))
    assert one.keeper.open_at == NOW + rest
