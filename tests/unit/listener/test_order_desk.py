"""Orders that an operator gives to a listener: written, looked after, answered."""

from types import SimpleNamespace

import pytest

from supervisor_zkelect.core import messages, roles
from supervisor_zkelect.core.state import State
from supervisor_zkelect.listener import events, order_worker
from supervisor_zkelect.listener.order_desk import PACE, OrderDesk
from supervisor_zkelect.zookeeper import results
from supervisor_zkelect.zookeeper.given import TAKE_BACK, UNDER_WAY, Given, OrderAnswer
from supervisor_zkelect.zookeeper.permit import Expired, Permit
from tests.unit.listener.parts import NOW, Host, candidacy, keepers, means
from tests.unit.zookeeper.cluster import Cluster

DONE = OrderAnswer(True, 0, "done")
WRITTEN = OrderAnswer(True, 0, "", "7", 40, ("a leads",), "the clock is off")


class Place:
    """A desk, the work that it has given out, and its answers."""

    def __init__(self, state=None):
        self.host = Host()
        self.one = candidacy(self.host, state or State(role=roles.STANDBY, step="watching"))
        self.asked, self.answers = [], {}
        self.one.ask = lambda op, work, *arguments: self.asked.append((work, *arguments))
        self.sessions = SimpleNamespace(connected=True, link_since=NOW)
        self.desk = OrderDesk(means(self.host), keepers(self.one, sessions=self.sessions), self.answers.__setitem__)

    def order(self, verb, wait=10.0, **arguments):
        self.desk.verbs[verb](self.one, {"ticket": "t", "verb": verb, "args": {"by": "root@h", "wait": wait, **arguments}})
        return self.asked[-1][2] if self.asked else None

    def seen(self, answer=None, order="7"):
        self.desk.handlers()[events.OrderSeen](events.OrderSeen("t", order, answer))


@pytest.mark.parametrize("verb, arguments, given", [
    ("maintenance", {"what": "on", "reason": "disk"}, Given("maintenance on", "a", "root@h", "disk")),
    ("maintenance", {"what": "on", "node": "b", "for": 60.0, "force": True}, Given("maintenance on", "b", "root@h", "", 60.0, True)),
    ("maintenance", {"what": "off"}, Given("maintenance off", "a", "root@h")),
    ("switchover", {}, Given("switchover", "", "root@h")), ("switchover", {"to": "b", "in": 5}, Given("switchover", "b", "root@h", "", 5)),
    ("switchover", {"cancel": True}, Given("cancel", "", "root@h")), ("orders", {}, Given("show", "", "root@h")),
    ("orders", {"reset": True}, Given("reset", "", "root@h")), ("orders", {"log": True}, Given("log", "", "root@h")),
    ("pause", {"for": 60.0, "reason": "zk"}, Given("pause", "", "root@h", "zk", 60.0)),
    ("pause", {"force": True}, Given("pause", "", "root@h", force=True)), ("resume", {}, Given("resume", "", "root@h")),
    ("resume", {"dead": "b", "force": True}, Given("resume by force", "b", "root@h", force=True, fence=False)),
    ("forget", {"node": "c"}, Given("forget", "c", "root@h")),
    ("switchover", {"at": 7, "dry": True, "clock": 9}, Given("switchover", "", "root@h", due=7, dry=True, clock=9)),
    ("switchover", {"take_back": "7"}, Given("take back", "", "root@h", id="7")),
    ("restart", {"reason": "leak"}, Given("restart", "", "root@h", "leak")),
    ("restart", {"in": 5}, Given("restart", "", "root@h", "", 5)),
    ("restart", {"cancel": True}, Given("cancel restart", "", "root@h")),
])
def test_what_is_ordered(verb, arguments, given):
    place = Place()
    assert place.order(verb, **arguments) == given and place.asked[-1][0] is order_worker.give_order


@pytest.mark.parametrize("arguments", [
    {"to": "../b"}, {"to": "b\nc"}, {"in": "soon"}, {"in": -1}, {"in": True}, {"wait": "x"}, {"in": 1e30}, {"at": "noon"}, {"at": -1}, {"at": 7, "in": 7}, {"term": "x"}, {"term": True},
    {"within": ""}, {"within": []}, {"within": False}, {"wait": ""},
])
def test_what_is_no_order_is_refused(arguments):
    place = Place()
    place.order("switchover", **arguments)
    assert not place.asked and place.answers["t"]["exit"] == 2


def test_what_is_refused_or_done_at_once_is_answered_at_once():
    place = Place()
    place.order("switchover", to="b")
    place.seen(OrderAnswer(False, 1, "b is in maintenance"), "")
    assert place.answers["t"]["text"] == "b is in maintenance" and place.answers["t"]["exit"] == 1


def test_who_has_not_confirmed_a_pause_is_told_when_the_waiting_ends_and_not_before():
    place = Place()
    place.order("pause")
    waits = OrderAnswer(False, UNDER_WAY, "under way: a has not consented yet")
    place.seen()
    place.seen(waits)
    assert not place.answers and place.desk.next_wakeup() == NOW + PACE
    place.host.moment += 20.0
    place.seen(waits)
    assert place.answers["t"]["exit"] == 7 and "a has not consented" in place.answers["t"]["text"]


def test_an_order_is_looked_after_until_it_is_done():
    place = Place()
    place.order("switchover", to="b")
    place.seen(WRITTEN)
    assert not place.answers and place.desk.next_wakeup() == NOW + PACE
    place.desk.keep_time(NOW)
    assert len(place.asked) == 1
    place.desk.keep_time(NOW + PACE)
    work, ticket, given, order, term, last, _ = place.asked[-1]
    assert (work, ticket, given.node, order, term, last) == (order_worker.look_after_order, "t", "b", "7", 40, False)
    place.desk.keep_time(NOW + 2 * PACE)
    assert len(place.asked) == 2, "one look at a time"
    place.seen(DONE)
    told = {"checked": ["a leads"], "warning": "the clock is off"}
    assert place.answers["t"] == {"id": "7", "ok": True, "exit": 0, "text": "done", **told}
    place.seen(DONE)
    assert place.desk.next_wakeup() == float("inf")


def test_who_has_waited_for_long_enough_is_told_that_it_is_under_way():
    place = Place()
    place.order("maintenance", wait=0.0, what="on", node="b")
    place.seen(WRITTEN)
    assert place.asked[-1][0] is order_worker.look_after_order and place.asked[-1][5], "what it waits for is asked"
    place.seen(results.under_way(Given("maintenance on", "b")))
    assert place.answers["t"]["term"] == 40 and place.answers["t"]["checked"] == ["a leads"]
    assert place.answers["t"]["exit"] == UNDER_WAY and "under way" in place.answers["t"]["text"]


@pytest.mark.parametrize("more", [{"awaited": "another node to lead"}, {}])
def test_who_is_told_that_it_failed_is_told_its_term_while_something_is_awaited(more):
    place = Place()
    place.order("switchover", to="b", wait=0.0)
    place.seen(WRITTEN)
    place.seen(OrderAnswer(False, 1, "b cannot; nobody is primary yet", more=more))
    assert place.answers["t"].get("term") == (40 if more else None) and place.answers["t"]["exit"] == 1


def test_who_puts_a_primary_aside_that_stays_is_told_why():
    orders = messages.ControlSeen("in maintenance", bar_id="m")
    place = Place(State(role=roles.PRIMARY, step="", orders=orders, stays_why="nobody stands by"))
    place.order("maintenance", wait=0.0, what="on")
    place.seen(WRITTEN)
    assert place.answers["t"]["exit"] == UNDER_WAY and "nobody stands by" in place.answers["t"]["text"]


def test_no_answer_to_the_writing_is_awaited_beyond_the_first():
    """Where it is not known whether the order was written, the operator is told so, and nothing is looked after."""
    place = Place()
    place.order("switchover", to="b")
    place.seen(OrderAnswer(False, 4, "unknown"), "")
    assert place.answers["t"]["exit"] == 4 and place.desk.next_wakeup() == float("inf")


def test_who_asks_again_gives_nothing_and_is_told_of_the_same_order():
    place = Place()
    place.order("switchover", wait=1.0, to="b", look="7", term=40)
    work, _, _, order, term, last, _ = place.asked[-1]
    assert (work, order, term, last) == (order_worker.look_after_order, "7", 40, False) and len(place.asked) == 1
    place.seen()
    place.host.moment = NOW + 1.0
    place.desk.keep_time(NOW + 1.0)
    place.seen()
    assert place.asked[-1][5] and all(asked[0] is order_worker.look_after_order for asked in place.asked)
    place.seen(DONE)
    assert place.answers["t"]["text"] == "done"


def test_a_node_is_forgotten_by_its_name():
    place = Place()
    place.order("forget")
    assert place.answers["t"]["exit"] == 2 and "name the node" in place.answers["t"]["text"]


def test_who_waits_for_less_than_a_pace_is_answered_in_time():
    place = Place()
    place.order("switchover", wait=PACE / 2, to="b")
    place.seen(WRITTEN)
    assert place.desk.next_wakeup() == NOW + PACE / 2


@pytest.mark.parametrize("last, answered", [(False, None), (True, UNDER_WAY)])
def test_what_an_order_waits_for_is_looked_up_when_the_waiting_ends(last, answered):
    cluster, posted = Cluster("a", "b"), []
    given = Given("switchover", "b", id="s")
    order_worker.give_order(cluster.tool(), "t", given, Permit(), posted.append)
    order_worker.look_after_order(cluster.tool(), "t", given, "s", posted[0].answer.term, last, posted.append)
    assert posted[0].id == "s" and posted[1].id == "s" and (posted[1].answer and posted[1].answer.exit) == answered
    assert not last or "waiting for a to recognise the order" in posted[1].answer.text


def test_an_order_that_is_taken_back_is_answered_at_once():
    cluster, posted = Cluster("a", "b"), []
    order_worker.give_order(cluster.tool(), "t", Given("switchover", "b", id="s"), Permit(), posted.append)
    order_worker.give_order(cluster.tool(), "t", Given(TAKE_BACK, id="s"), Permit(), posted.append)
    assert posted[1].id == "" and posted[1].answer.exit == 130 and "switchover" not in cluster.control()


@pytest.mark.parametrize("age, until", [(0.0, NOW + 0.7), (0.5, NOW + 0.2), (12.0, NOW - 11.3)])
def test_an_order_may_be_written_only_as_long_as_somebody_waits(age, until):
    """A listener that was held up takes what was asked of it late; it counts from the asking."""
    place = Place()
    place.desk.verbs["switchover"](place.one, {"ticket": "t", "verb": "switchover", "args": {"wait": 0.0, "within": 0.7}, "age": age})
    assert place.asked[-1][3].until == pytest.approx(until)


@pytest.mark.parametrize("verb, arguments", [("switchover", {"to": "b"}), ("pause", {}), ("maintenance", {"what": "off"})])
def test_who_has_had_enough_before_anything_was_sent_is_answered_at_once_and_nothing_is_sent(verb, arguments):
    place = Place()
    place.order(verb, id="s", **arguments)
    permit = place.asked[-1][3]
    place.desk.verbs[verb](place.one, {"ticket": "u", "verb": verb, "args": {**arguments, "take_back": "s"}})
    assert place.answers["u"]["exit"] == 130 and "nothing was ordered, and nothing will be" in place.answers["u"]["text"]
    assert len(place.asked) == 1
    with pytest.raises(Expired):
        permit.use()


def test_who_has_had_enough_of_an_order_that_stood_before_takes_that_one_back():
    """Of a resume that is ordered twice the second writes nothing, and its own id stands nowhere."""
    place = Place()
    place.order("resume", id="x")
    place.seen(OrderAnswer(True, 0, "", "r"), "r")
    place.desk.verbs["resume"](place.one, {"ticket": "u", "verb": "resume", "args": {"take_back": "x"}})
    assert place.asked[-1][0] is order_worker.give_order and place.asked[-1][2][:1] == (TAKE_BACK,) and place.asked[-1][2].id == "r"


def test_who_has_had_enough_of_an_order_that_was_sent_is_not_told_that_nothing_was_ordered():
    place = Place()
    place.order("switchover", to="b", id="s")
    place.asked[-1][3].use()
    place.sessions.connected = False
    place.desk.verbs["switchover"](place.one, {"ticket": "u", "verb": "switchover", "args": {"take_back": "s"}})
    assert place.answers["u"]["exit"] == 4 and "no connection" in place.answers["u"]["text"]


@pytest.mark.parametrize("verb, says", [
    ("switchover", "cut off from ZooKeeper for 1 m 6 s; nothing was ordered"), ("orders", "cut off from ZooKeeper for 1 m 6 s, so it is unknown what is ordered"),
])
def test_a_node_that_is_cut_off_says_so_at_once(verb, says):
    place = Place()
    place.sessions.connected, place.sessions.link_since = False, NOW - 66
    place.order(verb)
    assert place.answers["t"] == {"ok": False, "exit": 4, "text": says} and not place.asked


def test_without_a_connection_nothing_is_asked_and_who_has_waited_long_enough_is_told():
    place = Place()
    place.order("switchover", wait=1.0, to="b")
    place.seen(WRITTEN)
    place.sessions.connected = False
    place.host.moment = NOW + 0.5
    place.desk.keep_time(place.host.moment)
    assert len(place.asked) == 1 and not place.answers
    place.host.moment = NOW + 1.0
    place.desk.keep_time(place.host.moment)
    assert place.answers["t"]["exit"] == UNDER_WAY and "no connection" in place.answers["t"]["text"]
