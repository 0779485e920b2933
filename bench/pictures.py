"""The pictures of docs/bench.md, as SVG. Needs matplotlib (the extra `bench` of setup.cfg)."""

from __future__ import annotations

import os
from typing import Any, Dict, List

import matplotlib

from bench import report, results
from bench.faults import FAULTS

matplotlib.use("svg")
# The same results make the same file.
matplotlib.rcParams.update({"svg.hashsalt": "zkelect", "svg.fonttype": "none", "font.size": 9})

from matplotlib import pyplot  # noqa: E402  after its backend is chosen

SHORTEST = 0.004
"""Seconds; the client asks every 5 ms."""

COLOURS = {"supervisor-zkelect": "#c0392b", "kazoo": "#2471a3", "careful script": "#117a65", "etcdctl lock": "#7d6608",
           "keepalived": "#6c3483"}

OLD = [name for part, _, name in report.MOMENTS if part == "ended"]
"""Steps on the node that served."""

METADATA = {"Date": None, "Creator": None}


def recovery(found: results.Document, path: str | os.PathLike[str]) -> None:
    """Silence by fault and peer on a log scale: the median, and a line from minimum to maximum."""
    lines: List[Any] = []
    for fault in FAULTS:
        shown = [peer for peer in found["peers"] if peer["faults"].get(fault)]
        lines += [(fault, peer, peer["faults"][fault]) for peer in shown]
        if shown:
            lines.append(None)
    figure, axes = pyplot.subplots(figsize=(10, 1.2 + 0.19 * len(lines)))
    known = [run["silence"] for line in lines if line for run in line[2] if run["silence"] is not None]
    longest = max(known, default=1.0)
    never, split = longest * 2.2, longest * 5
    labels = []
    for row, line in enumerate(lines):
        if line is None:
            axes.axhline(row, color="#dddddd", linewidth=0.6)
            continue
        fault, peer, runs = line
        colour = COLOURS.get(peer["name"], "#555555")
        labels.append((row, f"{fault}   {peer['name']}, {peer['setting']}"))
        values = [run["silence"] for run in runs]
        middle = results.median(values)
        if results.overlapped(runs) != "0":
            axes.plot(split, row, marker="x", color=colour)
            axes.annotate(results.overlapped(runs), (split, row), (7, -3), textcoords="offset points", fontsize=7)
        elif middle is None:
            axes.plot(never, row, marker=">", color=colour)
        else:
            some = [max(value, SHORTEST) for value in values if value is not None]
            axes.plot([min(some), max(some)], [row, row], color=colour, linewidth=1.5)
            axes.plot(max(middle, SHORTEST), row, marker="o", markersize=4, color=colour)
            axes.annotate(f"{1000 * middle:.0f} ms", (max(some), row), (6, -3), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(SHORTEST * 0.8, split * 2.5)
    axes.set_ylim(len(lines) - 0.5, -0.7)
    axes.set_yticks([row for row, _ in labels], [label for _, label in labels], fontsize=7)
    ticks = [value for value in (0.005, 0.01, 0.1, 1, 10, 100) if value <= longest * 1.5]
    axes.set_xticks([*ticks, never, split], [*[f"{value:g} s" for value in ticks], "never\nback", "two at\nonce"])
    axes.minorticks_off()
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_title("Silence seen by a client of both nodes: median, and from minimum to maximum", fontsize=10)
    _save(figure, path)


def timeline(one: Dict[str, Any], path: str | os.PathLike[str]) -> None:
    """The steps of one failover, a bar for each."""
    steps = report.steps(one)
    figure, axes = pyplot.subplots(figsize=(10, 0.9 + 0.33 * len(steps)))
    answered = 1000 * (one["answered"] - one["struck"])
    end = max(answered, 1000 * steps[-1].end)
    for row, step in enumerate(steps):
        begin, width = 1000 * step.begin, 1000 * (step.end - step.begin)
        old = step.name in OLD
        axes.barh(row, max(width, end / 500), left=begin, height=0.6, color="#7f8c8d" if old else "#c0392b")
        axes.annotate(f"{width:.1f} ms", (begin + max(width, end / 500), row), (4, -3), textcoords="offset points",
                      fontsize=8)
    axes.axvline(answered, color="black", linestyle="--", linewidth=0.8)
    axes.annotate(f"a client is answered: {answered:.0f} ms", (answered, 0), (-4, 0), textcoords="offset points",
                  fontsize=8, ha="right")
    axes.set_yticks(range(len(steps)), [step.name for step in steps])
    axes.invert_yaxis()
    axes.set_xlim(0, end * 1.1)
    axes.set_xlabel("milliseconds since the fault; grey: on the node that served, red: on the next")
    axes.set_title(f"Fault {one['fault']}: {FAULTS[one['fault']].what} ({one['setting']})", fontsize=10)
    _save(figure, path)


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata=METADATA)
    pyplot.close(figure)
