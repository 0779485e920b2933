"""Orders to pause and to resume, by real electors at a ZooKeeper in memory: the log of them; and resuming by force: whose life
keeps it from that, and what the operator is told."""

import json

import pytest

from supervisor_zkelect.core import control, control_words
from supervisor_zkelect.core.control import Life
from supervisor_zkelect.elector import NotConnected
from supervisor_zkelect.zookeeper import barrier, following, pause_giving
from supervisor_zkelect.zookeeper.given import TAKE_BACK, Given
from supervisor_zkelect.zookeeper.pausing import NotPaused
from supervisor_zkelect.zookeeper.permit import Permit
from tests.unit.zookeeper.cluster import STATE, Cluster

LIFE = Life("", "b", "b-4-10-100")
FORCE = Given(pause_giving.FORCE, "", "root@h")


@pytest.fixture
def two():
    """Of a and b, a leads, and has consented to a pause."""
    cluster = Cluster("a", "b")
    order = following.attempt(cluster.tool(), Given(pause_giving.PAUSE, "", "root@h")).id
    cluster.nodes["a"].consent(order, "a", LIFE)
    return cluster


@pytest.mark.parametrize("instance, refused", [(LIFE.instance, True), ("", True), ("b-4-11-200", False)])
def test_only_the_life_that_may_have_consented_keeps_an_operator_from_it(two, instance, refused):
    two.tell("a", state="standby", instance=instance, host="h1", address="a:1")
    facts = following.attempt(two.tool(), FORCE)
    assert not facts.ok and ("its listener lives" in facts.text) is refused
    assert following.attempt(two.tool(), FORCE._replace(node="a")).ok is not refused
    assert ("paused" in two.control()) is refused


@pytest.mark.parametrize("instance, refused", [(LIFE.instance, True), ("", True), ("b-4-11-200", False)])
def test_a_barrier_says_whose_life_it_was_where_the_control_was_wiped(two, instance, refused):
    two.ensemble.znodes[f"{STATE}/control"].data = b""
    two.tell("a", state="standby", instance=instance, host="h1")
    assert [(one.node, one.life) for one in two.tool().barriers()] == [("a", LIFE)]
    done = following.attempt(two.tool(), FORCE._replace(node="a"))
    assert done.ok is not refused and ("its listener lives" in done.text) is refused
    assert bool(two.tool().barriers()) is refused


@pytest.mark.parametrize("said, session, refused", [
    ({"step": "watching"}, None, False), ({"step": "watching"}, 4711, True), ({"step": "watching", "instance": ""}, None, True),
    ({"step": "watching", "state": "primary"}, None, True), ({"step": "waiting", "state": "detached"}, None, True),
])
def test_a_node_that_stands_by_since_its_barrier_was_made_runs_by_it_no_more(two, said, session, refused):
    """Its listener was started again after the control was wiped, and knows of no pause."""
    two.ensemble.znodes[f"{STATE}/control"].data = b""
    two.tell("a", **{"state": "standby", "instance": LIFE.instance, **said})
    if session is not None:
        two.ensemble.znodes[f"{STATE}/nodes/a/live"].ephemeralOwner = session
    facts = following.attempt(two.tool(), FORCE)
    assert ("so that term is proven dead" in facts.text) is not refused and not facts.ok
    assert following.attempt(two.tool(), FORCE._replace(node="a")).ok is not refused


@pytest.mark.parametrize("older", [True, False])
def test_what_was_said_before_the_barrier_was_made_or_where_the_control_stands_buries_nobody(two, older):
    two.tell("a", state="standby", step="watching", instance=LIFE.instance)
    if older:
        two.ensemble.znodes[f"{STATE}/control"].data = b""
        two.ensemble.znodes[f"{STATE}/nodes/a"].mzxid = two.tool().barriers()[0].made - 1
    assert "its listener lives" in following.attempt(two.tool(), FORCE._replace(node="a")).text


def test_a_barrier_of_an_earlier_version_names_no_life():
    stat = type("Stat", (), {"version": 3, "czxid": 0})
    assert barrier.read("n-0", b'{"v": 1, "pause": {"node": "a", "token": 7}}', stat) == barrier.Barrier("n-0", 3, "a", 7)


def test_what_an_earlier_session_said_tells_of_no_other_life(two):
    two.tell("a", instance="b-4-11-200")
    two.ensemble.znodes[f"{STATE}/nodes/a/live"].ephemeralOwner = 4711
    assert "its listener lives" in following.attempt(two.tool(), FORCE._replace(node="a")).text


@pytest.mark.parametrize("said, told", [
    ({"instance": LIFE.instance, "host": "h1", "address": "a:1"}, "a, on host h1, a:1, runs by the pause"),
    ({"address": "a:1"}, "a, on a host that is not known, a:1, runs by the pause"),
    ({"instance": "b-4-11-200", "host": "h1", "address": "a:1"}, "a, on a host that is not known, runs by the pause"),
])
def test_the_host_is_named_as_far_as_it_is_that_of_the_life_that_has_consented(two, said, told):
    two.tell("a", **said)
    assert told in following.attempt(two.tool(), FORCE).text


def logged(cluster):
    """Of each order in the log: kind, who, why, whether it was done, and the beginning of what came of it."""
    return [
        (one.order.what, one.order.by, one.order.reason, one.outcome and one.outcome.ok, one.outcome and one.outcome.text[:22])
        for one in cluster.tool().order_log()
    ]


def asked(cluster, kind, by, reason=""):
    """An order, as it is given by somebody, and its id."""
    given = Given(kind, "", by, reason)
    return given, following.attempt(cluster.tool(), given).id


def test_the_log_of_orders_has_who_paused_and_who_resumed_and_what_came_of_it():
    cluster = Cluster("a", "b")
    pause, order = asked(cluster, pause_giving.PAUSE, "ann@desk", "upgrade")
    assert logged(cluster) == [("pause", "ann@desk", "upgrade", None, None)]
    cluster.nodes["a"].consent(order, "a", LIFE)
    cluster.tell("a", state="primary", paused=order)
    assert following.came_of(cluster.tool(), pause, order, 0).ok
    resume, ended = asked(cluster, pause_giving.RESUME, "bob@desk")
    assert following.came_of(cluster.tool(), resume, ended, 0) is None, "it is under way"
    cluster.nodes["a"].resume()
    assert following.came_of(cluster.tool(), resume, ended, 0).ok
    assert logged(cluster) == [
        ("pause", "ann@desk", "upgrade", True, "paused: a runs on what"), ("resume", "bob@desk", "", True, "resumed: a leads"),
    ]


def test_a_pause_that_is_taken_back_before_anybody_consented_is_told_so_in_the_log():
    cluster = Cluster("a", "b")
    asked(cluster, pause_giving.PAUSE, "ann@desk")
    asked(cluster, pause_giving.RESUME, "bob@desk")
    assert logged(cluster) == [
        ("pause", "ann@desk", "", False, "it was taken back by b"), ("resume", "bob@desk", "", True, "the pause that was ask"),
    ]


def test_a_forced_pause_and_the_force_that_ends_one_are_logged(two):
    two.tell("a", instance="b-4-11-200")
    assert following.attempt(two.tool(), FORCE._replace(node="a", reason="it burns")).ok
    assert logged(two)[-1] == ("resume by force", "root@h", "it burns", True, "resumed by force, on t")
    nobody = Cluster()
    assert following.attempt(nobody.tool(), Given(pause_giving.PAUSE, "", "ann@desk", force=True)).ok
    assert logged(nobody) == [("pause", "ann@desk", "", True, "paused: nobody leads, ")]



def between(cluster, tool, happens):
    """Something is done once, between the read of the control and the commit that goes by it."""
    transact = tool._zk.transact

    def meanwhile(path, operations):
        tool._zk.transact = transact
        happens()
        return transact(path, operations)

    tool._zk.transact = meanwhile


def test_what_others_write_meanwhile_keeps_nobody_from_resuming_by_force(two):
    two.tell("a", instance="b-4-11-200")
    tool = two.tool()
    between(two, tool, lambda: following.attempt(two.tool(), Given("maintenance on", "b", "bob@desk", force=True)))
    assert following.attempt(tool, FORCE._replace(node="a")).text.startswith("resumed by force")
    assert "paused" not in two.control() and "b" in two.control()["nodes"] and not two.tool().barriers()


def test_a_pause_to_which_a_newer_term_has_consented_is_not_ended_by_force(two):
    """The operator was told another token."""
    two.tell("a", instance="b-4-11-200")

    def anew():
        two.nodes["a"].resume()
        two.end("a")
        two.lead("b")
        two.nodes["b"].consent(asked(two, pause_giving.PAUSE, "bob@desk")[1], "b", LIFE)

    tool = two.tool()
    between(two, tool, anew)
    answer = following.attempt(tool, FORCE._replace(node="a"))
    assert answer.exit == 1 and "is not the pause of token" in answer.text
    assert two.control()["paused"]["node"] == "b" and len(two.tool().barriers()) == 1


def test_whoever_comes_back_meanwhile_keeps_an_operator_from_it(two):
    """What was looked at is looked at again where the control has changed since."""
    two.tell("a", instance="b-4-11-200")
    tool = two.tool()

    def back():
        two.tell("a", instance=LIFE.instance)
        following.attempt(two.tool(), Given("maintenance on", "b", "bob@desk", force=True))

    between(two, tool, back)
    answer = following.attempt(tool, FORCE._replace(node="a"))
    assert answer.exit == 1 and "its listener lives" in answer.text and "paused" in two.control()


def test_a_resume_by_force_that_is_withdrawn_is_not_tried_again(two):
    two.tell("a", instance="b-4-11-200")
    tool, permit = two.tool(), Permit()

    def withdrawn():
        permit.withdraw()
        following.attempt(two.tool(), Given("maintenance on", "b", "bob@desk", force=True))

    between(two, tool, withdrawn)
    assert following.attempt(tool, FORCE._replace(node="a"), permit).exit == 4 and "paused" in two.control()


def test_a_resume_by_force_that_others_disturb_at_each_try_says_so(two):
    two.tell("a", instance="b-4-11-200")
    tool, other = two.tool(), two.tool()
    transact = tool._zk.transact

    def meanwhile(path, operations):
        other.amend_control(lambda found: lambda document: document.update(colour=document.get("colour", 0) + 1))
        return transact(path, operations)

    tool._zk.transact = meanwhile
    answer = following.attempt(tool, FORCE._replace(node="a"))
    assert answer.exit == 1 and "changed at every try" in answer.text and "paused" in two.control()


# Pausing while somebody claims


class Meanwhile(Permit):
    """Something happens between the look at the election and the writing of the order."""

    def __init__(self, happens):
        super().__init__()
        self._happens = [happens]

    def use(self):
        while self._happens:
            self._happens.pop()()
        super().use()


FORCED = Given(pause_giving.PAUSE, "", "root@h", force=True)


def test_who_has_claimed_just_before_a_forced_pause_is_waited_for():
    """The claim only checks the control, so the pause is written beside it."""
    cluster = Cluster("a", "b", leads=False)
    answer = following.attempt(cluster.tool(), FORCED, Meanwhile(lambda: cluster.lead("a")))
    assert answer.ok and answer.id and not answer.text
    assert following.came_of(cluster.tool(), FORCED, answer.id, 0) is None
    waits = pause_giving.came_of(cluster.tool(), FORCED, answer.id)
    assert waits.exit == 7 and waits.text.startswith("under way: a has not consented yet")
    cluster.nodes["a"].consent(answer.id, "a", LIFE)
    assert "its guard knows" in pause_giving.came_of(cluster.tool(), FORCED, answer.id).text
    cluster.tell("a", state="primary", paused=answer.id)
    assert following.came_of(cluster.tool(), FORCED, answer.id, 0).text.startswith("paused: a runs on")


def test_where_the_one_who_had_claimed_gives_up_nobody_leads():
    cluster = Cluster("a", "b", leads=False)
    order = following.attempt(cluster.tool(), FORCED, Meanwhile(lambda: cluster.lead("a"))).id
    cluster.end("a")
    came = following.came_of(cluster.tool(), FORCED, order, 0)
    assert (came.ok, came.exit) == (True, 0) and came.text.startswith("paused: nobody leads, ")


def test_the_election_is_looked_at_anew_where_the_order_was_not_written():
    cluster = Cluster("a", "b", leads=False)

    def leads_and_is_ordered():
        cluster.lead("a")
        assert following.attempt(cluster.tool(), Given("maintenance on", "b", force=True)).ok

    answer = following.attempt(cluster.tool(), FORCED, Meanwhile(leads_and_is_ordered))
    assert answer.ok and answer.id and "pause" in cluster.control() and "paused" not in cluster.control(), "it is asked for"


# What it waits for


def enough(cluster, given, order):
    """What is shown to who waits: the line, what is awaited, and who has not recognised the order."""
    answer = following.waited_enough(cluster.tool(), given, order)
    assert answer.exit == 7, answer
    return answer.text, answer.more["awaited"], answer.more["unrecognised"]


def test_who_waits_for_a_pause_is_told_of_whom():
    cluster = Cluster("a", "b")
    pause, order = asked(cluster, pause_giving.PAUSE, "ann@desk")
    text, awaited, late = enough(cluster, pause, order)
    assert (awaited, late) == ("a to consent", ["a", "b"])
    assert text.startswith("under way: a has not consented yet") and text.endswith(" (not yet recognised by a, b)")
    cluster.tell("a")
    cluster.tell("b")
    text, awaited, late = enough(cluster, pause, order)
    assert (awaited, late) == ("a to consent", []) and "recognised" not in text
    cluster.nodes["a"].consent(order, "a", LIFE)
    assert enough(cluster, pause, order)[1:] == ("a's guard to confirm", ["a", "b"])
    cluster.tell("a", paused=order)
    assert following.waited_enough(cluster.tool(), pause, order).exit == 0
    resume, ended = asked(cluster, pause_giving.RESUME, "bob@desk")
    text, awaited, late = enough(cluster, resume, ended)
    assert (awaited, late) == ("a to end the pause", ["a", "b"]) and "--node-is-dead a (not yet recognised" in text
    cluster.nodes["a"].resume()
    assert following.waited_enough(cluster.tool(), resume, ended).ok


def test_who_waits_for_a_pause_while_nobody_leads_is_not_told_of_who_is_dead():
    cluster = Cluster("a", "b")
    pause, order = asked(cluster, pause_giving.PAUSE, "ann@desk")
    cluster.end("a")
    text, awaited, late = enough(cluster, pause, order)
    assert text.startswith("under way: nobody leads, so nobody has consented yet") and (awaited, late) == ("whoever leads next to consent", ["b"])


def test_what_cannot_be_read_of_a_pause_is_left_out():
    cluster = Cluster("a", "b")
    pause, order = asked(cluster, pause_giving.PAUSE, "ann@desk")
    tool = cluster.tool()
    tool.unrecognised = gone
    assert following.waited_enough(tool, pause, order).text.startswith("under way")
    cluster.client.away = True
    assert following.waited_enough(tool, pause, order).exit == 7


# Taking back


def taken_back(cluster, order):
    return following.attempt(cluster.tool(), Given(TAKE_BACK, by="x@y", id=order))


def test_a_pause_is_taken_back_until_the_primary_has_consented():
    cluster = Cluster("a", "b")
    order = following.attempt(cluster.tool(), Given(pause_giving.PAUSE, "", "root@h")).id
    back = taken_back(cluster, order)
    assert back.exit == 130 and "nothing was stopped" in back.text and "pause" not in cluster.control()
    assert "it was taken back by x@y" in taken_back(cluster, order).text


def test_a_pause_that_the_primary_has_consented_to_stands(two):
    back = taken_back(two, two.control()["paused"]["id"])
    assert back.exit == 130 and "has begun, and stands" in back.text and two.control()["paused"]["token"]


def test_a_resume_that_was_written_stands_and_one_that_was_done_at_once_is_told_so(two):
    resumed = following.attempt(two.tool(), Given(pause_giving.RESUME, "", "root@h", id="r"))
    assert resumed.id == "r" and "has begun, and stands" in taken_back(two, "r").text and two.control()["paused"]["resume"] == "r"
    cluster = Cluster("a", "b")
    following.attempt(cluster.tool(), Given(pause_giving.PAUSE, "", "root@h"))
    following.attempt(cluster.tool(), Given(pause_giving.RESUME, "", "root@h", id="q"))
    assert taken_back(cluster, "q").text == "interrupted; it is done already: the pause that was asked for is taken back"


# A pause to which nobody has consented in time


@pytest.fixture
def late():
    """A pause was asked of a, which died before it consented; ten minutes later b leads."""
    cluster = Cluster("a", "b", "c")
    assert asked(cluster, pause_giving.PAUSE, "ann@desk", "upgrade")[1]
    cluster.end("a")
    document = cluster.control()
    document["pause"]["at"] -= control.LATE + 1000
    cluster.ensemble.set(f"{STATE}/control", json.dumps(document).encode())
    cluster.lead("b")
    return cluster


DROPPED = "nobody has consented to it within ten minutes"


@pytest.mark.parametrize("given", [
    Given("switchover", "c", "bob@desk"), Given("restart", "", "bob@desk"), Given("maintenance on", "b", "bob@desk"),
    Given(pause_giving.PAUSE, "", "bob@desk"), Given("maintenance on", "c", "bob@desk"),
])
def test_a_pause_that_nobody_can_consent_to_any_more_keeps_no_order_from_being_given(late, given):
    answer = following.attempt(late.tool(), given)
    assert answer.ok and answer.id, answer
    assert late.control().get("pause", {}).get("id") == (answer.id if given.kind == pause_giving.PAUSE else None)
    assert [one[:1] + one[3:] for one in logged(late)] == [("pause", False, DROPPED[:22]), (given.kind, None, None)]


def test_one_that_can_be_consented_to_still_does(late):
    document = late.control()
    document["pause"]["at"] += 2000
    late.ensemble.set(f"{STATE}/control", json.dumps(document).encode())
    for given in (Given("switchover", "c"), Given("restart"), Given(pause_giving.PAUSE)):
        assert not following.attempt(late.tool(), given).ok
    assert late.control() == document


def test_who_waits_for_a_pause_is_told_that_nobody_consented_in_time(late):
    order = late.control()["pause"]["id"]
    came = following.came_of(late.tool(), Given(pause_giving.PAUSE), order, 0)
    assert (came.exit, came.text) == (1, f"not paused: {DROPPED}; order it again")
    assert "pause" not in late.control() and logged(late)[0][3] is False
    again = following.came_of(late.tool(), Given(pause_giving.PAUSE), order, 0)
    assert again.exit == 1 and DROPPED in again.text and again.text.count("not paused") == 1


def test_who_leads_takes_a_pause_out_that_it_must_not_consent_to_any_more(late):
    with pytest.raises(NotPaused, match="nobody has consented"):
        late.nodes["b"].consent(late.control()["pause"]["id"], "b", LIFE)
    assert "pause" not in late.control() and logged(late)[0][3:] == (False, DROPPED[:22]) and not late.tool().barriers()


def test_nobody_is_told_that_it_stands(late):
    tool = late.tool()
    found, shown = tool.read_control(), tool.server_time()
    assert control_words.told(found, shown) == [] and control_words.in_fields(found, shown)["paused"] is None
    assert tool.overview().coming == ""


# Answers that are lost

PAUSE, RESUME = (Given(kind, "", "ann@desk", id=kind[0]) for kind in (pause_giving.PAUSE, pause_giving.RESUME))


def lost(cluster, given, meanwhile=lambda: None, name="set", unsent=False):
    """The answer to an order whose writing is not answered. meanwhile: what happens until there is a connection again. unsent: it
    was not written either."""
    tool = cluster.tool()
    tool.prepare()
    setattr(cluster.client, "unsent" if unsent else "lose", [name])
    tool.reconnect = meanwhile
    return following.attempt(tool, given)


def gone():
    raise NotConnected("nobody answers")


def test_a_pause_whose_answer_was_lost_is_looked_up_and_waited_for():
    """Who leads has consented before it is looked up."""
    cluster = Cluster("a", "b")
    answer = lost(cluster, PAUSE, lambda: cluster.nodes["a"].consent("p", "a", LIFE))
    assert (answer.ok, answer.exit, answer.id) == (True, 0, "p") and logged(cluster) == [("pause", "ann@desk", "", None, None)]
    assert following.came_of(cluster.tool(), PAUSE, "p", 0) is None
    cluster.tell("a", state="primary", paused="p")
    assert following.came_of(cluster.tool(), PAUSE, "p", 0).text.startswith("paused: a runs on")


def test_a_forced_pause_whose_answer_was_lost_is_done():
    cluster = Cluster()
    answer = lost(cluster, PAUSE._replace(force=True))
    assert answer.ok and not answer.id and answer.text.startswith("paused: nobody leads") and logged(cluster)[0][3] is True


@pytest.mark.parametrize("leads", [True, False])
def test_a_pause_that_is_written_stands_whatever_is_lost_after_that(leads):
    cluster = Cluster("a", "b", leads=leads)
    tool, given = cluster.tool(), PAUSE._replace(force=True)
    tool.prepare()
    cluster.client.meddle = lambda path: path == f"{STATE}/control" and setattr(cluster.client, "lose", ["children"])
    answer = following.attempt(tool, given)
    assert answer.ok and (leads or not cluster.client.lose)
    came = following.came_of(cluster.tool(), given, "p", 0)
    assert came is None if leads else came.text.startswith("paused: nobody leads")


def test_a_pause_whose_answer_was_lost_and_that_was_taken_back_is_told_by_whom():
    cluster = Cluster("a", "b")
    answer = lost(cluster, PAUSE, lambda: asked(cluster, pause_giving.RESUME, "bob@desk"))
    assert answer.ok and answer.id == "p"
    came = following.came_of(cluster.tool(), PAUSE, "p", 0)
    assert (came.exit, came.text) == (1, "not paused: it was taken back by bob@desk")
    again = following.attempt(cluster.tool(), PAUSE)
    assert again.id == "p" and "pause" not in cluster.control(), "it is not given twice"


@pytest.mark.parametrize("given, name", [(PAUSE, "set"), (RESUME, "set"), (FORCE._replace(node="a"), "commit")])
def test_what_was_not_written_is_told_so_and_what_cannot_be_looked_up_is_unknown(given, name):
    for unsent, meanwhile, status, told in (
        (True, lambda: None, 1, "was not written"), (False, gone, 4, "unknown whether the order was written"),
    ):
        cluster = Cluster("a", "b")
        if given is not PAUSE:
            asked(cluster, pause_giving.PAUSE, "ann@desk")
            cluster.nodes["a"].consent(cluster.control()["pause"]["id"], "a", LIFE)
            cluster.tell("a", instance="b-4-11-200")
        before, tokens = cluster.control(), [one.token for one in cluster.tool().barriers()]
        answer = lost(cluster, given, meanwhile, name, unsent)
        assert answer.exit == status and told in answer.text and not answer.id
        if unsent:
            assert cluster.control() == before and [one.token for one in cluster.tool().barriers()] == tokens


@pytest.mark.parametrize("ended", [False, True])
def test_a_resume_whose_answer_was_lost_is_looked_up_and_waited_for(two, ended):
    answer = lost(two, RESUME, two.nodes["a"].resume if ended else lambda: None)
    assert (answer.ok, answer.id) == (True, "r") and logged(two)[-1][:2] == ("resume", "ann@desk")
    assert (following.came_of(two.tool(), RESUME, "r", 0) is None) is not ended


def test_a_resume_of_somebody_else_is_waited_for_where_the_own_one_was_lost(two):
    answer = lost(two, RESUME, lambda: following.attempt(two.tool(), RESUME._replace(id="q")), unsent=True)
    assert answer.ok and answer.id == "q"


@pytest.mark.parametrize("consented", [False, True])
def test_a_resume_that_takes_back_what_was_asked_is_looked_up_as_well(consented):
    cluster = Cluster("a", "b")
    asked(cluster, pause_giving.PAUSE, "ann@desk")
    meanwhile = (lambda: cluster.nodes["a"].consent(cluster.control()["pause"]["id"], "a", LIFE)) if consented else lambda: None
    answer = lost(cluster, RESUME, meanwhile, unsent=consented)
    assert answer.ok is not consented
    if consented:
        assert "was not written" in answer.text and logged(cluster) == [("pause", "ann@desk", "", None, None)]
    else:
        assert answer.text == "the pause that was asked for is taken back"
        assert [one[3] for one in logged(cluster)] == [False, True]


def test_where_nobody_can_read_what_stands_it_is_unknown_whether_it_is_resumed(two):
    answer = lost(two, RESUME, lambda: two.ensemble.set(f"{STATE}/control", b"garbage"))
    assert answer.exit == 4 and "unknown whether the order was written" in answer.text and "orders --reset" in answer.text


def test_a_resume_by_force_whose_answer_was_lost_is_done(two):
    two.tell("a", instance="b-4-11-200")
    answer = lost(two, FORCE._replace(node="a"), name="commit")
    assert answer.ok and answer.text.startswith("resumed by force") and not two.tool().barriers()
    assert logged(two)[-1][0] == "resume by force"


def test_who_resumed_waits_for_no_pause_that_was_given_since(two):
    following.attempt(two.tool(), RESUME)
    two.nodes["a"].resume()
    _, order = asked(two, pause_giving.PAUSE, "bob@desk", "zk")
    two.nodes["a"].consent(order, "a", LIFE)
    came = following.came_of(two.tool(), RESUME, "r", 0)
    assert came is not None and came.ok and came.text == "resumed; since then it is paused by bob@desk: zk"


@pytest.mark.parametrize("ack, left", [(b"a:1", b""), (b"go:8080", b"go:8080")], ids=["its own", "another's"])
def test_a_term_that_ends_with_its_consent_empties_no_ack_of_others(ack, left):
    """While it was held, a member may have led that notes no holder."""
    cluster = Cluster("a", "b")
    token, other = cluster.nodes["a"].token, cluster.nodes["b"]
    assert cluster.nodes["a"].holder().address == "a:1"
    cluster.end("a")
    cluster.ensemble.set(other.election_ack, ack)
    other.take_back_consent(token, True)
    assert other.holder() is None and cluster.ensemble.znodes[other.election_ack].data == left
