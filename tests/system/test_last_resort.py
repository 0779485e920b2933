"""What a listener kills with while there is no guard, on real processes; this process is their supervisord."""

import contextlib
import os
import resource
import subprocess
import sys

import pytest

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record, registration
from supervisor_zkelect.listener.last_resort import LastResort
from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.census import SupervisordIdentity
from supervisor_zkelect.system import reserve

URL = "unix:///nowhere"


@pytest.fixture
def owner():
    return record.owner_of(os.getpid())


#: This process, which stands for supervisord.
IDENTITY = SupervisordIdentity(proc.read(os.getpid()).start, os.getsid(0), b"")


@pytest.fixture
def entry():
    return record.Entry("orders", "primary", "x:1", 7, True, 2, Lease(10.0, 11.0, 12.0))


@pytest.fixture
def book(tmp_path, owner, entry):
    writer = record.Writer(str(tmp_path), owner, 2)
    writer.open()
    writer.put(entry._replace(group="other"))
    writer.put(entry)
    return writer


@pytest.fixture
def secret(tmp_path):
    """What the guard has answered to the programs."""
    return registration.secrets_of(registration.Key(str(tmp_path)).data)("primary", os.getuid())


@pytest.fixture
def last(tmp_path, owner, book, secret):
    one = LastResort(str(tmp_path), owner, URL, IDENTITY)
    one.arm("")
    yield one
    one.close()


@pytest.fixture
def start(owner, secret):
    """Start a program of the group "primary", which a forked child may outlive."""
    made = []

    def start(text, **others):
        env = {**os.environ, "SUPERVISOR_GROUP_NAME": "primary", "SUPERVISOR_PROCESS_NAME": "orders",
               "SUPERVISOR_SERVER_URL": URL, "ZKELECT_INSTANCE": record.instance(owner), "ZKELECT_SECRET": secret, **others}
        # Beside this process's session, as what supervisord starts is not.
        one = subprocess.Popen([sys.executable, "-c", text], env=env, stdout=subprocess.PIPE)
        made.append(one)
        return one

    yield start
    for one in made:
        one.kill()
        one.communicate()


WAITS = "import signal; print('here', flush=True); signal.pause()"
FORKS = """
import os, signal
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
signal.pause()
"""


@contextlib.contextmanager
def no_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError):
            os.dup(0)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        reserve.keep()


def test_it_kills_without_a_descriptor_what_it_knew(last, start):
    one = start(WAITS)
    assert one.stdout.readline() == b"here\n"
    last.know("primary", one.pid)
    assert last.complete()
    with no_descriptors():
        last.kill("primary")
        until(lambda: one.poll() is not None, 30, "the program to be dead")


def test_it_finds_who_left_its_session(last, start):
    one = start(FORKS)
    child = proc.read(int(one.stdout.readline()))
    last.know("primary", one.pid)
    last.kill("primary")
    until(lambda: not proc.alive(child) or not last.kill("primary"), 30, "the child to be dead")


def test_it_finds_what_a_supervisord_inside_the_group_left_behind(last, start):
    """Which gave it names of its own, and passed the group's secret on."""
    one = start(FORKS, SUPERVISOR_GROUP_NAME="inner", SUPERVISOR_SERVER_URL="unix:///inner")
    child = proc.read(int(one.stdout.readline()))
    one.kill()
    one.wait()
    last.know("primary", one.pid)
    last.kill("primary")
    try:
        until(lambda: not proc.alive(child) or not last.kill("primary"), 30, "what was left behind to be dead")
    finally:
        proc.kill(child)


def test_what_cannot_be_had_is_told_and_tried_again(last, start):
    one = start(WAITS)
    assert one.stdout.readline() == b"here\n"
    with no_descriptors():
        last.know("primary", one.pid)
        assert not last.complete()
        assert "Too many open files" in last.trouble
    assert last.complete()
    with no_descriptors():
        last.kill("primary")
        until(lambda: one.poll() is not None, 30, "the program to be dead")


def test_it_holds_nothing_of_a_stranger(last, start):
    """A pid that is not supervisord's child is none of a program's."""
    last.know("primary", os.getppid())
    assert last.complete()
    last._strike("primary", last._groups["primary"])
    assert proc.read(os.getppid())


def test_a_grant_is_revoked_in_place_and_no_other(last, book, tmp_path, owner, entry):
    book.put(entry._replace(acked=True))
    with no_descriptors():
        last.revoke("primary")
    entries = {one.group: one for one in record.read(str(tmp_path), owner)}
    assert entries["primary"] == entry._replace(granted=False, revoked=3)
    assert entries["other"] == entry._replace(group="other")


def test_nobody_elses_record_is_written(tmp_path, owner, book, entry):
    other = LastResort(str(tmp_path), owner._replace(start=1), URL, IDENTITY)
    other.arm(False)
    other.revoke("primary")
    assert entry in record.read(str(tmp_path), owner)
