"""`zkelect monitor`: a plugin for Nagios, Icinga and their kind: one line, performance data behind a bar, and their statuses.

`judge` is pure: it is given the documents of `list --json` and, on a node, of `status --json`.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from supervisor_zkelect.core import roles
from supervisor_zkelect.core.untrusted import cut, printable
from supervisor_zkelect.operators.outcome import CANNOT, CommandOutcome, Trouble
from supervisor_zkelect.operators.outcome import UNKNOWN as NOT_KNOWN
from supervisor_zkelect.operators.view import as_dict, as_dicts, as_text, is_number
from supervisor_zkelect.operators.words import duration

OK, WARNING, CRITICAL, UNKNOWN = range(4)
"""Exit statuses, as monitoring plugins have them."""

_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")

#: From the best to the worst: what cannot be told may be worse than what is only warned of.
_RANKS = (OK, WARNING, UNKNOWN, CRITICAL)

EXITS = "0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN, also for wrong words"
"""The meanings of its exit status, for the help."""

TIME = 10.0
"""Seconds that the listener, or ZooKeeper, has to tell of all elections, unless said otherwise."""

_LONGEST, _LONGEST_PART = 1000, 160
"""Characters of the line's text, and of a part of it that others have written."""

_MOST = 20
"""Elections that have performance data of their own; with more only totals are told."""


class Limits(NamedTuple):
    """How many nodes are to stand by at least, for no WARNING and for nothing CRITICAL."""

    warning: int = 1
    critical: int = 0


class PluginResult(NamedTuple):
    """What is told of an election, or of the node. data: performance data."""

    status: int
    text: str
    data: Tuple[str, ...] = ()


def judge(
    listed: Mapping[str, Any], own: Mapping[str, Any], limits: Limits, now: Optional[float] = None
) -> List[PluginResult]:
    """What is told of each election, the worst first, but behind that there are more of them. listed: what `list --json` says.
    own: what `status --json` says on a node, empty from another host. now: seconds since 1970, None for this moment."""
    moment = time.time() if now is None else now
    parts = as_dict(own.get("elections"))
    found = [
        _election(name, as_dict(one), as_dict(parts.get(name)), own.get("now"), limits, moment)
        for name, one in sorted(as_dict(listed.get("elections")).items())
    ]
    seen = len(found)
    for name, why in sorted(as_dict(listed.get("unread")).items()):
        troubles = [(UNKNOWN, f"it cannot be read: {_safe(why)}"), *_of_node(as_dict(parts.get(name)))]
        troubles.sort(key=lambda trouble: -_RANKS.index(trouble[0]))
        found.append(PluginResult(troubles[0][0], f"{name}: {', '.join(text for _, text in troubles)}"))
    mistakes = as_dict(own.get("config_trouble"))
    if mistakes:
        found.append(PluginResult(WARNING, "this node's file has mistakes, and it goes on with what it had: see zkelect role"))
    found.sort(key=lambda one: -_RANKS.index(one.status))
    # Whatever else there is, and has no room: what is told is not all.
    return [*[PluginResult(UNKNOWN, f"more than {seen} elections; name one")] * bool(listed.get("left_out")), *found]


def _election(
    name: str, one: Mapping[str, Any], own: Mapping[str, Any], boot: Any, limits: Limits, now: float
) -> PluginResult:
    nodes = as_dicts(one.get("nodes"))
    leads = next((node for node in nodes if node.get("role") == roles.PRIMARY), None) if one.get("address") else None
    standbys = sum(node.get("role") == roles.STANDBY for node in nodes)
    since = None if leads is None or not is_number(leads.get("since")) else max(0.0, now - leads["since"] / 1000)
    troubles = [*_of_cluster(one, nodes, leads, standbys, limits, now), *_of_node(own)]
    status = max((status for status, _ in troubles), key=_RANKS.index, default=OK)
    told = [text for _, text in sorted(troubles, key=lambda trouble: -_RANKS.index(trouble[0]))]
    if leads is not None:
        told.append(f"{_safe(leads.get('node'))} is primary" + (f" for {duration(since)}" if since is not None else ""))
        told.append(f"{standbys} stand{'s' * (standbys == 1)} by")
    data = [
        f"{name}_primary={int(leads is not None)};;1:;0;1",
        f"{name}_standby={standbys};{limits.warning}:;{limits.critical}:;0",
        f"{name}_nodes={sum(node.get('live') is True for node in nodes)};;;0",
    ]
    if since is not None:
        data.append(f"{name}_primary_time={since:.0f}s;;;0")
    if own.get("role") == roles.PRIMARY and is_number(own.get("deadline")) and is_number(boot):
        data.append(f"{name}_lease={max(0.0, own['deadline'] - boot):.3f}s;;;0")
    return PluginResult(status, f"{name}: {', '.join(told)}", tuple(data))


def _of_cluster(
    one: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]], leads: Optional[Mapping[str, Any]], standbys: int,
    limits: Limits, now: float,
) -> List[Tuple[int, str]]:
    """What is wrong with an election as a whole: how bad it is, and what it is."""
    found: List[Tuple[int, str]] = []
    if leads is None:
        changed = one.get("changed")
        emptied = not one.get("address") and is_number(changed) and changed > 0
        # Where the ack was not emptied, nobody noted when its writer was gone.
        since = f" for {duration(max(0.0, now - (changed or 0) / 1000))}" if emptied else ""
        found.append((CRITICAL, f"nobody is primary{since}"))
    if standbys < limits.critical:
        found.append((CRITICAL, f"fewer than {limits.critical} stand by"))
    elif standbys < limits.warning:
        found.append((WARNING, "nobody stands by" if not standbys else f"fewer than {limits.warning} stand by"))
    if one.get("paused"):
        found.append((WARNING, _safe(one["paused"])))
    if one.get("trouble"):
        found.append((WARNING, _safe(one["trouble"])))
    for node in nodes:
        if node.get("guarded") is False and node.get("role") in _GUARDED:
            found.append((WARNING, f"{_safe(node.get('node'))} is unguarded"))
    return found


_GUARDED = (roles.STANDBY, roles.PROMOTING, roles.PRIMARY, roles.DEMOTING)


def _of_node(own: Mapping[str, Any]) -> List[Tuple[int, str]]:
    """The same of this node in it; nothing from another host."""
    if own.get("exit") == CANNOT:
        return [(CRITICAL, f"this node cannot take part: {_safe(as_dict(own.get('cannot')).get('why') or own.get('says'))}")]
    if own.get("exit") == NOT_KNOWN:
        return [(UNKNOWN, f"this node's role is unknown: {_safe(own.get('why'))}")]
    return []


def _safe(value: Any) -> str:
    """A text of others, fit to stand in one line before the bar."""
    return cut(as_text(value), _LONGEST_PART).replace("|", "/")


def line(found: Sequence[PluginResult]) -> Tuple[int, str]:
    """The exit status, and the line. found: what comes first there first; what has no room is left out."""
    status = max((one.status for one in found), key=_RANKS.index, default=UNKNOWN)
    texts: List[str] = []
    left = _LONGEST
    for one in found:
        left -= len(one.text) + 2
        if left < 0 and texts:
            texts.append(f"and {len(found) - len(texts)} more")
            break
        texts.append(cut(one.text, _LONGEST))
    text = "; ".join(texts) or "there is no election"
    data = [part for one in found for part in one.data] if len(found) <= _MOST else _totals(found)
    return status, begins(status) + text + (f" | {' '.join(data)}" if data else "")


def begins(status: int) -> str:
    """What the line begins with."""
    return f"ZKELECT {_WORDS[status]} - "


def _totals(found: Sequence[PluginResult]) -> List[str]:
    elections = [one for one in found if one.data]
    return [f"elections={len(elections)};;;0", f"not_ok={sum(one.status != OK for one in elections)};;;0;{len(elections)}"]


# Asking


def run(arguments: argparse.Namespace) -> int:
    """Look, print the line, and return the exit status. Raises nothing: a plugin that fails says so in its line."""
    try:
        found = _found(arguments)
    except Trouble as trouble:
        found = [PluginResult(UNKNOWN, _plain("; ".join(trouble.lines)))]
    except Exception as error:
        found = [PluginResult(UNKNOWN, _plain(f"{type(error).__name__}: {error}"))]
    status, text = line(found)
    print(text, flush=True)
    return status


def _plain(text: str) -> str:
    return printable(text).replace("|", "/")


def _found(arguments: argparse.Namespace) -> List[PluginResult]:
    from supervisor_zkelect.operators import ask, connection, remote
    from supervisor_zkelect.operators.table import PLAIN
    from supervisor_zkelect.operators.verbs import VERBS

    limits = Limits(arguments.warning, arguments.critical)
    if remote.wanted(arguments):
        from supervisor_zkelect.operators import listing

        looking = listing.Afar(arguments)
        try:
            return _judged(looking.outcome(VERBS["list"], {}, PLAIN), {}, limits)
        finally:
            looking.close()
    call = connection.caller(arguments)
    own = ask.run("status", call, arguments.election)
    if own.error:
        return [PluginResult(UNKNOWN, _plain(own.error))]
    if own.document.get("known") is not True:
        return [PluginResult(CRITICAL, f"the listener does not answer: {_plain(as_text(own.document.get('why')))}")]
    return _judged(ask.run("list", call, arguments.election, timeout=arguments.timeout), own.document, limits)


def _judged(listed: CommandOutcome, own: Dict[str, Any], limits: Limits) -> List[PluginResult]:
    if not listed.error:
        return judge(listed.document, own, limits)
    found = [PluginResult(UNKNOWN, f"the cluster cannot be seen: {_plain(listed.error)}")]
    for name, one in as_dict(own.get("elections")).items():
        found += [PluginResult(status, f"{name}: {text}") for status, text in _of_node(as_dict(one))]
    return sorted(found, key=lambda one: -_RANKS.index(one.status))
