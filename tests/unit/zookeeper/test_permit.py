"""Until when an order may be written: nothing is carried out that a tool has given up on."""

import math

import pytest

from supervisor_zkelect.core import control
from supervisor_zkelect.system import clock
from supervisor_zkelect.zookeeper import following, permit, requests
from supervisor_zkelect.zookeeper.given import Given
from supervisor_zkelect.zookeeper.permit import Expired, Permit
from tests.unit.zookeeper.cluster import CONTROL, Cluster


@pytest.fixture
def three():
    return Cluster("a", "b", "c")


@pytest.mark.parametrize("kind, node", [("switchover", "c"), ("maintenance on", "b"), ("restart", ""), ("reset", ""), ("forget", "c"), ("pause", "")])
def test_what_comes_after_its_time_is_not_written(three, kind, node):
    answer = following.attempt(three.tool(), Given(kind, node, id="s"), Permit(clock.now() - 1))
    assert answer.exit == 4 and "nothing was ordered, and nothing will be" in answer.text and three.control() == {}


def test_the_time_is_looked_at_just_before_the_writing(three, monkeypatch):
    """ZooKeeper answers what comes before the writing, and that takes until the time is over."""
    moment = [clock.now()]
    monkeypatch.setattr(permit.clock, "now", lambda: moment[0])
    tool, given = three.tool(), Given("switchover", "c", id="s")
    members = tool.members

    def slowly():
        moment[0] += 3
        return members()

    tool.members = slowly
    answer = following.attempt(tool, given, Permit(moment[0] + 1))
    assert answer.exit == 4 and "nothing was ordered" in answer.text and three.control() == {}


def test_no_request_of_an_order_outlasts_its_time():
    some = requests.Requests(None, 10.0, None)
    some.until = clock.now() + 1
    assert some.limit() == some.until
    some.until = math.inf
    assert some.limit() > clock.now() + 9


def test_the_time_limit_of_an_order_is_none_of_what_comes_after_it(three):
    tool = three.tool()
    following.attempt(tool, Given("switchover", "c", id="s"), Permit(clock.now() - 1))
    assert following.attempt(tool, Given("switchover", "c", id="t")).ok


def test_what_was_sent_is_not_told_as_not_written():
    one = Permit()
    one.use()
    assert not one.withdraw()
    with pytest.raises(Expired):
        # Another round, as the znode has changed meanwhile.
        one.use()
    assert Permit().withdraw()


@pytest.mark.parametrize("kind, node", [("switchover", "c"), ("pause", "")])
def test_a_control_that_changes_until_the_time_is_over_is_left_alone(three, monkeypatch, kind, node):
    moment = [clock.now()]
    monkeypatch.setattr(permit.clock, "now", lambda: moment[0])
    tool, rounds = three.tool(), []

    def meddle(path):
        if path == CONTROL and not rounds:
            rounds.append(path)
            moment[0] += 2
            three.ensemble.set(CONTROL, control.amended(b"", None, lambda found: None))

    tool.prepare()
    three.client.meddle = meddle
    answer = following.attempt(tool, Given(kind, node, id="s"), Permit(moment[0] + 1))
    assert rounds and answer.exit == 4 and kind not in three.control()


@pytest.mark.parametrize("resumed", [False, True])
def test_a_resume_that_was_withdrawn_leaves_the_pause_alone(three, resumed):
    asked = following.attempt(three.tool(), Given("pause", id="p"))
    assert asked.ok and "pause" in three.control()
    if resumed:
        three.nodes["a"].consent("p", "a", control.Life())
    before, withdrawn = three.control(), Permit()
    assert withdrawn.withdraw()
    answer = following.attempt(three.tool(), Given("resume", id="r"), withdrawn)
    assert answer.exit == 4 and "nothing was ordered, and nothing will be" in answer.text and three.control() == before
