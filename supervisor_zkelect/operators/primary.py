"""`zkelect primary`: the address in the ack znode, and the fencing token of its term, for scripts on any host."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Callable, NoReturn, Optional, Tuple

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import connection, remote
from supervisor_zkelect.operators.outcome import DONE, ERROR, NOT_PRIMARY, UNKNOWN, USAGE, Trouble, print_json

if TYPE_CHECKING:
    from supervisor_zkelect.core.sighting import Known
    from supervisor_zkelect.operators.reaction import Reaction

#: Seconds after which `--watch` looks again although nothing was told: kazoo drops a watch at a loss of connection.
LOOK_AGAIN = 2.0


def run(arguments: argparse.Namespace) -> int:
    """Print the address, or each change of it. Returns the exit status."""
    command = _command(arguments)
    afar = remote.wanted(arguments)
    settings = remote.settings(arguments) if afar else _of_file(arguments)
    election = settings.election(arguments.election)
    if afar:
        place = f"{remote.root_of(arguments)}/{election.name}/election"
        election = dataclasses.replace(election, election_znode=place)
    zookeeper = remote.opened(settings)
    try:
        if afar:
            _see_that_it_exists(zookeeper, settings, election, arguments.watch)
        ack = AckZnode(zookeeper, settings, election, getattr(arguments, "json", False))
        if not arguments.watch:
            return ack.once()
        if not command:
            return ack.watch(LOOK_AGAIN)
        from supervisor_zkelect.operators.reaction import Reaction

        with Reaction(command, election.name) as reaction:
            return ack.watch(LOOK_AGAIN, reaction)
    finally:
        remote.end(zookeeper)


def _command(arguments: argparse.Namespace) -> Tuple[str, ...]:
    """The words behind --exec, none without it. Raises Trouble where they are no command, or nothing is watched."""
    if arguments.exec is None:
        return ()
    from supervisor_zkelect.config import values

    if not arguments.watch:
        raise Trouble(USAGE, "--exec works only with --watch; give that too")
    try:
        command = values.command(arguments.exec)
    except ValueError as error:
        raise Trouble(USAGE, f"--exec {error}") from None
    from supervisor_zkelect.processes import proc

    trouble = proc.pidfd_trouble()
    if trouble:
        raise Trouble(ERROR, f"--exec needs what this host lacks: {trouble}")
    return command


def _of_file(arguments: argparse.Namespace) -> Any:
    """The settings of -c FILE, or of the file that the listener uses, which have the election that is asked for."""
    from supervisor_zkelect.config import load
    from supervisor_zkelect.config.problems import ConfigError

    path = getattr(arguments, "configuration", None) or _configuration_of_listener(arguments)
    try:
        settings = load.from_file(path)
    except ConfigError as error:
        raise Trouble(USAGE, *error.problems) from None
    if settings.election(arguments.election) is None:
        names = ", ".join(sorted(one.name for one in settings.elections)) or "none"
        raise Trouble(USAGE, f"{path} has no [election:{arguments.election}]; there are: {names}")
    return settings


def _see_that_it_exists(zookeeper: Any, settings: Any, election: Any, awaited: bool) -> None:
    """Tell a name that no election has from one that has no primary. awaited: whether it may be made later, so that
    this is said and no more. Raises Trouble."""
    from kazoo.exceptions import KazooException

    place = settings.chroot + election.election_ack.rpartition("/")[0]
    try:
        if zookeeper.exists_async(place).get(timeout=remote.ZOOKEEPER_TIME) is not None:
            return
    except (KazooException, zookeeper.handler.timeout_exception):
        # What ZooKeeper has against it, it says again when the ack is read.
        return
    root = place.rpartition("/")[0]
    line = f"there is no election {election.name} below {root or '/'}"
    try:
        line += f"; {remote.there(zookeeper, root, remote.ZOOKEEPER_TIME)}"
    except Trouble:
        # Whoever waits is told of that when the ack is read.
        if not awaited:
            raise
    if not awaited:
        raise Trouble(USAGE, line)
    print(f"zkelect: {printable(line)}; waiting for it", file=sys.stderr, flush=True)


def _configuration_of_listener(arguments: argparse.Namespace) -> str:
    """The file that this node's listener reads."""
    from supervisor_zkelect.operators import ask

    outcome = ask.run("status", connection.caller(arguments))
    path = outcome.document.get("config")
    if not isinstance(path, str):
        why = outcome.error or outcome.document.get("why") or "it tells no file"
        raise Trouble(
            USAGE,
            f"name the servers with --servers, or the file with [zkelect] with -c FILE, as the listener cannot be asked: {why}",
        )
    return path


class Silent(Exception):
    """ZooKeeper does not answer; the message says why."""


class AckZnode:
    """The ack znode of one election, as it is looked at and shown.

    zookeeper: a started client. settings, election: whose znode it is. as_json: whether each address is shown as a document.
    """

    def __init__(self, zookeeper: Any, settings: Any, election: Any, as_json: bool) -> None:
        from supervisor_zkelect.zookeeper import arguments, discovery

        root = "" if zookeeper.chroot else settings.chroot
        self._hosts = settings.hosts
        self._name = election.name
        self._as_json = as_json
        self.path = root + election.election_ack
        where = arguments.Places(root + election.election_znode, self.path, root + election.election_state, "")
        # A limit for each look: kazoo keeps calls that are made without connection for ever.
        self._sight = discovery.Sight(zookeeper, where, remote.ZOOKEEPER_TIME)

    def once(self) -> int:
        """Show the address; returns the exit status. Raises Trouble."""
        try:
            known = self.look(None)
        except Silent as silent:
            raise Trouble(UNKNOWN, str(silent)) from None
        if known is not None and known.address or self._as_json:
            self.show(known)
        if known is None or not known.address:
            what = "does not exist" if known is None else "is empty"
            print(f"zkelect: {self._name} has no primary: {self.path} {what}", file=sys.stderr)
            return NOT_PRIMARY
        return DONE

    def watch(self, look_again: float, reaction: Optional[Reaction] = None) -> NoReturn:
        """Show the address, then each other one. look_again: seconds. reaction: told of each change, if any.

        Raises Trouble, BrokenPipeError, KeyboardInterrupt, SystemExit.
        """
        import threading

        from supervisor_zkelect.core.sighting import Known

        changed = threading.Event()

        def told(event: Any) -> None:
            changed.set()

        last: Optional[Known] = None
        silent = False
        while True:
            changed.clear()
            try:
                # One callback for all looks: kazoo keeps each that it is given until the znode changes.
                known = self.look(told) or Known("")
            except Silent as error:
                if not silent:
                    print(f"zkelect: {error}; still trying", file=sys.stderr, flush=True)
                silent = True
            else:
                silent = False
                if last is None or known.address != last.address or self._as_json and known != last:
                    self.show(known)
                if reaction is not None and known != last:
                    reaction.note(known)
                last = known
            if reaction is not None:
                reaction.check()
            changed.wait(look_again)

    def look(self, watch: Optional[Callable[[Any], None]]) -> Optional[Known]:
        """Who is primary; None where there is no such znode. watch: called when it changes.

        Raises Silent, and Trouble for what another look would not mend.
        """
        from supervisor_zkelect.zookeeper import errors

        try:
            return self._sight.look(watch)
        except errors.AccessDenied:
            raise Trouble(ERROR, f"ZooKeeper does not let this user read {self.path}; see digest and acl") from None
        except errors.ElectionError as error:
            if errors.silent(error):
                why = errors.in_short(error)
                raise Silent(f"unknown: ZooKeeper at {self._hosts} does not answer: {why}") from None
            raise Trouble(ERROR, f"{self.path}: {error}") from None

    def show(self, known: Optional[Known]) -> None:
        """Print the address, an empty line where nobody is primary."""
        address, token = (known.address, known.token) if known is not None else ("", None)
        if self._as_json:
            status = DONE if address else NOT_PRIMARY
            print_json({"v": 1, "exit": status, "election": self._name, "address": address or None, "token": token})
        else:
            print(address, flush=True)
