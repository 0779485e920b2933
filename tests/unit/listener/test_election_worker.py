"""What the work of an election comes to where operators have ordered something."""

import inspect
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages
from supervisor_zkelect.core.control import Control, Life, Order, Pause, Stamp, Switchover
from supervisor_zkelect.elector import AccessDenied, Barred, NotBegun, NotLeader, TimedOut
from supervisor_zkelect.listener import election_worker, events, order_worker, orders_seen
from supervisor_zkelect.zookeeper.holder import Holder

NOW = 50_000
LIFE = Life("machine", "boot", "boot-4-10-100")
WHO = election_worker.Claimant("a", "a:1", False, False, LIFE)


def elector(**more):
    return SimpleNamespace(server_time=lambda: NOW, here=lambda moment: 100.0 + (moment - NOW) / 1000, **more)


def failing(error):
    def call(*_, **__):
        raise error

    return call


def aside(until=None):
    return Control(Stamp(1, 1), "", {"a": Order("m", "root@h", "disk", until=until)})


@pytest.mark.parametrize("found, expected", [
    (Control(), messages.ControlSeen()),
    (aside(), messages.ControlSeen("in maintenance by root@h: disk", bar_id="m")),
    (aside(NOW + 2000), messages.ControlSeen("in maintenance by root@h: disk", until=102.0, bar_id="m")),
    (aside(NOW), messages.ControlSeen()),
    (Control(Stamp(1, 1), "garbage"), messages.ControlSeen("garbage")),
    (Control(switchover=Switchover(Order("s"), "b", NOW + 1000)), messages.ControlSeen(order="s", due=101.0, to="b", missed="b")),
    (Control(switchover=Switchover(Order("s"), "b", None, 41, "n-1")), messages.ControlSeen(order="s", to="b", begun=41, target="n-1", missed="b")),
])
def test_what_orders_mean_for_a_node(found, expected):
    assert orders_seen.orders_for(elector(), found, "a", LIFE) == expected
    assert not orders_seen.orders_for(elector(), found, "z", LIFE).bar_id


def test_times_of_orders_are_asked_for_only_where_there_are_some():
    asked = SimpleNamespace(server_time=failing(AssertionError()))
    assert orders_seen.orders_for(asked, aside(), "a", LIFE).bar_id == "m"


@pytest.mark.parametrize("found", [aside(), Control()])
def test_a_claim_that_was_refused_tells_why_and_is_made_again_where_that_is_over(found):
    barred = elector(claim=failing(Barred("in maintenance")), read_control=lambda: found)
    posted = []
    told = election_worker.claim(barred, "orders", messages.Claim(7), WHO, SimpleNamespace(generation=1), posted.append)
    assert told == messages.RequestFailed(7, False, "in maintenance")
    assert posted == [events.ElectionEvent("orders", orders_seen.orders_for(elector(), found, "a", LIFE))]


@pytest.mark.parametrize("life, own", [(LIFE, True), (LIFE._replace(instance="boot-4-11-200"), False)])
def test_a_consent_of_this_life_is_known_by_whoever_reads_the_control(life, own):
    """Also in the answer to a claim that it has barred."""
    found, posted = Control(Stamp(1, 1), paused=Pause(Order("p"), None, "a", 41, life)), []
    reads = elector(claim=failing(Barred("paused")), read_control=lambda: found, watch_control=lambda: (found, Future()))
    election_worker.claim(reads, "orders", messages.Claim(7), WHO, SimpleNamespace(generation=1), posted.append)
    told = order_worker.read_control(reads, "orders", "a", posted.append, LIFE).seen
    assert posted[0].event == told and (told.pause.own, told.pause.consent) == (own, 41)


@pytest.mark.parametrize("reader", [orders_seen.orders_for, order_worker.read_control, election_worker.Claimant])
def test_whoever_reads_the_control_must_say_in_which_life_of_the_node(reader):
    """One that is not told never recognises a consent of its own."""
    assert inspect.signature(reader).parameters["life"].default is inspect.Parameter.empty


@pytest.mark.parametrize("error, expected", [
    (NotBegun("nobody"), messages.OrderNotBegun(7, "nobody")), (TimedOut("slow"), messages.OrderNotBegun(7, "slow", known=False)),
    (NotLeader("gone"), messages.ProposalLost("gone")),
])
def test_what_a_handover_comes_to_that_is_not_begun(error, expected):
    assert order_worker.begin(elector(begin=failing(error)), messages.Begin(7, "switchover", "s"), "a") == expected


def test_a_defect_keeps_nobody_waiting_for_a_handover():
    told = order_worker.begin(elector(begin=failing(KeyError("x"))), messages.Begin(7, "maintenance", "m"), "a")
    assert isinstance(told, messages.OrderNotBegun) and not told.known and "a defect" in told.why


def test_a_handover_is_begun_for_its_order():
    asked = []
    found = elector(begin=lambda *words: asked.append(words) or "n-7")
    assert order_worker.begin(found, messages.Begin(7, "maintenance", "m"), "a") == messages.Begun(7, "n-7")
    assert asked == [("maintenance", "m", "a")]


@pytest.mark.parametrize("error, seen", [(AccessDenied("no"), True), (TimedOut("slow"), False)])
def test_a_control_that_is_forbidden_bars_and_one_that_is_not_answered_is_asked_for_again(error, seen):
    told = order_worker.read_control(elector(watch_control=failing(error)), "orders", "a", None, LIFE)
    assert isinstance(told, events.ControlRead) and (told.seen is not None) == seen
    if seen:
        assert told.seen.unread and "no" in told.seen.bar


def test_a_change_of_the_control_is_told():
    changed, posted = Future(), []
    told = order_worker.read_control(elector(watch_control=lambda: (Control(), changed)), "orders", "a", posted.append, LIFE)
    assert told.seen == messages.ControlSeen() and not posted
    changed.set_result("changed")
    assert posted == [events.ControlChanged("orders")]


@pytest.mark.parametrize("stands, holder, ack, term, gone", [
    (lambda token: False, Holder("a", 41, "a:1"), b"a:1", None, True), (lambda token: token == 41, Holder("a", 41, "a:1"), b"a:1", None, False),
    # Of whom another has written the ack the holder tells nothing; and without an ack nobody is primary.
    (lambda token: False, Holder("a", 41, "a:2"), b"a:1", None, False), (lambda token: False, Holder("a", 41, ""), b"", None, False),
    (lambda token: False, None, b"a:1", None, False), (failing(TimedOut("silent")), Holder("a", 41, "a:1"), b"a:1", None, False),
    (lambda token: False, Holder("a", 41, "a:1"), b"a:1", 41, False),
])
def test_outside_of_a_term_it_is_looked_whether_the_primary_is_gone(stands, holder, ack, term, gone):
    one = elector(listable=True, stands=stands, holder=lambda: holder, read_ack=lambda: ack, watch_term=lambda: (holder, ack, Future()))
    assert election_worker.see_term(one, "orders", term, print).gone is False
    seen = election_worker.see_term(one, "orders", term, print, True)
    assert seen.known and seen.gone is gone and seen.address == ack.decode()
    one.listable = False
    assert not election_worker.see_term(one, "orders", term, print, True).gone, "a listing that fails may cost the connection"
