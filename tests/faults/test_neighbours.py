"""Two supervisords on one host with the same names for everything: neither touches the other's processes."""

import functools
import shutil

import pytest

from lab.node import OWN_PIDS
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from tests.faults.conftest import as_root


def identities(node):
    """Of supervisord, listener, guard and service."""
    pids = [node.supervisord_pid, node.listener_pid(), node.guard_pid(), *node.service_pids()]
    return {proc.read(pid).identity for pid in pids if pid}


def restart_listener(case):
    case["n"].ctl("restart", "zkelect")


def kill_listener(case):
    case["n"].kill(case["n"].listener_pid())


def kill_guard(case):
    case["n"].kill(case["n"].guard_pid())


def kill_service(case):
    case["n"].kill(*case["n"].service_pids())


def stop_group(case):
    case["n"].ctl("stop", "primary:*")


def freeze_listener(case):
    """Until the guard has stopped the group."""
    listener = case["n"].listener_pid()
    case["n"].freeze(listener)
    case.until(lambda: not case["n"].service_pids(), "the lease to run out")
    case["n"].thaw(listener)


def kill_supervisord(case):
    case["n"].kill(case["n"].supervisord_pid)
    case["n"].reap()
    case.until(lambda: not case["n"].processes(), "everything to be gone")
    case["n"].start()


FAULTS = [restart_listener, kill_listener, kill_guard, kill_service, stop_group, freeze_listener, kill_supervisord]


def neither_touches_the_other(one, other):
    """Each in turn has all the faults, while the other one's processes stay the same."""
    for victim, neighbour in ((one, other), (other, one)):
        before = identities(neighbour["n"])
        assert len(before) == 4, neighbour.logs()
        for fault in FAULTS:
            fault(victim)
            victim.settled("n")
            assert identities(neighbour["n"]) == before, (fault.__name__, neighbour.logs())
    for case in (one, other):
        case.finish()


@pytest.fixture
def default_folders():
    """Nodes with the runtime folder that they choose by themselves; it is removed in the end."""
    nodes = []
    yield nodes.append
    for node in nodes:
        for path in record.folders(f"unix://{node.socket}", 0):
            shutil.rmtree(path, ignore_errors=True)


def test_two_on_one_host(make, zookeeper, default_folders):
    one, other = make(zookeeper, ("n",), start=False), make(zookeeper, ("n",), start=False)
    for case in (one, other):
        del case["n"].environment[record.VARIABLE]
        default_folders(case["n"])
        case.start()
    neither_touches_the_other(one, other)


#: Runs the rest where a folder of its own is in the place of another's.
AS_IF_AT = ("sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"')


@as_root
def test_one_in_a_container(make, zookeeper):
    """The one inside has pids and mounts of its own, and for its supervisord the same address as the one outside."""
    inside, outside = make(zookeeper, ("n",), start=False), make(zookeeper, ("n",), start=False)
    as_if_at(inside["n"], outside["n"])
    inside.foreign_pids = True
    for case in (inside, outside):
        case.start()
        address = proc.environ(case["n"].listener_pid())["SUPERVISOR_SERVER_URL"]
        assert address == f"unix://{outside['n'].socket}"
    neither_touches_the_other(inside, outside)


def as_if_at(node, twin):
    """Let the node have a pid namespace, and its folder where its twin has another one."""
    write = node.write

    def as_the_twin():
        write()
        for path in (node.supervisord_conf, node.zkelect_conf):
            path.write_text(path.read_text().replace(str(node.folder), str(twin.folder)))

    node.write = as_the_twin
    # supervisorctl runs outside, where the address in the file is the twin's.
    node.ctl = functools.partial(node.ctl, "-s", f"unix://{node.socket}")
    node.wrapper = [*OWN_PIDS, *AS_IF_AT, str(node.folder), str(twin.folder)]
    node.environment[record.VARIABLE] = str(twin.folder / "run")
