"""When a check `fit` takes a node out of the queue, and when it does not."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import fitness, messages
from supervisor_zkelect.core.state import next_wakeup
from tests.unit.core.test_role import SETTINGS, UP, Node

CHECKED = replace(SETTINGS, fit=True, fit_interval=2.0, fall=3, rise=2)
LONG = 2 * UP.timeout


@pytest.fixture
def node():
    one = Node()
    one.settings = CHECKED
    begun(one)
    one.event(messages.AheadSeen(one.op(messages.LookAhead), 0))
    one.event(messages.Proposed(one.op(messages.Propose), "n-0000000001", 41))
    return one.event(messages.Queried(one.state.waiting, False, 3, 3))


def begun(one):
    """There is a session, and nothing else against a proposal."""
    one.settings = CHECKED
    return one.cleared().event(UP)


@pytest.fixture
def new():
    return begun(Node())


def test_a_node_that_begins_while_somebody_serves_waits_for_its_check(new):
    assert not new.did(messages.Propose)
    new.event(messages.AheadSeen(new.op(messages.LookAhead), 7))
    assert new.at == ("detached", "waiting") and next_wakeup(CHECKED, new.state) > new.now
    assert new.event(messages.FitSeen(new.state.asking_fit, True, "")).did(messages.Propose)


def test_where_nobody_serves_it_does_not(new):
    assert new.event(messages.AheadSeen(new.op(messages.LookAhead), 0)).did(messages.Propose)


def test_one_whose_check_fails_stays_out_as_before_its_listener_was_restarted(new):
    new.event(messages.AheadSeen(new.op(messages.LookAhead), 7))
    new.event(messages.FitSeen(new.state.asking_fit, False, "no disk"))
    # What an earlier listener may have left in the queue is given up.
    assert new.event(messages.AheadSeen(new.op(messages.LookAhead), 7)).did(messages.Release)
    new.event(messages.RequestFailed(new.op(messages.Release), True, "there is none"))
    answered(new, False, after=1.0)
    failing(new, 2 * LONG)
    assert new.at == ("detached", "waiting") and new.state.unfit == "no disk" and not new.did(messages.Propose)
    answered(new, True)
    assert answered(new, True).did(messages.Propose)


def test_when_nobody_serves_any_more_it_joins_though_its_check_fails(new):
    new.event(messages.AheadSeen(new.op(messages.LookAhead), 7))
    new.event(messages.FitSeen(new.state.asking_fit, False, "no disk"))
    assert new.event(messages.AheadSeen(new.op(messages.LookAhead), 0)).did(messages.Propose)


def test_where_it_is_not_known_whether_somebody_serves_it_waits_and_asks_again(new):
    assert not new.event(messages.AheadSeen(new.op(messages.LookAhead), known=False)).did(messages.Propose)
    for _ in range(3):
        new.event(messages.FitSeen(new.state.asking_fit, False, "no disk"))
        new.event(messages.AheadSeen(new.op(messages.LookAhead), known=False))
        assert new.at == ("detached", "waiting") and not new.state.admitted and not new.state.looking_ahead
        new.event(messages.Tick(), 2.0)
    new.event(messages.FitSeen(new.state.asking_fit, False, "no disk"))
    assert new.event(messages.AheadSeen(new.op(messages.LookAhead), 0)).did(messages.Propose)


def test_a_standby_that_does_not_know_whether_somebody_serves_stays(node):
    answered(node, False)
    for _ in range(40):
        node.event(messages.Tick(), 2.0)
        node.event(messages.FitSeen(node.state.asking_fit, False, "no disk"))
        node.event(messages.AheadSeen(node.state.looking_ahead, known=False))
    assert node.state.unfit == "" and node.state.failing_since is None


def test_a_check_that_does_not_answer_holds_it_back_for_so_long_and_no_longer(new):
    new.event(messages.AheadSeen(new.op(messages.LookAhead), 7))
    assert next_wakeup(CHECKED, new.state) == new.now + LONG
    assert not new.event(messages.Tick(), LONG - 0.1).did(messages.Propose)
    assert new.event(messages.Tick(), 0.1).did(messages.Propose)


def answered(node, ok, term=7, after=2.0):
    """The check is asked after this time, and answers; so does ZooKeeper."""
    node.event(messages.Tick(), after)
    asked = [one.op for one in node.actions if isinstance(one, messages.AskFit)]
    node.event(messages.FitSeen(asked[0] if asked else node.state.asking_fit, ok, "no disk"))
    if node.did(messages.LookAhead):
        node.event(messages.AheadSeen(node.op(messages.LookAhead), term))
    return node


def test_a_standby_is_asked_at_once_and_then_at_its_pace(node):
    assert node.state.asking_fit
    answered(node, True, after=0.0)
    assert next_wakeup(CHECKED, node.state) == node.now + 2.0 and node.state.unfit == ""
    assert not node.event(messages.Tick(), 1.9).did(messages.AskFit)
    assert node.event(messages.Tick(), 0.1).did(messages.AskFit)


def test_without_a_check_nobody_is_asked():
    assert not Node().standby().did(messages.AskFit)


def test_one_that_fails_for_long_leaves_the_queue_and_comes_back(node):
    answered(node, False, after=0.0)
    begun = node.now
    while not node.state.unfit:
        assert node.at == ("standby", "watching")
        answered(node, False)
    assert node.now - begun >= LONG and node.at == ("demoting", "releasing")
    node.event(messages.Released(node.op(messages.Release)))
    assert node.at == ("detached", "waiting") and node.state.reason == "not fit: no disk"
    # It is asked again, and joins after `rise` in a row.
    answered(node, True, after=0.0)
    assert node.at == ("detached", "waiting") and not node.did(messages.Propose)
    answered(node, False)
    answered(node, True)
    assert answered(node, True).did(messages.Propose) and node.state.unfit == ""


def test_the_longest_of_both_counts(node):
    node.settings = replace(CHECKED, fit_interval=10.0)
    answered(node, False, after=0.0)
    begun = node.now
    while not node.state.unfit:
        answered(node, False, after=10.0)
    assert node.now - begun >= 3 * 10.0


def failing(node, seconds, **more):
    until = node.now + seconds
    while node.now < until:
        answered(node, False, **more)
    return node


def test_while_nobody_is_acked_nobody_leaves(node):
    assert failing(node, 3 * LONG, term=0).state.unfit == ""
    # Nor at once when somebody is.
    assert failing(node, LONG - 4).state.unfit == ""
    assert failing(node, 8).state.unfit == "no disk"


def test_another_primary_has_time_as_well(node):
    failing(node, LONG - 4)
    assert failing(node, LONG - 4, term=8).state.unfit == ""


def test_a_pass_in_between_begins_anew(node):
    failing(node, LONG - 4)
    answered(node, True)
    assert failing(node, LONG - 4).state.unfit == ""


def test_what_was_acted_on_counts_when_the_primary_is_gone(node):
    failing(node, LONG + 4)
    node.event(messages.Released(node.state.waiting))
    failing(node, 3 * LONG, term=0)
    assert node.at == ("detached", "waiting") and node.state.unfit


def test_who_is_to_lead_by_order_stays(node):
    node.event(messages.ControlSeen(order="s", to="self"))
    assert failing(node, 2 * LONG).state.unfit == ""


def test_nobody_who_leads_is_asked(node):
    answered(node, True, after=0.0)
    node.event(messages.QueueChanged(node.state.waiting, "deleted"))
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2))
    assert node.at[0] == "promoting" and node.state.fitness is None and node.state.fit_at > 1e9
    assert not node.event(messages.Tick(), 5.0).did(messages.AskFit)


def test_a_check_that_is_taken_out_of_the_file_puts_the_node_back(node):
    failing(node, LONG + 4)
    node.event(messages.Released(node.state.waiting))
    node.settings = replace(CHECKED, fit=False)
    assert node.event(messages.Reconfigured(False)).did(messages.Propose)


def test_answers_to_a_former_question_count_for_nothing(node):
    before = node.state
    assert node.event(messages.FitSeen(before.asking_fit - 1, False, "no")).state == before
    assert node.event(messages.AheadSeen(before.op, 7)).state == before


def test_patience(node):
    from supervisor_zkelect.core.turn import Turn

    assert fitness.patience(Turn(CHECKED, node.state, node.now)) == LONG


def test_a_sick_primary_is_found_sick_before_that(node):
    from supervisor_zkelect.core.turn import Turn

    slow = replace(CHECKED, health_interval=10.0, health_timeout=5.0)
    assert fitness.patience(Turn(slow, node.state, node.now)) > 3 * (10.0 + 5.0)
    node.settings = slow
    assert failing(node, 3 * (10.0 + 5.0)).state.unfit == ""
    assert failing(node, UP.timeout + 4).state.unfit == "no disk"


def logged(node):
    return [(one.text, one.kind) for one in node.actions if isinstance(one, messages.Log)]


def test_the_log_tells_once_that_it_fails_and_once_that_it_passes_again(node):
    asked = node.state.asking_fit
    assert logged(node.event(messages.FitSeen(asked, False, "no disk"))) == [("the check `fit` fails: no disk", "unfit")]
    node.event(messages.Tick(), 2.0)
    assert logged(node.event(messages.FitSeen(node.op(messages.AskFit), False, "no disk"))) == []
    failing(node, LONG + 4)
    node.event(messages.Released(node.state.waiting))
    answered(node, True)
    node.event(messages.Tick(), 2.0)
    assert logged(node.event(messages.FitSeen(node.op(messages.AskFit), True, "")))[:1] == [("is fit again", "")]


def test_an_answer_is_awaited_once_and_what_it_said_is_forgotten_by_the_next(node):
    asked = node.state.asking_fit
    node.event(messages.FitSeen(asked, False, "no disk"))
    assert (node.state.asking_fit, node.state.fit_trouble) == (0, "no disk") and node.state.fit_at == node.now + 2.0
    looking = node.op(messages.LookAhead)
    node.event(messages.AheadSeen(looking, 7))
    assert node.state.looking_ahead == 0 and node.state.failing_since == node.now and node.state.failing_under == 7
    before = node.state
    assert node.event(messages.AheadSeen(looking, 8), after=1.0).state.failing_under == before.failing_under
    answered(node, True)
    assert (node.state.fit_trouble, node.state.failing_since, node.state.admitted) == ("", None, True)


def ordered(node, to="", **more):
    return node.event(messages.ControlSeen(order="s", to=to or CHECKED.node, **more))


def test_before_a_switchover_to_the_node_its_check_is_asked_once_more(node):
    answered(node, True)
    assert ordered(node).did(messages.AskFit) and not node.event(messages.Tick()).did(messages.AskFit)
    assert node.state.checked == ""
    node.event(messages.FitSeen(node.state.asking_fit, False, "no disk"))
    assert (node.state.checked, node.state.fit_trouble) == ("s", "no disk")
    assert not ordered(node, said="again").did(messages.AskFit), "it has been"


def test_what_was_asked_before_the_switchover_is_no_answer_to_it(node):
    early = node.state.asking_fit
    assert early and ordered(node).did(messages.AskFit)
    node.event(messages.FitSeen(early, True, ""))
    assert node.state.checked == ""


def test_one_for_later_is_asked_for_when_it_is_due(node):
    answered(node, True)
    assert not ordered(node, due=node.now + 1.5).did(messages.AskFit) and next_wakeup(CHECKED, node.state) == node.now + 1.5
    assert node.event(messages.Tick(), 1.5).did(messages.AskFit)


@pytest.mark.parametrize("order", [{"to": "another"}, {"order": ""}])
def test_a_switchover_to_another_node_asks_nothing(node, order):
    answered(node, True)
    assert not node.event(messages.ControlSeen(**{"order": "s", "to": CHECKED.node, **order})).did(messages.AskFit)
    assert next_wakeup(CHECKED, node.state) > node.now


def test_who_leaves_asks_no_more(node):
    node.event(messages.FitSeen(node.state.asking_fit, False, "no disk"))
    node.event(messages.Shutdown("SIGTERM", node.now + 9.0))
    known = node.state.fit_at, node.state.asking_fit, node.state.fitness, node.state.fit_trouble, node.state.looking_ahead
    assert known == (float("inf"), 0, None, "", 0)


def test_one_that_is_unfit_already_looks_no_more_who_is_ahead(node):
    failing(node, LONG + 4)
    node.event(messages.Released(node.state.waiting))
    assert node.state.unfit and node.state.asking_fit
    assert not node.event(messages.FitSeen(node.state.asking_fit, False, "no disk")).did(messages.LookAhead)


MAINTENANCE = messages.ControlSeen("in maintenance", bar_id="m")


def maintained(one):
    """It is in maintenance for an hour, and what was said before is answered."""
    one.event(MAINTENANCE)
    if one.did(messages.Release):
        one.event(messages.RequestFailed(one.op(messages.Release), True, "there is none"))
    assert one.at == ("maintenance", "")
    return one.event(messages.Tick(), 3600.0).event(messages.ControlSeen())


def test_a_node_that_was_not_fit_asks_its_check_again_after_its_maintenance(node):
    """Whoever has put in another disk would wait for ever otherwise."""
    while not node.state.unfit:
        answered(node, False)
    node.event(messages.Released(node.op(messages.Release)))
    maintained(node)
    assert next_wakeup(CHECKED, node.state) <= node.now and node.event(messages.Tick()).did(messages.AskFit)
    answered(node, True, after=0.0)
    assert answered(node, True).did(messages.Propose)


def test_one_whose_check_has_never_passed_waits_for_it_after_its_maintenance_as_well(new):
    new.event(messages.AheadSeen(new.op(messages.LookAhead), 7))
    new.event(messages.FitSeen(new.state.asking_fit, False, "no disk"))
    new.event(messages.AheadSeen(new.op(messages.LookAhead), 7))
    new.event(messages.RequestFailed(new.op(messages.Release), True, "there is none"))
    maintained(new)
    for _ in range(5):
        assert not new.did(messages.Propose) and not new.state.admitted
        answered(new, False)
