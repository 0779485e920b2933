"""The guard's process: the socket, the pidfds and the signals around `guard.Guard`.

It lives in a session of its own, so that what befalls the listener's does not reach it, and there is one of it per
runtime folder: whoever holds the guard's lock. Signals that would end it are ignored while it is needed (rule 7).

The messages are JSON objects, one per line, both ways; `link.py` has the other side. A program's chain loader
(`run.py`) speaks to the same socket, with one message, and may be anybody: `door.py` tells them apart.

A listener that cannot start this process runs `serve` in a thread of its own (`link.py`): then the groups are
guarded for as long as the listener lives.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from supervisor_zkelect.guard import (
    aside,
    cgroups,
    door,
    keeper_link,
    locks,
    members,
    place,
    record,
    saved_session,
    sessions,
    upkeep,
)
from supervisor_zkelect.guard.book import Book, LateBook
from supervisor_zkelect.guard.conversation import Conversation
from supervisor_zkelect.guard.guard import Guard
from supervisor_zkelect.guard.inbox import Inbox
from supervisor_zkelect.guard.keeper_protocol import KeeperSaid
from supervisor_zkelect.guard.kept_log import KeptLog
from supervisor_zkelect.guard.programs import ProgramRegistrations
from supervisor_zkelect.guard.registration import Key
from supervisor_zkelect.processes import proc
from supervisor_zkelect.processes.census import Census, SupervisordIdentity
from supervisor_zkelect.processes.manager import ProcessManager
from supervisor_zkelect.processes.quick_moves import QuickMoves
from supervisor_zkelect.supervisord.client import MOST_CALLS, Supervisord
from supervisor_zkelect.system import logs, reserve
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.system.workers import Workers

log = logging.getLogger(__name__)

#: Seconds after which a guard starts its keeper.
KEEPER_DELAY = 0.3
#: Seconds between two turns of the loop, at most.
IDLE_TIME = 1.0
#: Seconds for which a thread of this process keeps Python's lock while another waits for it.
SWITCH_INTERVAL = 0.001

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


class Terms(NamedTuple):
    """The arguments of a guard.

    folder: the runtime folder. owner: as `record.Owner`. url: supervisord's SUPERVISOR_SERVER_URL. config: the
    listener's configuration file. grace: reattach_grace, in seconds. room: how many elections there are. credentials:
    whether ZooKeeper is told who this node is. session, arguments: the session that supervisord is in, and its command line
    as the kernel shows it, as the listener read them when it began: of a dead one nobody can read them any more. calls: the
    URL for calls to supervisord, "" for the same.
    """

    folder: str
    owner: Tuple[Any, ...]
    url: str
    config: str
    grace: float
    room: int
    credentials: bool = False
    session: int = 0
    arguments: str = ""
    calls: str = ""


class GuardProgram:
    """All methods run on one thread; what other threads have for it comes through an inbox.

    mine: what makes this process the one guard. alone: whether nothing but the guard is in this process.
    """

    def __init__(
        self, terms: Terms, credentials: Tuple[Optional[str], Optional[str]], mine: place.Place, alone: bool
    ) -> None:
        self.folder, self.owner = terms.folder, record.Owner(*terms.owner)
        self.alone, self.asked_to_end = alone, False
        # Once, as the record is emptied for this guard.
        former = reserve.twice(lambda: read_former(self.folder, self.owner))
        reserve.twice(lambda: self._begun(terms, credentials, mine, former))

    def _begun(
        self, terms: Terms, credentials: Tuple[Optional[str], Optional[str]], mine: place.Place, former: List[record.Entry]
    ) -> None:
        with contextlib.ExitStack() as opened:
            self._begin(terms, credentials, mine, former, opened)
            opened.pop_all()

    def _begin(
        self, terms: Terms, credentials: Tuple[Optional[str], Optional[str]], mine: place.Place, former: List[record.Entry],
        opened: contextlib.ExitStack,
    ) -> None:
        """opened: closes what this has opened where it fails: it is tried again, in a process that may be a listener's."""
        self.inbox = Inbox()
        opened.callback(self.inbox.close)
        self.kept_log = KeptLog(self.folder, self.inbox.wake)
        opened.callback(self.kept_log.close)
        self.selector = selectors.DefaultSelector()
        opened.callback(self.selector.close)
        self.cgroups, self.former = cgroups.find(self.owner, terms.url)
        keeper_words = (self.folder, terms.config, terms.credentials, self.owner)
        self.keeper = keeper_link.KeeperLink(*keeper_words, self.selector, self.on_keeper)
        self.supervisord = Supervisord(terms.calls or terms.url, *credentials, pid=self.owner.pid)
        self.calls = Workers(min(max(8, 4 * terms.room), MOST_CALLS), "zkelect-rpc")
        key = Key(self.folder)
        if key.trouble:
            log.error("cannot keep the key of the programs' secrets for the next guard: %s", key.trouble)
        identity = SupervisordIdentity(self.owner.start, terms.session, os.fsencode(terms.arguments))
        former_sessions = sessions.note(self.folder, self.owner, terms.session)
        census = Census(
            self.owner.pid, terms.url, record.instance(self.owner), identity, key.secret, former_sessions=former_sessions
        )
        self.conversation = Conversation(
            self.selector, census.supervisord, self.cgroups.base if self.cgroups else "", self.kept_log, self.keep_folder
        )
        self.members = members.MemberFiles(self.folder, self.owner)
        own, left = self.members.load()
        self.manager = ProcessManager(
            self.supervisord, census, self.post, self.calls, cgroups=self.cgroups, former=self.former, left=left,
            keep=lambda *seen: self.members.told.put(seen),
        )
        opened.callback(self.manager.close)
        for name, processes in own.items():
            self.manager.group(name).remember(processes)
        book = make_record(self.folder, self.owner, terms.room + len(former))
        opened.callback(book.close)
        self.guard = Guard(self.owner, terms.grace, self.manager, book, self, now)
        answer = self.conversation.door.answer
        self.conversation.begin(self.guard, ProgramRegistrations(
            census.supervisord, self.guard, self.manager, self.cgroups, key.secret, answer, self.mend_folder
        ))
        #: what peers connect to, and the descriptor that holds the session's lock
        self.listening: Optional[socket.socket] = None
        self.lock = -1
        self.name = mine.name
        self.upkeep = upkeep.Upkeep(
            self.folder, mine.lock, self.kept_log.descriptor, book, key, self.open_door, self.members.write_again
        )
        opened.callback(self.upkeep.close)
        self.upkeep.begin()
        # The threads that kill come first, where there are few to be had.
        self.manager.start()
        self.moves = QuickMoves(self.cgroups is not None)
        self.guard.begin(former)
        # In a thread of its own, since a file system may have whoever makes a file wait for others' writes.
        trouble = aside.begin(self.members.run, name="zkelect-members")
        if trouble:
            log.warning("cannot keep the groups' processes for the next guard: %s", trouble)

    def post(self, event: Any) -> None:
        """Take an event of the process manager; on any thread."""
        self.inbox.put(lambda: self.conversation.hear(event))

    # The loop

    def run(self, ready: Callable[[], None]) -> None:
        """Guard until nothing is left to. `ready` is called when the socket is there."""
        self.open_door(self.folder)
        if self.name is not None:
            self.conversation.door.listen(self.name)
        self.selector.register(self.inbox.bell, selectors.EVENT_READ, self.on_bell)
        self.watch_supervisord()
        ready()
        if self.alone:
            # Not just when a guard that took over from a dead one, and its listener, want the processor.
            self.keeper.start_at = now() + KEEPER_DELAY
        while not self.guard.finished(self.asked_to_end):
            self.attempt(self.turn)
        self.keeper.close()
        self.manager.close()
        try:
            os.unlink(os.path.join(self.folder, record.SOCKET))
        except OSError as error:
            log.info("cannot remove the socket: %s", error.strerror)
        if self.cgroups is not None:
            self.cgroups.remove()
        self.former.remove()
        log.info("the guard ends: nothing is left to guard")

    def attempt(self, work: Callable[..., None], *arguments: Any) -> None:
        """Whatever goes wrong with one message or one process, the leases of the others are still to be kept."""
        try:
            work(*arguments)
        except Exception as error:
            if reserve.short(error):
                reserve.spend()
            try:
                log.exception("%s", error)
            except MemoryError:
                return

    def turn(self) -> None:
        # epoll's clock stands still in a suspend, in which leases go on.
        due = min(self.guard.next_wakeup(), self.keeper.next_wakeup(), self.conversation.door.opens_at)
        for key, mask in self.selector.select(min(max(0.0, due - now()), IDLE_TIME)):
            self.attempt(key.data, key.fileobj, mask)
        self.guard.keep_time()
        if self.upkeep.due():
            self.keep_folder()
        self.keeper.keep_time()
        self.conversation.door.keep_time()

    def end_when_possible(self, number: int, frame: Any) -> None:
        """A handler for the signals that would end it."""
        self.asked_to_end = True

    def watch_supervisord(self) -> None:
        process = proc.find(self.owner.pid, self.owner.start)
        descriptor = proc.pidfd(process) if process is not None else None
        if descriptor is None:
            self.guard.supervisord_dead()
        else:
            self.selector.register(descriptor, selectors.EVENT_READ, self.on_supervisord_gone)

    def on_supervisord_gone(self, descriptor: int, mask: int) -> None:
        self.selector.unregister(descriptor)
        os.close(descriptor)
        self.guard.supervisord_dead()

    def on_bell(self, descriptor: int, mask: int) -> None:
        for call in self.inbox.take():
            self.attempt(call)
        self.kept_log.pass_on(self.conversation.say if self.conversation.listener is not None else None)

    # The runtime folder

    def keep_folder(self) -> bool:
        """Restore what is missing of the runtime folder. Returns whether the folder is this guard's."""
        return not self.upkeep.look(self.conversation.listener is None, self.lock)

    def mend_folder(self) -> bool:
        """Restore what is missing of the runtime folder. Returns whether something was."""
        before = self.upkeep.put_back
        return self.keep_folder() and self.upkeep.put_back > before

    def open_door(self, folder: str) -> None:
        fresh = door.make(folder)
        try:
            self.conversation.door.listen(fresh)
            # Not before it is open: the upkeep makes none while this one is in place.
            self.upkeep.door_is = os.lstat(os.path.join(folder, record.SOCKET))
        except BaseException:
            self.conversation.door.leave(fresh)
            fresh.close()
            raise
        former, self.listening = self.listening, fresh
        if former is not None:
            self.conversation.door.leave(former)
            former.close()

    # The guard's port (`effects.GuardEffects`)

    def tell(self, message: Any) -> None:
        self.conversation.tell(message)

    def kill_listener(self) -> None:
        self.conversation.kill_listener()

    def take_lock(self) -> bool:
        self.keep_folder()
        if self.upkeep.taken:
            log.error("%s belongs to another guard; killing the groups, then ending", self.folder)
            self.guard.disowned()
            return False
        if not self.upkeep.in_place:
            # Whose it is cannot be told just now, or it cannot be made anew: it is tried again, and the leases go on meanwhile.
            return False
        try:
            self.lock = locks.take(os.path.join(self.folder, record.LOCK))
        except OSError as error:
            # It is tried again.
            log.warning("cannot take the session's lock: %s", error)
            return False
        return self.lock >= 0

    def give_lock_back(self) -> None:
        os.close(self.lock)
        self.lock = -1

    def expect_programs(self, expected: bool) -> None:
        self.moves.expect(expected)

    def session_groups(self) -> List[str]:
        former = saved_session.load_surely(self.folder, self.owner)
        return [] if former is None else [one.group for one in former.elections]

    def keep(self, terms: Dict[str, int], attach: bool) -> None:
        self.keeper.keep(terms, attach)

    def on_keeper(self, message: Any) -> None:
        """Take a message of the keeper."""
        if isinstance(message, KeeperSaid):
            self.kept_log.say(message.text)
        else:
            self.guard.keeper_said(message)

    def release(self, ended: Dict[str, Dict[str, Any]]) -> None:
        self.keeper.release(ended, self.lock)

    def ask_for_listener(self) -> None:
        name = self.conversation.program

        def ask() -> None:
            try:
                state = aside.listener_state(self.supervisord, name)
            except Exception as error:
                # Without an answer it would be waited for for ever.
                log.warning("supervisord does not tell of the listener: %r", error)
                state = ""
            self.inbox.put(lambda: self.guard.listener_state(state))

        if name in ("", ":"):
            # No listener has greeted this guard yet.
            self.guard.listener_state("")
            return
        try:
            self.calls.submit(ask)
        except (RuntimeError, MemoryError):
            # There is no thread or no memory to be had.
            self.guard.listener_state("")

    def call(self, command: List[str], seconds: float, variables: Dict[str, str]) -> None:
        trouble = aside.begin(aside.run_hook, command, seconds, variables, name="zkelect-hook")
        if trouble:
            log.error("%s cannot be run: %s", command[0], trouble)


def read_former(folder: str, owner: record.Owner) -> List[record.Entry]:
    """The entries of a guard that is dead, for the same supervisord. Raises OSError, and MemoryError, where they may be read a
    moment later, for want of descriptors or memory now."""
    try:
        return record.read(folder, owner)
    except record.RecordError as error:
        reserve.unless_short(error)
        log.info("no earlier record to take over: %s", error)
        return []


def make_record(folder: str, owner: record.Owner, room: int) -> Union[Book, LateBook]:
    """The record that this guard writes."""
    try:
        return Book(folder, owner, room)
    except OSError as error:
        log.error("cannot make the record, so no program starts until that can be: %s", error)
        return LateBook(owner, room)


def serve(terms: Terms, credentials: Tuple[Optional[str], Optional[str]], ready: Callable[[], None]) -> None:
    """Guard on this thread, until nothing is left to. Raises OSError when another guard does not end.

    credentials: user and password of supervisord's server. ready: called when listeners can connect.
    """
    mine = place.take(terms.folder)
    if mine is None:
        raise OSError(errno.EBUSY, "another guard is running")
    try:
        GuardProgram(terms, credentials, mine, alone=False).run(ready)
    finally:
        mine.leave()


def _stay_in_memory() -> None:
    """Never be paged out, and be the last to be killed when memory runs out, where the kernel allows it."""
    threading.stack_size(256 * 1024)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
        log.info("cannot lock memory: %s", os.strerror(ctypes.get_errno()))
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-900")
    except OSError:
        # An unprivileged guard cannot.
        return


def main(words: List[str]) -> int:
    """words: `Terms` as JSON."""
    reserve.begin()
    sys.setswitchinterval(SWITCH_INTERVAL)
    terms = Terms(**json.loads(words[0]))
    handler = logs.begin("guard")
    # Whoever started this may ignore it, and would hide how children end.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        mine = place.take(terms.folder)
    except OSError as error:
        print(f"no guard: {error.strerror}", file=sys.stderr)
        return 1
    if mine is None:
        print("another guard is running", file=sys.stderr)
        return 1
    _stay_in_memory()
    credentials = os.environ.get("SUPERVISOR_USERNAME"), os.environ.get("SUPERVISOR_PASSWORD")
    try:
        process = GuardProgram(terms, credentials, mine, alone=True)
    except (OSError, MemoryError) as error:
        print(f"no guard yet: {error}", file=sys.stderr)
        return 1
    handler.otherwise = process.kept_log.say
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, process.end_when_possible)
    signal.set_wakeup_fd(process.inbox.ring, warn_on_full_buffer=False)
    process.run(_tell_ready)
    return 0


def _tell_ready() -> None:
    """Tell the listener that started this. If it is gone, what was taken over is guarded all the same."""
    try:
        os.write(1, b"ready\n")
    except OSError as error:
        log.info("the listener that started this guard is gone: %s", error)


if __name__ == "__main__":
    logs.end(main(sys.argv[1:]))
