"""Who belongs to which group of one supervisord, as /proc tells.

Membership is proven, never claimed. A process belongs to a group

1.  if it is a child of supervisord that runs one of the group's programs: by its registration with the guard, by
    supervisord's books, or, in supervisord's own session, by the variable that supervisord gave it;
2.  if it is in the group's cgroup (the process manager reads that);
3.  if it descends from such a process, or is in a session or a process group that one has made, as known now or seen before;
4.  if it carries the group's name together with the secret of a registration, for a user that it runs as
    (`registration.py`). What such a process brings with it are its descendants, and who shares its session or process group
    *and* its users: a session may be that of a stranger whose process has come by the secret of its own user.

Whoever has only the name carries what anybody can write, and is left alone. Where it runs as a user that a program of the
group has registered as, or was seen to run as, it may be a process that has lost all kin before anybody looked: then the scan
is not sure (`Found.unsure`), which may hold up a proof for some time, but not for ever.

A stranger chooses how many processes there are and how large their environments. An environment is read once in the life of a
process, in pieces, and searched without being taken apart; in one look so many bytes of them are read, and what is left over is
read in the next. Where nothing of a group is outside its cgroup nobody asks for strangers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Callable, Collection, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple

from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.kernel import Kernel

#: Bytes of environments that are read in one look, and what opening one counts for besides; some 30 ms together.
BUDGET, OPENING = 32 << 20, 32 << 10
#: Bytes of one environment; the kernel allows 6 MiB.
LONGEST = 8 << 20
#: Characters of a group's or a program's name.
LONGEST_NAME = 255
#: In so many looks the environment of a process is empty that has none.
EMPTY = 5

_GROUP, _NAME, _URL = b"SUPERVISOR_GROUP_NAME", b"SUPERVISOR_PROCESS_NAME", b"SUPERVISOR_SERVER_URL"
_INSTANCE, _SECRET = b"ZKELECT_INSTANCE", b"ZKELECT_SECRET"


class SupervisordIdentity(NamedTuple):
    """A supervisord as somebody saw it who knew it: start time in clock ticks since boot, session, command line."""

    start: int
    session: int
    arguments: bytes


class Origin(NamedTuple):
    """What a process was told at its start. proven: whether it carries the group's secret. near: whether the URL or the
    instance is this supervisord's, too. users: its uids; of one without a group's name nobody asks."""

    group: str = ""
    name: str = ""
    proven: bool = False
    near: bool = False
    users: FrozenSet[int] = frozenset()


class Found(NamedTuple):
    """What one scan found of a group."""

    living: Set[proc.Process]
    #: those of the living that are supervisord's own children, with their program's name
    members: Dict[proc.Process, str]
    #: children of supervisord of which it cannot be seen whose they are: some do not run their program yet
    forming: Set[proc.Process]
    #: what the next scan should know; of them those that are known by what they carry
    known: Set[proc.Process]
    #: a member has ended and supervisord has not taken notice
    unreaped: bool
    claimed: Set[proc.Process] = set()
    #: processes that say so and cannot prove it, or were not read yet
    unsure: FrozenSet[int] = frozenset()
    #: whether all strangers were read that may belong
    complete: bool = True
    #: those of the forming that run something
    nameless: FrozenSet[proc.Process] = frozenset()
    #: some that were listed in the group's cgroup were gone when they were looked at, and may have forked before
    vanished: bool = False


@dataclass
class Look:
    """All processes at one moment, for the scans of all groups that are due then."""

    kin: proc.Kinship
    #: by the group that supervisord told them at their start: its children, and those that carry the secret
    named: Dict[str, List[proc.Process]] = field(default_factory=dict)
    claimed: Dict[str, List[proc.Process]] = field(default_factory=dict)
    #: forks of supervisord that do not run their program yet
    forks: Set[proc.Process] = field(default_factory=set)
    #: children of supervisord that do, and of which it must tell whose they are
    nameless: Set[proc.Process] = field(default_factory=set)
    #: processes without proof, by the group that they name, with their uids; and those that were not read, by theirs
    doubtful: Dict[str, List[Tuple[int, FrozenSet[int]]]] = field(default_factory=dict)
    unread: List[Tuple[int, FrozenSet[int]]] = field(default_factory=list)
    #: whether those were to be read that run as no user of a group
    everybody: bool = True
    #: bytes of environments that may still be read
    left: int = field(default_factory=lambda: BUDGET)


class Census:
    """Reads from /proc. secrets: the secret of a group's program that runs as some user (`registration.secrets_of`).
    former_sessions: in which the supervisords before this one were started, and with them whatever they left behind."""

    def __init__(
        self, supervisord_pid: int, url: str, instance: str = "", identity: Optional[SupervisordIdentity] = None,
        secrets: Callable[[str, int], str] = lambda group, uid: "", kernel: Kernel = proc, former_sessions: Collection[int] = (),
    ) -> None:
        self.kernel = kernel
        self.url = url
        self.instance = instance
        seen, self._cmdline = self.kernel.read(supervisord_pid), self.kernel.cmdline(supervisord_pid)
        if seen is None or identity is not None and seen.start != identity.start:
            # It is dead, and its pid may be a stranger's, whose children are none of the groups'.
            start, session, self._cmdline = identity or SupervisordIdentity(0, 0, b"")
            seen = proc.Process(supervisord_pid, start, 0, 0, session or supervisord_pid, "X", 0)
        self.supervisord = seen
        self._outside = frozenset({seen.session, *former_sessions})
        self.gone = seen.gone
        self.foreign: Set[Tuple[int, int]] = set()
        #: names of the groups in charge, as whoever is in charge has them
        self.groups: Collection[str] = ()
        # What supervisord itself was started with, all that it starts has as well.
        self._inherited = os.fsdecode(self.kernel.variables(supervisord_pid, (_SECRET,), LONGEST)[0].get(_SECRET, b""))
        #: groups of supervisord's children by their registration or by its books, which outweigh what they carry
        self.told: Dict[Tuple[int, int], str] = {}
        #: users that the groups' programs have registered as, or anything of the groups was seen to run as
        self.users: Dict[str, Set[int]] = {}
        self._users_read: Set[Tuple[str, Tuple[int, int], int]] = set()
        self._own = {os.geteuid()} | self.kernel.uids(supervisord_pid)
        self._secrets = secrets
        self._namespaces = self.kernel.namespaces(supervisord_pid) or self.kernel.namespaces(os.getpid())
        self._origins: Dict[Tuple[int, int], Origin] = {}
        #: in how many looks a process had no environment
        self._empty: Dict[Tuple[int, int], int] = {}
        self._barred = {1, os.getpid(), supervisord_pid}

    def look(self, strangers: bool = True, everybody: bool = True) -> Look:
        """All processes as they are now, and forget what is remembered of others.

        strangers: whether to read what others than supervisord's children carry; everybody: also of those that run as no
        user of a group's.
        """
        table = self.kernel.table()
        present = {process.identity for process in table.values()}
        for memory in (self._origins, self._empty, self.told):
            for identity in memory.keys() - present:
                del memory[identity]
        self.foreign &= present
        self._users_read = {one for one in self._users_read if one[1] in present}
        look = Look(proc.Kinship(table), everybody=everybody or not self.users)
        others = [process for process in table.values() if not self._enter(process, look)]
        if strangers:
            users = None if look.everybody else set().union(*self.users.values())
            for process in others:
                self._read_stranger(process, look, users)
        return look

    def add(self, process: proc.Process, look: Look) -> None:
        """Enter one that was found after the look."""
        look.kin.add(process)
        self._enter(process, look)

    def _enter(self, process: proc.Process, look: Look) -> bool:
        """Tell a process by what it runs and carries, once for all groups. False where it is to be read first."""
        if process.gone or process.pid in self._barred or process.kernel_thread:
            return True
        origin = self._origins.get(process.identity)
        if origin is None or not origin.group:
            # Before its environment is read: read earlier, it could be that of a process which executes its program
            # between the two.
            if self._forming(process):
                look.forks.add(process)
                # After supervisord's death it may be anybody's, which is known by what it carries.
                return not self.gone
            if origin is None and not self._child(process):
                return False
            if origin is None and look.left <= 0:
                # One of many; supervisord knows it, or not.
                look.nameless.add(process)
                return True
            origin = self._origin(process, look)
        self._sort(process, origin, look)
        return True

    def _read_stranger(self, process: proc.Process, look: Look, users: Optional[Set[int]]) -> None:
        """Read one that may claim to belong, within the budget."""
        uids = frozenset((process.uid,))
        if users is not None:
            # What the kernel shows to nobody looks like root's (prctl(2), PR_SET_DUMPABLE).
            uids = uids if process.uid > 0 else self.kernel.uids(process.pid)
            if not uids & users:
                return
        if look.left <= 0:
            look.unread.append((process.pid, uids))
            return
        self._sort(process, self._origin(process, look), look)

    def _sort(self, process: proc.Process, origin: Origin, look: Look) -> None:
        child = self._child(process)
        near = child and process.session == self.supervisord.session
        if origin.group and near:
            # serverurl= can change the URL of a program, but not who its parent is.
            look.named.setdefault(origin.group, []).append(process)
        elif origin.proven:
            look.claimed.setdefault(origin.group, []).append(process)
        elif near or (child and origin.group):
            # It may have overwritten its environment, or left the session; supervisord knows it by its pid. Where supervisord
            # is process 1 others' orphans are its children as well.
            look.nameless.add(process)
        elif origin.group and origin.near:
            look.doubtful.setdefault(origin.group, []).append((process.pid, origin.users))

    def _roots(
        self, group: str, known: Set[proc.Process], look: Look
    ) -> Tuple[Set[proc.Process], Dict[Tuple[int, int], str], bool]:
        """The processes whose kin belongs to a group, the program's name of those that are children of supervisord, and whether
        one of these has ended and is unreaped."""
        roots, unreaped = set(known), False
        children: Dict[Tuple[int, int], str] = {}
        for former in known:
            process = look.kin.processes.get(former.pid)
            if process is None or process.start != former.start:
                continue
            child = self._child(process)
            if process.gone:
                unreaped = unreaped or child
            elif process.pid not in self._barred and not process.kernel_thread:
                roots.add(process)
                if child:
                    # A fork carries the environment of supervisord still.
                    children[process.identity] = "" if process in look.forks else self._origin(process, look).name
        identities = {process.identity for process in known}
        for process in look.named.get(group, ()):
            if process.identity not in identities and self.told.get(process.identity, group) == group:
                roots.add(process)
                children[process.identity] = self._origin(process, look).name
        return roots, children, unreaped

    def find(
        self, group: str, known: Iterable[proc.Process], look: Look, claimed: Iterable[proc.Process] = (), swept: bool = False,
        inside: bool = False,
    ) -> Found:
        """Who belongs to a group.

        known: processes that belonged, living or dead, and those that supervisord named. claimed: those that did by what
        they carried. swept: whether all strangers were read once, so that all users of the group's are known. inside: whether
        nothing of the group can be anywhere but in its cgroup, and so among those known.
        """
        table, known = look.kin.processes, set(known)
        identities = {process.identity for process in known}
        roots, children, unreaped = self._roots(group, known, look)
        told = identities | self.foreign
        forks = {process for process in look.forks if process.identity not in told}
        nameless = {process for process in look.nameless if process.identity not in told}
        # What only looks like a fork of supervisord's, as it is not in its books or supervisord is dead, is whatever its kin is.
        barred = self._barred if self.gone else self._barred | {process.pid for process in forks}
        # Any child of supervisord may join the process group of another. With a cgroup whoever belongs is inside, or descends.
        living = look.kin.tree(roots, barred, self._outside, alike=_nobody_is if inside else None)
        # A dead process is worth knowing while its group or session has somebody in it: until then the kernel
        # gives its number to nobody else, and an empty group or session never gets members again.
        remembered = {process for process in roots if process.pid in table or look.kin.leads(process.pid)}
        members = {process: children[process.identity] for process in living if process.identity in children}
        by_claim = look.kin.tree([*claimed, *look.claimed.get(group, ())], barred, self._outside, alike=self._alike) - living
        # Not who may be a child of supervisord's that it has told to be another group's.
        by_claim = {process for process in by_claim if self.told.get(process.identity, group) == group}
        self._learn_users(group, [*members, *by_claim])
        users = self.users.get(group, set())
        # Before all were read it is not known whom the group's may run as: programs may have registered with a guard that is
        # dead, as users of which only what they left behind tells.
        whoever = not swept or not users
        unread = [pid for pid, uids in look.unread if whoever or uids & users]
        users = users or self._own
        proven = {process.pid for process in living | by_claim}
        doubtful = {pid for pid, uids in look.doubtful.get(group, ()) if uids & users} - proven
        return Found(
            living=living | by_claim,
            members=members,
            forming=(forks | nameless) - living - by_claim,
            known=_latest(remembered | living, table),
            unreaped=unreaped,
            claimed=by_claim,
            unsure=frozenset(doubtful.union(unread)),
            complete=not unread and (swept or look.everybody),
            nameless=frozenset(nameless - living - by_claim),
        )

    def may_leave(self, group: str) -> bool:
        """Whether a group's programs may run as the user that their cgroup belongs to, which is this process's: who owns a cgroup
        may move processes out of it. So may root, which is trusted not to."""
        mine = os.geteuid()
        return mine != 0 and mine in self.users.get(group, self._own)

    def carries_secret(self, process: proc.Process, group: str) -> bool:
        """Whether it was told the group's secret, as far as was read."""
        origin = self._origins.get(process.identity)
        return origin is not None and origin.proven and origin.group == group

    def _learn_users(self, group: str, processes: Iterable[proc.Process]) -> None:
        for process in processes:
            if (group, process.identity, process.uid) not in self._users_read:
                self.users.setdefault(group, set()).update(self.kernel.uids(process.pid))
                self._users_read.add((group, process.identity, process.uid))

    def claim(self, pid: int) -> Optional[proc.Process]:
        """The process that supervisord says has this pid, if it is a living child of supervisord."""
        process = self.kernel.read(pid)
        return process if process is not None and not process.gone and self._child(process) else None

    def _child(self, process: proc.Process) -> bool:
        return not self.gone and process.ppid == self.supervisord.pid

    def _forming(self, process: proc.Process) -> bool:
        """Whether it is a fork of supervisord that does not run its program yet."""
        if process.session != self.supervisord.session:
            return False
        if not self.gone and not self._child(process):
            return False
        cmdline = self.kernel.cmdline(process.pid, len(self._cmdline) + 1)
        if not cmdline:
            # Within execve(2), for some microseconds, there are neither arguments nor an environment.
            return self._child(process) and not self.kernel.has_environment(process.pid) and self.kernel.alive(process)
        return process.unexecuted and cmdline == self._cmdline

    def _origin(self, process: proc.Process, look: Look) -> Origin:
        origin = self._origins.get(process.identity)
        if origin is None:
            told, length = self.kernel.variables(process.pid, (_GROUP, _NAME, _URL, _INSTANCE, _SECRET), LONGEST)
            look.left -= OPENING + (length or 0)
            origin = self._origin_of(process, {name: os.fsdecode(value) for name, value in told.items()})
            # An environment changes with execve(2). Nobody comes to belong by that but a child of supervisord
            # that was just forked, and an empty one may be that of a process within execve(2), for a moment.
            empty = self._empty[process.identity] = self._empty.get(process.identity, 0) + (length == 0)
            fork = process.unexecuted and self._child(process) or process in look.forks
            # One whose users are not known is on its way out, or is read again; so is one whose secret cannot be judged yet.
            known = not origin.group or origin.users and (
                not told.get(_SECRET) or any(self._secrets(origin.group, uid) for uid in origin.users)
            )
            if (length != 0 or empty >= EMPTY) and not fork and known:
                self._origins[process.identity] = origin
        return origin

    def _origin_of(self, process: proc.Process, told: Dict[bytes, str]) -> Origin:
        group, secret = told.get(_GROUP, ""), told.get(_SECRET, "")
        if not group or len(group) > LONGEST_NAME:
            return Origin()
        users = self.kernel.uids(process.pid)
        near = bool(self.instance) and told.get(_INSTANCE) == self.instance
        near = near or (told.get(_URL) == self.url and self.kernel.namespaces(process.pid) == self._namespaces)
        # A supervisord that is a group's program gives names of its own to what it starts, and passes the secret on.
        others = () if secret in ("", self._inherited) else self.groups
        named = (one for one in (group, *others) if secret and any(secret == self._secrets(one, uid) for uid in users))
        whose = next(named, None)
        proven, group = whose is not None, whose or group
        # Kept for each process as long as that lives, whoever's it is.
        return Origin(group, told.get(_NAME, "")[:LONGEST_NAME], proven, near, users)

    def _alike(self, one: proc.Process, other: proc.Process) -> bool:
        """Whether both run as the same users."""
        return self.kernel.uids(one.pid) == self.kernel.uids(other.pid)


def _nobody_is(one: proc.Process, other: proc.Process) -> bool:
    return False


def _latest(processes: Iterable[proc.Process], table: Dict[int, proc.Process]) -> Set[proc.Process]:
    """One entry for each identity, the table's where it has one, without pids that others use now."""
    latest = {}
    for process in processes:
        current = table.get(process.pid)
        if current is None:
            latest[process.identity] = process
        elif current.start == process.start:
            latest[process.identity] = current
    return set(latest.values())
