"""A guard's rules with everything around them remembered and nothing done, for several modules of tests."""

import errno

from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import guard, protocol, record
from supervisor_zkelect.guard.effects import GuardEffects
from supervisor_zkelect.guard.keeper_protocol import SessionReleased, TermKept
from supervisor_zkelect.processes import group_events

OWNER = record.Owner("boot", "namespace", 10, 100)
GRANT = protocol.Grant("orders", "a", 7, Lease(102.0, 103.0, 104.0))


class Handle:
    """Remembers what a group was ordered."""

    def __init__(self):
        self.did = []

    def __getattr__(self, what):
        return lambda *arguments: self.did.append((what, *arguments))

    def last(self, *whats):
        return [one for one in self.did if one[0] in whats][-1]


def lack(where, what):
    """Have a method find no memory once."""
    real = getattr(where, what)

    def lacking(*arguments):
        setattr(where, what, real)
        raise MemoryError

    setattr(where, what, lacking)


class ProcessManager:
    turned_at = 0.0
    trouble = ""

    def __init__(self):
        self.handles = {}

    def group(self, name):
        return self.handles.setdefault(name, Handle())

    def wake_supervisord(self):
        pass

    def supervisord_gone(self):
        pass


class Book:
    broken = doubted = False

    def __init__(self):
        self.entries = {}

    def open(self):
        pass

    def make_room(self, room):
        self.room = room

    def beat(self, moment):
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")
        self.seen = moment

    def doubt(self, doubtful):
        self.doubted = doubtful

    def put(self, entry):
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")
        self.entries[entry.group] = entry


class Effects(GuardEffects):
    def __init__(self):
        self.told, self.did, self.failing, self.expected = [], [], 0, []
        self.free, self.groups, self.short = True, [], 0
        self.keeping, self.asked = ({}, False), 0

    def tell(self, message):
        self.told.append(message)

    def take_lock(self):
        return self.free

    def give_lock_back(self):
        self.did.append("give back")

    def expect_programs(self, expected):
        self.expected.append(expected)

    def keep(self, terms, attach):
        self.keeping = (terms, attach)

    def ask_for_listener(self):
        self.asked += 1

    def release(self, ended):
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.did.append("release")
        self.ended = ended

    def session_groups(self):
        if self.short:
            self.short -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self.groups

    def call(self, command, seconds, variables):
        self.did.append(("call", command, seconds, variables))


class Node:
    """A guard with a listener, whose group `primary` runs under a lease, in a time of its own."""

    def __init__(self, former=()):
        self.now = 100.0
        self.manager, self.book, self.effects = ProcessManager(), Book(), Effects()
        self.guard = guard.Guard(OWNER, 2.0, self.manager, self.book, self.effects, lambda: self.now)
        self.guard.begin(list(former))

    def greet(self, *names):
        groups = {name: protocol.GroupPrograms(name, True, 1.5, True, ("help",), 9.0) for name in names}
        return self.guard.welcome(protocol.Hello(protocol.VERSION, tuple(OWNER), groups, ("zkelect", "zkelect")), 1, "")

    def start(self, name="primary"):
        self.greet("primary")
        self.guard.obey(protocol.StartOrder(name, 5, GRANT))
        return self

    def extend(self, n, token, *times):
        """Have the listener extend the lease of the group that `start` started."""
        self.guard.obey(protocol.LeaseOrder(n, {"primary": (token, Lease(*times))}))

    def kept(self, token, deadline):
        """Have the keeper renew the lease of the group that `start` started."""
        self.guard.keeper_said(TermKept("primary", token, deadline))

    def released(self, status):
        self.guard.keeper_said(SessionReleased(status))

    @property
    def entry(self):
        return self.book.entries["primary"]

    def leave(self):
        """The listener ends, and supervisord does not start another."""
        self.guard.listener_gone()
        self.passes(0.0)
        self.guard.listener_state("STOPPED")
        self.passes(2.01)

    def passes(self, seconds):
        self.now += seconds
        self.guard.keep_time()

    def dead(self, name="primary"):
        self.guard.heard(group_events.GroupDead(name, self.handle(name).last("kill", "stop")[1], 0.1))

    def handle(self, name="primary"):
        return self.manager.handles[name]
