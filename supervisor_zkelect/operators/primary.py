"""`zkelect primary`: the address in the ack znode, for scripts on any host."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Callable, NoReturn, Optional

from supervisor_zkelect.operators import connection, remote
from supervisor_zkelect.operators.outcome import DONE, ERROR, NOT_PRIMARY, UNKNOWN, USAGE, Trouble, print_json

#: Seconds after which `--watch` looks again although nothing was told: kazoo drops a watch at a loss of connection.
LOOK_AGAIN = 2.0


def run(arguments: argparse.Namespace) -> int:
    """Print the address, or each change of it. Returns the exit status."""
    afar = remote.wanted(arguments)
    settings = remote.settings(arguments) if afar else _of_file(arguments)
    election = settings.election(arguments.election)
    from supervisor_zkelect.zookeeper import connect

    zookeeper = remote.opened(settings)
    try:
        if afar and not arguments.watch:
            _see_that_it_exists(zookeeper, settings, election)
        ack = Ack(zookeeper, settings, election, getattr(arguments, "json", False))
        return ack.watch(LOOK_AGAIN) if arguments.watch else ack.once()
    finally:
        connect.stop_client(zookeeper)


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


def _see_that_it_exists(zookeeper: Any, settings: Any, election: Any) -> None:
    """Tell a name that no election has from one that has no primary. Raises Trouble."""
    from kazoo.exceptions import KazooException

    place = settings.chroot + election.election_ack.rpartition("/")[0]
    try:
        if zookeeper.exists_async(place).get(timeout=remote.ZOOKEEPER_TIME) is not None:
            return
    except (KazooException, zookeeper.handler.timeout_exception):
        # What ZooKeeper has against it, it says again when the ack is read.
        return
    root = place.rpartition("/")[0]
    names = ", ".join(remote.elections(zookeeper, root or "/", remote.ZOOKEEPER_TIME)) or "none that this client can see"
    raise Trouble(USAGE, f"there is no election {election.name} below {root or '/'}; there are: {names}")


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


class Ack:
    """The ack znode of one election, as it is looked at and shown.

    zookeeper: a started client. settings, election: whose znode it is. as_json: whether each address is shown as a document.
    """

    def __init__(self, zookeeper: Any, settings: Any, election: Any, as_json: bool) -> None:
        self._zookeeper = zookeeper
        self._hosts = settings.hosts
        self._name = election.name
        self._as_json = as_json
        self.path = ("" if zookeeper.chroot else settings.chroot) + election.election_ack

    def once(self) -> int:
        """Show the address; returns the exit status. Raises Trouble."""
        try:
            address = self.look(None)
        except Silent as silent:
            raise Trouble(UNKNOWN, str(silent)) from None
        if address or self._as_json:
            self.show(address or "")
        if not address:
            what = "does not exist" if address is None else "is empty"
            print(f"zkelect: {self._name} has no primary: {self.path} {what}", file=sys.stderr)
        return DONE if address else NOT_PRIMARY

    def watch(self, look_again: float) -> NoReturn:
        """Show the address, then each other one. look_again: seconds. Raises Trouble, BrokenPipeError, KeyboardInterrupt."""
        import threading

        changed = threading.Event()

        def told(event: Any) -> None:
            changed.set()

        shown: Optional[str] = None
        silent = False
        while True:
            changed.clear()
            try:
                # One callback for all looks: kazoo keeps each that it is given until the znode changes.
                address = self.look(told) or ""
            except Silent as error:
                if not silent:
                    print(f"zkelect: {error}; still trying", file=sys.stderr, flush=True)
                silent = True
            else:
                silent = False
                if address != shown:
                    self.show(address)
                shown = address
            changed.wait(look_again)

    def look(self, watch: Optional[Callable[[Any], None]]) -> Optional[str]:
        """The address, "" where the znode is empty, None where there is none. watch: called when it changes.

        Raises Silent, and Trouble for what another look would not mend.
        """
        from kazoo import exceptions
        from kazoo.handlers.threading import KazooTimeoutError

        from supervisor_zkelect.core.untrusted import LONGEST_ADDRESS, printable

        try:
            # A limit of its own: kazoo keeps calls that are made without connection for ever.
            data = self._zookeeper.get_async(self.path, watch=watch).get(timeout=remote.ZOOKEEPER_TIME)[0]
        except exceptions.NoNodeError:
            return None
        except (exceptions.AuthFailedError, exceptions.NoAuthError):
            raise Trouble(ERROR, f"ZooKeeper does not let this user read {self.path}; see digest and acl") from None
        except (
            exceptions.ConnectionClosedError, exceptions.ConnectionLoss, KazooTimeoutError, exceptions.OperationTimeoutError,
            exceptions.SessionExpiredError,
        ) as error:
            reason = str(error) or type(error).__name__
            raise Silent(f"unknown: ZooKeeper at {self._hosts} does not answer: {reason}") from None
        except exceptions.KazooException as error:
            raise Trouble(ERROR, f"{self.path}: {type(error).__name__}: {error}") from None
        return printable((data or b"").decode("utf-8", "backslashreplace"), LONGEST_ADDRESS)

    def show(self, address: str) -> None:
        if self._as_json:
            status = DONE if address else NOT_PRIMARY
            print_json({"v": 1, "exit": status, "election": self._name, "address": address or None})
        else:
            print(address, flush=True)
