"""`zkelect list` from any host: all elections below a znode, read from ZooKeeper without a node's file."""

from __future__ import annotations

import argparse
from typing import Any, Dict

from supervisor_zkelect.operators import remote, show
from supervisor_zkelect.operators.outcome import UNKNOWN, USAGE, Outcome, Trouble


def afar(arguments: argparse.Namespace, given: Any, width: Any, progress: Any) -> Outcome:
    """The outcome of the command. width: columns that there are. Raises Trouble."""
    from supervisor_zkelect.zookeeper import connect

    settings = remote.settings(arguments)
    client = remote.opened(settings)
    try:
        return show.listed(_read(client, settings, remote.root_of(arguments), arguments.election), width)
    finally:
        connect.stop_client(client)


def _read(client: Any, settings: Any, root: str, election: Any) -> Dict[str, Dict[str, Any]]:
    """What stands in each election, or in the one that is named."""
    from supervisor_zkelect.elector import ElectionError, Elector

    root = ("" if client.chroot else settings.chroot) + root
    found = remote.elections(client, root, remote.ZOOKEEPER_TIME)
    if election is not None and election not in found:
        raise Trouble(USAGE, f"there is no election {election} below {root}; there are: {', '.join(found) or 'none'}")
    answers: Dict[str, Dict[str, Any]] = {}
    for name in found if election is None else [election]:
        elector = Elector(client, f"{root}/{name}/election", "n", f"{root}/{name}/ack", timeout=remote.ZOOKEEPER_TIME)
        try:
            answers[name] = elector.overview().document()
        except ElectionError as error:
            raise Trouble(UNKNOWN, f"unknown: {name}: {error}") from None
    return answers
