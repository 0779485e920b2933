"""What the role machine tells: lines for the log, what it stands in a step for, what troubles it, and answers to an operator."""

from dataclasses import replace

import pytest

from supervisor_zkelect.core import messages, role
from supervisor_zkelect.core.resignation import LOOK_LIMIT, SUCCESSOR_MOST
from supervisor_zkelect.core.standby import DUPLICATE_PACE
from supervisor_zkelect.core.state import next_wakeup
from tests.unit.core.test_role import (
    READDRESSED,
    SETTINGS,
    UP,
    Node,
    dirty,
    failed,
    leads,
    proposed,
    release_refused,
    resigned,
    stuck,
    unknown,
)

FORCE = "zkelect resign --force gives the service up all the same"


def answer(node, request, event, *more):
    """Have the request that the node has just made answered."""
    return node.event(event(node.op(request), *more))


def told(node):
    return [tuple(action) for action in node.actions if isinstance(action, messages.Log)]


def answered(node):
    return [action for action in node.actions if isinstance(action, messages.AnswerOperator)]


def begun(node):
    """Somebody is known who takes over."""
    return node.event(messages.Begun(node.state.beginning.op, ""))


BY = " of anna@desk: disk"
"""Who gave an order, and why, behind the words "by order"."""


def resigning(event, *more):
    return answer(Node().primary().event(messages.Resign("t1")), messages.Begin, event, *more)


def test_each_role_is_told_with_the_term_how_long_the_one_before_was_and_why():
    node = Node().cleared().event(UP, after=0.5)
    assert node.state.reason == "start" and not told(node)
    node.event(messages.Proposed(node.op(messages.Propose), "n-0000000001", 41), after=0.5)
    assert told(node) == [("detached -> standby token=41 after 1.000 s: proposal n-0000000001", "detached -> standby")]
    node.event(messages.Queried(node.op(messages.Query), True, 1, 2), after=0.25)
    assert told(node) == [("standby -> promoting token=41 after 0.250 s: leads the queue", "standby -> promoting")]
    answer(node, messages.Claim, messages.Claimed, "b")
    assert told(node) == [("the predecessor b ended without releasing; its ack was emptied", "dirty end")]
    node.event(messages.Leased(node.now, node.now + 9.9))
    answer(node, messages.StartGroup, messages.ServiceStarted)
    node.event(messages.Tick(), after=0.01)
    answer(node, messages.Probe, messages.Probed, False, "refused")
    assert node.state.trouble == "not healthy yet: refused" and not told(node)
    node.event(messages.Tick(), after=0.01)
    answer(node, messages.Probe, messages.Probed, True, "ok")
    answer(node, messages.Ack, messages.Acked)
    assert told(node) == [("promoting -> primary token=41 after 0.020 s: healthy and acked as a:1", "promoting -> primary")]
    assert node.state.trouble == ""
    node.event(messages.Tick(), after=1.0)
    answer(node, messages.Probe, messages.Probed, False, "refused")
    assert node.state.trouble == "health check failed: refused"
    node.event(messages.Tick(), after=1.0)
    answer(node, messages.Probe, messages.Probed, True, "ok")
    assert node.state.trouble == ""
    node.event(messages.MemberFatal("web", "exit status 3"))
    fatal = "the program web is in FATAL: exit status 3"
    assert told(node) == [(f"primary -> demoting token=41 after 2.000 s: {fatal}", "primary -> demoting")]
    node.now += 0.5
    answer(node, messages.StopGroup, messages.Dead, 0.5)
    assert told(node) == [("the group is proven dead after 0.500 s", "")]
    answer(node, messages.Release, messages.Released)
    assert told(node) == [(f"demoting -> detached token=41 after 0.500 s: {fatal}", "demoting -> detached")]
    node.event(messages.Shutdown("SIGTERM", node.now + 5.0), after=1.0)
    assert told(node) == [("detached -> withdrawn after 1.000 s: SIGTERM", "detached -> withdrawn")]


@pytest.mark.parametrize("node, why", [
    (lambda: Node().primary().event(messages.StoppedByHand("web")), "the program web was stopped by hand, which counts as a resignation"),
    (lambda: Node().primary().event(messages.MemberFatal("web")), "the program web is in FATAL"),
    (lambda: Node().primary().event(messages.Cut(0.0)), "the lease runs out: ZooKeeper's quorum has not answered in time"),
    (lambda: Node().primary().event(messages.SessionLost("the session is lost")), "the session is lost"),
    (lambda: Node().primary().event(UP), "another session began"),
    (lambda: Node().primary().event(messages.ProposalLost("deleted")), "deleted"),
    (lambda: Node().primary().event(messages.Rivalled("a7 leads")), "a7 leads"),
    (lambda: Node().primary().event(messages.GrantRevoked("the guard says so")), "the guard says so"),
    (lambda: Node().primary().event(messages.SessionEnds("the session ends")), "the session ends"),
    (lambda: Node().primary().event(messages.Shutdown("SIGTERM", 999.0)), "SIGTERM"),
    (lambda: Node().primary().event(messages.Resign("t1", True)), "resigned, by force"),
    (lambda: Node().primary().event(messages.Resign("t1", True, BY)), "resigned by force, by order of anna@desk: disk"),
    (lambda: answer(Node().primary().event(messages.Resign("t1", said=BY)), messages.Begin, messages.Begun, ""),
     "resigned by order of anna@desk: disk"),
    # The first of several that wait is the one for which it is looked who takes over.
    (lambda: begun(Node().primary().event(messages.Resign("t1", said=BY)).event(messages.Resign("t2", said=" of ben"))),
     "resigned by order of anna@desk: disk"),
    (lambda: resigning(messages.Begun, ""), "resigned by order of the operator"),
    (lambda: answer(Node().promoting().event(messages.Leased(100.0, 109.9)), messages.StartGroup, messages.StartFailed, "no memory"),
     "the group did not start: no memory"),
    (lambda: Node().probing().event(messages.Leased(100.0, 999.0)).event(messages.Tick(), after=60.0),
     "not healthy within 60 s (no answer yet)"),
])
def test_why_a_term_ends(node, why):
    node = node()
    assert node.at == ("demoting", "stopping") and node.state.reason == why and node.state.since == node.now
    (text, kind), = told(node)
    assert text.endswith(f": {why}") and kind.endswith(" -> demoting")


@pytest.mark.parametrize("node, why", [
    (lambda: Node().promoting().event(messages.Rivalled("a7 leads")), "a7 leads"),
    (lambda: Node().promoting().event(messages.SessionEnds("the session ends")), "the session ends"),
    (lambda: Node().standby().event(messages.SessionEnds("the session ends")), "the session ends"),
    (lambda: Node().standby().event(messages.Shutdown("SIGTERM", 999.0)), "SIGTERM"),
])
def test_why_a_proposal_is_given_up(node, why):
    node = node()
    assert node.at == ("demoting", "releasing") and node.state.reason == why
    answer(node, messages.Release, messages.Released)
    assert node.state.reason == why


@pytest.mark.parametrize("event, why", [
    (messages.SessionLost("the session is lost"), "the session is lost"), (messages.ProposalLost("deleted"), "deleted"),
    (UP, "another session began"),
])
@pytest.mark.parametrize("stand", ["standby", "promoting"])
def test_why_a_proposal_is_gone(stand, event, why):
    node = getattr(Node(), stand)().event(event)
    assert node.state.role == "detached" and node.state.reason == why and node.state.proposal is None


def test_what_ends_a_promotion_tells_what_was_wrong_with_it():
    node = Node().probing().event(messages.Leased(100.0, 999.0)).event(messages.Tick(), after=1.0)
    answer(node, messages.Probe, messages.Probed, False, "refused")
    node.event(messages.Tick(), after=60.0)
    assert node.state.reason == "not healthy within 60 s (not healthy yet: refused)" and node.state.failed == node.state.reason


def test_health_checks_that_fail_in_a_row_end_a_term():
    node = Node().primary().event(messages.Leased(100.0, 999.0))
    for _ in range(3):
        node.event(messages.Tick(), after=1.0)
        answer(node, messages.Probe, messages.Probed, False, "refused")
    assert node.state.reason == "3 health checks in a row failed: refused"


@pytest.mark.parametrize("node, line", [
    (lambda: Node().standby().event(messages.StartedByHand("web")), ("the program web was started though this node is standby; it is killed", "")),
    (lambda: dirty(Node()), ("the predecessor b ended without releasing; its ack was emptied, and it is fenced", "fenced")),
    (lambda: answer(dirty(Node()), messages.Fence, messages.Fenced, True, "exit status 0"), ("fence succeeded: exit status 0", "")),
    (lambda: leads(failed(Node())), ("steps behind the others, as its last promotion failed", "")),
    (lambda: Node().primary().event(messages.TermSeen("self", "b:1", 41, True, 41, "a:1")),
     ("ack or holder was changed by somebody else, and is written again", "")),
    (lambda: (lambda node: release_refused(node, 4) and node)(Node()),
     ("the proposal cannot be given up, so the session is closed: ZooKeeper does not let this node", "session closed")),
    (lambda: stuck(Node()).event(messages.Stuck("not gone")).event(messages.Resign("t2", force=True)),
     ("released on the operator's word, though the group is not proven dead; the holder stays", "")),
    (lambda: stuck(Node()).event(messages.Stuck("not gone")).event(messages.Resign("t2", True, BY)),
     ("released on the operator's word (by order of anna@desk: disk), though the group is not proven dead; the holder stays", "")),
])
def test_what_is_done_is_told(node, line):
    assert line in told(node())


def test_an_unknown_predecessor_that_is_fenced_is_told_as_such():
    node = unknown().event(messages.Tick(), after=10.0)
    answer(node, messages.Claim, messages.Dirty, "", "go:1", 0)
    assert told(node) == [("the predecessor (unknown) ended without releasing; its ack was emptied, and it is fenced", "fenced")]


def test_a_fence_that_fails_and_is_passed_over_is_told_with_the_option():
    node = dirty(Node())
    node.settings = replace(SETTINGS, fence_failed_continues=True)
    answer(node, messages.Fence, messages.Fenced, False, "exit status 1")
    assert told(node) == [("fence failed: exit status 1; goes on, since fence_failed = continue", "")]
    assert node.state.trouble == ""


def test_a_step_behind_a_rival_is_told_with_its_name():
    node = Node().cleared().event(UP)
    answer(node, messages.Propose, messages.Proposed, "n-1", 41)
    answer(node, messages.Query, messages.Queried, False, 1, 2, False, "a2")
    assert ("steps behind a2, which leads by another program's rule", "steps behind a rival") in told(node)


def test_an_address_that_changes_is_told():
    node = Node().primary()
    node.settings = READDRESSED
    node.event(messages.Reconfigured(True))
    assert told(node) == [("the address is a:2 from now on", "")]


def test_an_inherited_term_that_goes_on_or_cannot_is_told():
    def inherited():
        node = Node()
        node.state, _ = role.inherit(node.now, 41, node.now + 9.0)
        return node.event(UP)

    assert inherited().state.reason == "taken over"
    node = proposed(inherited(), inherited().op(messages.Propose), 41)
    answer(node, messages.Query, messages.Queried, True, 1, 1)
    answer(node, messages.Claim, messages.Claimed, "", messages.Leased(node.now, node.now + 9.0))
    assert told(node) == [("goes on in the same term", "")] and node.at == ("promoting", "probing")
    node = proposed(inherited(), inherited().op(messages.Propose), 42)
    assert node.did(messages.KillGroup) and node.state.reason == "the proposal of the inherited term is gone"
    node = proposed(inherited(), inherited().op(messages.Propose), 41)
    answer(node, messages.Query, messages.Queried, False, 2, 2)
    assert node.did(messages.KillGroup) and node.state.reason == "the proposal of the inherited term does not lead"


@pytest.mark.parametrize("node, trouble", [
    (unknown, "a predecessor that noted no holder left the ack go:1; before it is fenced, 10 s show whether it writes that again"),
    (lambda: answer(dirty(Node()), messages.Fence, messages.Fenced, False, "exit status 1"),
     "fence failed and is tried again, since fence_failed = wait: exit status 1"),
    (lambda: answer(Node().cleared().event(UP), messages.Propose, messages.DuplicateNodeName, "n-0"),
     "waiting until n-0, a proposal with this node's name, is gone"),
    (lambda: Node().cleared().event(UP._replace(grace=-0.1)),
     "ZooKeeper grants a session timeout of 10 s, in which kill_time does not fit"),
    (lambda: answer(Node().cleared().event(UP), messages.Propose, messages.RequestFailed, False, "no answer"), "no answer"),
    (lambda: Node().primary().event(messages.MemberFatal("web")).event(messages.Stuck("killed and not gone")), "killed and not gone"),
])
def test_what_troubles_a_node(node, trouble):
    assert node().state.trouble == trouble


def test_an_ack_that_cannot_be_read_is_told_as_such():
    node = Node().cleared().event(UP)
    answer(node, messages.Propose, messages.Proposed, "n-1", 41)
    answer(node, messages.Query, messages.Queried, True, 1, 2)
    answer(node, messages.Claim, messages.Dirty, "", "", 0)
    assert node.state.trouble.startswith("a predecessor that noted no holder left the ack (unreadable); ")


def test_two_nodes_of_one_name_are_told_apart_by_the_time_that_one_may_be_a_leftover():
    node = Node().cleared().event(UP)
    begun = node.now
    while not node.did(messages.Quit):
        assert node.now <= begun + UP.wait_out + DUPLICATE_PACE
        answer(node, messages.Propose, messages.DuplicateNodeName, "n-0")
        assert node.state.waiting == 0 and node.state.retry_at == next_wakeup(SETTINGS, node.state) == node.now + DUPLICATE_PACE
        last = node.now
        if not node.did(messages.Quit):
            node.event(messages.Tick(), after=DUPLICATE_PACE)
    assert last - begun > UP.wait_out
    (quit,) = [action for action in node.actions if isinstance(action, messages.Quit)]
    assert quit == messages.Quit(
        "another live node with this node's name stands in the election orders as n-0; give each node a node_name of its own"
    )


@pytest.mark.parametrize("node, expected", [
    (lambda: Node().standby().event(messages.Resign("t1")), (False, 3, "this node is standby, not primary; resign on the primary")),
    (lambda: resigning(messages.OrderNotBegun, "no other candidate stands"), (False, 1, "no other candidate stands")),
    (lambda: resigning(messages.OrderNotBegun, "no access", False), (
        False, 1, f"the queue cannot be read, so nobody is known who could take over, and this node stays: no access; {FORCE}")),
    (lambda: Node().primary().event(messages.Leased(100.0, 999.0)).event(messages.Resign("t1")).event(messages.Tick(), LOOK_LIMIT), (
        False, 1, f"ZooKeeper does not answer, so nobody could take over, and this node stays; {FORCE}")),
    (lambda: Node().primary().event(messages.Resign("t1")).event(messages.MemberFatal("web")), (
        False, 1, "not resigned, as the term ended before it was known who could take over: the program web is in FATAL")),
    (lambda: resigned(Node()).event(messages.TermSeen("b", "b:1", 50), 0.5), (
        True, 0, "b leads now at b:1, after 0.500 s", "b", "b:1", pytest.approx(0.5))),
    (lambda: resigned(Node()).event(messages.TermSeen("", "b:1", 0), 0.5), (
        True, 0, "another candidate leads now at b:1, after 0.500 s", "", "b:1", pytest.approx(0.5))),
    (lambda: resigned(Node()).event(messages.TermSeen("", "b:1", 50), 0.5), (
        True, 0, "another candidate leads now at b:1, after 0.500 s", "", "b:1", pytest.approx(0.5))),
    (lambda: resigned(Node()).event(messages.TermSeen("b", "", 50)).event(messages.TermSeen("", "", 0), SUCCESSOR_MOST), (
        False, 1, "resigned, but nobody is primary after 150 s", "", "", 0.0, ("b",), 41)),
    (lambda: resigned(Node()).event(messages.TermSeen("b", "", 50)).event(messages.TermSeen("", "", known=False), SUCCESSOR_MOST), (
        False, 1, "resigned, but nobody is known to be primary, as ZooKeeper does not answer, after 150 s", "", "", 0.0, ("b",), None)),
    (lambda: resigned(Node()).event(messages.Shutdown("SIGTERM", 999.0)), (
        False, 1, "resigned, but this node shuts down before another one leads; see zkelect primary")),
])
def test_what_a_resignation_is_answered(node, expected):
    node = node()
    # Those after which the term was not given up are no part of the log of orders.
    resigned = expected[0] or expected[2].startswith("resigned")
    assert answered(node) == [messages.AnswerOperator("t1", *expected)._replace(resigned=resigned)]
    assert not node.state.resigning


def test_a_resignation_after_which_this_node_leads_again_is_answered():
    node = resigned(Node()).event(messages.TermSeen("b", "", 50))
    node.event(messages.Proposed(node.state.waiting, "n-3", 60))
    answer(node, messages.Query, messages.Queried, True, 1, 2)
    answer(node, messages.Claim, messages.Claimed, "", messages.Leased(node.now, 999.0))
    answer(node, messages.StartGroup, messages.ServiceStarted)
    node.event(messages.Tick(), after=0.9)
    answer(node, messages.Probe, messages.Probed, True, "ok")
    answer(node, messages.Ack, messages.Acked)
    node.event(messages.TermSeen("self", "a:1", 60))
    assert answered(node) == [messages.AnswerOperator(
        "t1", False, 1, "resigned, but this node leads again at a:1, after 0.900 s", tried=("b",), term=41, resigned=True
    )]
