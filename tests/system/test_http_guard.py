"""`zkelect http` and a real guard, which the test orders as a listener does: what is told at each moment of a term. Without ZooKeeper,
and with the test in supervisord's place."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys

import pytest

from lab.web import Poller, ask
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import process, protocol, record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.web.verdict import SILENCE
from tests.system.test_http_program import TIME, Program

URL = "unix:///nonexistent/supervisor.sock"


class Guard:
    """A guard's process and the test's conversation with it. folder: the runtime folder."""

    def __init__(self, folder):
        self.folder, self.process, self.link = str(folder), None, None

    def start(self):
        terms = process.Terms(self.folder, tuple(record.owner_of(os.getpid())), URL, "none", 60.0, 1)
        words = [sys.executable, "-m", "supervisor_zkelect.guard.process", json.dumps(terms._asdict())]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout.readline() == b"ready\n"
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(TIME)
        record.at_socket(self.folder, self.link.connect)
        programs = {"primary": protocol.GroupPrograms("orders")}
        self.say(protocol.Hello(protocol.VERSION, tuple(record.owner_of(os.getpid())), programs, ("zkelect", "zkelect")))
        with self.link.makefile("rb") as file:
            assert json.loads(file.readline())["ok"]
        return self

    def say(self, message):
        self.link.sendall(protocol.TO_GUARD.encode(message))

    def grant(self, token, seconds):
        """Have the group started under a lease whose time to stop is so many seconds away. Returns the lease."""
        lease = Lease(now() + seconds, now() + seconds + 1, now() + seconds + 2)
        self.say(protocol.StartOrder("primary", token, protocol.Grant("orders", "a:1", token, lease)))
        return lease

    def cut(self, seconds):
        """Have the lease shortened, so that its time to stop is so many seconds away. Returns it when that is on record."""
        self.say(protocol.CutOrder(now() + seconds + 2))
        until(lambda: self.lease().deadline < now() + seconds + 2, TIME, "the lease to be shortened")
        return self.lease()

    def lease(self):
        return record.read(self.folder, record.owner_of(os.getpid()))[0].lease

    def signal(self, number):
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            until(lambda: proc.read(self.process.pid).state == "T", TIME, "the guard to stand still")

    def end(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(TIME)
            self.process.stdout.close()
            self.link.close()


@pytest.fixture
def guard(tmp_path, monkeypatch):
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o755)
    monkeypatch.setenv(record.VARIABLE, str(folder))
    one = Guard(folder).start()
    yield one
    one.end()


@pytest.fixture
def program(tmp_path, guard):
    one = Program(tmp_path)
    one.start()
    yield one
    one.end()


def told(program, status, why):
    """Wait until it is told so."""

    def says():
        found, document = ask(program.port, "/primary/orders")
        return found == status and document["why"] == why

    until(says, TIME, f"{status}, {why}", 0.001)


def test_what_is_told_turns_with_the_record(guard, program):
    told(program, 503, "this node does not lead")
    guard.grant(7, 60)
    told(program, 503, "not acked yet")
    guard.say(protocol.AckOrder("primary", 7, True))
    told(program, 200, "primary")
    assert ask(program.port, "/primary/orders")[1]["token"] == 7
    guard.say(protocol.AckOrder("primary", 7, False))
    told(program, 503, "not acked yet")
    guard.say(protocol.AckOrder("primary", 7, True))
    told(program, 200, "primary")
    guard.say(protocol.StopOrder("primary", 9, now() + 5, protocol.Grant("orders", "a:1", 7, Lease(0.0, 0.0, 0.0))))
    told(program, 503, "this node does not lead")


def test_a_renamed_election_leads_on_until_the_listener_takes_the_file(guard, program):
    guard.grant(7, 60)
    guard.say(protocol.AckOrder("primary", 7, True))
    told(program, 200, "primary")
    program.file.write_text(program.file.read_text().replace("[election:orders]", "[election:stock]"))
    until(lambda: ask(program.port, "/primary/stock")[0] == 503, TIME, "the other name to be known")
    assert ask(program.port, "/primary")[0] == ask(program.port, "/primary/orders")[0] == 200
    program.file.write_text(program.file.read_text() + "[election:orders]\ngroup = other\naddress = 127.0.0.1:2\n")
    until(lambda: ask(program.port, "/primary")[0] == 404, TIME, "the file to have two")
    assert ask(program.port, "/primary/orders")[0] == 200


def test_nobody_is_primary_behind_the_end_of_the_lease_whoever_stands_still(guard, program):
    guard.grant(7, 60)
    guard.say(protocol.AckOrder("primary", 7, True))
    told(program, 200, "primary")
    with Poller({"a": program.port}) as poller:
        until(lambda: poller.said("a", 200), TIME, "it to be primary")
        lease = guard.cut(1.5)
        guard.signal(signal.SIGSTOP)
        until(lambda: poller.said("a", 503), TIME, "it to be no primary any more")
    assert max(one.asked for one in poller.said("a", 200)) < lease.stop_at
    first = min(one.told for one in poller.said("a", 503))
    assert {one.body["why"] for one in poller.said("a", 503)} == {"the lease is over"} and first >= lease.stop_at
    guard.signal(signal.SIGCONT)


def test_a_guard_that_stands_still_is_silent_though_a_pause_has_no_end(guard, program):
    lease = guard.grant(7, 60)
    guard.say(protocol.AckOrder("primary", 7, True))
    guard.say(protocol.LeaseOrder(1, {"primary": (7, lease._replace(paused_until=float("inf")))}))
    until(lambda: ask(program.port, "/primary/orders")[1]["lease"] is None, TIME, "the lease to have no end")
    told(program, 200, "primary")
    guard.signal(signal.SIGSTOP)
    since = now()
    told(program, 503, "the guard is silent")
    assert now() - since > SILENCE - 1.5
    guard.signal(signal.SIGCONT)
    told(program, 200, "primary")


def test_a_guard_that_is_killed_vouches_for_nothing_and_another_waits_for_the_listeners_word(guard, program):
    """The former one may have been unable to write that it revoked the grant."""
    guard.grant(7, 60)
    guard.say(protocol.AckOrder("primary", 7, True))
    told(program, 200, "primary")
    guard.end()
    told(program, 503, "the guard is dead")
    guard.start()
    told(program, 503, "not acked yet")
    guard.say(protocol.AckOrder("primary", 7, True))
    told(program, 200, "primary")


def test_a_revocation_that_cannot_be_written_counts_at_once(guard, program):
    """The record goes on to grant, and another node leads before the guard's silence shows."""
    guard.grant(7, 60)
    guard.say(protocol.AckOrder("primary", 7, True))
    told(program, 200, "primary")
    usual = resource.prlimit(guard.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(guard.process.pid, resource.RLIMIT_FSIZE, (0, usual[1]))
    guard.say(protocol.KillOrder("primary", 9))
    told(program, 503, "the guard cannot write its record")
    assert record.read(guard.folder, record.owner_of(os.getpid()))[0].granted
    resource.prlimit(guard.process.pid, resource.RLIMIT_FSIZE, usual)
    told(program, 503, "this node does not lead")


def test_a_program_that_stood_still_tells_nothing_of_before(guard, program):
    """Stopped at any moment of an answer, and thawed when another node may lead."""
    http = program.process.pid
    with Poller({"a": program.port}, pace=0.0, patience=TIME) as poller:
        for token in range(1, 13):
            guard.grant(token, 60)
            guard.say(protocol.AckOrder("primary", token, True))
            until(lambda: poller.said("a", 200)[-1:] and poller.said("a", 200)[-1].body["token"] == token, TIME, "it to be primary")
            os.kill(http, signal.SIGSTOP)
            # Until then the poller has read what was told before.
            lease = guard.cut(-1.5)
            until(lambda: now() > lease.deadline, TIME, "the lease to be over")
            thawed = now()
            os.kill(http, signal.SIGCONT)
            until(lambda: poller.heard[-1].asked > thawed and poller.heard[-1].status == 503, TIME, "it to be asked again")
            late = [one for one in poller.said("a", 200) if one.body["token"] == token and one.told >= thawed]
            assert not late, late
