"""One program group on this node: started, watched, stopped, killed, and proven dead.

Two kinds of threads. RPC calls to supervisord, which may hang for seconds, run in a pool and come back as
answers. One manager thread for all groups does everything else: it polls pidfds, keeps the times at which
groups are killed, reads /proc, kills, and proves. It never waits for an RPC, a lock, ZooKeeper or a name
server. What the handles (`Group`) and the pool want of it is put into its queue as a callable, so that every
record here has one owner.

Who belongs to a group is asked anew in every scan, and proven (`census.py`). A child of supervisord between fork and exec
still looks like supervisord, and one that has overwritten its environment looks like nobody's (`forming`): while there is one
whose group supervisord has not told, nothing is proven, unless it may be somebody's orphan. Such a one, and a process that
carries the group's name and cannot prove that it belongs, is left alone, and holds a proof up for DOUBT_TIME at most, once in
a stop.

How long a scan takes is up to whoever has processes on the machine. So when a group's time is over, another thread kills
whatever is known of it (`striking.py`), and the process manager sees to the rest and proves.

The rule of the proof is in `core/proof.py`. Where supervisord has not answered, the process manager goes on as a sentry
when the death is proven: it kills whatever supervisord starts again, until supervisord has answered and the rounds are
clean.

What is done in a turn is in `groups.py`, which never waits. This module has the thread, the queue, and the handles.

What is beyond it: a process that clears its environment, leaves its session and loses its parents before any
scan has seen one of them, and the milliseconds that a restart by a supervisord which thaws lives until the
sentry sees it.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import queue
import select
import threading
from concurrent.futures import Executor
from typing import Any, Callable, FrozenSet, Iterable, Optional, Tuple

from supervisor_zkelect.core.proof import KILL_WAITS
from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.census import Census
from supervisor_zkelect.processes.cgroup import Cgroups, Former
from supervisor_zkelect.processes.groups import Groups
from supervisor_zkelect.processes.kernel import Poller
from supervisor_zkelect.processes.kin import Identities
from supervisor_zkelect.processes.striking import Striker
from supervisor_zkelect.supervisord.calls import Calls
from supervisor_zkelect.supervisord.client import Supervisord
from supervisor_zkelect.system import clock, reserve

log = logging.getLogger(__name__)


class Group:
    """The handle of one group. Methods return at once; a result comes as an event with the same op."""

    def __init__(self, name: str, manager: ProcessManager) -> None:
        self.name = name
        self._manager = manager

    def _do(self, command: Callable[..., None], *args: Any) -> None:
        self._manager.do(command, self._manager.groups.state(self.name), *args)

    def start(self, op: int) -> None:
        """Have supervisord start all members → GroupStarted or GroupStartFailed. Until it is stopped, every member's end is told
        as MemberDied, and supervisord made to restart it at once.

        Refused while a stop is not finished, and when supervisord does not answer a stop within START_LIMIT
        since the group died.
        """
        self._do(self._manager.groups.starter.start, op)

    def stop(self, op: int, kill_at: float, lease_end: float = math.inf) -> None:
        """Have supervisord stop all members, and kill what is left at `kill_at` → GroupStuck …, GroupDead.

        kill_at: seconds of the process manager's clock. Of several orders the earliest counts, whichever came first.
        lease_end: when everything is killed whatever the orders say, until `renew` moves it.
        Descendants that outlive all members are asked with SIGTERM, unless supervisord has asked them, and have the
        time that is left.
        """
        soonest = self._manager.now() + KILL_WAITS
        self._manager.striker.order(self.name, max(soonest, kill_at), max(soonest, lease_end))
        self._do(self._manager.groups.stop, op, kill_at, lease_end)

    def renew(self, lease_end: float) -> None:
        """The lease of a group that is being stopped ends at another time."""
        self._manager.striker.renew(self.name, lease_end)
        self._do(self._manager.groups.stopper.renew, lease_end)

    def kill(self, op: int) -> None:
        """Kill all processes → GroupStuck …, GroupDead.

        supervisord is told first, lest it restarts them, and has 30 ms to answer.
        """
        self._manager.striker.order(self.name, self._manager.now() + KILL_WAITS)
        self._do(self._manager.groups.stop, op, -math.inf)

    def look(self, op: int) -> None:
        """Ask supervisord for the members' states → Members."""
        self._do(self._manager.groups.member_states.look, op)

    def trust(self, via_loader: bool) -> None:
        """Tell whether all programs of the group are started through the chain loader, so that a start which
        supervisord carries out late runs nothing after a stop."""
        self._do(self._manager.groups.stopper.trust, via_loader)

    def signalled_as_group(self, as_group: bool) -> None:
        """Tell whether supervisord may signal the process groups of the programs that it stops (`stopasgroup`)."""
        self._do(self._manager.groups.signalled_as_group, as_group)

    def remember(self, processes: Iterable[proc.Process]) -> None:
        """Take processes as the group's that somebody has seen in it."""
        self._do(self._manager.groups.remember, set(processes))

    def adopt(self) -> None:
        """Take a group that runs as one that was started through this handle; its processes are found by a scan. The members'
        ends are told as after `start`."""
        self._do(self._manager.groups.starter.adopt)

    def expect(self, pid: int, name: str, start: Optional[int] = None) -> None:
        """Take a child of supervisord as the program `name` of the group whatever its environment says, because it has
        said so itself. start: when it began, as in `proc.Process`, if that is known."""
        self._do(self._manager.groups.expect, pid, name, start)

    def stray(self) -> None:
        """A program of the group could not be moved into its cgroup."""
        self._do(self._manager.groups.stray)

    def runs_as(self, users: Iterable[int]) -> None:
        """Tell as which users a program of the group has registered."""
        self._do(self._manager.groups.runs_as, frozenset(users))

    def note(self, event: Tuple[str, str, int]) -> None:
        """Take a PROCESS_STATE event of supervisord for this group: (process name, state name, pid or 0).

        For a group that was not started, STARTING and RUNNING → MemberStarted.
        """
        self._do(self._manager.groups.note, event)


class ProcessManager:
    """Starts, watches and stops the groups of one supervisord. See the module's text.

    supervisord: for the calls. census: of its processes. post: takes the events; called on the process manager's thread, must
    not block. rpc_pool: where calls to supervisord run; a hung supervisord occupies a worker for each group that is being
    stopped, and MOST_STARTS, MOST_ASKED and one more, for the limit of a call. clock: seconds, the same as in `Group.stop`.
    cgroups: those that the groups' processes are moved into, if any. former: what is left in the cgroups of former instances
    of this supervisord; left: what else is left of them. Whichever group it was, it must be dead before any group is proven
    so. keep: takes a group and the identities of its members that are in no cgroup when they change, on its thread.
    watching: the port to the ends of processes; `start` wants the real one, and that of the census.
    """

    def __init__(
        self,
        supervisord: Supervisord,
        census: Census,
        post: Callable[[Any], None],
        rpc_pool: Executor,
        clock: Callable[[], float] = clock.now,
        cgroups: Optional[Cgroups] = None,
        former: Optional[Former] = None,
        left: FrozenSet[proc.Process] = frozenset(),
        keep: Callable[[str, Identities], None] = lambda group, identities: None,
        watching: Optional[Poller] = None,
    ) -> None:
        self.now = clock
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._watching = watching or Poller()
        self.striker = Striker(clock, getattr(cgroups, "base", ""), census.kernel)
        self.groups = Groups(
            clock, post, self.do, Calls(rpc_pool, self.do), supervisord, census, self._watching, self.striker, cgroups, former,
            left, keep,
        )
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="zkelect-manager", daemon=True)

    def start(self) -> None:
        """Start the thread. Raises OSError when the kernel has no pidfds (Linux before 5.3)."""
        self.groups.follow_supervisord()
        self.striker.start()
        self._thread.start()

    def close(self) -> None:
        """End the thread and wait for it. Nothing is stopped or killed."""
        if self._thread.is_alive():
            self.do(self._close)
            self._thread.join()
        self.striker.close()
        self.groups.leave_supervisord()
        self._watching.close()

    def group(self, name: str) -> Group:
        """The handle of a group. Raises ValueError for the group that this process belongs to itself."""
        if name == os.environ.get("SUPERVISOR_GROUP_NAME"):
            raise ValueError(f"group {name} is the listener's own; name the group of the programs instead")
        self.groups.state(name)
        return Group(name, self)

    def whose(self, process: proc.Process) -> str:
        """The group that a process was last seen in, "" when in none. On any thread."""
        return next((state.name for state in self.groups.all() if process.identity in state.kin.identities), "")

    @property
    def turned_at(self) -> float:
        """When the last turn was taken, by the clock."""
        return self.groups.turned_at

    @property
    def trouble(self) -> str:
        """What this process lacks for ending a group; "" when nothing. No lease is to be extended meanwhile."""
        spared = "" if reserve.keep() else "the guard has no descriptors or no memory to spare"
        return self.groups.trouble or spared or self.striker.trouble

    def wake_supervisord(self) -> None:
        """Turn supervisord's loop, so that it reaps and restarts now what has died."""
        self.do(self.groups.wake_supervisord)

    def supervisord_gone(self) -> None:
        """supervisord closed our standard input. It counts as dead as soon as its process is, not before."""
        self.do(self.groups.check_supervisord)

    def do(self, command: Callable[..., None], *args: Any) -> None:
        """Have a command run on the thread, in order. On any thread."""
        self._commands.put(functools.partial(command, *args))
        self._watching.ring()

    # What follows runs on the thread.

    def rest(self) -> float:
        """Seconds until the next turn is due; at most 1, as epoll's clock stands still in a suspend."""
        due = self.groups.rest()
        return min(1.0, due) if self._commands.empty() else 0.0

    def turn(self, ended: Iterable[int]) -> None:
        """Do all that is due. ended: pidfds of watched processes that have ended."""
        self.groups.turn(self._obey, ended)

    def _close(self) -> None:
        self._closing = True

    def _run(self) -> None:
        while not self._closing:
            try:
                self.turn(self._watching.wait(self.rest()))
            except Exception as error:
                # This thread is the one that kills. It must outlive whatever goes wrong, such as a lack of
                # descriptors or memory.
                try:
                    self._fall_back(error)
                    # Not a busy loop when the failure repeats at once.
                    select.poll().poll(10)
                except Exception:
                    # Not even that; the next turn tries again.
                    continue

    def _fall_back(self, error: Exception) -> None:
        """Something could not be had, or is a defect: go on with the reserve, and kill by what is there."""
        reserve.spend()
        self.groups.fall_back(error)
        try:
            log.exception("process manager: %s", error)
        except MemoryError:
            return

    def _obey(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            command()
