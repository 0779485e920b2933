"""Reaching an election from any host: by words of the command line alone, without a node's file."""

from __future__ import annotations

import argparse
import re
from typing import Any, Dict, List

from supervisor_zkelect.operators.outcome import UNKNOWN, USAGE, Trouble, quiet

#: Options that only go with --servers, with the ones of [zkelect] that they are, as argparse has them.
OPTIONS = ("digest_file", "tls_ca", "tls_cert", "tls_key", "tls_key_password_file")

ZOOKEEPER_TIME = 5.0
"""Seconds that ZooKeeper has to answer."""

ROOT = "/zkelect"
"""Where elections stand by default."""

_NAME = "command line"
_ANY = "any"


def wanted(arguments: argparse.Namespace) -> bool:
    """Whether the arguments name servers. Raises Trouble where they do not go together."""
    given = _given(arguments)
    others = [_word(name) for name in given if name != "servers"]
    if "servers" not in given:
        if others:
            raise Trouble(USAGE, f"{others[0]} works only with --servers; give that too, or use -c FILE alone")
        return False
    if getattr(arguments, "configuration", None) is not None:
        raise Trouble(USAGE, "--servers and -c FILE exclude each other; give one of them")
    return True


def settings(arguments: argparse.Namespace) -> Any:
    """The settings (`settings.Settings`) of a client that looks at one election. Raises Trouble with every mistake."""
    from supervisor_zkelect.config import load
    from supervisor_zkelect.config.problems import ConfigError
    from supervisor_zkelect.zookeeper import connect

    given = _given(arguments)
    given.pop("root", None)
    root, election = root_of(arguments), _ANY if arguments.election is None else arguments.election
    given["servers"], chroot = connect.split_hosts(given["servers"])
    main = {"node_name": "client", "chroot": chroot, **given}
    ack = {"address": "none", "election_ack": f"{root}/{election}/ack"}
    values = {**main, "root": root}
    amiss = [_word(name) for name, value in values.items() if not value.isprintable() or re.search(r"(^|\s)[;#]", value)]
    if amiss:
        raise Trouble(USAGE, f"{amiss[0]} contains a control character, or ; or # after a blank; leave that out")
    lines = ["[zkelect]", *_options(main), f"[election:{election}]", *_options(ack)]
    if not re.fullmatch(r"[\w.-]+", election, re.ASCII):
        raise Trouble(USAGE, f"{election!r} is not a valid election name; use letters, digits and . _ -")
    try:
        return load.from_text("\n".join(lines) + "\n", _NAME)
    except ConfigError as error:
        raise Trouble(USAGE, *map(_told, error.problems)) from None


def root_of(arguments: argparse.Namespace) -> str:
    """Where the elections stand, without a slash at the end."""
    return str(getattr(arguments, "root", None) or ROOT).rstrip("/")


def opened(settings: Any) -> Any:
    """A client with a session at the servers of these settings. Raises Trouble: whatever keeps it from that, nothing is known."""
    from supervisor_zkelect.zookeeper import connect

    quiet()
    try:
        return connect.open_client(settings, ZOOKEEPER_TIME)
    except Exception as error:
        raise Trouble(UNKNOWN, f"unknown: {error or type(error).__name__}") from None


def _given(arguments: argparse.Namespace) -> Dict[str, str]:
    names = ("servers", "root", *OPTIONS)
    return {name: value for name in names if (value := getattr(arguments, name, None)) is not None}


def _options(values: Dict[str, str]) -> List[str]:
    return [f"{name} = {value.replace('%', '%%')}" for name, value in values.items() if value or name == "servers"]


def _word(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _told(line: str) -> str:
    """A line on an option of a file as one on a word of the command line."""
    found = re.match(rf"{_NAME}: \[[^\]]*\] (\w+)(?: = )?", line)
    if found is None:
        return line
    name = {"election_ack": "root", "election_state": "root", "chroot": "servers"}.get(found[1], found[1])
    return f"{_word(name)} {line[found.end():]}"


def elections(client: Any, root: str, seconds: float) -> List[str]:
    """The names of the elections below a znode, as far as this client may see them. seconds: for each request. Raises Trouble
    where ZooKeeper does not answer."""
    from kazoo.exceptions import ConnectionLoss, KazooException

    found: List[str] = []
    try:
        names = sorted(client.get_children_async(root).get(timeout=seconds))[:_MOST]
        for name, answer in [(name, client.exists_async(f"{root}/{name}/election")) for name in names]:
            if answer.get(timeout=seconds) is not None:
                found.append(name)
    except (ConnectionLoss, client.handler.timeout_exception):
        raise Trouble(UNKNOWN, "unknown: ZooKeeper did not answer in time") from None
    except KazooException:
        return found
    return found


_MOST = 100
"""Znodes that are looked at."""
