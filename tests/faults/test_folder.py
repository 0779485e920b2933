"""Row 34 of the design's list of faults: the runtime folder, or a part of it, is removed."""

import ctypes
import os
from pathlib import Path

import pytest

from supervisor_zkelect.guard import record
from supervisor_zkelect.system.clock import now
from tests.faults.conftest import AT_ONCE, as_root, remove_folder

KEPT = {record.RECORD, record.SESSION, record.LOCK, record.GUARD_LOCK, record.SOCKET, record.GUARD_LOG, record.KEY}
"""What belongs in the folder while a listener and its guard are there."""

PATIENT = {"timeout": 10, "overrides": {"zkelect": {"reattach_grace": "8"}}}
"""A new listener has the time that it takes on a machine that does other things as well."""

#: renameat2(2).
AT_FDCWD, RENAME_EXCHANGE = -100, 2

PARTS = ["all", record.RECORD, record.SESSION, record.LOCK, record.GUARD_LOCK, record.SOCKET, record.GUARD_LOG, record.KEY]


def place(case, name):
    return Path(case[name].environment[record.VARIABLE])


def remove(folder, part):
    if part == "all":
        remove_folder(folder)
    else:
        (folder / part).unlink()


def made_anew(case, name):
    folder = place(case, name)
    case.until(lambda: folder.is_dir() and set(os.listdir(folder)) >= KEPT, "the folder to be whole")


def tuned(node, **values):
    """Have the node's processes begin with other values in `upkeep`."""
    lines = ["from supervisor_zkelect.guard import upkeep", *(f"upkeep.{name} = {value}" for name, value in values.items())]
    (node.folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    node.environment["PYTHONPATH"] = str(node.folder)


@pytest.mark.parametrize("part", PARTS)
def test_34_removed_while_leading(make, zookeeper, part):
    """Noticed and made anew; a restart of the listener, of the service, and a resignation go on as ever."""
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    made_anew(case, "a")
    remove(place(case, "a"), part)
    made_anew(case, "a")
    assert case["a"].ctl("restart", "zkelect").returncode == 0
    case.same_term(pid, token)
    case["a"].kill(pid)
    other = case.primary("a", other=pid)
    assert case.token("a") == token
    case["a"].kill(case["a"].guard_pid())
    case.same_term(other, token)
    since = now()
    assert case["a"].zkelect("resign", "orders").returncode == 0
    case.settled("b")
    assert case.gap(since) < AT_ONCE


@pytest.mark.parametrize("part", ["all", record.RECORD])
def test_34_removed_when_a_program_starts(make, zookeeper, part):
    """Its chain loader, which comes before the guard looks, has it look at once, and starts the program."""
    case = make(zookeeper, start=False)
    tuned(case["a"], PACE="1e9")
    case.start()
    pid, token = case.primary("a"), case.token("a")
    made_anew(case, "a")
    remove(place(case, "a"), part)
    case["a"].kill(pid)
    case.primary("a", other=pid)
    assert case.token("a") == token
    assert "exit status 75" not in (case["a"].folder / "logs" / "supervisord.log").read_text()
    made_anew(case, "a")


@pytest.mark.parametrize("part", PARTS)
def test_34_removed_while_standing_by(make, zookeeper, part):
    case = make(zookeeper)
    case.primary("a")
    made_anew(case, "b")
    remove(place(case, "b"), part)
    assert case["a"].zkelect("resign", "orders").returncode == 0
    case.settled("b")
    made_anew(case, "b")


@pytest.mark.parametrize("part", ["all", record.SESSION, record.LOCK])
def test_34_removed_while_the_listener_restarts(make, zookeeper, part):
    """The guard alone remembers the session, and the listener that comes goes on with it."""
    case = make(zookeeper, **PATIENT)
    pid, token = case.primary("a"), case.token("a")
    for _ in range(3):
        listener = case["a"].listener_pid()
        # A moment later the guard would have seen it.
        case["a"].freeze(listener, case["a"].guard_pid())
        remove(place(case, "a"), part)
        case["a"].kill(listener)
        case["a"].thaw(case["a"].guard_pid())
        case.until(lambda: case["a"].listener_pid() not in (None, listener), "another listener")
        case.same_term(pid, token)
        made_anew(case, "a")


@pytest.mark.parametrize("part", ["all", record.RECORD, record.GUARD_LOCK, record.SOCKET])
def test_34_removed_while_there_is_no_guard(make, zookeeper, part):
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    listener, guard = case["a"].listener_pid(), case["a"].guard_pid()
    case["a"].freeze(listener)
    case["a"].kill(guard)
    remove(place(case, "a"), part)
    case["a"].thaw(listener)
    case.until(lambda: case["a"].guard_pid() not in (None, guard), "another guard")
    case.same_term(pid, token)
    made_anew(case, "a")


def test_34_removed_and_supervisord_gone(make, zookeeper):
    """Listener and supervisord die; the guard releases what the saved session had, which it alone remembers."""
    case = make(zookeeper)
    case.primary("a")
    made_anew(case, "a")
    since = now()
    case["a"].freeze(case["a"].listener_pid(), case["a"].guard_pid())
    remove(place(case, "a"), "all")
    case["a"].kill(case["a"].listener_pid(), case["a"].supervisord_pid)
    case["a"].thaw(case["a"].guard_pid())
    case["a"].reap()
    case.settled("b")
    assert case.gap(since) < AT_ONCE


def taken(folder, how):
    """Put something in the place of a node's folder."""
    other, link = folder.with_name("other"), folder.with_name("link")
    other.mkdir()
    if how == "a stranger's folder":
        os.chown(other, 65534, 65534)
    elif how == "open to all":
        other.chmod(0o777)
    else:
        link.symlink_to(other)
    # In one step: a guard that finds nothing there makes the folder anew.
    failed = ctypes.CDLL(None, use_errno=True).renameat2(
        AT_FDCWD, os.fsencode(link if how == "a link" else other), AT_FDCWD, os.fsencode(folder), RENAME_EXCHANGE
    )
    assert not failed, os.strerror(ctypes.get_errno())


@as_root
@pytest.mark.parametrize("how", ["a stranger's folder", "open to all", "a link"])
def test_34_something_else_in_its_place(make, zookeeper, how):
    """Nothing is put into it, and the node says so, with the reason for which it starts nothing; the other leads then."""
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    made_anew(case, "a")
    folder = place(case, "a")
    taken(folder, how)
    case.until(lambda: "runtime folder: " + str(folder) in case["a"].part("orders")["trouble"], "the node to say so")
    assert str(folder) in case["a"].zkelect("check").stdout
    case.same_term(pid, token)
    assert not os.listdir(folder)
    # What is started anew has no record that it may trust.
    case["a"].kill(pid)
    case.settled("b")
    assert "`zkelect run` did not start the program" in case["a"].logs(100000)
    folder.unlink() if folder.is_symlink() else folder.rmdir()
    made_anew(case, "a")
    assert case["b"].zkelect("resign", "orders").returncode == 0
    case.settled("a")


@as_root
def test_34_something_else_in_its_place_and_no_listener(make, zookeeper):
    """The guard cannot hold the session's lock: it ends what it guards, and leaves the session to expire."""
    case = make(zookeeper)
    case.primary("a")
    made_anew(case, "a")
    taken(place(case, "a"), "a link")
    case["a"].kill(case["a"].listener_pid())
    case.primary("b")
    assert not case["a"].service_pids()
    place(case, "a").unlink()
    case.settled("b")


def test_34_old_files_are_kept_fresh(make, zookeeper):
    """A cleaner goes by the times of files: those of a standby, to which nothing is written, are touched now and then."""
    case = make(zookeeper, start=False)
    tuned(case["b"], FRESH_TIME="0.5")
    case.start()
    made_anew(case, "b")
    folder = place(case, "b")
    names = [folder, *(folder / name for name in KEPT)]
    for name in names:
        os.utime(name, (1, 1))
    case.until(lambda: all(name.stat().st_mtime > 1 and name.stat().st_atime > 1 for name in names), "times of today")
