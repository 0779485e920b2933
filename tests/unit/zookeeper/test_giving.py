"""Orders as they are given and looked after, by real electors at a ZooKeeper in memory."""

import json

import pytest

from supervisor_zkelect.core import control
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.elector import AccessDenied, NotBegun, NotConnected
from supervisor_zkelect.zookeeper import following, results
from supervisor_zkelect.zookeeper.given import TAKE_BACK, Given
from tests.unit.zookeeper.cluster import CONTROL, OUTCOMES, ROOT, STATE, Cluster
from tests.unit.zookeeper.memory import NOON

HOUR = 3_600_000


@pytest.fixture
def three():
    """Of a, b and c, which stand in this order, a leads."""
    return Cluster("a", "b", "c")


def give(cluster, kind, node="", **more):
    return following.attempt(cluster.tool(), Given(kind, node, "root@h", **more))


# Times


def test_a_time_is_kept_as_zookeepers_clock_has_it(three):
    answer = give(three, "switchover", "c", due=NOON + 2 * HOUR, clock=NOON)
    assert answer.ok and not answer.warning and "in 2 h 0 m" in answer.text and three.control()["switchover"]["due"] == NOON + 2 * HOUR
    assert three.control()["switchover"]["by"] == "root@h"


@pytest.mark.parametrize("off, told", [
    (HOUR, "1 h 0 m ahead of ZooKeeper's"), (-HOUR, "1 h 0 m behind ZooKeeper's"), (31_000, "31 s ahead"), (29_000, ""), (-29_000, ""),
])
def test_a_clock_that_is_off_is_told_and_nothing_goes_by_it(three, off, told):
    answer = give(three, "switchover", "c", due=NOON + HOUR // 2, clock=NOON + off)
    assert answer.ok and told in answer.warning and bool(answer.warning) == bool(told)
    assert three.control()["switchover"]["due"] == NOON + HOUR // 2


@pytest.mark.parametrize("due", [NOON, NOON - 1, NOON - HOUR])
def test_a_time_that_is_over_is_refused(three, due):
    answer = give(three, "switchover", "c", due=due, clock=NOON - 2 * HOUR)
    assert answer.exit == 1 and "is over" in answer.text and "behind" in answer.warning and "switchover" not in three.control()


# What was looked at


def test_a_dry_run_orders_nothing_and_says_what_would_happen(three):
    before = three.ensemble.znodes[CONTROL].version
    three.tell("c", trouble="its disk is slow")
    answer = give(three, "switchover", "c", dry=True)
    assert answer.ok and answer.text == "a would stop its service, and c lead then; nothing is ordered"
    assert answer.checked == (
        "a leads", "c stands in the queue, in place 3 of 3, and is not in maintenance",
        "c says that it is standby: its disk is slow", "b stands before it: its proposal is deleted, and it proposes anew",
        "no other switchover is ordered",
    )
    assert three.ensemble.znodes[CONTROL].version == before and three.ensemble.znodes[OUTCOMES].data == b""
    assert give(three, "switchover", "a", dry=True).exit == 1
    real = give(three, "switchover", "c")
    assert real.id and real.checked == answer.checked and real.document()["checked"] == list(answer.checked)


def test_without_a_target_the_next_is_told_that_is_not_in_maintenance(three):
    give(three, "maintenance on", "b")
    assert "and c lead then" in give(three, "switchover", dry=True).text


@pytest.mark.parametrize("to", ["b", "c"])
def test_what_deletes_the_proposal_of_who_knows_no_orders_takes_force(to):
    cluster = Cluster("a")
    cluster.join("b", knows=False)
    cluster.join("c")
    for dry in (True, False):
        answer = give(cluster, "switchover", to, dry=dry)
        assert answer.exit == 1 and "b knows no orders, which takes --force" in answer.text and cluster.control() == {}
    assert give(cluster, "switchover", dry=True).text.startswith("a would stop its service, and b lead then")
    answer = give(cluster, "switchover", to, force=True)
    assert answer.ok and "b knows no orders, which takes --force" in answer.checked and cluster.control()["switchover"]["force"]


# Answers that are lost


def test_an_order_whose_answer_was_lost_is_looked_up_and_not_given_twice(three):
    tool = three.tool()
    tool.prepare()
    three.client.lose = ["set"]
    tool.reconnect = lambda: None
    answer = following.attempt(tool, Given("switchover", "c", id="s"))
    assert answer.id == "s" and answer.ok and three.control()["switchover"]["id"] == "s"
    assert three.ensemble.znodes[CONTROL].version == 1


@pytest.mark.parametrize("kind, node", [("switchover", "c"), ("maintenance on", "b")])
def test_an_order_that_was_not_written_is_told_so(three, kind, node):
    tool = three.tool()
    three.client.unsent = ["set"]
    tool.reconnect = lambda: None
    answer = following.attempt(tool, Given(kind, node, id="s"))
    assert answer.exit == 1 and "was not written" in answer.text and three.control() == {}


def test_an_order_whose_answer_was_lost_and_that_is_done_is_not_given_again(three):
    """The primary has stopped, and another one leads, before it is looked up; the outcome is not written yet."""
    tool = three.tool()

    def switched():
        three.end("a")
        document = three.control()
        del document["switchover"]
        three.ensemble.set(CONTROL, json.dumps(document).encode())
        three.nodes["b"].try_be_leader()
        three.nodes["b"].claim("b", "b:1")

    three.client.lose, tool.reconnect = ["set"], switched
    answer = following.attempt(tool, Given("switchover", "b", id="s"))
    assert answer.ok and answer.id == "s" and "switchover" not in three.control()
    assert results.came_of(tool, Given("switchover", "b"), "s", answer.term) is None
    three.nodes["b"].ack_leader("b:1")
    assert results.came_of(tool, Given("switchover", "b"), "s", answer.term).ok


def lost(cluster, given, meanwhile=lambda: None, unsent=False):
    """The answer to an order whose writing is not answered. meanwhile: what happens until there is a connection again."""
    tool = cluster.tool()
    tool.prepare()
    setattr(cluster.client, "unsent" if unsent else "lose", ["set"])
    tool.reconnect = meanwhile
    return following.attempt(tool, given)


def logged(cluster):
    return {one.order.id: (one.order.what, one.outcome.text if one.outcome else None) for one in cluster.tool().order_log()}


@pytest.mark.parametrize("kind, node, came", [
    ("switchover", "c", None), ("maintenance on", "b", None), ("restart", "", None),
])
def test_an_order_whose_answer_was_lost_stands_in_the_log(three, kind, node, came):
    assert lost(three, Given(kind, node, "root@h", id="s")).id == "s"
    assert logged(three) == {"s": (kind, came)}
    assert not lost(three, Given("maintenance on", "c", "root@h", id="t"), unsent=True).ok and "t" not in logged(three)


def test_one_that_is_told_of_when_it_is_looked_up_stands_in_the_log_as_well(three):
    answer = lost(three, Given("switchover", "c", "root@h", id="s"), lambda: give(three, "cancel", id="x"))
    assert answer.id == "s" and logged(three)["s"] == ("switchover", "it was taken back by root@h")
    assert three.tool().order_log()[-1].order.by == "root@h"


@pytest.mark.parametrize("kind, node", [("switchover", "c"), ("restart", "")])
def test_one_for_later_whose_answer_was_lost_is_not_waited_for(three, kind, node):
    answer = lost(three, Given(kind, node, "root@h", id="s", due=NOON + HOUR))
    assert (answer.exit, answer.id) == (0, "") and answer.text.startswith("ordered for ") and f"{kind} --cancel" in answer.text
    assert kind in three.control() and logged(three) == {"s": (kind, None)}
    again = following.attempt(three.tool(), Given(kind, node, "root@h", id="s", due=NOON + HOUR))
    assert again[:4] == answer[:4]


def test_what_a_maintenance_replaces_is_told_though_its_answer_was_lost(three):
    give(three, "maintenance on", "b", reason="disk", id="1")
    answer = lost(three, Given("maintenance on", "b", "x@y", "fan", id="2"))
    assert answer.checked == ("this replaces what stood before: in maintenance by root@h: disk",)
    assert logged(three) == {"1": ("maintenance on", "it was replaced by x@y"), "2": ("maintenance on", None)}


def test_a_maintenance_that_is_written_is_waited_for_whatever_is_lost_after_that(three):
    tool = three.tool()
    tool.prepare()
    three.client.meddle = lambda path: path == CONTROL and setattr(three.client, "lose", ["children"])
    assert following.attempt(tool, Given("maintenance on", "b", id="1")).id == "1" and not three.client.lose


@pytest.mark.parametrize("kind, other, node", [
    ("cancel", "switchover", "c"), ("cancel restart", "restart", ""), ("maintenance off", "maintenance on", "b"),
])
def test_what_is_taken_back_is_told_of_though_the_answer_was_lost(three, kind, other, node):
    give(three, other, node, id="1")
    given = Given(kind, node if other == "maintenance on" else "", "x@y", id="2")
    answer = lost(three, given, unsent=True)
    assert answer.exit == 1 and "not" in answer.text and logged(three) == {"1": (other, None)}
    assert lost(three, given).ok and logged(three)["1"] == (other, "it was taken back by x@y") and logged(three)["2"][0] == kind


def test_a_switchover_that_is_done_when_its_end_is_looked_up_was_not_taken_back(three):
    give(three, "switchover", "b", id="1")
    answer = lost(three, Given("cancel", "", "x@y", id="2"), lambda: three.switch("a", "b"), unsent=True)
    assert (answer.exit, answer.text) == (0, "no switchover is ordered any more") and logged(three)["1"] == ("switchover", None)


def test_another_switchover_than_the_one_that_was_taken_back_may_stand(three):
    give(three, "switchover", "b", id="1")
    answer = lost(three, Given("cancel", "", "x@y", id="2"), lambda: give(three, "switchover", "c", id="3"))
    assert answer.ok and three.control()["switchover"]["id"] == "3" and logged(three)["1"][1] == "it was taken back by x@y"


def test_what_cannot_be_looked_up_is_unknown(three):
    tool = three.tool()

    def away():
        raise NotConnected("nobody answers")

    three.client.lose, tool.reconnect = ["set"], away
    answer = following.attempt(tool, Given("switchover", "c", id="s"))
    assert answer.exit == 4 and "unknown whether the order was written" in answer.text


def test_without_zookeeper_nothing_is_written_and_one_line_says_so(three):
    tool = three.tool()
    three.client.away = True
    answer = following.attempt(tool, Given("switchover", "c"))
    assert answer.exit == 4 and "nothing was ordered" in answer.text and "\n" not in answer.text


@pytest.mark.parametrize("kind, standing", [("maintenance off", True), ("cancel", True)])
def test_what_is_taken_back_is_looked_up_as_well(three, kind, standing):
    give(three, "maintenance on", "b")
    give(three, "switchover", "c")
    tool = three.tool()
    three.client.lose, tool.reconnect = ["set"], lambda: None
    answer = following.attempt(tool, Given(kind, "b" if kind == "maintenance off" else "", id="x"))
    assert answer.ok, answer


# Two at once, and garbage


def test_of_two_orders_at_once_one_is_refused(three):
    tool, other = three.tool(), three.tool()
    client = tool._client
    client.meddle = lambda path: path == CONTROL and not three.control() and following.attempt(other, Given("switchover", "b", "x@y"))
    answer = following.attempt(tool, Given("switchover", "c"))
    assert answer.exit == 1 and "another switchover is ordered" in answer.text and three.control()["switchover"]["to"] == "b"


@pytest.mark.parametrize("data", [b"garbage", b'{"v": 99}', b'{"v": 1, "nodes": []}'])
def test_garbage_in_the_control_refuses_all_orders_but_its_reset(three, data):
    three.ensemble.set(CONTROL, data)
    for kind in ("switchover", "maintenance on", "maintenance off", "cancel"):
        answer = give(three, kind, "b")
        assert answer.exit == 1 and ("--reset" in answer.text or "newer version" in answer.text), answer
    assert three.ensemble.znodes[CONTROL].data == data
    assert give(three, "reset").ok and three.ensemble.znodes[CONTROL].data == b""


def test_who_may_not_write_is_told_so(three):
    three.ensemble.denied = {("write", CONTROL)}
    answer = give(three, "switchover", "c")
    assert answer.exit == 1 and "was not written" in answer.text and "credentials or the ACL" in answer.text


def test_who_may_write_the_control_alone_may_give_orders(three):
    """ZooKeeper's clock is looked at below the control then, and the order counts without the log."""
    three.ensemble.denied = {(doing, path) for doing in ("write", "create", "delete") for path in (STATE, ROOT, f"{ROOT}/election", OUTCOMES)}
    answer = give(three, "switchover", "c")
    assert answer.ok and answer.id and "log of orders" in answer.warning and three.control()["switchover"]["at"] == NOON
    assert not three.ensemble.children(CONTROL)


def test_who_may_write_the_control_alone_takes_an_order_back(three):
    give(three, "switchover", "c")
    three.ensemble.denied = {(doing, path) for doing in ("write", "create", "delete") for path in (STATE, ROOT, f"{ROOT}/election", OUTCOMES)}
    answer = give(three, "cancel")
    assert answer.ok and answer.text == "the switchover is taken back" and "log of orders" in answer.warning
    assert "switchover" not in three.control()


# What an order waits for


def test_who_waits_is_told_of_whom(three):
    tool, given = three.tool(), Given("switchover", "c")
    answer = following.attempt(tool, given)
    assert following.awaited(tool, given) == "a to recognise the order"
    enough = following.waited_enough(tool, given)
    assert enough.exit == 7 and "not yet recognised by a, b, c" in enough.text and enough.more["unrecognised"] == ["a", "b", "c"]
    three.tell("a", state="primary")
    assert following.awaited(tool, given) == "a to begin" and following.waited_enough(tool, given).more["unrecognised"] == ["b", "c"]
    three.end("b")
    assert following.waited_enough(tool, given).more["unrecognised"] == ["c"], "who is gone recognises nothing any more"
    one = three.nodes["a"]
    target = one.begin("switchover", answer.id, "a")
    assert following.awaited(tool, given) == "a to stop"
    one.release(successor=target)
    assert following.awaited(tool, given) == "c to lead"
    three.nodes["c"].try_be_leader()
    three.nodes["c"].claim("c", "c:1")
    assert following.awaited(tool, given) == "the service of c to be healthy"


def test_what_maintenance_waits_for(three):
    tool, given = three.tool(), Given("maintenance on", "b")
    following.attempt(tool, given)
    assert following.awaited(tool, given) == "b to recognise the order"
    three.tell("b")
    assert following.awaited(tool, given) == "b to leave the queue"
    three.tell("a")
    following.attempt(tool, Given("maintenance on", "a", force=True))
    three.tell("a")
    assert following.awaited(tool, Given("maintenance on", "a")) == "a to hand over"
    assert following.awaited(tool, Given("maintenance off", "a")) == "a to come into the queue"


def test_what_cannot_be_read_of_that_is_left_out(three):
    tool = three.tool()
    three.client.away = True
    answer = following.waited_enough(tool, Given("switchover", "c"))
    assert answer.exit == 7 and answer.text.startswith("under way")


# Taking back


def test_a_switchover_that_has_not_begun_is_taken_back_by_its_id(three):
    answer = give(three, "switchover", "c")
    another = following.attempt(three.tool(), Given(TAKE_BACK, id="another"))
    assert another.exit == 130 and "the order does not stand, or is done already: see zkelect list" in another.text and "switchover" in three.control()
    back = following.attempt(three.tool(), Given(TAKE_BACK, by="x@y", id=answer.id))
    assert back.exit == 130 and "nothing was stopped" in back.text and "switchover" not in three.control()
    assert results.came_of(three.tool(), Given("switchover", "c"), answer.id, answer.term)[:3] == (False, 1, "it was taken back by x@y")
    again = following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id))
    assert "it was taken back by x@y" in again.text


def test_one_that_has_begun_stands(three):
    answer = give(three, "switchover", "c")
    three.nodes["a"].begin("switchover", answer.id, "a")
    back = following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id))
    assert back.exit == 130 and "has begun, and stands" in back.text and three.control()["switchover"]["begun"]


def test_maintenance_is_taken_back_by_its_id(three):
    answer = give(three, "maintenance on", "b")
    back = following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id))
    assert back.exit == 130 and "b stays in the queue" in back.text and not three.control()["nodes"]


def test_a_maintenance_that_has_begun_to_stop_the_primary_stands(three):
    answer = give(three, "maintenance on", "a")
    three.nodes["a"].begin(control.STAND_ASIDE, answer.id, "a")
    assert three.control()["nodes"]["a"]["maintenance"]["begun"] == three.nodes["a"].token
    back = following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id))
    assert back.exit == 130 and "has begun, and stands" in back.text and "a" in three.control()["nodes"]
    # Its end may be ordered all the same, and a begun one that is changed stands again where that is taken back.
    other = give(three, "maintenance on", "a", reason="disk")
    back = following.attempt(three.tool(), Given(TAKE_BACK, id=other.id))
    assert "a stays in maintenance" in back.text and three.control()["nodes"]["a"]["maintenance"]["begun"]
    assert give(three, "maintenance off", "a").ok and "maintenance" not in three.control()["nodes"]["a"]


def test_a_mark_goes_where_the_node_leads_on_after_all(three):
    """Its answer was lost, and whoever was to take over is gone since."""
    answer = give(three, "maintenance on", "a")
    three.nodes["a"].begin(control.STAND_ASIDE, answer.id, "a")
    three.end("b")
    three.end("c")
    with pytest.raises(NotBegun, match="no other candidate"):
        three.nodes["a"].begin(control.STAND_ASIDE, answer.id, "a")
    assert "a stays in the queue" in following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id)).text


def test_a_maintenance_that_is_taken_back_first_begins_nothing(three):
    answer = give(three, "maintenance on", "a")
    assert "a stays in the queue" in following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id)).text
    with pytest.raises(NotBegun, match="was taken back"):
        three.nodes["a"].begin(control.STAND_ASIDE, answer.id, "a")


@pytest.mark.parametrize("state, told", [("demoting", "; a is stopping all the same"), ("primary", "")])
def test_a_forced_maintenance_that_is_taken_back_says_whether_the_node_stops(three, state, told):
    answer = give(three, "maintenance on", "a", force=True)
    three.tell("a", state=state)
    back = following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id))
    assert back.text.endswith("comes back into it" + told)


@pytest.mark.parametrize("says, awaited", [
    ({"priority": 0}, None), ({"unfit": "no disk"}, "b to come into the queue, which is not fit: no disk"), ({}, "b to come into the queue"),
])
def test_the_end_of_a_maintenance_waits_for_the_node_unless_that_never_leads(three, says, awaited):
    """What is wrong with it by its last word may be mended, and its check asked anew."""
    give(three, "maintenance on", "b")
    three.tell("b", **says)
    three.nodes["b"].withdraw()
    off, given = give(three, "maintenance off", "b"), Given("maintenance off", "b")
    came = results.came_of(three.tool(), given, off.id, off.term)
    if awaited is None:
        assert (came.ok, came.text) == (True, "done; b does not stand in the queue: priority = 0 in its file, so it never leads")
    else:
        assert came is None and following.awaited(three.tool(), given) == awaited


@pytest.mark.parametrize("kind", ["switchover", "restart"])
def test_a_pause_that_is_only_asked_for_is_told_as_that(three, kind):
    assert give(three, "pause").ok
    refused = give(three, kind)
    assert refused.exit == 1 and refused.text == "a pause is asked for, and not consented to yet; zkelect resume takes that back"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind, node", [("maintenance on", "A"), ("maintenance off", "A"), ("switchover", "A")])
def test_a_node_that_nobody_knows_is_refused_force_or_not(three, kind, node, force):
    answer = give(three, kind, node, force=force)
    assert (answer.ok, answer.exit, answer.text) == (False, 2, "no node A is known in orders; there are: a, b, c")
    assert three.control() == {}


def test_a_node_that_is_known_but_gone_is_put_into_maintenance(three):
    three.end("c")
    assert give(three, "maintenance on", "c").ok and list(three.control()["nodes"]) == ["c"]


def test_what_is_done_when_it_is_written_is_not_taken_back_and_told(three):
    give(three, "maintenance on", "b")
    give(three, "maintenance off", "b", id="off")
    back = following.attempt(three.tool(), Given(TAKE_BACK, id="off"))
    assert back.exit == 130 and back.text == "interrupted; it is done already: it was taken out of maintenance"


# The log


def test_the_log_has_who_gave_what_and_what_became_of_it(three):
    first = give(three, "maintenance on", "b", reason="disk", seconds=60.0)
    give(three, "maintenance off", "b")
    second = give(three, "switchover", "c", reason="a is old")
    three.ensemble.clock += 5000
    three.nodes["a"].tell_outcome(Outcome(second.id, True, "c leads", "c", "c:1"))
    log = give(three, "log").more["log"]
    assert [(one["what"], one["node"], one["by"], one["reason"], one["done"]) for one in log] == [
        ("maintenance on", "b", "root@h", "disk", False), ("maintenance off", "b", "root@h", "", True),
        ("switchover", "c", "root@h", "a is old", True),
    ]
    assert log[0]["id"] == first.id and log[0]["until"] == NOON + 60_000 and log[2]["outcome"]["text"] == "c leads"
    assert give(three, "reset").ok
    assert give(three, "log").more["log"][-1]["what"] == "reset"


# Forgetting


def test_a_node_that_is_gone_is_forgotten_and_its_maintenance_as_well(three):
    give(three, "maintenance on", "c")
    three.end("c")
    assert "is forgotten" in give(three, "forget", "c").text
    assert "c" not in three.nodes["a"].known_nodes() and not three.control()["nodes"]
    assert "no node x is known in orders; there are: a, b" in give(three, "forget", "x").text


def test_nothing_is_left_in_the_control_of_a_node_that_is_forgotten(three):
    for kind in ("maintenance on", "maintenance off"):
        give(three, kind, "c")
    assert three.control()["nodes"]["c"] == {"cleared": three.nodes["a"].token}
    three.end("c")
    assert "is forgotten" in give(three, "forget", "c").text and not three.control()["nodes"]


@pytest.mark.parametrize("aside", [True, False])
def test_who_lives_is_not_forgotten_whether_it_stands_in_the_queue_or_not(three, aside):
    if aside:
        three.nodes["c"].withdraw()
    answer = give(three, "forget", "c")
    assert answer.exit == 1 and "c lives" in answer.text and f"{STATE}/nodes/c/live" in three.ensemble.znodes


def test_who_stands_in_the_queue_lives_though_its_live_is_gone(three):
    three.ensemble.delete(f"{STATE}/nodes/c/live")
    assert "c lives" in give(three, "forget", "c").text and "c" in three.nodes["a"].known_nodes()


def test_a_node_that_comes_back_meanwhile_keeps_its_entry(three):
    three.end("c")
    tool, ensemble = three.tool(), three.ensemble
    delete = three.client.delete_async

    def meanwhile(path, version=-1):
        if path.endswith("nodes/c"):
            ensemble.create(f"{path}/live", b"", 7)
        return delete(path, version)

    three.client.delete_async = meanwhile
    answer = following.attempt(tool, Given("forget", "c"))
    assert answer.exit == 1 and "lives" in answer.text and f"{STATE}/nodes/c/live" in ensemble.znodes


# Entries that count (ORDERS.md, 26)


def test_an_entry_of_another_session_than_the_proposals_does_not_count(three):
    entry = json.loads(three.ensemble.znodes[f"{STATE}/nodes/c"].data)
    three.ensemble.set(f"{STATE}/nodes/c", json.dumps({**entry, "session": "1", "state": "primary"}).encode())
    assert {one.name: one.entry for one in three.tool().seen_nodes()}["c"] is None


def test_without_a_proposal_an_entry_counts_by_the_session_in_which_its_node_lives(three):
    three.nodes["c"].withdraw()
    assert {one.name: one.entry for one in three.tool().seen_nodes()}["c"].state == "standby"
    entry = json.loads(three.ensemble.znodes[f"{STATE}/nodes/c"].data)
    three.ensemble.set(f"{STATE}/nodes/c", json.dumps({**entry, "session": "1"}).encode())
    assert {one.name: one.entry for one in three.tool().seen_nodes()}["c"] is None


# Restarts


def test_a_restart_waits_for_the_primary_and_is_taken_back_until_it_has_begun(three):
    given = Given("restart", by="root@h", reason="leak")
    answer = following.attempt(three.tool(), given)
    assert answer.id and following.awaited(three.tool(), given) == "a to recognise the order"
    three.tell("a", state="primary")
    assert following.awaited(three.tool(), given) == "a to begin"
    back = following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id))
    assert back.exit == 130 and "nothing was stopped" in back.text and "restart" not in three.control()
    answer = following.attempt(three.tool(), given)
    three.nodes["a"].begin_restart(answer.id)
    assert following.awaited(three.tool(), given) == "the service of a to be healthy"
    assert "has begun, and stands" in following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id)).text


def test_a_restart_whose_answer_was_lost_is_looked_up(three):
    tool = three.tool()
    three.client.lose, tool.reconnect = ["set"], lambda: None
    assert following.attempt(tool, Given("restart", id="r")).id == "r" and three.control()["restart"]["id"] == "r"
    tool = three.tool()
    three.client.lose, tool.reconnect = ["set"], lambda: None
    assert following.attempt(tool, Given("cancel restart", id="x")).text == "the restart is taken back"


def test_a_maintenance_that_was_changed_is_as_before_when_the_change_is_taken_back(three):
    for number, reason in enumerate(("disk", "disk, ticket 7", "disk, ticket 8")):
        following.attempt(three.tool(), Given("maintenance on", "b", f"user{number}@h", reason, id=str(number)))
    back = following.attempt(three.tool(), Given(TAKE_BACK, id="2"))
    assert back.text == "interrupted; the order is taken back: b stays in maintenance by user1@h: disk, ticket 7"
    assert three.tool().read_control().maintenance["b"].id == "1"
    assert "b stays in the queue" in following.attempt(three.tool(), Given(TAKE_BACK, id="1")).text and not three.control()["nodes"]


@pytest.mark.parametrize("garbage", [7, [], {}, {"id": 7}, {"id": "x", "until": "soon"}])
def test_what_is_no_order_does_not_stand_again(three, garbage):
    answer, document = give(three, "maintenance on", "b"), three.control()
    document["nodes"]["b"]["maintenance"]["former"] = garbage
    three.ensemble.set(CONTROL, json.dumps(document).encode())
    assert "b stays in the queue" in following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id)).text
    assert not three.control()["nodes"]


@pytest.mark.parametrize("name", ["begun", "ended", "switchover"])
def test_no_nodes_name_is_taken_for_what_became_of_an_order(three, name):
    three.join(name)
    answer = give(three, "maintenance on", name)
    assert f"{name} stays in the queue" in following.attempt(three.tool(), Given(TAKE_BACK, id=answer.id)).text


def test_an_order_is_taken_out_also_where_what_became_of_it_may_not_be_written(three):
    given = give(three, "switchover", "c", due=NOON + HOUR, clock=NOON)
    assert given.ok
    order = three.control()["switchover"]["id"]
    three.nodes["a"]._zk.make(OUTCOMES, 1e18)
    three.ensemble.denied.add(("write", OUTCOMES))
    with pytest.raises(AccessDenied):
        three.nodes["a"].tell_outcome(Outcome(order, False, "it could not"))
    assert "switchover" not in three.control()
