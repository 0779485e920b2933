"""What is looked at before a restart is ordered, and what whoever ordered it is told."""

import json

import pytest

from supervisor_zkelect.core import control, control_words
from supervisor_zkelect.core.control import Control, Order, Restart, Stamp, Switchover
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.zookeeper import giving, results
from supervisor_zkelect.zookeeper.given import Given, OrderAnswer
from supervisor_zkelect.zookeeper.holder import Holder
from supervisor_zkelect.zookeeper.queue import Member

NOW, TOKEN = 50_000, 41


def member(node, knows=True):
    info = {"v": 1, "node": node, **({"orders": 1} if knows else {})}
    return Member(f"n-{node}", 1, 7, TOKEN, False, json.dumps(info).encode())


class Election:
    """What an elector would read, and what was written."""

    def __init__(self):
        self.data, self.ended = b"", []
        self.queue, self.noted, self.ack = [member("a"), member("b")], Holder("a", TOKEN, "a:1"), b"a:1"

    def prepare(self):
        pass

    def server_time(self):
        return NOW

    def holder(self):
        return self.noted

    def read_ack(self):
        return self.ack

    def members(self):
        return self.queue

    def outcomes(self):
        return self.ended

    def tell_outcome(self, outcome):
        self.ended.append(outcome)

    def note_order(self, order, outcome=None):
        pass

    def read_control(self):
        return control.read(self.data, Stamp(7, 3))

    def amend_control(self, change):
        found = self.read_control()
        wanted = change(found)
        if wanted is not None:
            self.data = control.amended(self.data, NOW, wanted)
        return found

    def stands(self, *changes):
        for change in changes:
            self.data = control.amended(self.data, NOW, change)
        return self


@pytest.fixture
def election():
    return Election()


def ordered(**more):
    return Given("restart", by="root@h", reason="leak", id="r", **more)


def test_it_is_written_with_the_term_in_which_it_was_given(election):
    assert giving.give(election, ordered()) == OrderAnswer(True, 0, "", "r", TOKEN)
    assert election.read_control().restart == Restart(Order("r", "root@h", "leak", NOW), None, 0, TOKEN)
    again = giving.give(election, ordered())
    assert again.ok and again.id == "r"


def test_one_for_later_is_done_by_whoever_leads_then(election):
    answer = giving.give(election, ordered(seconds=5.0))
    assert answer.ok and not answer.id and "zkelect restart --cancel takes it back" in answer.text
    assert election.read_control().restart == Restart(Order("r", "root@h", "leak", NOW), NOW + 5000, 0, 0)


@pytest.mark.parametrize("change, told", [
    (lambda one: one.stands(control.order_restart(Restart(Order("x")))), "restart --cancel takes it back"),
    (lambda one: one.stands(control.order_restart(Restart(Order("x"), begun=TOKEN))), "another restart has begun"),
    (lambda one: one.stands(control.order_switchover(Switchover(Order("x")))), "a switchover is under way"),
    (lambda one: one.stands(control.order_switchover(Switchover(Order("x"), "b", NOW + 1, TOKEN))), "a switchover is under way"),
    (lambda one: setattr(one, "queue", []), "nobody is primary"),
    (lambda one: setattr(one, "noted", None), "nobody is primary"),
    (lambda one: setattr(one, "ack", b""), "nobody is primary"),
    (lambda one: setattr(one, "queue", [member("a", knows=False)]), "knows no orders"),
    (lambda one: setattr(one, "data", b"garbage"), "holds no orders that can be read"),
])
def test_what_cannot_be_done_is_refused(election, change, told):
    change(election)
    before = election.data
    answer = giving.give(election, ordered())
    assert (answer.ok, answer.exit) == (False, 1) and told in answer.text and election.data == before


def test_beside_a_switchover_for_later_it_may_be_ordered(election):
    assert giving.give(election.stands(control.order_switchover(Switchover(Order("x"), "b", NOW + 1))), ordered()).ok


def test_one_that_has_not_begun_is_taken_back(election):
    election.stands(control.order_restart(Restart(Order("x"))))
    assert giving.give(election, Given("cancel restart", id="c")).ok
    assert election.read_control().restart is None and election.ended == [Outcome("x", False, "it was taken back")]
    assert "no restart is ordered" in giving.give(election, Given("cancel restart", id="c")).text


def test_one_that_has_begun_is_not_and_a_switchover_stays(election):
    election.stands(control.order_restart(Restart(Order("x"), begun=TOKEN)), control.order_switchover(Switchover(Order("s"), "b", NOW + 1)))
    assert "has begun" in giving.give(election, Given("cancel restart", id="c")).text
    assert giving.give(election, Given("cancel", id="c")).ok
    assert election.read_control().switchover is None and election.read_control().restart is not None


def test_whoever_waits_is_told_what_came_of_it(election):
    giving.give(election, ordered())
    assert results.came_of(election, ordered(), "r", TOKEN) is None
    election.tell_outcome(Outcome("r", True, "a has restarted the service in 0.5 s"))
    assert results.came_of(election, ordered(), "r", TOKEN) == OrderAnswer(True, 0, "a has restarted the service in 0.5 s")


def test_an_outcome_that_is_written_between_two_looks_counts(election):
    looks = [[], [Outcome("r", False, "the term ended")]]
    election.outcomes = lambda: looks.pop(0)
    assert results.came_of(election, ordered(), "r", TOKEN) == OrderAnswer(False, 1, "the term ended")


def test_an_order_that_somebody_took_out_is_told_so(election):
    answer = results.came_of(election, ordered(), "r", TOKEN)
    assert answer.exit == 1 and "does not stand any more" in answer.text


@pytest.mark.parametrize("restart, line", [
    (Restart(Order("r")), "restart"),
    (Restart(Order("r", "root@h", "leak"), NOW + 5000), "restart by root@h at 1970-01-01 00:00:55+0000, in 5.0 s: leak"),
    (Restart(Order("r", "root@h"), None, TOKEN), "restart by root@h, begun"),
])
def test_what_is_told_of_it(restart, line):
    assert control_words.told(Control(restart=restart), NOW) == [line]
