"""What is counted of an election and of a session."""

import random
from dataclasses import replace

import pytest

from supervisor_zkelect.core import messages, role, roles, tally, tally_words
from supervisor_zkelect.core.roles import STEPS
from supervisor_zkelect.core.service import Counter
from supervisor_zkelect.core.state import Rules, State
from tests.unit.core.walks import RULES, Walk

ORDERS = Rules(**RULES)


@pytest.fixture
def one():
    """A tally of a node that begins at 0.0. take: has its role machine take an event at a moment."""
    one = tally.Tally()
    one.state, _ = role.begin(0.0)

    def take(event, now):
        before = one.state
        one.state, actions = role.step(ORDERS, before, event, now)
        one.moved(ORDERS, before, one.state, event, actions, now)

    one.take = take
    return one


def promoted(one):
    """Have it lead: proposed for 0.5 s, claimed in 0.2 s, and so on; returns when it was acked."""
    one.take(messages.Dead(1, 0.0), 1.0)
    one.take(messages.SessionUp(True, 2.0, 6.0, 10.0), 1.0)
    one.take(messages.ControlSeen(), 1.0)
    one.take(messages.Proposed(one.state.waiting, "n-1", 7), 1.5)
    one.take(messages.Queried(one.state.waiting, True, 1, 1), 1.6)
    one.take(messages.Claimed(one.state.waiting, "", messages.Leased(1.7, 11.0)), 1.8)
    one.take(messages.ServiceStarted(one.state.waiting), 2.8)
    one.take(messages.Tick(), one.state.probe_at)
    one.take(messages.Probed(one.state.probing, True, ""), 4.8)
    one.take(messages.Acked(one.state.waiting), 4.803)
    assert one.state.role == roles.PRIMARY
    return 4.803


def test_each_step_but_those_in_which_a_node_stays_is_timed(one):
    promoted(one)
    steps = one.document()["steps"]
    assert {name: told["sum"] for name, told in steps.items()} == {
        "clearing": 1.0, "proposing": 0.5, "asking": 0.1, "claiming": 0.2, "starting": 1.0, "probing": 2.0, "acking": 0.003,
    }
    assert all(sum(told["n"]) == 1 for told in steps.values())
    stays = {"waiting", "watching", "primary", "maintenance", "withdrawn"}
    assert {step for of_role in STEPS.values() for step in of_role} - stays == tally_words.TIMED


def test_what_a_listener_inherits_in_the_middle_of_is_timed_since_it_entered_the_role(one):
    one.state = replace(one.state, since=-3.0)
    one.take(messages.Dead(1, 0.0), 1.0)
    assert one.document()["steps"] == {"clearing": {"n": [0] * 11 + [1], "sum": 4.0}}


def test_changes_of_role_are_counted_by_their_reason(one):
    acked = promoted(one)
    assert one.document()["transitions"] == [
        ["detached", "standby", "joined", 1], ["standby", "promoting", "elected", 1], ["promoting", "primary", "acked", 1],
    ]
    for _ in range(2):
        one.take(messages.SessionLost("lost"), acked + 1.0)
        one.state = replace(one.state, role=roles.PRIMARY, step="", proposal="n-1", alive=True, killed=False)
    assert one.document()["transitions"][-1] == ["primary", "demoting", "session", 2]


def test_a_promotion_lasts_from_the_head_of_the_queue_to_the_ack(one):
    promoted(one)
    # 1.6 to 4.803.
    assert one.document()["promotions"] == {"n": [0] * 11 + [1], "sum": 3.203}


def test_what_an_earlier_listener_began_and_a_restart_by_order_are_no_promotions(one):
    inherited = State(role=roles.STANDBY, step="asking", inherited=7)
    leading = replace(inherited, role=roles.PROMOTING, step="claiming")
    acked = State(role=roles.PRIMARY, step="")
    restarting = State(role=roles.PROMOTING, step="restarting")
    for before, after in ((inherited, leading), (leading, acked), (acked, restarting), (restarting, acked)):
        one.moved(ORDERS, before, after, messages.Acked(1), [], 5.0)
    assert one.document()["promotions"] == {"n": [], "sum": 0.0}


def test_what_a_pause_lets_go_on_without_an_ack_is_no_promotion(one):
    standby, promoting = State(role=roles.STANDBY, step="asking"), State(role=roles.PROMOTING, step="starting")
    one.moved(ORDERS, standby, promoting, messages.Tick(), [], 1.0)
    one.moved(ORDERS, promoting, State(role=roles.PRIMARY, step=""), messages.SessionLost("lost"), [], 2.0)
    assert one.document()["promotions"] == {"n": [], "sum": 0.0}


def test_a_promotion_whose_beginning_was_not_seen_has_no_length(one):
    one.moved(ORDERS, State(role=roles.PROMOTING, step="acking"), State(role=roles.PRIMARY, step=""), messages.Acked(1), [], 2.0)
    assert one.document()["promotions"] == {"n": [], "sum": 0.0}


def test_a_promotion_that_failed_does_not_last_until_the_next_ack(one):
    standby, promoting = State(role=roles.STANDBY, step="asking"), State(role=roles.PROMOTING, step="starting")
    demoting, primary = State(role=roles.DEMOTING, step="stopping"), State(role=roles.PRIMARY, step="")
    for now, before, after in ((1.0, standby, promoting), (2.0, promoting, demoting), (9.0, demoting, primary)):
        one.moved(ORDERS, before, after, messages.Tick(), [], now)
    assert one.document()["promotions"] == {"n": [], "sum": 0.0}


def test_health_checks_are_counted_by_result_and_only_where_they_count(one):
    probing = State(role=roles.PRIMARY, step="", probing=9, counter=Counter(1, 3))
    for event in (
        messages.Probed(9, True, ""), messages.Probed(9, False, ""), messages.Probed(9, False, ""), messages.Probed(8, True, ""),
        messages.Acked(9),
    ):
        one.moved(ORDERS, probing, probing, event, [], 1.0)
    one.moved(ORDERS, replace(probing, counter=None), probing, messages.Probed(9, True, ""), [], 1.0)
    assert one.document()["checks"] == {"passed": 1, "failed": 2}


@pytest.mark.parametrize("asked, answer, what", [
    (messages.Propose(4), messages.Proposed(4, "n-1", 7), "propose"),
    (messages.StepBehind(4), messages.Proposed(4, "n-1", 7), "step"),
    (messages.Claim(4), messages.Claimed(4, ""), "claim"), (messages.Ack(4), messages.Acked(4), "ack"),
    (messages.Release(4), messages.Released(4), "release"), (messages.Withdraw(4), messages.Released(4), "release"),
])
def test_a_write_lasts_from_the_request_to_the_answer(one, asked, answer, what):
    state = State()
    assert what in tally_words.WRITES
    one.moved(ORDERS, state, state, messages.Tick(), [asked], 1.0)
    one.moved(ORDERS, state, state, answer._replace(op=3), [], 1.1)
    one.moved(ORDERS, state, state, messages.Tick(), [messages.SeeTerm()], 1.2)
    one.moved(ORDERS, state, state, answer, [], 1.25)
    one.moved(ORDERS, state, state, answer, [], 1.5)
    assert one.writes[what].document() == {"n": [0] * 7 + [1], "sum": 0.25} and one.failed_writes == {}


def test_a_write_that_failed_is_counted_as_such_and_each_try_is_one(one):
    state = State()
    for now in (1.0, 2.0):
        one.moved(ORDERS, state, state, messages.Tick(), [messages.Ack(4)], now)
        one.moved(ORDERS, state, state, messages.RequestFailed(4, False, "no answer"), [], now + 0.5)
    one.moved(ORDERS, state, state, messages.RequestFailed(4, False, "no answer"), [], 4.0)
    assert one.failed_writes == {"ack": 2} and one.writes == {}


def test_a_claim_that_has_to_fence_first_is_neither_written_nor_failed(one):
    state = State()
    one.moved(ORDERS, state, state, messages.Tick(), [messages.Claim(4)], 1.0)
    one.moved(ORDERS, state, state, messages.Dirty(4, "b", "b:1", 3), [], 1.5)
    one.moved(ORDERS, state, state, messages.Claimed(4, ""), [], 9.0)
    assert one.failed_writes == one.writes == {}


@pytest.mark.parametrize("seconds, place", [(-1.0, 0), (0.0, 0), (0.001, 0), (0.0011, 1), (30.0, 13), (30.1, 14), (1e9, 14)])
def test_a_range_has_its_upper_end_in_it(seconds, place):
    one = tally.Histogram()
    one.add(seconds)
    assert one.document() == {"n": [0] * place + [1], "sum": max(0.0, seconds)}


def test_a_sum_is_told_to_the_microsecond():
    one = tally.Histogram()
    one.add(0.12345678)
    assert one.document() == {"n": [0] * 7 + [1], "sum": 0.123457}


def test_a_session_begins_with_nothing_counted():
    told = tally.SessionTally().document()
    assert (told["lost"], told["suspended"], told["writes"], told["failed_writes"]) == (0, 0, {}, {})
    assert told["heartbeats"] == {"quorum": {"n": [], "sum": 0.0}, "server": {"n": [], "sum": 0.0}}


def test_of_a_session_the_writes_of_all_elections_are_told(one):
    other, session = tally.Tally(), tally.SessionTally()
    for number, each in enumerate((one, other, other)):
        each.writes.setdefault("ack", tally.Histogram()).add(0.001 if number else 1.0)
        each.failed_writes["claim"] = each.failed_writes.get("claim", 0) + 1
    other.writes["claim"] = tally.Histogram()
    session.heartbeats[tally_words.QUORUM].add(0.002)
    session.heartbeats[tally_words.SERVER].add(0.1)
    session.lost, session.suspended = 3, 4
    assert session.document([one, other]) == {
        "lost": 3, "suspended": 4, "failed_writes": {"claim": 3},
        "writes": {"ack": {"n": [2] + 8 * [0] + [1], "sum": 1.002}, "claim": {"n": [], "sum": 0.0}},
        "heartbeats": {"quorum": {"n": [0, 1], "sum": 0.002}, "server": {"n": [0] * 6 + [1], "sum": 0.1}},
    }
    # What is told changes nothing.
    assert sum(one.writes["ack"].document()["n"]) == 1


def test_counts_only_grow_and_have_a_bounded_size():
    """Whatever happens to a node, for however long."""
    one, random_steps = tally.Tally(), random.Random(1)
    sizes = []
    for seed in range(150):
        walk = Walk(seed)
        for _ in range(60):
            event, before = walk.next(), walk.state
            walk.state, actions = role.step(walk.rules, before, event, walk.now)
            one.moved(walk.rules, before, walk.state, event, actions, walk.now + random_steps.random())
        told = one.document()
        sizes.append(len(told["transitions"]) + len(told["steps"]) + len(one.writes) + len(one.failed_writes))
        assert set(told["steps"]) <= tally_words.TIMED and set(one.writes) <= set(tally_words.WRITES)
        assert all(len(part["n"]) <= len(tally_words.BOUNDS) + 1 for part in told["steps"].values())
    assert max(sizes) < 90


@pytest.mark.parametrize("role, number", [
    ("unknown", 0), ("detached", 1), ("standby", 2), ("promoting", 3), ("primary", 4), ("demoting", 5), ("maintenance", 6),
    ("withdrawn", 7),
])
def test_the_number_of_a_role_never_changes(role, number):
    """Dashboards and alerts of others know it: a new role gets a number that none has had."""
    assert roles.NUMBERS[role] == number


def test_each_role_has_a_number_of_its_own():
    assert set(roles.NUMBERS) == {*STEPS, roles.UNKNOWN} and len(set(roles.NUMBERS.values())) == len(roles.NUMBERS)
