"""supervisord's programs, and a configuration that does not fit them."""

import math
from types import SimpleNamespace

import pytest

from supervisor_zkelect.config.findings import Findings
from supervisor_zkelect.guard import kept_config
from supervisor_zkelect.listener import events
from supervisor_zkelect.listener.programs import FIT_PACE, Programs, longest_stop
from supervisor_zkelect.listener.workers import PACE
from tests.unit.listener.parts import NOW, Host, Log, Work, candidacies, candidacy, means

OWN = {"group": "zkelect", "name": "zkelect", "stopwaitsecs": 20}
PROGRAM = {"group": "primary", "name": "orders", "stopwaitsecs": 7, "command": "zkelect run -- orders"}


@pytest.fixture
def make():
    """Makes programs of a listener with these candidacies. problems: what is wrong with them; known, told: how often."""

    def make(*ones):
        host, work, log, ones = Host(), Work(), Log(), candidacies(*ones)
        one = SimpleNamespace(host=host, work=work, log=log, problems=[], known=0, told=0, allowed=[], leaving=False)
        host.process = "zkelect"
        host.check_groups = lambda settings, programs: Findings(one.problems)

        def fall_back(problems):
            raise kept_config.NoCopy("none")

        host.fall_back = fall_back
        one.programs = Programs(
            means(host, work, log), ones, None, lambda candidacy, seconds: one.allowed.append(seconds),
            lambda: vars(one).update(known=one.known + 1), lambda: vars(one).update(told=one.told + 1), lambda: one.leaving,
        )
        one.hear = lambda programs, error="": one.programs.handlers()[events.Configured](events.Configured(programs, error))
        return one

    return make


def test_a_supervisord_that_does_not_answer_is_asked_again(make):
    one = make()
    one.hear([], "no answer")
    assert one.programs.next_wakeup() == NOW + PACE and not one.programs and one.log.warned == [("supervisord", "no answer")]
    one.hear([OWN, PROGRAM])
    assert one.programs and one.known == 1 and one.programs.stopwaitsecs == 20.0
    assert one.programs.of("primary") == [PROGRAM]


def test_problems_are_looked_at_again_and_told_with_their_beginning(make):
    one = make()
    one.problems = ["there is no group primary"]
    one.hear([OWN])
    one.host.moment += 5.0
    one.hear([OWN])
    assert one.programs.next_wakeup() == NOW + 5.0 + FIT_PACE
    trouble = one.programs.config_trouble()
    assert trouble["problems"] == one.problems and trouble["since"] == NOW
    one.problems = []
    one.hear([OWN, PROGRAM])
    assert one.programs.config_trouble() is None and one.programs.unfit == ()


def test_an_update_counts_for_the_groups_of_begun_elections(make):
    begun = candidacy(Host())
    one = make(begun)
    one.hear([{**PROGRAM, "command": "orders"}])
    assert begun.group.unguarded and one.allowed == [7.0] and one.told == 1 and one.known == 0
    one.hear([PROGRAM])
    assert not begun.group.unguarded


def test_nothing_is_begun_by_a_listener_that_ends(make):
    one = make()
    one.leaving = True
    one.hear([PROGRAM])
    assert not one.programs and one.known == 0


def test_the_longest_stop_is_supervisords_default_where_nothing_is_known():
    assert longest_stop([]) == 10.0 and longest_stop([OWN, PROGRAM]) == 20.0 and longest_stop([{}]) < math.inf
