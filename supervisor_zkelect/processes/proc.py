"""Processes as the kernel knows them: identity, kinship, signals.

A pid alone names nothing, because it is used again. Here a process is its pid together with its start time in clock
ticks since boot, field 22 of /proc/PID/stat (proc(5)), which does not move when the wall clock does. Signals go
through a pidfd whose process was compared after it was opened, so that a stranger with a used pid is never hit.

psutil is for those who wait for an answer without a deadline. Here a deadline hangs on each reading: one of 196 processes takes
3.0 ms of CPU, and psutil 10.7; of a stranger's environment, which may have megabytes, no more is read than asked; and the
processes that run all the time do without its 0.6 to 0.9 MiB.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import Callable, Collection, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from supervisor_zkelect.system import reserve

#: How often a process is read whose line tells nothing.
_READS = 5
#: Bytes of an environment that are read and searched at a time, and of the longest value that is found.
_PIECE, _VALUE = 65536, 4096


class Process(NamedTuple):
    """One process at the moment it was read. `start` is in clock ticks since boot. `uid` is the owner of its folder in /proc:
    its effective user, or 0 where the kernel shows it to root alone (proc(5)); −1 when nobody has looked."""

    pid: int
    start: int
    ppid: int
    pgrp: int
    session: int
    state: str
    threads: int
    flags: int = 0
    uid: int = -1

    @property
    def identity(self) -> Tuple[int, int]:
        """(pid, start): what stays the same for the whole life of a process."""
        return (self.pid, self.start)

    @property
    def gone(self) -> bool:
        """Whether nothing of it runs any more.

        A zombie whose main thread ended while other threads run still counts as running: it can hold a port.
        """
        return self.state in "XxZ" and self.threads <= 1

    @property
    def unexecuted(self) -> bool:
        """Whether it was forked and has not called execve(2) since, so that it still runs its parent's program.

        The kernel's flag PF_FORKNOEXEC (include/linux/sched.h). Daemons and pre-forked workers carry it for life.
        """
        return bool(self.flags & 0x00000040)

    @property
    def kernel_thread(self) -> bool:
        """Whether it is a thread of the kernel (PF_KTHREAD, include/linux/sched.h), which has no environment."""
        return bool(self.flags & 0x00200000)

    def started_by(self, supervisord: Process) -> bool:
        """Whether it is what a supervisord has forked for a program, and not an orphan, which is a child of process 1 and of
        whoever takes orphans in as well (prctl(2), PR_SET_CHILD_SUBREAPER).

        The first thing that a fork of supervisord does is setpgrp(2), and whoever leads a process group cannot leave its session
        (setsid(2)): so all of this holds whatever it executes until it is the program, such as a shell or what changes its user.
        """
        return self.ppid == supervisord.pid and self.session == supervisord.session and self.pgrp == self.pid


def read(pid: int) -> Optional[Process]:
    """The process with this pid, or None when there is none."""
    process = None
    for _ in range(_READS):
        process = _read(pid)
        if process is None or process.threads:
            break
        # The kernel could not look into it: it is on its way out, or one of its threads executes another program and takes
        # the place of the first one just now (de_thread, fs/exec.c), which leaves most of the line at nought.
    return process


def _read(pid: int) -> Optional[Process]:
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        text = os.read(descriptor, 4096)
        uid = os.fstat(descriptor).st_uid
    except ProcessLookupError:
        return None
    finally:
        os.close(descriptor)
    # The command name stands in parentheses and may itself contain any byte, parentheses and blanks included.
    fields = text[text.rindex(b")") + 2:].split(None, 20)
    return Process(
        pid=pid,
        start=int(fields[19]),
        ppid=int(fields[1]),
        pgrp=int(fields[2]),
        session=int(fields[3]),
        state=fields[0].decode("ascii"),
        threads=int(fields[17]),
        flags=int(fields[6]),
        uid=uid,
    )


def table() -> Dict[int, Process]:
    """All processes that this one can see, by pid, each as it is now.

    Reading takes milliseconds, in which a process may fork and end; its child would be in no listing that was made before.
    So the listing is repeated until it brings nothing unread: what is alive at the last listing is in the table, at most
    20 listings deep.
    """
    processes: Dict[int, Process] = {}
    tried: Set[int] = set()
    for _ in range(20):
        unread = {int(name) for name in os.listdir("/proc") if name.isdigit()} - tried
        if not unread:
            break
        for pid in unread:
            process = read(pid)
            if process is not None:
                processes[pid] = process
        tried |= unread
    return processes


def alive(process: Process) -> bool:
    """Whether that very process still runs."""
    return find(process.pid, process.start) is not None


def find(pid: int, start: int) -> Optional[Process]:
    """The process that has this pid and start time, if it runs."""
    process = read(pid)
    return process if process is not None and process.start == start and not process.gone else None


class Kinship:
    """A table of processes, with an index of who is whose child and in whose process group and session."""

    def __init__(self, processes: Dict[int, Process]) -> None:
        self.processes = processes
        self._near: Dict[int, List[Process]] = {}
        self._sessions: Dict[int, List[Process]] = {}
        for process in processes.values():
            self._enter(process)

    def add(self, process: Process) -> None:
        """Enter one that was found after the table was read, also in place of another that had its pid then."""
        former = self.processes.get(process.pid)
        if former is not None:
            # Whoever stands below that number was a child of the former's: while it names a group or a session, the kernel gives
            # it to nobody.
            self._near.pop(process.pid, None)
            for listed in (self._near, self._sessions):
                for number in {former.ppid, former.pgrp, former.session}:
                    listed[number] = [one for one in listed.get(number, ()) if one is not former]
        self.processes[process.pid] = process
        self._enter(process)

    def _enter(self, process: Process) -> None:
        for number in {process.ppid, process.pgrp, process.session}:
            self._near.setdefault(number, []).append(process)
        self._sessions.setdefault(process.session, []).append(process)

    def leads(self, pid: int) -> bool:
        """Whether a process group or a session has this number."""
        return any(process.pgrp == pid or process.session == pid for process in self._near.get(pid, ()))

    def tree(
        self, roots: Iterable[Process], exclude: Iterable[int] = (), outside_sessions: Optional[Collection[int]] = None,
        alike: Optional[Callable[[Process, Process], bool]] = None,
    ) -> Set[Process]:
        """The living processes that belong to `roots`, the roots included, in the time that the result takes and not in that of
        the whole table.

        Kinship is closed over three relations: child of a member, member of a process group that a member leads, member
        of a session that a member leads. A group or session whose leader is dead is found while `roots` still holds the
        leader, even when it no longer runs. pid 1, this process, and the pids in `exclude` never belong, nor does
        anything through them.

        roots: processes, living or dead; a dead one still counts as ancestor, group and session leader, unless its pid
            is used by another process now.
        outside_sessions: those in which the roots were started, which others share. Every other session in which a
            member is found was made by a member, since setsid(2) always makes one, so all who are in it belong too, even
            when its leader is dead and was never seen. None leaves this relation out.
        alike: whether two processes are so alike that one which shares the other's process group or session belongs; without
            it each does.
        """
        barred = {0, 1, os.getpid(), *exclude}
        kin = set()
        for root in roots:
            current = self.processes.get(root.pid)
            if root.pid not in barred and (current is None or current.start == root.start):
                kin.add(root.pid)
        sessions = {0, *(outside_sessions or ())}
        found = list(kin)
        while found:
            pid = found.pop()
            near = self._near.get(pid, [])
            process = self.processes.get(pid)
            if outside_sessions is not None and process is not None and process.session not in sessions:
                sessions.add(process.session)
                near = near + self._sessions[process.session]
            for relative in near:
                if alike is not None and relative.ppid != pid and (process is None or not alike(process, relative)):
                    continue
                if relative.pid not in kin and relative.pid not in barred:
                    kin.add(relative.pid)
                    found.append(relative.pid)
        return {self.processes[pid] for pid in kin if pid in self.processes and not self.processes[pid].gone}


def tree(roots: Iterable[Process], outside_sessions: Optional[Collection[int]] = None) -> Set[Process]:
    """As `Kinship.tree`, of all processes as they are now."""
    return Kinship(table()).tree(roots, outside_sessions=outside_sessions)


def pidfd_trouble() -> str:
    """Why this process can have no pidfds, and what to do; "" when it can. Both calls are tried on this process."""
    wanted = (
        "supervisor-zkelect needs pidfd_open and pidfd_send_signal: run Linux 5.3 or later, a Python that was built for it, "
        "and where seccomp forbids them, as an old container runtime's profile does, allow them"
    )
    try:
        descriptor = os.pidfd_open(os.getpid())
        try:
            signal.pidfd_send_signal(descriptor, 0)
        finally:
            os.close(descriptor)
    except AttributeError as error:
        return f"this Python lacks pidfds ({error}); {wanted}"
    except OSError as error:
        # Anything else, such as a lack of descriptors, is not for ever.
        if error.errno in (errno.ENOSYS, errno.EPERM, errno.EACCES):
            return f"the kernel refuses pidfds ({error.strerror}); {wanted}"
    return ""


def pidfd(process: Process) -> Optional[int]:
    """A pidfd of that very process, which the caller closes, or None when it no longer exists."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    current = read(process.pid)
    if current is None or current.start != process.start:
        os.close(descriptor)
        return None
    return descriptor


def send(pidfd: int, sig: int) -> None:
    """Signal the process of a pidfd. Raises ProcessLookupError when it no longer exists, PermissionError as `kill`."""
    signal.pidfd_send_signal(pidfd, sig)


def close(pidfd: int) -> None:
    os.close(pidfd)


def kill(process: Process, sig: int = signal.SIGKILL) -> bool:
    """Send a signal to that very process; False when it no longer exists.

    Raises PermissionError when this process may not signal it.
    """
    descriptor = pidfd(process)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, sig)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def environ(pid: int) -> Dict[str, str]:
    """The environment a process was started with; empty when it cannot be read, and for a moment within execve(2). Raises
    OSError for want of descriptors or memory, as what follows does."""
    pairs = (item.partition(b"=") for item in _told(pid, "environ").split(b"\0") if item)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def variables(pid: int, names: Sequence[bytes], most: int) -> Tuple[Dict[bytes, bytes], Optional[int]]:
    """These variables of the environment that a process was started with, and how many bytes of it were read: `most` at most.

    Of one that stands there twice the last, and none of more than four kilobytes. The environment may be anybody's, of
    millions of bytes: it is searched piece by piece, and never taken apart. None instead of a number where the kernel refuses.
    Raises OSError for want of descriptors or memory.
    """
    found: Dict[bytes, bytes] = {}
    read, rest = 0, b"\0"
    marks = [(name, b"\0" + name + b"=") for name in names]
    try:
        with open(f"{folder(pid)}/environ", "rb", buffering=0) as file:
            while read < most:
                piece = file.read(min(_PIECE, most - read))
                read += len(piece)
                # What ends with the environment has no zero byte behind it where a process has written over that.
                text = rest + (piece or b"\0")
                for name, mark in marks:
                    at = text.rfind(mark)
                    end = text.find(b"\0", at + len(mark)) if at >= 0 else -1
                    if end >= 0:
                        found[name] = text[at + len(mark):end]
                        if len(found[name]) > _VALUE:
                            # Nobody was told that; and what is found may be kept for as long as the process lives.
                            found[name] = b""
                if not piece:
                    break
                # Enough of it that a value which ends in the next piece is whole there.
                rest = text[-_VALUE:]
    except PermissionError:
        return {}, None
    except OSError as error:
        _unless_gone(error)
        return {}, 0
    return found, read


def has_environment(pid: int) -> bool:
    """Whether a process was started with an environment, or has got that far within execve(2)."""
    return bool(_told(pid, "environ", 1))


def uids(pid: int) -> FrozenSet[int]:
    """The users that a process runs as: real, effective, saved, of the file system; empty when it is gone.

    Raises OSError for want of descriptors or memory.
    """
    text = _contents(f"/proc/{pid}/status", _PIECE)
    line = text.partition(b"\nUid:")[2].partition(b"\n")[0]
    return frozenset(map(int, line.split()))


def cmdline(pid: int, most: Optional[int] = None) -> bytes:
    """The arguments as the kernel shows them, each ended by a zero byte; empty as `environ` is, and for a zombie.

    most: bytes that are read at most; all when None. Raises OSError for want of descriptors or memory.
    """
    return _told(pid, "cmdline", most)


def folder(pid: int) -> str:
    """Where /proc tells of a process: /proc/PID or, when its main thread has ended, the folder of another thread.

    A main thread that ended has neither memory nor namespaces, while the other threads run on with both.
    """
    process = read(pid)
    if process is not None and process.state in "XxZ" and not process.gone:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                if thread != str(pid):
                    return f"/proc/{pid}/task/{thread}"
        except OSError as error:
            _unless_gone(error)
    return f"/proc/{pid}"


def namespaces(pid: int) -> Tuple[str, ...]:
    """The pid, mount and network namespace of a process; empty when they cannot be read. Raises OSError for want of descriptors
    or memory."""
    try:
        place = folder(pid)
        return tuple(os.readlink(f"{place}/ns/{kind}") for kind in ("pid", "mnt", "net"))
    except OSError as error:
        _unless_gone(error)
        return ()


def children(pid: int) -> Optional[Set[int]]:
    """The pids of the children of a process, zombies included, much cheaper than a table.

    None when the process is gone or the kernel does not list them (CONFIG_PROC_CHILDREN).
    """
    found: Set[int] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                found.update(int(entry) for entry in file.read().split())
    except OSError:
        return None
    return found


def _told(pid: int, name: str, most: Optional[int] = None) -> bytes:
    return _contents(f"/proc/{pid}/{name}", most) or _contents(f"{folder(pid)}/{name}", most)


def _contents(path: str, most: Optional[int] = None) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(-1 if most is None else most)
    except OSError as error:
        _unless_gone(error)
        return b""


def _unless_gone(error: OSError) -> None:
    """Raise it where it tells of this process and not of the one that was looked at: what could not be read is not empty."""
    if reserve.short(error):
        raise error
