"""docs/bench.md and its pictures, from a file of results: `python -m bench.report results.json`.

Every figure in them comes from the file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from bench import results
from bench.faults import FAULTS
from bench.floors import FLOORS

DOCS = Path(__file__).resolve().parents[1] / "docs"

RECOVERY, TIMELINE = "bench-recovery.svg", "bench-timeline.svg"

MOMENTS = (
    ("ended", "noticed", "fault to notice"),
    ("ended", "dead", "notice to group dead"),
    ("ended", "released", "dead to released"),
    ("begun", "elected", "released to elected"),
    ("begun", "started", "elected to started"),
    ("begun", "executed", "started to exec"),
    ("begun", "healthy", "exec to healthy"),
    ("begun", "acked", "healthy to acked"),
)
"""The part of a term, the moment with which a step of a failover ends, and the step's name."""


class Step(NamedTuple):
    """Seconds since the fault."""

    name: str
    begin: float
    end: float


def steps(timeline: Dict[str, Any]) -> List[Step]:
    """A failover's steps, in order. A moment that is not known is passed over: the next step is the longer for it.

    A node notes that it has released when it has its answer; where the next one saw it earlier, that moment counts.
    """
    found: List[Step] = []
    seen = timeline["begun"].get("noticed", float("inf"))
    former, skipped = 0.0, []
    for part, moment, name in MOMENTS:
        at = timeline[part].get(moment)
        skipped.append(name)
        if isinstance(at, (int, float)):
            at = (min(at, seen) if moment == "released" else at) - timeline["struck"]
            found.append(Step(name if len(skipped) == 1 else f"{skipped[0]} … {name}", former, at))
            former, skipped = at, []
    return found


def shown(timelines: Iterable[Dict[str, Any]], fault: str = "B") -> Optional[Dict[str, Any]]:
    """The failover to draw: of those after the fault with the longest T, the median by the time to the answer."""
    fitting = [one for one in timelines if one["fault"] == fault and steps(one)]
    if not fitting:
        return None
    longest = max(_seconds(one["setting"]) for one in fitting)
    fitting = [one for one in fitting if _seconds(one["setting"]) == longest]
    fitting.sort(key=lambda one: one["answered"] - one["struck"])
    return fitting[(len(fitting) - 1) // 2]


def _seconds(setting: str) -> float:
    return float(setting.partition("=")[2])


def document(found: results.Document) -> str:
    """The text of docs/bench.md."""
    machine = found["machine"]
    parts = [
        "# Recovery, measured beside others",
        "Written by `script/bench --write-docs`, or `python -m bench.report FILE` from a file of results; not by hand.",
        f"`{found['command']}`, {found['date']}, {machine['processor']}, {machine['cores']} cores, Linux "
        f"{machine['kernel']}, {machine['cgroups']}, Python {machine['python']}; load average "
        f"{machine['load_before']:.1f} before and {machine.get('load_after', 0):.1f} after. Absolute times "
        "move from machine to machine and with what else it does; all of these are from one run.",
        *_problems(found),
        f"![recovery time by fault and peer]({RECOVERY})",
        "## What a client of both nodes sees",
        "Each node is in a network namespace of its own, the coordinator in another; the service is a small HTTP "
        "server in Python; a client asks both nodes every 5 ms. Milliseconds of silence, the longest time without an "
        "answer, min/median/max (runs). **Bold**: for how long two nodes served at once, the longest of the runs; ∞, "
        "they still did when the watch ended.",
        _markdown(*_silence(found)),
        _markdown(("", "fault"), [(f"**{name}**", fault.what) for name, fault in FAULTS.items()]),
        "The first answer of another process after the fault, milliseconds, min/median/max. It is later than the "
        "silence is long where the old service answers for a while after the fault. \"Goes on\": no other answered; "
        "after C, the agent ignored the signal.",
        _markdown(*_back(found)),
    ]
    expired = _expired(found)
    if expired:
        parts += [
            "Where nobody on the node can release the election, ZooKeeper deletes its proposal when the session has "
            "expired, and then another node serves. Milliseconds, min/median/max; where the service ran on, it was "
            "stopped before that, with the margin in the third column:",
            _markdown(
                ("fault", "setting", "fault to last answer", "last answer to deletion", "deletion to answer"), expired
            ),
        ]
    parts += [
        "## What a node needs",
        "All processes besides supervisord and the service, summed up, while nothing happens; memory of the larger of "
        "both nodes, CPU in percent of one core.",
        _markdown(("peer", "setting", "RSS MiB", "PSS MiB", "CPU primary", "CPU standby"), _needs(found)),
    ]
    if found["floors"]:
        parts += [
            "## Floors",
            "What supervisord and the chain loader need by themselves, in the same run.",
            _markdown(("floor", "ms", "runs"), results.floors(found, FLOORS)),
        ]
    timeline = shown(found["timelines"])
    if timeline is not None:
        total = timeline["answered"] - timeline["struck"]
        parts += [
            "## Where the time goes",
            f"One failover, fault B with {timeline['setting']}, the median of its runs; another node answered after "
            f"{results.milliseconds(total)} ms. The moments are those of `zkelect history`.",
            f"![the steps of a failover]({TIMELINE})",
            _markdown(
                ("step", "ms"), [(step.name, f"{1000 * (step.end - step.begin):.1f}") for step in steps(timeline)]
            ),
        ]
    if found["left_out"]:
        parts += ["## Left out", *[f"- {line}" for line in found["left_out"]]]
    return "\n\n".join(parts) + "\n"


def _problems(found: results.Document) -> List[str]:
    return [f"**Not as promised:** {line.splitlines()[0]}" for line in results.broken(found)]


def _markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *lines))


def _by_fault(found: results.Document, cell: Any) -> Tuple[Sequence[str], List[Sequence[str]]]:
    faults = [name for name in FAULTS if any(name in peer["faults"] for peer in found["peers"])]
    lines = []
    for peer in found["peers"]:
        cells = [cell(peer["faults"].get(name)) if peer["faults"].get(name) else "" for name in faults]
        lines.append((f"{peer['name']}, {peer['setting']}", *cells))
    return ("peer", *faults), lines


def _silence(found: results.Document) -> Tuple[Sequence[str], List[Sequence[str]]]:
    def cell(runs: List[Dict[str, Any]]) -> str:
        overlap = results.overlapped(runs)
        text = f"{results.spread(run['silence'] for run in runs)} ({len(runs)})"
        return text if overlap == "0" else f"**{overlap}** ({len(runs)})"

    return _by_fault(found, cell)


def _back(found: results.Document) -> Tuple[Sequence[str], List[Sequence[str]]]:
    return _by_fault(found, results.back)


def _expired(found: results.Document) -> List[Sequence[str]]:
    lines = []
    for peer in found["peers"]:
        for fault in ("B-guard", "D"):
            runs = [run for run in peer["faults"].get(fault, ()) if run.get("deleted") and run["back"]]
            # The last answer may be older than the fault by what passed since the client asked.
            last = [max(0.0, run["back"] - run["silence"]) for run in runs]
            if runs:
                lines.append((
                    fault, peer["setting"], results.spread(last),
                    results.spread(run["deleted"] - since for run, since in zip(runs, last)),
                    results.spread(run["back"] - run["deleted"] for run in runs),
                ))
    return lines


def _needs(found: results.Document) -> List[Sequence[str]]:
    lines = []
    for peer in found["peers"]:
        idle = peer["idle"]
        if idle:
            memory = [f"{max(each[name] for each in idle.values()):.1f}" for name in ("rss", "pss")]
            cpu = [f"{idle[role]['cpu']:.2f}" for role in ("primary", "standby")]
            lines.append((peer["name"], peer["setting"], *memory, *cpu))
    return lines


def write(found: results.Document, folder: Path = DOCS) -> List[Path]:
    """Write the document and the pictures; returns what was written. Without matplotlib, raises ImportError."""
    from bench import pictures

    folder.mkdir(parents=True, exist_ok=True)
    pictures.recovery(found, folder / RECOVERY)
    written = [folder / RECOVERY]
    timeline = shown(found["timelines"])
    if timeline is not None:
        pictures.timeline(timeline, folder / TIMELINE)
        written.append(folder / TIMELINE)
    (folder / "bench.md").write_text(document(found), encoding="utf-8")
    return [*written, folder / "bench.md"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__.splitlines()[0])
    parser.add_argument("results", metavar="FILE", help="as script/bench writes it")
    parser.add_argument("--folder", type=Path, default=DOCS, help="where to write; else docs/")
    options = parser.parse_args()
    try:
        found = results.load(options.results)
        for path in write(found, options.folder):
            print(f"written: {path}")
    except (OSError, ValueError, ImportError) as problem:
        print(f"bench.report: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
