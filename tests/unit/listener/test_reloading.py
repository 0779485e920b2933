"""A changed configuration that another listener takes up, and a guard that is none for it."""

import math
from types import SimpleNamespace

import pytest

from supervisor_zkelect.config.diff import Change
from supervisor_zkelect.config.options import RESTART, SESSION, TERM
from supervisor_zkelect.core import roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.listener.events import Agreed, Reread
from supervisor_zkelect.listener.reloading import RELEASE_TIME, Reloads
from tests.unit.listener.parts import NOW, Host, Work, candidacy, keepers, means


@pytest.fixture
def listener():
    """A listener whose group runs. told: what operators were; heard: what its role machine was; left: how it was to end."""
    host, work, heard, told, left = Host(), Work(), [], [], []
    one = candidacy(host, State(role=roles.PRIMARY, step=""))
    one.decide = heard.append
    departure = SimpleNamespace(
        begun=False, status=0, hand_over=lambda moment, reason: left.append("hand over"), leave_in_time=lambda reason: left.append("in time"),
    )
    guard = SimpleNamespace(independent=True, up=True)
    parts = keepers(one, guard=guard)
    reloads = Reloads(means(host, work), parts, departure, lambda ticket, document: told.append(document))
    return SimpleNamespace(
        host=host, candidacies=parts.candidacies, one=one, reloads=reloads, guard=guard, departure=departure, work=work, told=told, heard=heard, left=left,
        hear=lambda event: reloads.handlers()[type(event)](event),
    )


def reread(effect):
    return Reread("t", True, SimpleNamespace(), [], [Change("election:orders", "group", effect)], {})


@pytest.mark.parametrize("effect", [RESTART, TERM])
@pytest.mark.parametrize("independent", [True, False])
def test_what_takes_another_listener_is_refused_while_this_one_is_the_guard(listener, effect, independent):
    listener.guard.independent = independent
    listener.hear(reread(effect))
    if independent:
        assert listener.told == [] and len(listener.work.given) == 1
    else:
        answer, = listener.told
        assert answer["exit"] == 1 and "nothing is changed" in answer["text"] and "supervisorctl restart zkelect" in answer["text"]
        assert listener.work.given == [] and listener.heard == []


def test_while_the_guard_is_replaced_one_is_to_ask_again(listener):
    listener.guard.independent = listener.guard.up = False
    listener.hear(reread(RESTART))
    answer, = listener.told
    assert answer["exit"] == 1 and "ask again" in answer["text"] and listener.work.given == []


def test_where_the_guard_is_lost_meanwhile_the_groups_have_their_time_and_another_listener_comes(listener):
    listener.hear(Agreed({"orders"}, False))
    listener.guard.independent = False
    due = listener.reloads.next_wakeup()
    assert due == NOW + listener.one.rules.stopwaitsecs + RELEASE_TIME
    listener.one.state = State(role=roles.WITHDRAWN, step="")
    listener.reloads.keep_time(due - 0.1)
    assert listener.left == [], "a guard may come yet"
    listener.reloads.keep_time(due)
    assert listener.left == ["in time"] and listener.departure.status
    listener.departure.begun = True
    assert listener.reloads.next_wakeup() == math.inf


def test_with_a_guard_the_service_is_left_to_it_as_soon_as_the_terms_are_over(listener):
    listener.hear(Agreed({"orders"}, False))
    listener.reloads.keep_time(NOW)
    assert listener.left == []
    listener.one.state = State(role=roles.WITHDRAWN, step="")
    listener.reloads.keep_time(NOW)
    assert listener.left == ["hand over"]


@pytest.mark.parametrize("name, effect, step, up, refused", [
    ("orders", RESTART, "stopping", True, True), ("stock", TERM, "stopping", False, True), ("orders", RESTART, "releasing", True, True),
    # That election ends by it anyway, as all do with the session.
    ("orders", TERM, "stopping", True, False), ("orders", SESSION, "stopping", True, False),
    # Where ZooKeeper is away it may be for ever, as where its servers are others now.
    ("orders", RESTART, "releasing", False, False), ("orders", RESTART, "closing", True, False),
])
def test_what_is_just_being_stopped_is_not_undone_by_another_listener(listener, name, effect, step, up, refused):
    """It would find the group dead and its proposal first, and lead again."""
    listener.candidacies.add(candidacy(listener.host, State(role=roles.STANDBY, step="watching"), name="stock", group="g2"))
    listener.one.state = State(role=roles.DEMOTING, step=step, reason="resigned", up=up)
    listener.hear(Reread("t", True, SimpleNamespace(), [], [Change(f"election:{name}", "group", effect)], {}))
    assert bool(listener.told) is refused and bool(listener.work.given) is not refused
    if refused:
        assert listener.told[0]["exit"] == 1 and "orders is just being stopped" in listener.told[0]["text"]


def test_what_is_ordered_while_the_terms_end_is_done_before_another_listener_comes(listener):
    listener.candidacies.add(candidacy(listener.host, State(role=roles.WITHDRAWN, step=""), name="gone", group="g2"))
    listener.hear(Agreed({"gone"}, False))
    listener.one.state = State(role=roles.DEMOTING, step="stopping", reason="resigned")
    due = listener.reloads.next_wakeup()
    listener.reloads.keep_time(NOW)
    assert listener.left == []
    listener.one.state = State(role=roles.STANDBY, step="watching")
    listener.reloads.keep_time(NOW)
    assert listener.left == ["hand over"] and due > NOW
