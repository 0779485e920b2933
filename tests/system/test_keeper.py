"""What renews a session while there is no listener, against a real ZooKeeper."""

import json
import os
import socket
import subprocess
import sys

import pytest
from kazoo.client import KazooClient

from lab.zookeeper import Ensemble
from supervisor_zkelect.core import lease
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.guard import keeper, release, saved_session
from supervisor_zkelect.guard.keeper_protocol import KeptSessionOver, TermGone, TermKept
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper.attached import AttachedClient
from tests.system.conftest import OWNER, TIME, places

TIMEOUT = 10.0
"""Of the saved session, in seconds; what the server grants is shorter."""


class Kept:
    """A keeper of the session that `kept` has saved, and what it told."""

    def __init__(self, folder):
        self.folder, self.told, self.attached = folder, [], 0
        self.keeper = keeper.Keeper(folder, OWNER, self.attach, self.told.append)

    def attach(self, former, keeping):
        self.attached += 1
        return release.Attached(former, self.folder, "/no/configuration", keeping)

    def until(self, holds, what):
        """Let it do what is due until that holds."""

        def turn():
            self.keeper.keep_time()
            return holds()

        until(turn, TIME, what, 0.01)

    def renewals(self):
        return [message.deadline for message in self.told if isinstance(message, TermKept)]


@pytest.fixture
def one(zk_server, kept):
    made = Kept(kept(zk_server.hosts))
    yield made
    made.keeper.keep({}, False)


@pytest.fixture
def other(zk_server):
    client = KazooClient(hosts=zk_server.hosts)
    client.start(timeout=TIME)
    yield client
    client.stop()
    client.close()


def test_it_renews_the_lease_of_a_term_as_the_listener_would(one, kept):
    one.keeper.keep({"primary": kept.token}, True)
    began = now()
    one.until(lambda: len(one.renewals()) >= 3, "three renewals")
    assert one.renewals() == sorted(one.renewals())
    # What the listener had counted by a longer timeout is cut first of all. By the first write the connect request is a base.
    granted = (one.told[0].deadline - began) / (1 - lease.DRIFT)
    assert granted < TIMEOUT and began + granted * (1 - lease.DRIFT) <= one.renewals()[0]
    assert one.renewals()[-1] <= now() + granted


def test_it_leaves_the_session_of_another_supervisord_alone(one, kept, other):
    """As in a folder that was copied with its host's disk: the node that it is of may live elsewhere."""
    one.keeper = keeper.Keeper(one.folder, OWNER._replace(boot="another"), one.attach, one.told.append)
    one.keeper.keep({"primary": kept.token}, True)
    one.keeper.keep_time()
    assert one.keeper.release({}) == 0
    assert one.attached == 0 and not one.told and other.exists(kept.elector.proposal_path) is not None
    assert saved_session.load(one.folder, None) is not None


def test_it_counts_by_the_tick_that_the_listener_has_told_last(one, kept):
    """By one that is too short a lease would last too long."""
    one.keeper.keep({"primary": kept.token}, True)
    one.until(one.renewals, "a renewal")
    for tick in (0.5, 1.5):
        one.keeper.keep({}, True)
        saved_session.Store(one.folder).save(saved_session.load(one.folder, OWNER)._replace(tick=tick))
        one.keeper.keep({"primary": kept.token}, True)
        one.told.clear()
        one.until(one.renewals, "another renewal")
        assert one.keeper.clock.tick == tick


def test_it_leaves_the_session_without_ending_it(one, kept, other):
    one.keeper.keep({"primary": kept.token}, True)
    one.until(one.renewals, "a renewal")
    one.keeper.keep({}, True)
    assert other.exists(kept.elector.proposal_path) is not None
    # And takes it again.
    one.told.clear()
    one.keeper.keep({"primary": kept.token}, True)
    one.until(one.renewals, "another renewal")


@pytest.mark.parametrize("token", [0, -1], ids=["another's", "older"])
def test_a_term_that_is_not_the_sessions_is_told_as_gone(one, kept, token):
    one.keeper.keep({"primary": kept.token + token - 1}, True)
    one.until(lambda: one.told[1:], "an answer")
    assert one.told[1:] == [TermGone("primary", kept.token + token - 1)]


def test_a_proposal_that_is_deleted_is_told_as_gone(one, kept, other):
    one.keeper.keep({"primary": kept.token}, True)
    one.until(one.renewals, "a renewal")
    other.delete(kept.elector.proposal_path)
    one.until(lambda: one.told[-1] == TermGone("primary", kept.token), "the loss to be told")


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_session_that_is_over_is_told(one, kept, other, zk_server, when):
    if when == "meanwhile":
        one.keeper.keep({"primary": kept.token}, True)
        one.until(one.renewals, "a renewal")
    former = saved_session.load(one.folder, None)
    ending = AttachedClient(zk_server.hosts, (former.id, bytes.fromhex(former.password)), TIMEOUT)
    ending.start(TIME)
    ending.close(TIME)
    one.keeper.keep({"primary": kept.token}, True)
    one.until(lambda: KeptSessionOver() in one.told, "the end to be told")
    assert one.keeper.next_wakeup() == keeper.NEVER


def test_it_does_not_attach_while_a_listener_is_there(one, kept):
    one.keeper.keep({"primary": kept.token}, False)
    assert one.keeper.next_wakeup() == keeper.NEVER and one.told == []


def test_it_attaches_anew_after_a_listener_that_came_and_went(one, kept):
    """That may have taken the session, which the keeper learns only when it asks something."""
    one.keeper.keep({"primary": kept.token}, True)
    one.until(one.renewals, "a renewal")
    assert one.attached == 1
    one.keeper.keep({"primary": kept.token}, False)
    one.keeper.keep({"primary": kept.token}, True)
    one.told.clear()
    one.until(one.renewals, "another renewal")
    assert one.attached == 2


def test_it_leaves_a_session_that_another_has_taken(tmp_path):
    """It would take it back from the listener, whose writes a server refuses then."""
    with Ensemble(tmp_path / "zk") as ensemble:
        leader, (first, second) = ensemble.leader(), ensemble.followers()
        client = KazooClient(hosts=leader.hosts, timeout=TIMEOUT)
        client.start(timeout=TIME)
        elector = Elector(client, *places("taken"))
        elector.prepare()
        elector.create_proposal()
        election = saved_session.SavedElection("orders", "primary", "/taken/election", "n-", "/taken/ack")
        owner = saved_session.record.Owner("boot", "pid:[1]", 1, 2)
        identity = client.client_id
        saved_session.Store(str(tmp_path)).save(
            saved_session.Saved(identity[0], identity[1].hex(), TIMEOUT, owner, "a", first.hosts, [election], 0.5)
        )
        one = Kept(str(tmp_path))
        one.keeper.keep({"primary": elector.token}, True)
        one.until(one.renewals, "a renewal")
        one.keeper.keep({"primary": elector.token}, False)
        listener = AttachedClient(second.hosts, identity, TIMEOUT)
        listener.start(TIME)
        one.until(lambda: one.keeper.next_wakeup() == keeper.NEVER, "the keeper to leave the session")
        assert KeptSessionOver() not in one.told and listener.exists_async(elector.proposal_path).get(TIME) is not None
        transaction = listener.transaction()
        transaction.check(elector.proposal_path, -1)
        assert transaction.commit_async().get(TIME) == [True]
        listener.drop()
        client.stop()
        client.close()


@pytest.fixture
def process(tmp_path):
    """A keeper's process as a guard starts it, and the connection to it."""
    ours, theirs = socket.socketpair()
    words = [sys.executable, "-m", "supervisor_zkelect.guard.keeper", str(tmp_path), "/no/configuration", "no", json.dumps(OWNER)]
    with subprocess.Popen(words, stdin=theirs, stdout=subprocess.DEVNULL) as started:
        theirs.close()
        ours.settimeout(TIME)
        yield started, ours
        ours.close()
        started.wait(TIME)


@pytest.mark.parametrize("told", [b"", b'{"do": "release", "ended"'])
def test_without_the_guards_whole_word_nothing_is_released(zk_server, kept, process, told):
    """The guard that started it is dead, and with it the proof."""
    folder = kept(zk_server.hosts)
    started, link = process
    link.sendall(told)
    link.close()
    assert started.wait(TIME) == 0
    assert saved_session.load(folder, None) is not None and kept.elector.holder() is not None


def test_it_takes_the_sessions_lock_along_and_releases(zk_server, kept, process, other, tmp_path):
    folder = kept(zk_server.hosts)
    _, link = process
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    socket.send_fds(link, [json.dumps({"do": "release", "ended": {}}).encode() + b"\n"], [lock])
    os.close(lock)
    assert link.recv(1000) == b'{"told":"released","status":0}\n'
    assert saved_session.load(folder, None) is None and other.exists(kept.elector.holder_znode) is None
