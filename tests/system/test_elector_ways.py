"""The Elector as one would use it in Python: whole terms, a deadline and who is told that it passed, and no mistaken names."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from kazoo.client import KazooClient

from lab.relay import Relay
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.elector import BadArgument, Elector, NotConnected, NotLeader, ProposalGone, TimedOut, ZooKeeperFailed
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import arguments

#: Seconds that something which is to happen may take on a busy machine.
TIME = 30.0


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def client(zk_server):
    """A caller's own, as kazoo makes it."""
    one = KazooClient(hosts=zk_server.hosts, timeout=4)
    one.start(timeout=TIME)
    yield one
    one.stop()
    one.close()


#: Seconds of a session whose lease a busy machine does not let run out.
LONG = 8.0


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """The hosts of a ZooKeeper that grants such sessions."""
    with ZooKeeper(tmp_path_factory.mktemp("patient"), tick_ms=200, extra={"maxSessionTimeout": 60000}) as server:
        yield server.hosts


@pytest.fixture
def own(patient):
    """An elector of a caller's client, who knows what that was granted, and not when its session began."""
    client = KazooClient(hosts=patient, timeout=LONG)
    client.start(timeout=TIME)
    one = Elector(client, "/own/election", "n", "/own/ack", granted=LONG)
    one.prepare()
    yield one
    one.close()
    client.stop()
    client.close()


def lead(elector):
    elector.create_proposal()
    assert elector.try_be_leader()
    return elector


def names(zk, root):
    return sorted(zk.get_children(f"{root}/e/election"))


def again(zk, root):
    """The election znode is made anew by hand, and counts from zero again."""
    zk.delete(f"{root}/e/election", recursive=True)
    zk.create(f"{root}/e/election")


def renewals():
    return [thread for thread in threading.enumerate() if thread.name == "zkelect-renewal"]


# A Standing


def test_a_standing_is_true_exactly_when_it_leads(join):
    first, second = lead(join()), join()
    second.create_proposal()
    assert second.try_be_leader().leads is bool(second.try_be_leader()) is False
    assert first.try_be_leader().leads is bool(first.try_be_leader()) is True
    first.release()
    assert until(second.try_be_leader, TIME, "the second to lead")


# The end of a with statement


def test_a_with_statement_ends_cleanly(join, zk, root):
    other = join()
    with join() as one:
        lead(one).claim("a", "a:1")
        one.ack_leader("a:1")
    assert (other.read_ack(), other.holder(), names(zk, root)) == (b"", None, [])
    with pytest.raises(NotConnected, match="closed"):
        one.create_proposal()


def test_after_an_exception_the_end_is_a_dirty_one(join, zk, root):
    other = join()
    with pytest.raises(ZeroDivisionError):
        with join() as one:
            lead(one).claim("a", "a:1")
            one.ack_leader("a:1")
            1 / 0
    assert (other.read_ack(), other.holder().node, names(zk, root)) == (b"", "a", [])


@pytest.mark.parametrize("before", [
    lambda one: None, lambda one: one.create_proposal(), lambda one: lead(one).release(), lambda one: lead(one).withdraw(),
    lambda one: lead(one).close(), lambda one: lead(one)._client.delete(one.proposal_path),
], ids=["nothing", "a candidate", "released", "withdrawn", "closed", "deleted by hand"])
def test_whatever_was_before_a_with_statement_ends(join, zk, root, before):
    with join() as one:
        before(one)
    assert names(zk, root) == []


def test_a_callers_client_goes_on(client, zk, root):
    with Elector(client, f"{root}/e/election", "n", f"{root}/e/ack") as one:
        one.prepare()
        lead(one)
    assert client.connected and names(zk, root) == []


# Another's proposal of the same name


CALLS = {
    "ack": lambda one: one.ack_leader("a:1"), "clear": lambda one: one.clear_ack(), "repair": lambda one: one.repair("a:1"),
    "claim": lambda one: one.claim("a", "a:1"), "predecessor": lambda one: one.predecessor(), "prove": lambda one: one.prove(),
    "release": lambda one: one.release(), "step behind": lambda one: one.step_behind(), "stand": lambda one: one.try_be_leader(),
    "wait": lambda one: one.wait_to_lead(5.0), "run": lambda one: one.run(lambda: pytest.fail("it ran"), 5.0),
}


@pytest.mark.parametrize("acked", [False, True], ids=["not acked", "acked"])
@pytest.mark.parametrize("call", CALLS)
def test_who_claimed_nothing_does_not_take_anothers_name_for_its_own(join, zk, root, call, acked):
    one, other = lead(join()), join()
    again(zk, root)
    assert lead(other).proposal == one.proposal and other.token != one.token
    if acked:
        other.ack_leader("b:1")
    before = zk.get(f"{root}/e/ack")
    with pytest.raises((NotLeader, ProposalGone)):
        CALLS[call](one)
    assert one.proposal is None and zk.get(f"{root}/e/ack") == before
    assert zk.exists(other.proposal_path).czxid == other.token and other.holder() is None


def test_members_and_others_know_it_too(join, zk, root):
    one, other = lead(join()), join()
    again(zk, root)
    lead(other)
    assert [member.mine for member in one.members()] == [False] and one.others() == 1
    assert [member.mine for member in other.members()] == [True] and other.others() == 0


def between(monkeypatch, one, what, do):
    """Have `do` done before the elector's next call of `what` of its client."""
    call = getattr(one._client, what)

    def first(*words, **options):
        monkeypatch.undo()
        do()
        return call(*words, **options)

    monkeypatch.setattr(one._client, what, first)


@pytest.mark.parametrize(
    "acks", [lambda other: other.ack_leader("b:1"), lambda other: other.claim("b", "b:1")], ids=["ack", "claim"]
)
def test_who_leads_by_the_same_name_from_one_moment_to_the_next_keeps_its_ack(join, zk, root, monkeypatch, acks):
    one, other = lead(join()), join()
    one.ack_leader("a:1")

    def change():
        again(zk, root)
        acks(lead(other))

    between(monkeypatch, one, "transaction", change)
    with pytest.raises(NotLeader):
        one.ack_leader("a:2")
    assert other.read_ack() in (b"b:1", b"") and one.proposal is None


def test_nor_does_it_write_an_ack_where_another_has_just_claimed_the_term(join, zk, root, monkeypatch):
    """A predecessor's holder stands there, and an ack that is empty already, so that only the holder changes."""
    dead, one, other = lead(join()), join(), join()
    dead.claim("z", "z:1")
    dead.withdraw()
    lead(one)

    def change():
        again(zk, root)
        other.create_proposal()
        other.withdraw()
        assert lead(other).proposal == one.proposal
        other.claim("b", "b:1")

    between(monkeypatch, one, "transaction", change)
    with pytest.raises(NotLeader):
        one.ack_leader("a:1")
    assert (other.read_ack(), other.holder().node) == (b"", "b")


def test_nor_where_nobody_had_left_a_holder(join, zk, root, monkeypatch):
    """An ack that is empty already is only checked by who claims a term, so it stays the same."""
    one, other = lead(join()), join()

    def change():
        again(zk, root)
        assert lead(other).proposal == one.proposal
        other.claim("b", "b:1")

    between(monkeypatch, one, "transaction", change)
    with pytest.raises(NotLeader):
        one.ack_leader("a:1")
    assert (other.read_ack(), other.holder().node) == (b"", "b")


def test_an_ack_is_written_where_there_is_neither_holder_nor_state(join, zk, root):
    one = lead(join())
    zk.delete(f"{root}/e/ack-state", recursive=True)
    one.ack_leader("a:1")
    assert one.read_ack() == b"a:1" and one.holder() is None


@pytest.mark.parametrize("call", [lambda one: one.try_be_leader(), lambda one: one.prove(), lambda one: one.ack_leader("a:1")])
def test_a_check_is_of_the_very_proposal(join, zk, root, monkeypatch, call):
    """Not of another's that took its name after the look, and before the check."""
    one, other = lead(join()), join()

    def change():
        again(zk, root)
        other.create_proposal()

    between(monkeypatch, one, "transaction", change)
    with pytest.raises((NotLeader, ProposalGone)):
        call(one)
    assert one.proposal is None


def test_an_ack_that_others_write_meanwhile_is_written_all_the_same(join, zk, root, monkeypatch):
    one = lead(join())
    between(monkeypatch, one, "transaction", lambda: zk.set(f"{root}/e/ack", b"somebody's"))
    one.ack_leader("a:1")
    assert one.read_ack() == b"a:1"
    zk.delete(f"{root}/e/ack")
    one.ack_leader("a:2")
    assert one.read_ack() == b"a:2"


# Two electors of one client


def test_two_electors_of_one_client_have_no_proposal_in_one_election(client, zk, root):
    def make(prefix="n", election="e"):
        one = Elector(client, f"{root}/{election}/election", prefix, f"{root}/{election}/ack")
        one.prepare()
        return one

    one, same, other_prefix, elsewhere = make(), make(), make("m"), make("n", "f")
    lead(one)
    for second in (same, other_prefix):
        for call in (second.create_proposal, second.adopt_proposal, second.wait_to_lead, lambda: second.run(print)):
            with pytest.raises(BadArgument):
                call()
        assert second.proposal is None and [member.name for member in second.members()] == [one.proposal]
    lead(elsewhere)
    one.close()
    assert same.create_proposal() == one.proposal and same.try_be_leader()
    same.release()
    assert names(zk, root) == [] and lead(other_prefix)
    for second in (same, other_prefix, elsewhere):
        second.close()


@pytest.mark.parametrize("end", ["closed", "dropped", "refused and dropped"])
def test_an_elector_that_nobody_has_any_more_keeps_no_place(client, root, end):
    def make():
        return Elector(client, f"{root}/e/election", "n", f"{root}/e/ack")

    one = make()
    one.prepare()
    if end == "closed":
        one.close()
        with pytest.raises(NotConnected):
            one.adopt_proposal()
    elif end == "dropped":
        one.create_proposal()
    else:
        client.delete(f"{root}/e/election")
        with pytest.raises(ZooKeeperFailed):
            one.create_proposal()
        client.create(f"{root}/e/election")
    if end != "closed":
        # What was raised has a frame that has it.
        del one
    gc.collect()
    other = make()
    assert other.create_proposal() and len(client.get_children(f"{root}/e/election")) == 1
    other.release()
    other.close()


def test_an_elector_that_was_forgotten_keeps_nobody_from_leading(zk_server, root):
    """As one of a client that tells nobody anything, and so keeps nobody alive."""
    from supervisor_zkelect.zookeeper import seats

    class Nobody:
        """A client."""

    client, one = Nobody(), Nobody()
    seats.take(client, "/e", one)
    with pytest.raises(BadArgument, match="another Elector"):
        seats.take(client, "/e", Nobody())
    del one
    second = Nobody()
    seats.take(client, "/e", second)
    seats.leave(client, "/e", Nobody())
    with pytest.raises(BadArgument):
        seats.take(client, "/e", Nobody())


# Waiting


def test_who_waits_leads_when_the_others_are_gone(join, pool):
    first, second, third = lead(join()), join(), join()
    waiting = pool.submit(second.wait_to_lead, TIME)
    until(lambda: first.others() == 1, TIME, "the second to stand in the queue")
    last = pool.submit(third.wait_to_lead)
    until(lambda: first.others() == 2, TIME, "the third to stand in the queue")
    first.withdraw()
    assert waiting.result(TIME).leads and not last.done()
    assert second.deadline > now()
    second.release()
    assert last.result(TIME)


def test_who_waited_in_vain_keeps_its_place(join):
    first, second = lead(join()), join()
    with pytest.raises(TimedOut, match="keeps its place"):
        second.wait_to_lead(0.01)
    name = second.proposal
    with pytest.raises(TimedOut):
        second.wait_to_lead(0.01)
    assert second.proposal == name and [one.mine for one in second.members()] == [False, True]
    first.close()
    assert second.wait_to_lead(TIME).leads and second.proposal == name


def test_a_proposal_that_is_deleted_while_it_waits_is_made_anew(join, zk, pool):
    first, second = lead(join()), join()
    waiting = pool.submit(second.wait_to_lead, TIME)
    until(lambda: first.others() == 1, TIME, "the second to stand in the queue")
    name = second.proposal
    zk.delete(second.proposal_path)
    first.withdraw()
    assert waiting.result(TIME) and second.proposal != name


def test_who_led_is_told_that_it_does_not_any_more(join, zk):
    one = lead(join())
    zk.delete(one.proposal_path)
    with pytest.raises(ProposalGone):
        one.wait_to_lead(TIME)
    assert one.wait_to_lead(TIME).leads


def test_an_elector_that_is_closed_while_it_waits_says_so(join, pool, client, root):
    first = lead(join())
    second, third = join(), Elector(client, f"{root}/e/election", "n", f"{root}/e/ack")
    waiting = [pool.submit(one.wait_to_lead) for one in (second, third)]
    until(lambda: first.others() == 2, TIME, "both to stand in the queue")
    second.close()
    third.close()
    for one in waiting:
        with pytest.raises(NotConnected):
            one.result(TIME)


def test_a_zookeeper_that_stays_away_is_told(tmp_path, pool):
    with ZooKeeper(tmp_path, tick_ms=500) as server:
        first, second = (Elector.connect(server.hosts, 4.0, "/e/election", "n", "/e/ack") for _ in "12")
        lead(first)
        waiting = pool.submit(second.wait_to_lead)
        until(lambda: first.others() == 1, TIME, "the second to stand in the queue")
        server.kill()
        with pytest.raises((NotConnected, TimedOut)):
            waiting.result(2 * TIME)
        first.close()
        second.close()


# Until when it is proven


def test_a_deadline_lies_ahead_from_the_first_check_on(join):
    one = join()
    begun = now()
    one.create_proposal()
    assert one.deadline is None
    assert one.try_be_leader() and begun < one.deadline <= now() + 4.0
    assert one.prove() == one.deadline
    one.release()
    assert one.deadline is None
    with pytest.raises(NotLeader):
        one.prove()


def test_without_knowing_what_was_granted_nothing_is_proven(client, root):
    one = Elector(client, f"{root}/e/election", "n", f"{root}/e/ack")
    one.prepare()
    assert lead(one).deadline is None and one.prove() is None
    one.release()
    one.close()


def test_a_callers_client_is_proven_half_a_timeout_later(own):
    assert lead(own).deadline is None
    assert own.run(lambda: own.deadline > now()) and own.members() == []


def test_who_waited_has_a_deadline_as_soon_as_it_leads(own, patient, monkeypatch, pool):
    """By what its session was answered while it waited, where nobody saw when that began."""
    with Elector.connect(patient, LONG, "/own/election", "n", "/own/ack") as first:
        lead(first)
        looks, look = [], own._client.exists_async
        monkeypatch.setattr(own._client, "exists_async", lambda path, **words: looks.append(path) or look(path, **words))
        waiting = pool.submit(own.wait_to_lead, TIME)
        # One every tenth of the session's timeout, so that the first is older than half of it.
        until(lambda: looks.count(own.election_znode) > 6, TIME, "the waiting elector to have asked some times")
    assert waiting.result(TIME) and own.deadline > now()
    own.release()


def test_nobody_else_leads_before_the_deadline(join, zk_server, pool):
    """The link of who leads stands still; its session ends, and with that the other one leads."""
    told = []
    with Relay(zk_server.hosts) as relay:
        one, other = join(relay.address, lost=lambda why: told.append((why, now()))), join()
        lead(one)
        waiting = pool.submit(lambda: (other.wait_to_lead(TIME), now()))
        until(lambda: one.others() == 1, TIME, "the other to stand in the queue")
        token = one.token
        relay.hold()
        until(lambda: told, TIME, "the loss to be told")
        assert one.deadline is None
        standing, moment = waiting.result(TIME)
        # Whoever was told may have been told late, on a busy machine.
        deadline = one._proof.deadline(token)
        assert standing and deadline < moment and deadline <= told[0][1]
        assert "not confirmed" in told[0][0] and one.proposal_path in told[0][0]
        relay.release()
        until(lambda: one.proposal is None, TIME, "the session's end to be known")
    assert len(told) == 1


@pytest.mark.parametrize("end", ["deleted", "made anew", "session"])
def test_the_end_of_a_proposal_is_told_once(join, zk, root, zk_server, end):
    told = []
    one = lead(join(lost=told.append))
    assert one.try_be_leader()
    if end == "session":
        # Whoever attaches to a session may close it.
        thief = KazooClient(hosts=zk_server.hosts, timeout=4, client_id=one._client.client_id)
        thief.start(timeout=TIME)
        thief.stop()
        thief.close()
    elif end == "deleted":
        zk.delete(one.proposal_path)
    else:
        again(zk, root)
        lead(join())
    assert "gone" in until(lambda: told, TIME, "the end to be told")[0]
    until(lambda: not renewals(), TIME, "the thread to end")
    with pytest.raises((ProposalGone, NotLeader, NotConnected)):
        one.try_be_leader()
    assert one.deadline is None and len(told) == 1
    if end != "session":
        # The next term is another one.
        again(zk, root)
        lead(one)
        zk.delete(one.proposal_path)
        until(lambda: len(told) == 2, TIME, "the second end to be told")


def test_who_leads_again_after_a_silence_is_told_again(join, zk, zk_server):
    told = []
    with Relay(zk_server.hosts) as relay:
        one = join(relay.address, lost=told.append)
        lead(one)
        relay.hold()
        until(lambda: told, TIME, "the loss to be told")
        relay.release()

        def leads_again():
            if one.proposal is None:
                one.create_proposal()
            return one.try_be_leader() and one.deadline is not None and one.deadline > now()

        until(leads_again, TIME, "the elector to lead, and that to be proven")
        before = len(told)
        zk.delete(one.proposal_path)
        until(lambda: len(told) > before, TIME, "the end to be told")
        until(lambda: not renewals(), TIME, "the threads to end")
        one.close()


@pytest.mark.parametrize("leave", [
    lambda one: one.release(), lambda one: one.withdraw(), lambda one: one.step_behind(), lambda one: one.close(),
], ids=["release", "withdraw", "step behind", "close"])
def test_who_ends_its_term_itself_is_not_told(join, leave):
    told = []
    one = lead(join(lost=told.append))
    assert renewals()
    leave(one)
    until(lambda: not renewals(), TIME, "the thread to end")
    assert not told


@pytest.mark.parametrize("answer", [lambda one: 1 / 0, lambda one: one.close(), lambda one: one.create_proposal()])
def test_whoever_is_told_may_fail_or_call_the_elector(join, zk, answer, caplog):
    called = []
    one = join(lost=lambda why: called.append(why) or answer(one))
    zk.delete(lead(one).proposal_path)
    until(lambda: called and not renewals(), TIME, "the thread to end")
    assert len(called) == 1


def test_a_deadline_is_kept_ahead_by_itself(patient):
    told = []
    with Elector.connect(patient, LONG, "/kept/election", "n", "/kept/ack", lost=told.append) as one:
        first = lead(one).deadline
        until(lambda: one.deadline > first + 1.0, TIME, "the deadline to have moved on")
        assert not told and len(renewals()) == 1


# Whole terms


def test_a_proposal_that_is_written_by_hand_is_not_asked_for_without_end(own, monkeypatch):
    """It has told of a change, and tells of it at once ever after."""
    own.create_proposal()
    checks, prove = [], own.prove
    monkeypatch.setattr(own, "prove", lambda: checks.append(now()) or prove())
    look = own.try_be_leader

    def seen():
        standing = look()
        if not checks:
            own._client.set(own.proposal_path, b"by hand")
            standing.changed.result(timeout=TIME)
        return standing

    monkeypatch.setattr(own, "try_be_leader", seen)
    assert own.run(lambda: own.deadline > now())
    # Ten in a timeout, half of which it takes, and those that the changes are the reason for.
    assert 2 <= len(checks) <= 12


def test_a_function_runs_as_a_term(join, zk, root):
    one, other = join(), join()

    def work():
        assert one.deadline > now() and names(zk, root) == [one.proposal]
        one.claim("a", "a:1")
        one.ack_leader("a:1")
        return other.read_ack()

    assert one.run(work) == b"a:1"
    assert (other.read_ack(), other.holder(), names(zk, root)) == (b"", None, [])
    until(lambda: not renewals(), TIME, "the thread to end")
    assert other.run(lambda: "again") == "again"


def test_what_a_function_raises_is_passed_on_and_its_end_is_a_dirty_one(join, zk, root):
    one, other = join(), join()

    def work():
        one.claim("a", "a:1")
        one.ack_leader("a:1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run(work)
    assert (other.read_ack(), other.holder().node, names(zk, root)) == (b"", "a", [])


def test_a_function_that_goes_on_after_its_proposal_is_gone(join, zk):
    told = []
    one = join(lost=told.append)

    def work():
        zk.delete(one.proposal_path)
        until(lambda: one.deadline is None, TIME, "the end to be known")
        return "done"

    with pytest.raises(NotLeader, match="while the function ran.*gone"):
        one.run(work)
    assert len(told) == 1 and one.proposal is None


def test_a_function_whose_proposal_is_gone_at_its_very_end(join, zk):
    one = join()
    with pytest.raises(NotLeader, match="while the function ran"):
        one.run(lambda: zk.delete(one.proposal_path))


def test_a_function_that_is_cut_off_from_zookeeper(join, zk_server, zk, root):
    with Relay(zk_server.hosts) as relay:
        one = join(relay.address)

        def work():
            relay.hold()
            until(lambda: one.deadline is None, TIME, "the deadline to pass")
            relay.release()

        with pytest.raises((NotLeader, NotConnected)):
            one.run(work)
        one.close()
    until(lambda: names(zk, root) == [], TIME, "the proposal to be gone")


def test_a_function_is_not_called_by_who_does_not_lead(join):
    lead(join())
    with pytest.raises(TimedOut):
        join().run(lambda: pytest.fail("it ran"), 0.01)


# Long and odd data


def test_an_ack_as_long_as_zookeeper_takes(join, root):
    one = lead(join())
    one.ack_leader(b"x" * arguments.LONGEST_DATA)
    assert one.read_ack() == b"x" * arguments.LONGEST_DATA
    one.repair("a:1")
    assert one.read_ack() == b"a:1"


def test_a_proposals_data_as_long_as_zookeeper_takes(join):
    one = lead(join(data=b"x" * arguments.LONGEST_DATA))
    assert [member.data for member in one.members()] == [b""]


@pytest.mark.parametrize("prefix, separator", [("n1", ""), ("n", "1"), ("0000000000", "-"), ("n", "9999999999"), ("1", "0" * 90)])
def test_names_that_have_more_digits(join, prefix, separator):
    one, other = lead(join(prefix=prefix, separator=separator)), join(prefix=prefix, separator=separator)
    other.create_proposal()
    assert not other.try_be_leader() and [member.sequence for member in other.members()] == [0, 1]
    assert one.look_at_queue() == ("", "", 1, 2)
    one.release()
    assert other.wait_to_lead(TIME)


def test_servers_as_a_list_with_a_chroot(zk_server, zk, root):
    with Elector.connect([f"{zk_server.hosts}{root}/deep"], 4.0, "/e/election", "n", "/e/ack") as one:
        lead(one)
        assert zk.get_children(f"{root}/deep/e/election") == [one.proposal]
