"""Moves into cgroups that are made quick."""

import os
import subprocess
import sys
import threading

import pytest

from supervisor_zkelect.processes import proc, quick_moves
from supervisor_zkelect.processes.cgroup import find
from tests.conftest import cgroups_can_be_made


def test_making_moves_quick_writes_and_moves_nobody():
    """In cgroups of its own, which no other process of this test run would be moved to. Who was moved by others meanwhile
    stays where it is."""
    here = proc.read(os.getpid())
    name = f"zkelect-test-{here.pid}-{here.start}"
    if not cgroups_can_be_made():
        pytest.skip("there is no cgroup2 file system here that this user may write to")
    cgroups = find(here.pid, name)
    program = """
import os, sys
from supervisor_zkelect.processes.quick_moves import here, quicken

def place():
    with open("/proc/self/cgroup") as file:
        return next(line.strip().rpartition("/")[2] for line in file if line.startswith("0::"))

opened = []
sys.addaudithook(lambda event, arguments: event == "open" and opened.append(arguments[:2]))
input()
found = here()
for line in sys.stdin:
    opened.clear()
    quicken(found)
    print(place(), [path for path, mode in opened if mode == "w"], flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def told():
        child.stdin.write("\n")
        child.stdin.flush()
        return child.stdout.readline()

    try:
        cgroups.add("one", child.pid)
        child.stdin.write("\n")
        written = told()
        assert written.startswith("group-one [") and written.endswith("/group-one/cgroup.procs']\n")
        cgroups.add("two", child.pid)
        assert told() == "group-two []\n"
    finally:
        child.kill()
        child.communicate()
        cgroups.remove()


@pytest.mark.parametrize("wanted, enabled", [(False, True), (True, False)])
def test_nothing_is_kept_for_moves_that_nobody_makes(monkeypatch, wanted, enabled):
    """A program that ends again and again must not fill the guard's memory."""
    monkeypatch.setattr(quick_moves, "ENABLED", enabled)
    threads = set(threading.enumerate())
    moves = quick_moves.QuickMoves(wanted)
    moves.expect(True)
    assert not {one.name for one in threading.enumerate() if one not in threads}
