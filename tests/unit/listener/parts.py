"""Fakes of what the listener's parts are given, and a candidacy made of them."""

import time
from types import SimpleNamespace

from supervisor_zkelect.core.control import Life
from supervisor_zkelect.core.messages import ACTIONS
from supervisor_zkelect.core.nodes import NodeEntry
from supervisor_zkelect.core.state import Rules, State
from supervisor_zkelect.listener.candidacies import Candidacies
from supervisor_zkelect.listener.candidacy import Candidacy, Ports
from supervisor_zkelect.listener.group_control import GroupControl
from supervisor_zkelect.listener.keepers import Keepers
from supervisor_zkelect.listener.part import Means

NOW = 1000.0

RULES = Rules(
    name="orders", address="x:1", kill_time=1.0, stopwaitsecs=10.0, rise=1, fall=3, health_interval=1.0, promote_timeout=60.0,
    backoff_min=1.0, backoff_max=60.0,
)


class Work:
    """An event executor that does nothing by itself. given: the work that is not done yet, oldest first."""

    def __init__(self):
        self.given = []

    def submit(self, work, failed=None):
        self.given.append((work, failed))

    def do(self):
        """Do the oldest work; returns its event."""
        return self.given.pop(0)[0]()

    def fail(self, error):
        """Have the oldest work raise this; returns the event that is posted then."""
        return self.given.pop(0)[1](error)


class Serial:
    """An executor that does nothing by itself, as `Work` with what is posted."""

    def __init__(self):
        self.given = []

    def submit(self, run, *arguments):
        self.given.append(lambda: run(*arguments))
        return SimpleNamespace(add_done_callback=lambda done: None)

    def do(self):
        self.given.pop(0)()


class LastResort:
    trouble = ""
    again = 1000.0

    def __init__(self):
        self.did = []

    def revoke(self, name):
        self.did.append(("revoke", name))

    def kill(self, name):
        self.did.append(("kill", name))
        return self.again

    def know(self, name, pid):
        pass


class Host:
    """Of node "a", at a moment that a test sets. serials: the executors that were made."""

    life = Life("machine", "boot", "boot-4-10-100")
    pid, uid, supervisord_uid, group, supervisord = 7, 0, 0, "zkelect", None

    def __init__(self, **settings):
        self.moment = NOW
        self.settings = SimpleNamespace(**{"node_name": "a", "file": "/f", "chroot": "", "kill_time": 1.0, **settings})
        self.resort = LastResort()
        self.serials = []

    def now(self):
        return self.moment

    def wall(self):
        return time.time()

    def serial(self):
        self.serials.append(Serial())
        return self.serials[-1]

    def last_resort(self):
        return self.resort

    def history_copy(self, election):
        return None


def settings_of(**changes):
    given = {
        "name": "orders", "group": "primary", "address": "x:1", "election_znode": "/e", "election_ack": "/ack", "fence": None,
        "health_timeout": 1.0, "priority": 100, "fit_check": lambda: None, **changes,
    }
    return SimpleNamespace(**given)


class Disk:
    """An executor whose work is done at once; or, while it hangs, later."""

    def __init__(self):
        self.hangs, self.waiting = False, []

    def submit(self, work, *arguments):
        self.waiting.append((work, arguments))
        while self.waiting and not self.hangs:
            work, arguments = self.waiting.pop(0)
            work(*arguments)


class Log:
    """warned: what was warned of."""

    def __init__(self):
        self.warned = []

    def warn(self, subject, trouble, kind=""):
        self.warned.append((subject, trouble))


class Delivery:
    """told: the tickets of who is answered with the next report."""

    under_way = False

    def __init__(self):
        self.told = []

    def tell(self, tickets):
        self.told += tickets

    def changed(self):
        pass

    def within(self, seconds):
        pass


def candidacy(host, state=None, elector=None, connected=True, check=None, log=None, **settings):
    """One election, all of whose actions are left undone; what it posts is in its `posted`, what it tells the guard in `guard`."""
    posted, guard = [], []
    ports = Ports(
        means(host, log=log, post=posted.append), {kind: lambda one, action: None for kind in ACTIONS}, lambda: connected,
        lambda settings: elector, lambda one: NodeEntry(), lambda moment: None,
    )
    one = Candidacy(settings_of(**settings), RULES, ports, GroupControl("primary", guard.append, lambda: None), check)
    one.state = state or State()
    one.posted, one.guard = posted, guard
    return one


def means(host, work=None, log=None, post=None, delivery=None):
    """What a part of a listener works with; by default it does nothing by itself, and posts nothing."""
    return Means(host, post, work or Work(), log or Log(), delivery or Delivery())


def keepers(*ones, **given):
    """The keepers of a listener with these candidacies, of which there are only those that are given."""
    return Keepers(**{**dict.fromkeys(Keepers._fields), "candidacies": candidacies(*ones), **given})


def candidacies(*ones, timeout=None):
    found = Candidacies(lambda: timeout)
    for one in ones:
        found.add(one)
    return found
