"""Orders from any host, by the program, at a ZooKeeper in memory."""

import json
import signal
import sys
import threading
from types import SimpleNamespace

import pytest
from kazoo import exceptions
from kazoo.security import OPEN_ACL_UNSAFE, make_acl

from supervisor_zkelect.core.control import Life
from supervisor_zkelect.core.outcomes import Outcome
from supervisor_zkelect.operators import cli, ordering, remote, waiting
from supervisor_zkelect.operators.interrupts import Interrupts
from supervisor_zkelect.operators.outcome import DONE, ERROR, INTERRUPTED, UNDER_WAY, UNKNOWN, USAGE, Trouble
from tests.unit.zookeeper.cluster import CONTROL, OUTCOMES, ROOT, Cluster
from tests.unit.zookeeper.memory import NOON, Client


class World:
    """A cluster, and what happens in it while somebody waits. steps: functions that are called one after the other, one at each
    tenth of a second."""

    def __init__(self, monkeypatch, *names):
        self.cluster, self.steps, self.moment = Cluster(*names), [], 100.0
        self.client = Client(self.cluster.ensemble)
        monkeypatch.setattr(remote, "opened", lambda *given: self.client)
        monkeypatch.setattr(ordering, "threading", SimpleNamespace(Event=lambda: self))
        for module in (ordering, waiting):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.moment))
        monkeypatch.setattr("supervisor_zkelect.operators.ask.time", SimpleNamespace(time=lambda: NOON / 1000, monotonic=None))

    def wait(self, seconds):
        self.moment += seconds
        if self.steps:
            self.steps.pop(0)()


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch, "a", "b", "c")


@pytest.fixture
def run(capsys):
    def run(*words):
        status = cli.main([*words, "--servers", "zk1:2181"])
        return status, *capsys.readouterr()

    return run


def test_a_switchover_is_given_and_waited_for(world, run):
    world.steps = [lambda: None, lambda: world.cluster.switch("a", "c")]
    status, out, err = run("switchover", "--to", "c", "--reason", "disk")
    assert status == DONE and out.startswith("orders: c leads at c:1\n") and "  checked: a leads\n" in out and not err
    status, out, _ = run("orders", "--log", "--json")
    [order] = json.loads(out)["log"]
    assert (order["what"], order["node"], order["reason"]) == ("switchover", "c", "disk") and "@" in order["by"]


@pytest.mark.parametrize("comes", [True, False])
def test_who_leads_instead_is_waited_for_within_the_limit(world, run, comes):
    """c claims, and cannot."""
    def switched():
        one, other, order = world.cluster.nodes["a"], world.cluster.nodes["c"], world.cluster.control()["switchover"]["id"]
        one.release(successor=one.begin("switchover", order, "a"))
        other.try_be_leader()
        other.claim("c", "c:1")
        other.tell_outcome(Outcome(order, False, "c was to lead, and cannot: it is sick"))
        other.release()
        world.cluster.nodes["b"].create_proposal()

    world.steps = [switched, lambda: None, lambda: None, *[lambda: world.cluster.lead("b")] * comes]
    status, _, err = run("switchover", "--to", "c", "--wait", "3")
    leads = "b leads at b:1" if comes else "nobody is primary yet"
    assert (status, err, world.steps) == (ERROR, f"zkelect: c was to lead, and cannot: it is sick; {leads}\n", [])


def test_what_is_taken_back_is_not_only_looked_at(world, run):
    run("switchover", "--to", "c", "--in", "600")
    before = world.cluster.control()
    status, _, err = run("switchover", "--cancel", "--dry-run")
    assert status == USAGE and "--cancel and --dry-run exclude each other" in err
    assert world.cluster.control() == before and "switchover" in before


@pytest.mark.parametrize("words, told", [
    (("switchover", "--cancel", "--to", "b"), "--cancel and --to exclude each other"),
    (("switchover", "--cancel", "--in", "5"), "--cancel and --in exclude each other"),
    (("switchover", "--cancel", "--force", "--yes"), "--cancel and --force exclude each other"),
    (("restart", "--cancel", "--at", "2027-01-15T07:30Z"), "--cancel and --at exclude each other"),
    (("maintenance", "off", "--node", "b", "--for", "2h"), "off and --for exclude each other"),
    (("maintenance", "off", "--node", "b", "--force"), "off and --force exclude each other"),
    (("orders", "--log", "--reset", "--yes"), "--reset and --log exclude each other"),
    (("resume", "--node-is-dead", "a"), "--node-is-dead counts with --force only"),
])
def test_what_would_count_for_nothing_is_refused(world, run, words, told):
    run("switchover", "--to", "c", "--in", "600")
    before = world.cluster.control()
    status, _, err = run(*words)
    assert status == USAGE and told in err and world.cluster.control() == before


def test_a_dry_run_says_what_would_happen(world, run):
    status, out, _ = run("switchover", "--dry-run")
    assert status == DONE and "a would stop its service, and b lead then; nothing is ordered" in out and world.cluster.control() == {}


def test_who_waits_no_longer_is_told_that_it_is_under_way_and_who_has_not_recognised_it(world, run):
    status, _, err = run("switchover", "--to", "c", "--wait", "3")
    assert status == UNDER_WAY and "waiting for a to recognise the order; not yet recognised by a, b, c" in err
    assert world.moment == pytest.approx(103.0, abs=0.2) and world.cluster.control()["switchover"]["to"] == "c"
    status, out, _ = run("switchover", "--to", "c", "--timeout", "3", "--json")
    assert status == ERROR and "another switchover is ordered" in json.loads(out)["error"]


def test_ctrl_c_takes_it_back(world, run):
    def interrupt():
        raise KeyboardInterrupt

    world.steps = [interrupt]
    status, _, err = run("switchover", "--to", "c")
    assert status == INTERRUPTED and "is taken back" in err and err.count("\n") == 1 and "switchover" not in world.cluster.control()


def test_ctrl_c_says_that_it_stands_where_it_has_begun(world, run):
    def interrupt():
        one = world.cluster.nodes["a"]
        one.begin("switchover", world.cluster.control()["switchover"]["id"], "a")
        raise KeyboardInterrupt

    world.steps = [interrupt]
    status, _, err = run("switchover", "--to", "c")
    assert status == INTERRUPTED and "has begun, and stands" in err and world.cluster.control()["switchover"]["begun"]


def test_maintenance_wants_its_node_and_means_the_elections_that_know_it(world, run):
    status, _, err = run("maintenance", "on")
    assert status == USAGE and "name the node with --node" in err
    status, _, err = run("maintenance", "on", "--node", "nobody")
    assert status == USAGE and "no node nobody is known in orders; there are: a, b, c" in err
    world.steps = [lambda: world.cluster.nodes["b"].withdraw()]
    status, out, _ = run("maintenance", "on", "--node", "b")
    assert status == DONE and "b is in maintenance" in out
    status, out, _ = run("orders")
    assert "b: in maintenance by " in out
    assert run("maintenance", "on", "orders", "--node", "b", "--wait", "1", "--reason", "disk")[0] == DONE


# Pause


def consents(world):
    """The primary consents to the pause that is asked for; returns the order's id."""
    order = world.cluster.control()["pause"]["id"]
    world.cluster.nodes["a"].consent(order, "a", Life("", "b", "b-4-10-100"))
    return order


def test_a_pause_is_done_when_the_primary_says_that_its_guard_knows(world, run):
    done = []
    world.steps = [
        lambda: done.append(consents(world)), lambda: None, lambda: world.cluster.tell("a", state="primary", paused=done[0]),
    ]
    status, out, err = run("pause", "--reason", "upgrade")
    assert status == DONE and out.startswith("orders: paused: a runs on whatever becomes of ZooKeeper") and not err and not world.steps
    paused = world.cluster.control()["paused"]
    assert paused["reason"] == "upgrade" and "@" in paused["by"] and paused["node"] == "a" and len(world.cluster.tool().barriers()) == 1


@pytest.mark.parametrize("step, told", [
    (lambda world: None, "a has not consented yet"), (consents, "a has consented, and has not confirmed yet"),
])
def test_a_pause_that_the_primary_has_not_confirmed_is_under_way(world, run, step, told):
    world.steps = [lambda: step(world)]
    status, _, err = run("pause", "--wait", "2")
    assert status == UNDER_WAY and told in err and "do not touch ZooKeeper" in err


@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_takes_a_pause_back_until_the_primary_has_consented(world, run, begun):
    def interrupt():
        if begun:
            consents(world)
        raise KeyboardInterrupt

    world.steps = [interrupt]
    status, _, err = run("pause")
    assert status == INTERRUPTED and ("has begun, and stands" if begun else "is taken back") in err
    assert ("paused" in world.cluster.control(), "pause" in world.cluster.control()) == (begun, False)


def test_a_resume_is_done_when_the_primary_has_ended_the_pause(world, run):
    run("pause", "--wait", "1")
    consents(world)
    status, _, err = run("resume", "--wait", "1")
    assert status == UNDER_WAY and "a, who runs by the pause, has not ended it yet" in err
    world.steps = [world.cluster.nodes["a"].resume]
    status, out, _ = run("resume")
    assert status == DONE and out == "orders: resumed: a leads\n" and "paused" not in world.cluster.control()


def test_ctrl_c_says_that_a_resume_stands_that_was_ordered_before(world, run):
    """The second order writes nothing: it waits for the first."""
    def interrupt():
        raise KeyboardInterrupt

    run("pause", "--wait", "1")
    consents(world)
    assert run("resume", "--wait", "1")[0] == UNDER_WAY
    before = world.cluster.control()
    world.steps = [interrupt]
    status, _, err = run("resume")
    assert status == INTERRUPTED and "has begun, and stands" in err and world.cluster.control() == before and before["paused"]["resume"]


def test_a_resume_by_force_wants_the_name_of_a_node_that_does_not_live(world, run):
    run("pause", "--wait", "1")
    consents(world)
    world.cluster.tell("a", state="primary", instance="b-4-10-100")
    status, _, err = run("resume", "--force", "--node-is-dead", "a")
    assert status == ERROR and "its listener lives" in err and "paused" in world.cluster.control()
    world.cluster.end("a")
    status, _, err = run("resume", "--force")
    assert status == ERROR and "whether a fence is set is not known here" in err and "--node-is-dead a" in err
    status, out, _ = run("resume", "--force", "--node-is-dead", "a")
    assert status == DONE and "resumed by force" in out and "paused" not in world.cluster.control()
    assert not world.cluster.tool().barriers()


# Forgetting


def test_a_node_is_forgotten(world, run):
    status, _, err = run("forget", "c")
    assert status == ERROR and "c lives" in err
    world.cluster.end("c")
    assert run("forget", "c", "orders")[0] == DONE and "c" not in world.cluster.nodes["a"].known_nodes()


def test_of_two_hosts_that_order_at_once_one_is_refused(world, run):
    other = Client(world.cluster.ensemble)

    def meddle(path):
        if path == CONTROL and not world.cluster.control():
            world.client.meddle = lambda path: None
            desk = ordering.RemoteElections(other, "/zkelect", 5.0)
            way = ordering.ZooKeeperWay(desk.elector("orders"), ordering_given("b"), Interrupts())
            assert way.give(0.0)["exit"] == UNDER_WAY

    world.client.meddle = meddle
    status, _, err = run("switchover", "--to", "c")
    assert status == ERROR and "another switchover is ordered" in err and world.cluster.control()["switchover"]["to"] == "b"


def ordering_given(to):
    from supervisor_zkelect.zookeeper import asked

    return asked.given("switchover", {"to": to, "by": "x@y", "id": "t"})


def test_a_host_whose_clock_is_an_hour_off_is_told_so_and_the_order_goes_by_zookeepers(world, run):
    world.cluster.ensemble.clock = NOON - 3_600_000
    status, out, _ = run("switchover", "--to", "c", "--at", "2027-01-15T07:30Z")
    assert status == DONE and "in 30 m" in out and "orders: warning: the clock of this host is 1 h 0 m ahead of ZooKeeper's" in out
    assert world.cluster.control()["switchover"]["due"] == NOON - 1_800_000
    assert run("switchover", "--cancel")[0] == DONE
    status, _, err = run("switchover", "--at", "2027-01-15T06:59Z")
    assert status == ERROR and "is over" in err
    status, _, err = run("switchover", "--at", "2027-01-15T07:30Z", "--in", "5")
    assert status == USAGE and "exclude each other" in err


def test_garbage_in_the_control_is_told_and_reset(world, run):
    world.cluster.ensemble.set(CONTROL, b"garbage")
    status, _, err = run("switchover")
    assert status == ERROR and "--reset" in err and err.count("\n") == 1
    assert run("orders", "--reset")[0] == DONE and world.cluster.control() == {}


def test_without_the_right_to_write_one_line_says_so(world, run):
    world.cluster.ensemble.denied = {("write", CONTROL)}
    status, _, err = run("switchover")
    assert status == ERROR and "was not written" in err and "ACL" in err and err.count("\n") == 1


def test_without_zookeeper_one_line_says_so(world, run, monkeypatch):
    def opened(settings):
        raise Trouble(UNKNOWN, "unknown: cannot reach ZooKeeper")

    monkeypatch.setattr(remote, "opened", opened)
    status, _, err = run("switchover")
    assert status == UNKNOWN and err == "zkelect: unknown: cannot reach ZooKeeper\n"


@pytest.mark.parametrize("error, status", [(exceptions.NoAuthError(), ERROR), (exceptions.ConnectionLoss(), UNKNOWN), (TimeoutError(), UNKNOWN)])
def test_an_acl_that_cannot_be_read_ends_it(world, run, error, status, monkeypatch):
    def refused(path):
        def get(timeout):
            raise error

        return SimpleNamespace(get=get)

    monkeypatch.setattr(world.client, "get_acls_async", refused)
    found, _, err = run("switchover")
    assert found == status and err.count("\n") == 1 and world.cluster.control() == {}


def test_nothing_is_made_for_nobody(world, run):
    """ZooKeeper hides the identities of an ACL from who may not change it."""
    world.cluster.ensemble.delete(OUTCOMES)
    world.cluster.ensemble.znodes[f"{ROOT}/election"].acl = [make_acl("digest", "nodes:x", all=True)]
    status, _, err = run("switchover", "--in", "60")
    assert status == ERROR and f"{OUTCOMES} is missing" in err and world.cluster.control() == {}
    world.cluster.ensemble.create(OUTCOMES)
    assert run("switchover", "--in", "60")[0] == DONE


@pytest.mark.parametrize("words, told", [
    (("switchover", "other"), "there is no election other below /zkelect; there are: orders"), (("switchover", "--root", "/x"), "switchover needs an election"),
    (("orders", "--root", "/x"), "there is no election below /x"), (("forget",), "the following arguments are required: NODE"),
    (("maintenance", "on", "--node", "../b"), "../b is not a valid name of a node"),
])
def test_what_is_no_order_is_told(world, run, words, told):
    status, _, err = run(*words)
    assert status == USAGE and told in err and err.count("\n") == 1


def another(world, name, below=("ack-state/control",)):
    """Another election, in which nobody stands."""
    for path in ("election", *below):
        world.cluster.ensemble.create(f"/zkelect/{name}/{path}", makepath=True)


@pytest.mark.parametrize("words", [
    ("pause", "billing", "--force"), ("maintenance", "on", "billing", "--node", "x"), ("switchover", "billing"), ("orders", "billing"),
    ("orders", "billing", "--reset"), ("forget", "x", "billing"),
])
def test_where_no_node_keeps_its_state_nothing_is_ordered_and_nothing_made(world, run, words):
    """Its nodes keep that elsewhere, or are Go's electors."""
    another(world, "billing", below=())
    before = set(world.cluster.ensemble.znodes)
    status, out, err = run(*words)
    told = "no node keeps its state at /zkelect/billing/ack-state; give the order on a node"
    assert (status, out, err) == (ERROR, "", f"zkelect: {told}\n") and set(world.cluster.ensemble.znodes) == before


@pytest.mark.parametrize("left", ["control", "nodes"])
def test_of_the_state_of_nodes_some_may_be_missing(world, run, left):
    another(world, "billing", below=(f"ack-state/{left}",))
    assert run("pause", "billing", "--force")[0] == DONE


def test_of_several_elections_the_one_is_named_that_is_moved(world, run):
    another(world, "stock")
    status, _, err = run("switchover")
    assert status == USAGE and "switchover needs an election: name one, or take --all; there are: orders, stock" in err
    status, out, _ = run("orders", "--json")
    assert status == DONE and set(json.loads(out)["elections"]) == {"orders", "stock"}
    status, _, err = run("switchover", "--all", "orders")
    assert status == USAGE and "--all and the name of an election exclude each other" in err and world.cluster.control() == {}


@pytest.mark.parametrize("shut", [False, True])
def test_all_elections_are_moved_by_a_word_and_one_that_is_refused_keeps_the_others_from_nothing(world, run, monkeypatch, shut):
    """Nobody leads the first of them; or its ACL may not even be read."""
    another(world, "billing")
    read = world.client.get_acls_async

    def refused(path):
        def get(timeout):
            raise exceptions.NoAuthError

        return SimpleNamespace(get=get) if shut and "billing" in path else read(path)

    monkeypatch.setattr(world.client, "get_acls_async", refused)
    status, out, err = run("switchover", "--all", "--in", "60")
    assert status == ERROR and "orders: ordered for" in out and world.cluster.control()["switchover"]
    assert "billing: " in err and ("read the ACL" if shut else "nobody leads") in err


def unreadable(world, monkeypatch, trouble):
    """An election whose ACL may not be read, where something is missing, that does not answer, or may not be listed."""
    another(world, "billing")
    read, hidden, listed = world.client.get_acls_async, [make_acl("digest", "nodes:x", all=True)], world.client.get_children_async

    def refused(*given):
        raise {"acl": exceptions.NoAuthError, "silence": TimeoutError, "list": exceptions.NoAuthError}[trouble]

    def asked(path):
        return SimpleNamespace(get=refused) if trouble in ("acl", "silence") and "billing" in path else read(path)

    world.cluster.ensemble.znodes["/zkelect/billing/election"].acl = hidden if trouble == "missing" else OPEN_ACL_UNSAFE
    monkeypatch.setattr(world.client, "get_acls_async", lambda path: SimpleNamespace(get=lambda timeout: asked(path).get()))
    monkeypatch.setattr(world.client, "get_children_async", lambda path, watch=None: SimpleNamespace(
        get=lambda timeout: refused() if trouble == "list" and "billing" in path else listed(path).get()
    ))


TROUBLES = [
    ("acl", ERROR, "billing: ZooKeeper does not let this user read the ACL"), ("missing", ERROR, "is missing"),
    ("silence", UNKNOWN, "billing: unknown: ZooKeeper does not answer"), ("list", UNKNOWN, "billing: unknown: "),
]


@pytest.mark.parametrize("trouble, status, told", TROUBLES)
def test_an_election_that_cannot_be_read_keeps_no_other_from_an_order_for_a_node(world, run, monkeypatch, trouble, status, told):
    unreadable(world, monkeypatch, trouble)
    world.steps = [world.cluster.nodes["b"].withdraw]
    found, out, err = run("maintenance", "on", "--node", "b")
    assert found == status and out.startswith("orders: b is in maintenance") and told in err and err.count("\n") == 1
    world.cluster.end("c")
    found, out, err = run("forget", "c")
    assert found == status and out.startswith("orders: c is forgotten") and told in err


@pytest.mark.parametrize("trouble, status, told", TROUBLES)
def test_a_node_that_no_readable_election_knows_may_be_of_the_others(world, run, monkeypatch, trouble, status, told):
    unreadable(world, monkeypatch, trouble)
    found, out, err = run("maintenance", "on", "--node", "nobody")
    assert found == status and not out and "no node nobody is known in orders; there are: a, b, c; billing: " in err and told in err
    assert world.cluster.control() == {}


@pytest.mark.parametrize("outside, told", [(False, "the order is taken back"), (True, "nothing was ordered")])
def test_ctrl_c_hides_nothing_that_was_done_in_the_elections_before(world, run, monkeypatch, outside, told):
    """Ctrl-C comes in the second of three elections: while the order is waited for, or while it is looked at before."""
    def interrupt():
        raise KeyboardInterrupt

    for name in ("billing", "stock"):
        another(world, name)
    read = world.client.get_acls_async

    def read_and_interrupted(path):
        if outside and "orders" in path:
            signal.raise_signal(signal.SIGINT)
        return read(path)

    monkeypatch.setattr(world.client, "get_acls_async", read_and_interrupted)
    world.steps = [interrupt]
    status, _, err = run("switchover", "--all")
    assert status == INTERRUPTED and "billing: nobody leads" in err and "stock: not ordered" in err
    assert f"orders: interrupted; {told}" in err and "switchover" not in world.cluster.control()


def test_without_an_election_there_is_none_to_move(run, world):
    status, _, err = run("switchover", "--all", "--root", "/x")
    assert status == USAGE and "there are: none" in err


def test_a_terminal_is_asked_before_a_service_is_given_up(world, run, monkeypatch):
    asked = []
    monkeypatch.setattr("supervisor_zkelect.operators.confirm.agreed", lambda text, *streams: asked.append(text) or not text)
    status, _, err = run("orders", "--reset")
    assert status == ERROR and "not ordered" in err and "taken back" in asked[-1]
    assert run("orders", "--reset", "--yes")[0] == DONE and asked[-1] == ""
    assert sys.stdin is not None


def test_a_signal_that_kazoo_would_swallow_is_noted_and_obeyed(world, run):
    """It comes while a request is begun, where any exception is taken for a connection that was closed."""
    get = world.client.get_async

    def interrupted(path, watch=None):
        if path == OUTCOMES and world.cluster.control():
            world.client.get_async = get
            try:
                signal.raise_signal(signal.SIGINT)
            except BaseException:
                return SimpleNamespace(get=exceptions.ConnectionClosedError)
        return get(path, watch)

    world.client.get_async = interrupted
    status, _, err = run("switchover", "--to", "c")
    assert status == INTERRUPTED and "is taken back" in err and world.moment < 101.0


def interrupted():
    signal.raise_signal(signal.SIGINT)


def broken():
    raise exceptions.WriterNotClosedException


@pytest.mark.parametrize("trouble, words", [
    (interrupted, ["orders"]), (broken, ["orders"]), (broken, ["list"]), (broken, ["primary", "orders"]),
])
def test_the_end_of_the_client_costs_no_answer(world, run, trouble, words):
    """Ctrl-C just then, or a session that is lost."""
    world.client.stop = trouble
    status, out, err = run(*words)
    assert status == DONE and out and not err


def test_the_end_of_the_client_is_not_waited_for(world, run, monkeypatch):
    """A server that answers no more."""
    told, ended = threading.Event(), []
    monkeypatch.setattr(remote, "STOP_TIME", 0.01)
    world.client.stop = lambda: ended.append(told.wait(20))
    status, _, _ = run("orders")
    assert status == DONE and ended == []
    told.set()


def test_only_the_first_signal_is_noted_and_what_was_set_holds_again_after():
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        interrupts.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        interrupts.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_signals_are_ignored_they_stay_so(monkeypatch):
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            interrupts.check()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, former)


@pytest.mark.parametrize("error", [exceptions.ConnectionLoss(), exceptions.SessionExpiredError()])
def test_a_look_that_zookeeper_does_not_answer_is_told(world, run, monkeypatch, error):
    """Whose identities it hides, a tool looks first at what there is."""
    world.cluster.ensemble.znodes[f"{ROOT}/election"].acl = [make_acl("digest", "nodes:x", all=True)]
    exists = world.client.exists_async

    def lost(timeout):
        raise error

    monkeypatch.setattr(world.client, "exists_async", lambda path: SimpleNamespace(get=lost) if path == OUTCOMES else exists(path))
    status, out, err = run("switchover", "--to", "c")
    assert status == UNKNOWN and not out and "ZooKeeper does not answer" in err and world.cluster.control() == {}
