"""`zkelect primary`: the address in the ack znode, for scripts on any host."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Optional

from supervisor_zkelect.operators import connection, remote
from supervisor_zkelect.operators.outcome import DONE, ERROR, NOT_PRIMARY, UNKNOWN, USAGE, Trouble, print_json, quiet

#: Seconds that ZooKeeper has to answer.
ZOOKEEPER_TIME = 5.0

#: Seconds after which `--watch` looks again although nothing was told: kazoo drops a watch at a loss of connection.
_LOOK_AGAIN = 2.0


def run(arguments: argparse.Namespace) -> int:
    """Print the address, or each change of it. Returns the exit status."""
    afar = remote.wanted(arguments)
    settings = remote.settings(arguments) if afar else _of_file(arguments)
    election = settings.election(arguments.election)
    from supervisor_zkelect.zookeeper import connect

    quiet()
    try:
        zookeeper = connect.open_client(settings, ZOOKEEPER_TIME)
    except Exception as error:
        # Whatever keeps the session from being opened, the address is not known.
        raise Trouble(UNKNOWN, f"unknown: {error or type(error).__name__}") from None
    try:
        if afar and not arguments.watch:
            _see_that_it_exists(zookeeper, settings, election)
        return _read_ack(zookeeper, settings, election, arguments)
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
        if zookeeper.exists_async(place).get(timeout=ZOOKEEPER_TIME) is not None:
            return
    except (KazooException, zookeeper.handler.timeout_exception):
        # What ZooKeeper has against it, it says again when the ack is read.
        return
    root = place.rpartition("/")[0]
    names = ", ".join(remote.elections(zookeeper, root or "/", ZOOKEEPER_TIME)) or "none that this client can see"
    raise Trouble(USAGE, f"there is no election {election.name} below {root or '/'}; there are: {names}")


def _configuration_of_listener(arguments: argparse.Namespace) -> str:
    """The file that this node's listener reads."""
    from supervisor_zkelect.operators import ask

    outcome = ask.run("status", connection.caller(arguments))
    path = outcome.document.get("config")
    if not isinstance(path, str):
        why = outcome.error or outcome.document.get("why") or "it tells no file"
        raise Trouble(
            USAGE, f"name the servers by --servers, or the file with [zkelect] by -c FILE, since the listener cannot be asked: {why}"
        )
    return path


def _read_ack(zookeeper: Any, settings: Any, election: Any, arguments: argparse.Namespace) -> int:
    import threading

    from kazoo.exceptions import (
        AuthFailedError,
        ConnectionClosedError,
        ConnectionLoss,
        KazooException,
        NoAuthError,
        NoNodeError,
        OperationTimeoutError,
        SessionExpiredError,
    )
    from kazoo.handlers.threading import KazooTimeoutError

    from supervisor_zkelect.core.untrusted import LONGEST_ADDRESS, printable

    as_json = getattr(arguments, "json", False)
    path = ("" if zookeeper.chroot else settings.chroot) + election.election_ack
    changed = threading.Event()

    def told(event: Any) -> None:
        changed.set()

    # One and the same for all looks: kazoo keeps each that it is given until the znode changes.
    watch = told if arguments.watch else None
    shown: Optional[str] = None
    silent = False
    while True:
        changed.clear()
        exists, address = True, ""
        try:
            # A limit of its own: kazoo keeps calls that are made without connection for ever.
            data = zookeeper.get_async(path, watch=watch).get(timeout=ZOOKEEPER_TIME)[0]
            address = printable((data or b"").decode("utf-8", "backslashreplace"), LONGEST_ADDRESS)
        except NoNodeError:
            exists = False
        except (AuthFailedError, NoAuthError):
            raise Trouble(
                ERROR, f"ZooKeeper does not let this user read {path}; see digest and acl"
            ) from None
        except (
            ConnectionClosedError,
            ConnectionLoss,
            KazooTimeoutError,
            OperationTimeoutError,
            SessionExpiredError,
        ) as error:
            reason = str(error) or type(error).__name__
            line = f"unknown: ZooKeeper at {settings.hosts} does not answer: {reason}"
            if not arguments.watch:
                raise Trouble(UNKNOWN, line) from None
            if not silent:
                print(f"zkelect: {line}; still trying", file=sys.stderr, flush=True)
            silent = True
            changed.wait(_LOOK_AGAIN)
            continue
        except KazooException as error:
            raise Trouble(ERROR, f"{path}: {type(error).__name__}: {error}") from None
        silent = False
        if address != shown:
            shown = address
            status = DONE if address else NOT_PRIMARY
            if as_json:
                print_json({"v": 1, "exit": status, "election": election.name, "address": address or None})
            elif address or arguments.watch:
                print(address, flush=True)
        if not arguments.watch:
            if not address:
                what = "is empty" if exists else "does not exist"
                print(f"zkelect: {election.name} has no primary: {path} {what}", file=sys.stderr)
            return DONE if address else NOT_PRIMARY
        changed.wait(_LOOK_AGAIN)
