"""What stands is told, kept, and taken back in words, and nobody who knows no better is told anything else."""

import json

import pytest

from supervisor_zkelect.core import control, history, places
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.elector import AccessDenied, ElectionError, NotBegun
from supervisor_zkelect.zookeeper import following, orders, precheck, results
from supervisor_zkelect.zookeeper.given import Given
from supervisor_zkelect.zookeeper.orders import NotAsked
from supervisor_zkelect.zookeeper.permit import Permit
from tests.unit.zookeeper.cluster import CONTROL, OUTCOMES, ROOT, STATE, Cluster
from tests.unit.zookeeper.memory import NOON

GARBAGE = (b"garbage", b'{"v": 99}')


@pytest.fixture
def three():
    return Cluster("a", "b", "c")


def give(cluster, kind, node="", by="root@vm", **more):
    return following.attempt(cluster.tool(), Given(kind, node, by, **more))


def log(cluster):
    return {one.order.id: (one.order.what, one.outcome.text if one.outcome else None) for one in cluster.tool().order_log()}


# A second maintenance


def test_a_second_maintenance_does_not_erase_what_the_first_says(three):
    assert give(three, "maintenance on", "c", reason="disk", seconds=540.0).ok
    before = three.control()
    answer = give(three, "maintenance on", "c")
    assert answer.exit == 1 and three.control() == before
    assert "c is in maintenance already (by root@vm: disk, for another 9 m" in answer.text


@pytest.mark.parametrize("more, reason, until", [
    ({"reason": "fan"}, "fan", True), ({"seconds": 60.0}, "disk", True), ({"force": True}, "", False),
])
def test_what_is_said_replaces_it_and_what_is_not_said_stays(three, more, reason, until):
    give(three, "maintenance on", "c", reason="disk", seconds=540.0, id="1")
    answer = give(three, "maintenance on", "c", id="2", **more)
    assert answer.ok and "this replaces what stood before: in maintenance by root@vm: disk" in answer.checked[0]
    order = three.control()["nodes"]["c"]["maintenance"]
    assert order["id"] == "2" and order["reason"] == reason and ("until" in order) is until
    assert log(three)["1"] == ("maintenance on", "it was replaced by root@vm") and log(three)["2"] == ("maintenance on", None)


def test_an_order_about_a_node_that_stands_in_no_queue_has_its_outcome(three):
    three.nodes["c"].withdraw()
    give(three, "maintenance on", "c", id="1")
    give(three, "maintenance on", "c", reason="fan", id="2")
    assert log(three) == {"1": ("maintenance on", "c did not stand in the queue"), "2": ("maintenance on", "c did not stand in the queue")}


@pytest.mark.parametrize("done, told", [(False, "it was taken back by root@vm"), (True, "c left the queue")])
def test_a_maintenance_that_is_ended_has_its_outcome(three, done, told):
    give(three, "maintenance on", "c", id="1")
    if done:
        three.tool().tell_outcome(Outcome("1", True, "c left the queue"))
    assert give(three, "maintenance off", "c", id="2").ok
    assert log(three) == {"1": ("maintenance on", told), "2": ("maintenance off", "it was taken out of maintenance")}


ON, OFF = Given("maintenance on", "b", "ann@desk", id="on"), Given("maintenance off", "b", "ann@desk", id="off")


@pytest.mark.parametrize("kind, more, told", [
    ("maintenance off", {}, "it was taken back by bob@h"), ("reset", {}, "all orders were taken back by bob@h"),
    ("maintenance on", {"force": True}, "it was replaced by bob@h"),
])
def test_who_waits_for_a_maintenance_is_told_that_somebody_took_it_back(three, kind, more, told):
    """Its node stands in the queue still, as it could not hand over."""
    following.attempt(three.tool(), ON)
    assert results.came_of(three.tool(), ON, "on", 0) is None
    assert give(three, kind, "" if kind == "reset" else "b", "bob@h", **more).ok
    assert results.came_of(three.tool(), ON, "on", 0)[:3] == (False, 1, told)
    assert following.came_of(three.tool(), ON, "on", 0).exit == 1


def test_who_waits_for_a_maintenance_is_told_that_its_time_is_over(three):
    given = ON._replace(seconds=60.0)
    following.attempt(three.tool(), given)
    tool = three.tool()
    tool.server_time = lambda: NOON + 59_000
    assert results.came_of(tool, given, "on", 0) is None
    tool.server_time = lambda: NOON + 61_000
    assert results.came_of(tool, given, "on", 0)[:3] == (False, 1, "its time was over before b had left the queue")
    # Whoever writes the control next takes it out.
    three.ensemble.set(CONTROL, b"")
    gone = results.came_of(tool, given, "on", 0)
    assert gone.exit == 1 and gone.text.startswith("the order does not stand any more, and b stands in the queue")


def test_where_the_control_cannot_be_read_who_waits_for_a_maintenance_is_told_so(three):
    following.attempt(three.tool(), ON)
    three.ensemble.set(CONTROL, b"garbage")
    assert results.came_of(three.tool(), ON, "on", 0).text.endswith("makes it anew")


@pytest.mark.parametrize("stands_in_queue", [True, False])
def test_who_waits_for_the_end_of_a_maintenance_is_told_that_another_one_stands(three, stands_in_queue):
    following.attempt(three.tool(), ON)
    following.attempt(three.tool(), OFF)
    assert give(three, "maintenance on", "b", "bob@h", reason="fan").ok
    if not stands_in_queue:
        three.nodes["b"].withdraw()
    assert results.came_of(three.tool(), OFF, "off", 0)[:3] == (False, 1, "b is in maintenance by bob@h: fan again")


# Until when


def test_who_orders_maintenance_for_a_while_is_told_until_when(three):
    given = Given("maintenance on", "c", seconds=540.0, id="1")
    tool = three.tool()
    following.attempt(tool, given)
    three.nodes["c"].withdraw()
    text = results.came_of(tool, given, "1", 0).text
    order = three.control()["nodes"]["c"]["maintenance"]
    assert "c is in maintenance, for another 8 m 59 s" in text or "c is in maintenance, for another 9 m 0 s" in text
    assert f"until {control.moments.utc(order['until'])}, or until zkelect maintenance off ends that" in text
    row = next(row for row in three.tool().overview().rows if row.node == "c")
    assert f"until {control.moments.utc(order['until'])}" in row.note


# A control that nobody can use


@pytest.mark.parametrize("data", GARBAGE)
def test_a_primary_does_not_hand_over_while_the_control_cannot_be_used_and_names_it(three, data):
    three.tool().prepare()
    three.ensemble.set(CONTROL, data)
    for node in "bc":
        three.nodes[node].withdraw()
    with pytest.raises(NotBegun, match="control.*zkelect orders --reset.*this node stays"):
        three.nodes["a"].begin(control.RESIGNATION, "t", "a")


@pytest.mark.parametrize("kind", [control.RESIGNATION, control.STAND_ASIDE, control.SWITCHOVER])
@pytest.mark.parametrize("unfit, leads", [("", "b"), ("b", "c"), ("c", "b"), ("bc", "b")])
def test_who_says_that_it_is_not_fit_is_passed_over_where_another_is(three, kind, unfit, leads):
    for node in unfit:
        three.tell(node, unfit="its disk is gone")
    if kind == control.STAND_ASIDE:
        give(three, "maintenance on", "a", id="o")
    elif kind == control.SWITCHOVER:
        answer = give(three, "switchover", id="o")
        assert answer.ok or answer.exit == 7, answer.text
    one = three.nodes["a"]
    assert one.begin(kind, "o", "a") == three.nodes[leads].proposal


def test_a_switchover_waits_until_its_target_has_asked_its_check(three):
    three.tell("c", checks=True, checked="former")
    give(three, "switchover", "c", id="o")
    one, order = three.nodes["a"], three.control()["switchover"]
    with pytest.raises(NotAsked, match="c asks its check `fit` first"):
        one.begin(control.SWITCHOVER, "o", "a")
    assert "begun" not in three.control()["switchover"] and order == three.control()["switchover"]
    three.tell("c", checks=True, checked="o", unfit="its disk is gone")
    with pytest.raises(NotBegun, match="c is not fit to lead: its disk is gone"):
        one.begin(control.SWITCHOVER, "o", "a")
    three.tell("c", checks=True, checked="o")
    assert one.begin(control.SWITCHOVER, "o", "a") == three.nodes["c"].proposal


def test_a_target_that_does_not_ask_holds_a_switchover_up_for_a_while(three, monkeypatch):
    three.tell("c", checks=True)
    give(three, "switchover", "c", id="o")
    monkeypatch.setattr(orders, "CHECK_TIME", 0.0)
    assert three.nodes["a"].begin(control.SWITCHOVER, "o", "a") == three.nodes["c"].proposal


@pytest.mark.parametrize("unfit, leads", [("", "b"), ("b", "c"), ("bc", "b")])
def test_what_a_switchover_would_do_is_told_by_the_same_rule(three, unfit, leads):
    for node in unfit:
        three.tell(node, unfit="its disk is gone")
    tool = three.tool()
    assert f"and {leads} lead then" in precheck.of_switchover(tool, tool.read_control(), "", tool.server_time()).would


def test_a_session_that_is_over_says_nothing_of_who_stands_there_now(three):
    three.tell("b", unfit="its disk is gone")
    three.end("b")
    three.join("b", knows=False, data=json.dumps({"v": 1, "node": "b", "address": "b:1", "orders": 1}).encode())
    three.end("c")
    assert three.nodes["a"].begin(control.RESIGNATION, "t", "a") == three.nodes["b"].proposal


@pytest.mark.parametrize("kind, denied", [("switchover", CONTROL), ("restart", CONTROL), ("restart", f"{ROOT}/ack")])
def test_an_order_that_the_primary_may_not_mark_is_not_carried_out_and_that_is_its_outcome(three, kind, denied):
    term = give(three, kind, id="1").term
    three.ensemble.denied = {("write", denied)}
    one = three.nodes["a"]
    told = "the order cannot be marked begun: ZooKeeper does not let this node begin the .*correct the credentials or the ACL"
    with pytest.raises(NotBegun, match=told) as caught:
        one.begin_restart("1") if kind == "restart" else one.begin(control.SWITCHOVER, "1", "a")
    assert not three.control()[kind].get("begun") and one.read_ack() == b"a:1"
    try:
        one.tell_outcome(Outcome("1", False, f"not done: {caught.value}"))
    except AccessDenied:
        assert denied == CONTROL
    came = results.came_of(three.tool(), Given(kind), "1", term)
    assert came.exit == 1 and "cannot be marked begun" in came.text


def test_that_an_order_cannot_be_taken_out_is_an_error_until_its_outcome_is_known(three):
    """The primary tells it each second as long as the order stands."""
    give(three, "switchover", id="1")
    one, outcome = three.nodes["a"], Outcome("1", False, "not switched over")
    three.ensemble.denied = {("write", CONTROL), ("write", OUTCOMES)}
    for _ in range(2):
        with pytest.raises(AccessDenied):
            one.tell_outcome(outcome)
    three.ensemble.denied = {("write", CONTROL)}
    with pytest.raises(AccessDenied):
        one.tell_outcome(outcome)
    one.tell_outcome(outcome)
    assert "switchover" in three.control() and [told.text for told in one.outcomes()] == ["not switched over"]


# Who may only read


@pytest.fixture
def reader(three):
    """What they see who may write nothing there. Nobody has read the clock yet."""

    def see(kind, **more):
        ensemble = three.ensemble
        ensemble.denied = {(doing, path) for doing in ("create", "write", "delete") for path in ensemble.znodes}
        seen = following.attempt(three.tool(), Given(kind, clock=NOON + 60_000, **more))
        ensemble.denied = set()
        return seen

    return see


def test_orders_are_shown_to_who_may_only_read(three, reader):
    give(three, "maintenance on", "c", seconds=600.0, reason="disk")
    shown = reader("show")
    assert shown.ok and shown.text.startswith("c: in maintenance by root@vm: disk, for another 9 m ")
    assert "by the clock of this host" in shown.warning and shown.more["maintenance"][0]["node"] == "c"
    assert len(reader("log").more["log"]) == 1 and not give(three, "show").warning


def test_a_time_that_nobody_tells_is_not_guessed(three):
    give(three, "maintenance on", "c")
    three.ensemble.denied = {("create", STATE), ("create", CONTROL)}
    assert "look at ZooKeeper's clock" in give(three, "show").text


@pytest.mark.parametrize("data", GARBAGE)
def test_orders_that_cannot_be_read_are_not_shown_as_none(three, data):
    three.tool().prepare()
    three.ensemble.set(CONTROL, data)
    document = give(three, "show").document()
    assert (document["ok"], document["exit"]) == (False, 1) and "zkelect orders --reset" in document["text"]
    assert "maintenance" not in document


@pytest.mark.parametrize("kind, told", [("show", "nothing is ordered"), ("log", "no orders known")])
def test_whoever_looks_makes_nothing(kind, told):
    cluster = Cluster()
    before = set(cluster.ensemble.znodes)
    assert give(cluster, kind).text == told and set(cluster.ensemble.znodes) == before


@pytest.mark.parametrize("orders, told", [
    ([], "took back nothing"), ([("maintenance on", "c")], "took back maintenance of c"),
    ([("maintenance on", "c"), ("switchover", "b")], "took back maintenance of c, a switchover to b"),
])
def test_a_reset_says_and_logs_what_it_took_back(three, orders, told):
    for number, (kind, node) in enumerate(orders):
        give(three, kind, node, id=str(number))
    answer = give(three, "reset", id="r")
    assert answer.text == f"{told}; nothing is ordered any more" and log(three)["r"] == ("reset", told)
    assert all(log(three)[str(number)][1] == "all orders were taken back by root@vm" for number in range(len(orders)))


@pytest.mark.parametrize("data", GARBAGE)
def test_a_reset_of_what_cannot_be_read_says_so(three, data):
    three.tool().prepare()
    three.ensemble.set(CONTROL, data)
    assert give(three, "reset").text.startswith("took back garbage") and three.ensemble.znodes[CONTROL].data == b""


@pytest.mark.parametrize("kind, node, told", [
    ("maintenance on", "b", "maintenance of b, maintenance of c"), ("switchover", "b", "maintenance of c, a switchover to b"),
    ("maintenance off", "c", "nothing"),
])
def test_a_reset_tells_of_what_is_ordered_while_it_is_given(three, kind, node, told):
    """Nothing is wiped that was not told."""
    give(three, "maintenance on", "c", id="1")
    tool, client = three.tool(), three.client
    others = [lambda: give(three, kind, node, "x@y", id="2")]
    client.meddle = lambda path: others.pop()() if path == CONTROL and others else None
    answer = following.attempt(tool, Given("reset", "", "root@vm", id="r"))
    assert answer.ok and answer.text == f"took back {told}; nothing is ordered any more" and three.ensemble.znodes[CONTROL].data == b""
    assert log(three)["r"] == ("reset", f"took back {told}")
    if kind != "maintenance off":
        assert log(three)["2"] == (kind, "all orders were taken back by root@vm")


def test_a_reset_that_others_disturb_at_each_try_says_so_and_one_that_is_withdrawn_ends(three):
    give(three, "maintenance on", "c", id="1")
    tool, other, permit = three.tool(), three.nodes["a"], Permit()
    three.client.meddle = lambda path: path == CONTROL and three.ensemble.set(CONTROL, three.ensemble.znodes[CONTROL].data)
    answer = following.attempt(tool, Given("reset"))
    assert answer.exit == 1 and "changed at every try" in answer.text and other.read_control().maintenance
    three.client.meddle = lambda path: path == CONTROL and permit.withdraw() or three.ensemble.set(path, three.ensemble.znodes[path].data)
    assert following.attempt(tool, Given("reset"), permit).exit == 4 and other.read_control().maintenance


@pytest.mark.parametrize("unsent", [False, True])
def test_a_reset_whose_answer_was_lost_is_looked_up(three, unsent):
    give(three, "maintenance on", "c", id="1")
    tool = three.tool()
    setattr(three.client, "unsent" if unsent else "lose", ["set"])
    tool.reconnect = lambda: None
    answer = following.attempt(tool, Given("reset", "", "root@vm", id="r"))
    assert answer.ok is not unsent and (three.ensemble.znodes[CONTROL].data == b"") is not unsent
    assert log(three).get("r") == (None if unsent else ("reset", "took back maintenance of c"))


def test_a_reset_where_there_is_no_control_takes_back_nothing():
    cluster = Cluster()
    tool = cluster.tool()
    tool.prepare()
    del cluster.ensemble.znodes[CONTROL]
    tool.prepare = lambda: None
    assert following.attempt(tool, Given("reset")).text == "took back nothing; nothing is ordered any more"


@pytest.mark.parametrize("lost", [False, True])
def test_a_switchover_that_has_begun_goes_on_through_a_reset(three, lost):
    give(three, "maintenance on", "b", id="1")
    order = give(three, "switchover", "c", id="s")
    target = three.nodes["a"].begin(control.SWITCHOVER, "s", "a")
    tool, before = three.tool(), three.control()["switchover"]
    three.client.lose, tool.reconnect = ["set"] * lost, lambda: None
    answer = following.attempt(tool, Given("reset", "", "root@vm", id="r"))
    told = "took back maintenance of b; a switchover to c has begun, and goes on"
    assert answer.ok and answer.text == f"{told}; nothing else is ordered any more" and log(three)["r"] == ("reset", told)
    assert three.control() == {"v": 1, "switchover": before} and log(three)["s"] == ("switchover", None)
    assert log(three)["1"][1] == "all orders were taken back by root@vm"
    given = Given("switchover", "c")
    assert results.came_of(three.tool(), given, "s", order.term) is None
    three.nodes["a"].release(successor=target)
    assert results.came_of(three.tool(), given, "s", order.term) is None
    three.lead("c")
    assert results.came_of(three.tool(), given, "s", order.term).ok and "switchover" not in three.control()


def test_a_restart_that_has_begun_goes_on_through_a_reset(three):
    give(three, "restart", id="r")
    three.nodes["a"].begin_restart("r")
    answer = give(three, "reset")
    assert answer.text == "took back nothing; a restart has begun, and goes on; nothing else is ordered any more"
    assert three.control()["restart"]["begun"] and log(three)["r"] == ("restart", None)
    assert results.came_of(three.tool(), Given("restart"), "r", 0) is None


@pytest.mark.parametrize("kind, told", [("switchover", "a switchover to the next node"), ("restart", "a restart")])
def test_a_reset_takes_back_what_an_earlier_term_has_begun(three, kind, told):
    three.tool().prepare()
    three.ensemble.set(CONTROL, json.dumps({"v": 1, kind: {"id": "1", "begun": 1}}).encode())
    assert give(three, "reset").text == f"took back {told}; nothing is ordered any more" and three.control() == {}


LIFE = control.Life("", "b", "b-4-10-100")


@pytest.mark.parametrize("more", [{}, {"force": True}])
def test_a_pause_by_which_nobody_runs_is_reset(more):
    cluster = Cluster("a", "b", leads=not more)
    assert give(cluster, "pause", **more).ok
    assert give(cluster, "reset").text == "took back a pause; nothing is ordered any more" and cluster.control() == {}


def test_a_pause_by_which_a_node_runs_is_not_reset(three):
    three.nodes["a"].consent(give(three, "pause", reason="zk").id, "a", LIFE)
    give(three, "maintenance on", "c")
    before = three.control()
    answer = give(three, "reset")
    assert answer.exit == 1 and three.control() == before and three.tool().barriers()
    assert answer.text == (
        "it is paused by root@vm: zk, and a runs by that; zkelect resume ends it, or zkelect resume --force, if a is dead"
    )


def test_a_pause_that_is_consented_to_while_a_reset_is_given_is_not_reset(three):
    order = give(three, "pause").id
    tool, client = three.tool(), three.client
    consents = [lambda: three.nodes["a"].consent(order, "a", LIFE)]
    client.meddle = lambda path: consents.pop()() if path == CONTROL and consents else None
    answer = following.attempt(tool, Given("reset"))
    assert answer.exit == 1 and "zkelect resume" in answer.text and three.control()["paused"] and not consents


def test_where_the_control_is_garbage_a_pause_keeps_nobody_from_a_reset(three):
    three.nodes["a"].consent(give(three, "pause").id, "a", LIFE)
    three.ensemble.set(CONTROL, b"garbage")
    assert give(three, "reset").text.startswith("took back garbage") and three.ensemble.znodes[CONTROL].data == b""


# Nodes that are gone, or that nobody knows


def test_a_dead_node_is_taken_out_of_maintenance_at_once(three):
    give(three, "maintenance on", "b")
    three.end("b")
    tool, given = three.tool(), Given("maintenance off", "b")
    following.attempt(tool, given)
    answer = results.came_of(tool, given, "x", 0)
    assert answer.exit == 0 and answer.text == "done; b does not run just now, and joins when it does"


def test_a_node_that_lives_is_waited_for(three):
    three.nodes["b"].withdraw()
    assert results.came_of(three.tool(), Given("maintenance off", "b"), "x", 0) is None


def test_who_ordered_a_switchover_to_a_node_that_died_is_told_why(three):
    give(three, "switchover", "b", id="s")
    one = three.nodes["a"]
    one.release(successor=one.begin("switchover", "s", "a"))
    three.end("b")
    three.lead("c")
    answer = results.came_of(three.tool(), Given("switchover", "b"), "s", 0)
    assert answer.exit == 1 and answer.text == "c leads at c:1, and not b; b's session ended meanwhile"


def fails(cluster, order):
    """c, which was to lead, has claimed, and its service does not get healthy."""
    one, other = cluster.nodes["a"], cluster.nodes["c"]
    one.release(successor=one.begin("switchover", order, "a"))
    assert other.try_be_leader()
    other.claim("c", "c:1")
    other.tell_outcome(Outcome(order, False, "c was to lead, and cannot: it is sick", "c", "c:1"))


def test_who_ordered_a_switchover_to_a_node_that_failed_is_told_who_leads_instead(three):
    given = Given("switchover", "c", id="s")
    term = following.attempt(three.tool(), given).term
    fails(three, "s")
    tool = three.tool()
    assert following.came_of(tool, given, "s", term) is None, "c stops"
    enough = following.waited_enough(tool, given, "s")
    assert enough[:3] == (False, 1, "c was to lead, and cannot: it is sick; nobody is primary yet")
    assert enough.more["awaited"] == "another node to lead"
    three.nodes["c"].release()
    three.nodes["b"].create_proposal()
    assert following.came_of(tool, given, "s", term) is None
    three.lead("b")
    told = (False, 1, "c was to lead, and cannot: it is sick; b leads at b:1")
    assert following.came_of(tool, given, "s", term)[:3] == told


def test_a_switchover_that_was_dropped_says_nothing_of_who_leads_on(three):
    term = following.attempt(three.tool(), Given("switchover", "c", id="s")).term
    three.nodes["a"].tell_outcome(Outcome("s", False, "not switched over: c is not fit to lead", "a", "a:1"))
    assert following.came_of(three.tool(), Given("switchover", "c"), "s", term).text == "not switched over: c is not fit to lead"


def test_a_switchover_away_from_a_node_that_leads_again_is_no_success(three):
    """Who was to lead died before it claimed. That whoever claims by the order leads is told by its outcome alone."""
    give(three, "switchover", id="s")
    one = three.nodes["a"]
    one.release(successor=one.begin("switchover", "s", "a"))
    for node in "bc":
        three.end(node)
    one.create_proposal()
    one.try_be_leader()
    one.claim("a", "a:1")
    one.ack_leader("a:1")
    assert one.led_to.source == "a" and one.led_to.missed_by("a") == "another node"
    first = 4711
    assert results.came_of(three.tool(), Given("switchover"), "s", first) is None
    # Where the outcome was lost the history tells who led.
    for node, told in ("a", (False, 1, "a leads at a:1, and not another node")), ("b", (True, 0, "a leads at a:1")):
        one.amend_history(lambda data, node=node: history.amended(b"", [{"v": 1, "token": first, "node": node, "begun": {"acked": 5.0}}]), 5)
        assert results.came_of(three.tool(), Given("switchover"), "s", first)[:3] == told
    one.tell_outcome(Outcome("s", False, "a leads at a:1, and not another node"))
    assert results.came_of(three.tool(), Given("switchover"), "s", 0)[:3] == (False, 1, "a leads at a:1, and not another node")


def test_the_order_that_led_to_a_term_is_known_though_the_answer_to_its_claim_was_lost(three):
    give(three, "switchover", "b", id="s")
    one, two = three.nodes["a"], three.nodes["b"]
    one.release(successor=one.begin("switchover", "s", "a"))
    assert two.try_be_leader()
    three.clients["b"].lose = ["commit"]
    with pytest.raises(ElectionError):
        two.claim("b", "b:1")
    assert "switchover" not in three.control() and two.led_to is None
    two.claim("b", "b:1")
    assert two.led_to.order.id == "s" and two.led_to.source == "a"
    two.withdraw()
    two.create_proposal()
    assert two.led_to is None


def test_the_barrier_is_looked_at_behind_the_control(three):
    """Read before it, by a server that lags, it could stay when the consent for which it was made is taken out."""
    client, asked = three.clients["a"], []
    for name in ("exists_async", "get_async"):
        ask = getattr(client, name)
        setattr(client, name, lambda path, *more, ask=ask, **options: asked.append(path) or ask(path, *more, **options))
    barrier = places.barrier_of(three.nodes["a"].proposal)
    three.nodes["a"].release()
    assert CONTROL in asked and f"{ROOT}/election/{barrier}" in asked[asked.index(CONTROL):]
    assert f"{ROOT}/election/{barrier}" not in asked[:asked.index(CONTROL)]


def test_a_maintenance_whose_time_is_over_begins_no_handover(three):
    give(three, "maintenance on", "a", id="m", seconds=60.0)
    one = three.nodes["a"]
    one.server_time = lambda: NOON + 59_999
    assert one.begin(control.STAND_ASIDE, "m", "a") == three.nodes["b"].proposal
    one.server_time = lambda: NOON + 60_000
    with pytest.raises(NotBegun, match="its time is over"):
        one.begin(control.STAND_ASIDE, "m", "a")


@pytest.mark.parametrize("kind", ["switchover", "maintenance on", "maintenance off", "forget"])
def test_a_node_that_nobody_knows_is_a_wrong_word(three, kind):
    answer = give(three, kind, "nope")
    assert (answer.exit, answer.text) == (2, "no node nope is known in orders; there are: a, b, c")


# Two at once


def test_the_second_of_two_switchovers_is_told_of_the_first(three):
    give(three, "switchover", "c", id="1")
    assert "another switchover is ordered, switchover to c" in give(three, "switchover", "b").text
    one = three.nodes["a"]
    target = one.begin("switchover", "1", "a")
    assert give(three, "switchover", "b").text.startswith("another switchover, to c, is under way")
    one.release(successor=target)
    three.nodes["c"].try_be_leader()
    three.nodes["c"].claim("c", "c:1")
    # The order does not stand any more, and b, whose proposal was in the way, has yet to propose anew.
    assert "switchover" not in json.loads(three.ensemble.znodes[CONTROL].data)
    assert "b" not in [member.node for member in three.tool().members()]
    assert give(three, "switchover", "b").text.startswith("another switchover, to c, is under way")
    assert places.nodes_of(STATE) in [path.rpartition("/")[0] for path in three.ensemble.znodes]


def test_a_maintenance_that_has_begun_to_stop_the_primary_goes_on_through_a_reset(three):
    answer = give(three, "maintenance on", "a")
    give(three, "maintenance on", "b")
    three.nodes["a"].begin(control.STAND_ASIDE, answer.id, "a")
    done = give(three, "reset")
    assert done.ok and "maintenance of a has begun, and goes on" in done.text and "took back maintenance of b" in done.text
    left = three.control()["nodes"]
    assert list(left) == ["a"] and left["a"]["maintenance"]["begun"] == three.nodes["a"].token
    assert [one.id for one in three.tool().outcomes() if one.id == answer.id] == []


def test_a_mark_of_an_earlier_term_keeps_no_maintenance_through_a_reset(three):
    answer = give(three, "maintenance on", "a")
    three.nodes["a"].begin(control.STAND_ASIDE, answer.id, "a")
    three.end("a")
    three.lead("b")
    assert "took back maintenance of a" in give(three, "reset").text and "nodes" not in three.control()


@pytest.mark.parametrize("kind", ["switchover", "restart"])
def test_what_was_told_as_not_done_is_never_begun(three, kind):
    """It stands still where the node could not take it out of the control, and the ACL may be corrected within its time."""
    answer = give(three, kind, "c" if kind == "switchover" else "")
    data = three.ensemble.znodes[CONTROL].data
    three.nodes["a"].tell_outcome(Outcome(answer.id, False, "the order cannot be marked begun: denied"))
    three.ensemble.set(CONTROL, data)
    one = three.nodes["a"]
    with pytest.raises(NotBegun, match="the order cannot be marked begun: denied"):
        one.begin("switchover", answer.id, "a") if kind == "switchover" else one.begin_restart(answer.id)
    assert not three.control()[kind].get("begun")


def test_a_begun_switchover_that_was_told_as_not_done_is_not_gone_on_with(three):
    """Its target was gone, and is back; the node could write what came of it, and was ended before it took it out."""
    answer, one = give(three, "switchover", "c"), three.nodes["a"]
    one.begin("switchover", answer.id, "a")
    data = three.ensemble.znodes[CONTROL].data
    one.tell_outcome(Outcome(answer.id, False, "not switched over: c does not stand in the queue"))
    three.ensemble.set(CONTROL, data)
    with pytest.raises(NotBegun, match="c does not stand in the queue"):
        one.begin("switchover", answer.id, "a")


def test_a_term_that_was_begun_to_be_switched_over_makes_way_for_the_target_whatever_ends_it(three):
    """The service fails in that moment, or the guard releases, who knows nothing of it."""
    answer, one = give(three, "switchover", "c"), three.nodes["a"]
    target = one.begin("switchover", answer.id, "a")
    one.release()
    assert three.nodes["c"].try_be_leader().leads and three.nodes["c"].proposal == target


def test_a_node_that_only_leads_the_queue_makes_way_as_well(three):
    """The holder is that of the predecessor, which its fence does not reach."""
    three.end("a")
    two = three.nodes["b"]
    assert two.try_be_leader().leads
    answer = give(three, "switchover", "c")
    two.release(successor=two.begin("switchover", answer.id, "b"))
    assert three.nodes["c"].try_be_leader().leads and three.nodes["c"].holder().node == "a"


def test_a_switchover_that_was_begun_while_a_fence_fails_is_not_taken_back(three):
    """The holder is the predecessor's still, and the term that it ends that of the proposal."""
    three.end("a")
    two = three.nodes["b"]
    assert two.try_be_leader().leads and two.predecessor(None, "b") is not None
    answer = give(three, "switchover", "c")
    two.begin("switchover", answer.id, "b")
    assert "has begun, and goes on" in give(three, "reset").text and three.control()["switchover"]["id"] == answer.id
