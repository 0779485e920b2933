"""The conversation of a guard with its listener and with chain loaders."""

from __future__ import annotations

import logging
import os
import selectors
import signal
from typing import Any, Callable, Dict, Optional

from supervisor_zkelect.guard import door, protocol
from supervisor_zkelect.guard.codec import handlers
from supervisor_zkelect.guard.guard import Guard
from supervisor_zkelect.guard.kept_log import KeptLog
from supervisor_zkelect.guard.programs import ProgramRegistrations
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import reserve

log = logging.getLogger(__name__)


class Conversation:
    """Takes the messages of all peers, and keeps the one that is the listener.

    supervisord: its process. cgroups: the folder of this guard's cgroups, "" where it has none. kept_log: what was said while
    there was no listener. keep_folder: has the runtime folder kept, and tells whether it is this guard's.
    """

    def __init__(
        self, selector: selectors.BaseSelector, supervisord: proc.Process, cgroups: str, kept_log: KeptLog,
        keep_folder: Callable[[], bool],
    ) -> None:
        self.door = door.Door(selector, supervisord, self._take, self._left)
        self.listener: Optional[door.Peer] = None
        self.program = ""
        """Group and name of the listener's program, as supervisord has them."""
        self._cgroups = cgroups
        self._kept_log = kept_log
        self._keep_folder = keep_folder

    def begin(self, guard: Guard, programs: ProgramRegistrations) -> None:
        """Take messages from now on."""
        self._guard = guard
        self._handlers = handlers(protocol.TO_GUARD.kinds, {
            protocol.Run: programs.on_run, protocol.RunRefused: programs.on_refused, protocol.Hello: self._on_hello,
            protocol.KeepFolder: self._on_keep_folder, **{kind: self._on_order for kind in protocol.ORDERS.values()},
        })

    # The listener

    def tell(self, message: Any) -> None:
        """Tell the listener, if there is one. Where that fails its conversation ends, as what it is told later would pass for the
        whole: it comes again, and repeats what was not answered."""
        listener = self.listener
        if listener is None:
            return
        try:
            self.door.answer(listener, protocol.TO_LISTENER.document(message))
        except Exception as error:
            if reserve.short(error):
                reserve.spend()
            self.door.drop(listener)
            log.warning("the listener could not be told of everything, and has to come again: %r", error)

    def hear(self, event: Any) -> None:
        """Have the guard hear an event of the process manager, of which the listener is told. Where that fails the conversation
        ends as well."""
        try:
            self._guard.heard(event)
        except Exception:
            if self.listener is not None:
                self.door.drop(self.listener)
            raise

    def say(self, line: str) -> None:
        """Tell the listener a line of this guard's log."""
        self.tell(protocol.GuardSaid(line))

    def kill_listener(self) -> None:
        """Kill the listener, unless it is this very process, and end the conversation with it."""
        listener = self.listener
        if listener is not None:
            process = proc.read(listener.pid)
            log.warning("the listener, process %d, does not release; killing it", listener.pid)
            if process is not None and process.pid != os.getpid():
                proc.kill(process, signal.SIGKILL)
            self.door.drop(listener)

    def _left(self, peer: door.Peer) -> None:
        """The connection of a listener was closed."""
        if peer is self.listener:
            self.listener = None
            try:
                # Before another listener looks for what is kept there.
                self._keep_folder()
            finally:
                # Whatever cannot be had for that, memory included: the leases are renewed without the listener.
                self._guard.listener_gone()

    # Messages

    def _take(self, peer: door.Peer, document: Dict[str, Any]) -> None:
        """Raises ValueError, KeyError or TypeError when it is no message."""
        kind = protocol.TO_GUARD.kind(document)
        if kind not in protocol.FOR_ANYBODY and not peer.trusted:
            self.door.answer(peer, {"ok": False, "error": "orders are taken from this guard's user only"})
        elif kind is protocol.Hello and document.get("v") != protocol.VERSION:
            # What else stands in it may have another meaning there.
            self.door.answer(peer, {"ok": False, "busy": self._guard.ending.locked, "pid": os.getpid()})
        else:
            self._handlers[kind](peer, protocol.TO_GUARD.decode(document))

    def _on_order(self, peer: door.Peer, order: Any) -> None:
        if peer is not self.listener:
            raise ValueError(f"only a listener orders {type(order).__name__}")
        if isinstance(order, protocol.StartOrder):
            # The programs will look there.
            self._keep_folder()
        self._guard.obey(order)

    def _on_keep_folder(self, peer: door.Peer, message: protocol.KeepFolder) -> None:
        self.door.answer(peer, {"ok": self._keep_folder()})

    def _on_hello(self, peer: door.Peer, hello: protocol.Hello) -> None:
        welcome = self._guard.welcome(hello, os.getpid(), self._cgroups)
        if welcome.ok:
            self.program = ":".join(hello.listener)
            former, self.listener = self.listener, peer
            self.door.keep(peer)
            if former is not None:
                self.door.drop(former)
        self.door.answer(peer, protocol.TO_LISTENER.document(welcome))
        if welcome.ok:
            try:
                self._kept_log.tell_kept(self.say)
            except OSError as error:
                log.warning("cannot read what was logged while there was no listener: %s", error)
