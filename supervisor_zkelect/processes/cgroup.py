"""A cgroup (v2) for each program group, where the node has it: whoever is inside cannot leave unseen.

A process may clear its environment, leave its session and lose its parents; it stays in its cgroup, and so do its
children (cgroups(7)). The mount is looked for in /proc/self/mountinfo, since it is not always at /sys/fs/cgroup.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from typing import Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import quote

from supervisor_zkelect.system import reserve


class Cgroups:
    """The cgroups of one supervisord's groups, below `base`. Raises OSError where the kernel refuses."""

    def __init__(self, base: str) -> None:
        self.base = base
        #: descriptors of the files cgroup.kill, had before one is needed
        self._killing: Dict[str, int] = {}

    def _path(self, group: str) -> str:
        # Behind a prefix, as "cgroup.procs" and the like are the kernel's. A name that is too long for it is refused.
        return os.path.join(self.base, "group-" + quote(group, safe="", errors="surrogateescape"))

    def add(self, group: str, pid: int) -> None:
        """Move a process, with the children that it will have, into the group's cgroup."""
        path = self._path(group)
        try:
            move(pid, path)
        except FileNotFoundError:
            os.makedirs(path, exist_ok=True)
            self._let_go(group)
            move(pid, path)

    def let_out(self, pid: int) -> None:
        """Move a process out of a group's cgroup, to where these cgroups are: beside supervisord, or at the mount's root. Raises
        ProcessLookupError where there is none."""
        move(pid, os.path.dirname(self.base))

    def pids(self, group: str) -> List[int]:
        """All living processes inside, in cgroups that they made themselves too."""
        try:
            self.hold(group)
        except FileNotFoundError:
            # Nothing was moved there yet, or the kernel has no such file.
            pass
        return _pids(self._path(group))

    def hold(self, group: str) -> int:
        """Have what `kill` needs from now on: a descriptor, when none may be had any more. Raises FileNotFoundError."""
        if group not in self._killing:
            self._killing[group] = os.open(os.path.join(self._path(group), "cgroup.kill"), os.O_WRONLY | os.O_CLOEXEC)
        return self._killing[group]

    def _let_go(self, group: str) -> None:
        descriptor = self._killing.pop(group, -1)
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of what is held."""
        for group in list(self._killing):
            self._let_go(group)

    def kill(self, group: str) -> None:
        """SIGKILL all inside, forks that are under way included (Linux 5.14); one by one on older kernels."""
        try:
            try:
                os.write(self.hold(group), b"1")
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                # It was removed, and maybe made anew.
                self._let_go(group)
                os.write(self.hold(group), b"1")
        except FileNotFoundError:
            _kill_each(self._path(group))

    def remove(self) -> None:
        """Remove what is empty."""
        _remove(self.base)


class Former:
    """The cgroups of former instances of a supervisord, with whatever lives on in them.

    folders: the folder of each, and what tells whose it is. lives: whether that supervisord lives. It is asked anew each
    time: what belongs to a living one is left alone, and one that has died meanwhile counts. spared: pids; a cgroup with
    one of them inside is left alone, too.
    """

    def __init__(
        self, folders: Mapping[str, str], lives: Callable[[str], bool], spared: Collection[Optional[int]] = ()
    ) -> None:
        self._folders = dict(folders)
        self._lives = lives
        self._spared = spared

    def _dead(self) -> List[str]:
        return [
            folder for folder, whose in self._folders.items()
            if not self._lives(whose) and not set(_pids(folder)).intersection(self._spared)
        ]

    def pids(self) -> List[int]:
        """All living processes inside. Raises OSError when that cannot be told."""
        return [pid for folder in self._dead() for pid in _pids(folder)]

    def kill(self) -> None:
        """SIGKILL all inside."""
        for folder in self._dead():
            _kill(folder)

    def remove(self) -> None:
        """Remove what is empty, and think of it no more."""
        for folder in self._dead():
            _remove(folder)
            if not os.path.isdir(folder):
                del self._folders[folder]


def _pids(path: str) -> List[int]:
    """Raises OSError when it cannot be told who is inside: what cannot be read is not empty."""
    found: List[int] = []
    for folder, _, files in os.walk(path, onerror=_unless_removed):
        if "cgroup.procs" in files:
            try:
                with open(os.path.join(folder, "cgroup.procs")) as file:
                    # 0 is a process of another pid namespace.
                    found += [pid for pid in map(int, file.read().split()) if pid]
            except OSError as error:
                # A threaded cgroup tells of no processes; the one above it that is not tells of all below it (cgroups(7)).
                if folder == path or error.errno != errno.EOPNOTSUPP:
                    _unless_removed(error)
    return found


def _unless_removed(error: OSError) -> None:
    """Raise it, unless it tells of a cgroup that was removed while this was walking; then it was empty."""
    if error.errno not in (errno.ENOENT, errno.ENODEV):
        raise error


def _kill(path: str) -> None:
    try:
        with open(os.path.join(path, "cgroup.kill"), "w") as file:
            file.write("1")
    except FileNotFoundError:
        _kill_each(path)


def _kill_each(path: str) -> None:
    for pid in _pids(path):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def move(pid: int, path: str) -> None:
    """Move a process into the cgroup that the folder shows."""
    with open(os.path.join(path, "cgroup.procs"), "w") as file:
        file.write(str(pid))


def _remove(base: str) -> None:
    for folder, _, _ in os.walk(base, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            continue


def made(beginning: str) -> Dict[str, str]:
    """The cgroups whose folders' names begin so: each folder, and the rest of its name.

    Wherever they are, since a supervisord may be started again in another place than before. Only those that this user
    has made: whoever owns a cgroup may move others in and out. Raises OSError, and MemoryError, for want of descriptors or
    memory: what was not seen for that may be there.
    """
    found = {}
    try:
        points = seen("")[1]
    except OSError as error:
        reserve.unless_short(error)
        return {}
    for point in points:
        for folder, names, _ in os.walk(point, onerror=reserve.unless_short):
            for name in filter(lambda name: name.startswith(beginning), names):
                path = os.path.join(folder, name)
                try:
                    if os.stat(path).st_uid == os.geteuid():
                        found[path] = name[len(beginning):]
                except FileNotFoundError:
                    continue
    return found


def find(pid: Optional[int], name: str, made: Sequence[str] = ()) -> Optional[Cgroups]:
    """Cgroups beside those of process `pid`, else below the mount's root; None where nothing can be made.

    pid: of the supervisord; None when it is dead, so that nothing is made. name: of the folder for them all; the same for
    the same supervisord. made: folders of this name that are there already. Raises as `made` does.
    """
    try:
        places, points = seen(own(pid)) if pid is not None else ([], [])
    except OSError as error:
        reserve.unless_short(error)
        places, points = [], []
    for base in [*made, *(os.path.join(root, name) for root in places + points)]:
        try:
            os.makedirs(base, exist_ok=True)
            if os.access(os.path.join(base, "cgroup.procs"), os.W_OK):
                return Cgroups(base)
        except OSError as error:
            if base in made:
                # Somebody may live in that one.
                reserve.unless_short(error)
    return None


def own(pid: int) -> str:
    """The cgroup of a process, as the kernel names it; "" where there is no cgroup v2. Raises OSError."""
    with open(f"/proc/{pid}/cgroup", "rb") as file:
        return next((os.fsdecode(line[3:].strip()) for line in file if line.startswith(b"0::")), "")


def seen(cgroup: str) -> Tuple[List[str], List[str]]:
    """Folders that show the cgroup, and the roots of all cgroup2 mounts. Raises OSError."""
    # Any user may mount file systems of his own, below names that are no text.
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = [line.split(b" - ") for line in file]
    places, points = [], []
    for before, after in (parts for parts in mounts if len(parts) == 2):
        if after.split(b" ")[0] == b"cgroup2":
            # Fields 4 and 5: what of the file system is mounted, and where (proc(5)).
            root, point = map(_unescaped, before.split(b" ")[3:5])
            if cgroup.startswith(root.rstrip("/") + "/") or cgroup == root:
                places.append(os.path.normpath(os.path.join(point, os.path.relpath(cgroup, root))))
            points.append(os.path.normpath(point))
    return places, points


def _unescaped(field: bytes) -> str:
    """A name as the kernel tells it, which writes blanks and backslashes as \\ and three octal digits."""
    return os.fsdecode(re.sub(rb"\\([0-3][0-7]{2})", lambda found: bytes([int(found[1], 8)]), field))
