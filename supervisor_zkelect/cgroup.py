"""A cgroup (v2) for each program group, where the node has it: whoever is inside cannot leave unseen.

A process may clear its environment, leave its session and lose its parents; it stays in its cgroup, and so do its
children (cgroups(7)). The mount is looked for in /proc/self/mountinfo, since it is not always at /sys/fs/cgroup.
"""

from __future__ import annotations

import os
import signal
from typing import Callable, List, Optional, Tuple
from urllib.parse import quote


class Cgroups:
    """The cgroups of one supervisord's groups, below `base`. Raises OSError where the kernel refuses.

    here: the cgroup of this process as the kernel names it, and a folder that shows it; None where none does.
    """

    def __init__(self, base: str, here: Optional[Tuple[str, str]] = None) -> None:
        self.base = base
        self._here = here

    def _path(self, group: str) -> str:
        # Behind a prefix, as "cgroup.procs" and the like are the kernel's. A name that is too long for it is refused.
        return os.path.join(self.base, "group-" + quote(group, safe="", errors="surrogateescape"))

    def add(self, group: str, pid: int) -> None:
        """Move a process, with the children that it will have, into the group's cgroup."""
        path = self._path(group)
        try:
            _move(pid, path)
        except FileNotFoundError:
            os.makedirs(path, exist_ok=True)
            _move(pid, path)

    def quicken(self) -> None:
        """Have the moves of the next 10 ms take 0.1 ms each.

        Unless another was just made, the kernel makes a move wait until all processors have taken notice, 5 to 20 ms
        (`cgroup_threadgroup_rwsem`, and `rcu_sync_enter` in kernel/rcu/sync.c). This moves this process to where it is.
        """
        if self._here is not None and _own(os.getpid()) == self._here[0]:
            _move(os.getpid(), self._here[1])

    def pids(self, group: str) -> List[int]:
        """All living processes inside, in cgroups that they made themselves too."""
        found: List[int] = []
        for folder, _, files in os.walk(self._path(group)):
            if "cgroup.procs" in files:
                try:
                    with open(os.path.join(folder, "cgroup.procs")) as file:
                        # 0 is a process of another pid namespace.
                        found += [pid for pid in map(int, file.read().split()) if pid]
                except OSError:
                    # Removed while this was walking; then it was empty.
                    continue
        return found

    def kill(self, group: str) -> None:
        """SIGKILL all inside, forks that are under way included (Linux 5.14); one by one on older kernels."""
        try:
            with open(os.path.join(self._path(group), "cgroup.kill"), "w") as file:
                file.write("1")
        except FileNotFoundError:
            for pid in self.pids(group):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def remove(self) -> None:
        """Remove what is empty."""
        _remove(self.base)

    def sweep(self, beginning: str, lives: Callable[[str], bool]) -> None:
        """Remove what others left that had nobody to do it: a guard that was killed with its supervisord.

        beginning: of their folders' names. lives: whether the rest of such a name is that of somebody who lives. What has a
        process in it stays.
        """
        root = os.path.dirname(self.base)
        try:
            names = os.listdir(root)
        except OSError:
            return
        for name in names:
            if name.startswith(beginning) and not lives(name[len(beginning):]):
                _remove(os.path.join(root, name))


def _move(pid: int, path: str) -> None:
    """Move a process into the cgroup that the folder shows."""
    with open(os.path.join(path, "cgroup.procs"), "w") as file:
        file.write(str(pid))


def _remove(base: str) -> None:
    for folder, _, _ in os.walk(base, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            continue


def find(pid: int, name: str) -> Optional[Cgroups]:
    """Cgroups beside those of process `pid`, else below the mount's root; None where nothing can be made.

    name: of the folder for them all; the same for the same supervisord.
    """
    try:
        places, points = _seen(_own(pid))
        here = _here()
    except OSError:
        return None
    for root in places + points:
        base = os.path.join(root, name)
        try:
            os.makedirs(base, exist_ok=True)
            if os.access(os.path.join(base, "cgroup.procs"), os.W_OK):
                return Cgroups(base, here)
        except OSError:
            continue
    return None


def _here() -> Optional[Tuple[str, str]]:
    """The cgroup of this process, and a folder that shows it and may be written to, or None. Raises OSError."""
    own = _own(os.getpid())
    for place in _seen(own)[0]:
        path = os.path.join(place, "cgroup.procs")
        try:
            with open(path) as file:
                # One mount may hide another.
                if os.access(path, os.W_OK) and str(os.getpid()) in file.read().split():
                    return own, place
        except OSError:
            continue
    return None


def _own(pid: int) -> str:
    """The cgroup of a process, as the kernel names it; "" where there is no cgroup v2. Raises OSError."""
    with open(f"/proc/{pid}/cgroup") as file:
        return next((line[3:].strip() for line in file if line.startswith("0::")), "")


def _seen(cgroup: str) -> Tuple[List[str], List[str]]:
    """Folders that show the cgroup, and the roots of all cgroup2 mounts. Raises OSError."""
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split(" - ") for line in file]
    places, points = [], []
    for before, after in (parts for parts in mounts if len(parts) == 2):
        if after.split()[0] == "cgroup2":
            # Fields 4 and 5: what of the file system is mounted, and where (proc(5)), with octal escapes.
            root, point = (field.encode().decode("unicode_escape") for field in before.split()[3:5])
            if cgroup.startswith(root.rstrip("/") + "/") or cgroup == root:
                places.append(os.path.normpath(os.path.join(point, os.path.relpath(cgroup, root))))
            points.append(os.path.normpath(point))
    return places, points
