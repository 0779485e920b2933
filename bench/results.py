"""The measurements, as JSON has them; their statistics and the table."""

from __future__ import annotations

import json
import os
import statistics
from typing import Any, Dict, Iterable, List, Optional, Sequence

Document = Dict[str, Any]
"""{"v", "command", "date", "machine", "floors", "peers", "left_out", "failures", "timelines"}: all times are seconds.

floors: {name: [seconds]}. peers: a list of {"name", "setting", "timeout", "idle", "faults"}; idle: {"primary" and
"standby": the fields of measure.Needs}; faults: {fault: a list of the fields of measure.Run}.
timelines: a list of {"fault", "setting", "struck", "answered", "begun", "ended"}: the moments of one failover, in
seconds since the epoch, the last two as `zkelect history --json` has them of the new term and of the one before it.
"""

VERSION = 1

ENDLESS = "∞"

OURS = "supervisor-zkelect"

UNNOTICED = 0.25
"""Seconds of silence that are none: so long a question may take (demo/observer.py), on a machine with other work."""


def load(path: str | os.PathLike[str]) -> Document:
    """Raises OSError, and ValueError when the file is none of this version's."""
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise ValueError(f"{path} is no file of results of version {VERSION}")
    return document


def save(document: Document, path: str | os.PathLike[str]) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")


def milliseconds(value: float) -> str:
    return f"{1000 * value:.0f}"


def spread(values: Iterable[Optional[float]], never: str = "never") -> str:
    """"min/median/max" in milliseconds. None is longer than everything, and is shown as `never`."""
    ordered = sorted(float("inf") if value is None else value for value in values)
    if not ordered:
        return "–"
    shown = [ordered[0], statistics.median_low(ordered), ordered[-1]]
    words = [never if value == float("inf") else milliseconds(value) for value in shown]
    return words[0] if words[0] == words[-1] else "/".join(words)


def median(values: Iterable[Optional[float]]) -> Optional[float]:
    """None when it is None, or when there is no value."""
    ordered = sorted(float("inf") if value is None else value for value in values)
    middle = statistics.median_low(ordered) if ordered else float("inf")
    return None if middle == float("inf") else middle


def overlapped(runs: Sequence[Dict[str, Any]]) -> str:
    """The longest overlap of some runs: "0", "18.6 s", or ENDLESS when two still served when the watch ended."""
    if any(run["endless"] for run in runs):
        return ENDLESS
    longest = max((run["overlap"] for run in runs), default=0.0)
    return f"{longest:.2g} s" if 0 < longest < 1 else f"{longest:.1f} s" if longest else "0"


def back(runs: Sequence[Dict[str, Any]]) -> str:
    """Until another process answered. Where the same goes on, nothing has to come back."""
    if runs and all(run["back"] is None and run["silence"] is not None for run in runs):
        return "goes on"
    return spread(run["back"] for run in runs)


def broken(document: Document) -> List[str]:
    """Promises that this plugin did not keep, a line for each run."""
    found = []
    for peer in document["peers"]:
        for fault, runs in peer["faults"].items() if peer["name"] == OURS else ():
            for run in runs:
                problem = _broken(fault, peer["timeout"], run)
                if problem:
                    found.append(f"{OURS}, {peer['setting']}, fault {fault}: {problem}")
    return [*document["failures"], *found]


def _broken(fault: str, timeout: float, run: Dict[str, Any]) -> str:
    if run["overlap"] or run["endless"]:
        return f"two served at once for {run['overlap']:.3f} s"
    if run["silence"] is None:
        return "the service did not come back"
    if fault not in ("E-supervisord", "F", "Z", "Z-leader", "Z-away") or (run["away"] or 0.0) > 0.3 * timeout:
        return ""
    if run["node"]:
        return f"another process served after {run['back']:.3f} s, where the same was to go on"
    return f"a silence of {run['silence']:.3f} s, where none was to be" if run["silence"] > UNNOTICED else ""


HEADER = ("peer", "setting", "fault", "back after, ms", "silence, ms", "runs", "overlap", "RSS MiB", "PSS MiB",
          "CPU % primary/standby")


def rows(document: Document) -> List[Sequence[str]]:
    """The table: a row for each peer, setting and fault. What a node needs stands in the first row of each peer."""
    found = []
    for peer in document["peers"]:
        needs: Sequence[str] = _needs(peer["idle"])
        name, setting = peer["name"], peer["setting"]
        for fault, runs in peer["faults"].items():
            silence = spread(run["silence"] for run in runs)
            found.append((name, setting, fault, back(runs), silence, str(len(runs)), overlapped(runs), *needs))
            name, setting, needs = "", "", ("", "", "")
        if not peer["faults"]:
            found.append((name, setting, "", "", "", "", "", *needs))
    return found


def _needs(idle: Dict[str, Dict[str, float]]) -> Sequence[str]:
    if not idle:
        return ("", "", "")
    memory = [f"{max(each[name] for each in idle.values()):.0f}" for name in ("rss", "pss")]
    return (*memory, "/".join(f"{idle[role]['cpu']:.2f}" for role in ("primary", "standby")))


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """In columns, for a terminal."""
    widths = [max(map(len, column)) for column in zip(header, *lines)]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
             for line in (header, ["-" * width for width in widths], *lines)]
    return "\n".join(shown)


def floors(document: Document, names: Dict[str, str]) -> List[Sequence[str]]:
    return [(names.get(name, name), spread(values), str(len(values)))
            for name, values in document["floors"].items()]
