"""What is left of cgroups whose guards were killed with their supervisords, and moves that are made quick."""

import os
import subprocess
import sys

import pytest

from supervisor_zkelect import guardmain, proc
from supervisor_zkelect.cgroup import Cgroups, find
from tests.conftest import cgroups_can_be_made


def test_what_the_dead_left_is_removed_and_what_the_living_have_stays(tmp_path):
    me = proc.read(os.getpid())
    alive, dead, other = f"zkelect-boot-1-{me.pid}-{me.start}", f"zkelect-boot-1-{me.pid}-{me.start + 1}", "zkelect-boot-2-1-1"
    for name in (alive, dead, other, "zkelect-boot-1-rubbish"):
        (tmp_path / name / "group-primary").mkdir(parents=True)
    (tmp_path / "zkelect-boot-1-999999999-1").mkdir()
    # The kernel refuses to remove a cgroup with processes in it; so does a file in a folder.
    (tmp_path / "zkelect-boot-1-999999999-2" / "group-primary").mkdir(parents=True)
    (tmp_path / "zkelect-boot-1-999999999-2" / "group-primary" / "process").touch()
    Cgroups(str(tmp_path / alive)).sweep("zkelect-boot-1-", guardmain.lives)
    left = {alive, other, "zkelect-boot-1-rubbish", "zkelect-boot-1-999999999-2"}
    assert set(os.listdir(tmp_path)) == left


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
from supervisor_zkelect.cgroup import find

def place():
    with open("/proc/self/cgroup") as file:
        return next(line.strip().rpartition("/")[2] for line in file if line.startswith("0::"))

opened = []
sys.addaudithook(lambda event, arguments: event == "open" and opened.append(arguments[:2]))
input()
cgroups = find(os.getpid(), sys.argv[1])
for line in sys.stdin:
    opened.clear()
    cgroups.quicken()
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
