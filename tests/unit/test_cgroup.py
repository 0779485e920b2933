"""What is left of cgroups whose guards were killed with their supervisords."""

import os

from supervisor_zkelect import guardmain, proc
from supervisor_zkelect.cgroup import Cgroups


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
