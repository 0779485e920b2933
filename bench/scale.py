"""How it scales on this machine: candidates in one election, elections in one listener, programs in one group.

    python -m bench.scale                measure, print the tables, write bench/results/scale.json and the curves beside it
    python -m bench.scale --quick        a few minutes, with small numbers
    python -m bench.scale --write-docs   measure nothing: write docs/scale.md and its pictures from the results

Ends with 0 when what was measured meets the targets, with 1 when it does not, with 2 when it could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from bench import candidates, counters, elections, programs, sums
from bench.counters import median
from bench.measure import not_installed
from supervisor_zkelect import __version__
from supervisor_zkelect.core.lease import INTERVAL_SHARE
from supervisor_zkelect.demo.zookeeper import ServerFailed, ZooKeeperMissing

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "scale.json"
TEMPLATE = HERE / "scale.md.in"
DOCS = HERE.parent / "docs"

PARTS = ("candidates", "elections", "programs")
COUNTS = {"candidates": [2, 10, 100, 500, 1000, 2000], "elections": [1, 10, 100, 300], "programs": [1, 10, 30, 100]}
QUICK = {"candidates": [2, 20, 200], "elections": [1, 30], "programs": [1, 20]}
TIMEOUT, TICK = 10.0, 2.0
"""Session timeout and tickTime in seconds, the defaults of the project and of ZooKeeper."""

NODES = 10_000

FLAT, START_FACTOR, MEMORY, PROCESSOR, STREAM = 2.0, 1.5, 100.0, 2.0, 1.2
"""The targets: the longest against the shortest time to the next leader; the last ack against supervisord's own start;
KiB and percent of a core, of listener and guard together; requests of one session, with many elections against with one.
"""


class Target(NamedTuple):
    """A target and what was measured. `met` is None where it could not be told."""

    what: str
    wanted: str
    measured: str
    met: Optional[bool]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table as Markdown has it; numbers stand to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(head), *cells]) for at in range(len(head))]
    numbers = [all(not isinstance(row[at], str) for row in rows) for at in range(len(head))]

    def line(values: Sequence[str]) -> str:
        padded = (v.rjust(w) if n else v.ljust(w) for v, w, n in zip(values, widths, numbers))
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (w + 1) + ":" if n else "-" * (w + 2) for w, n in zip(widths, numbers))
    return "\n".join([line(head), f"|{rule}|", *map(line, cells)])


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value


# The tables


def candidates_table(rows: List[Dict[str, Any]]) -> str:
    return table(
        ["candidates", "woken", "requests of the next", "requests of all others", "to the next, ms: median", "longest",
         "requests to join"],
        [[row["candidates"], row["woken"], row["requests_next"], row["requests_others"],
          1000 * median(row["seconds"]), 1000 * max(row["seconds"]), row["join_requests"]] for row in rows],
    )


def memory_of(row: Dict[str, Any], node: str) -> int:
    """KiB that listener and guard have resident."""
    return row["idle"][node]["listener_rss"] + row["idle"][node]["guard_rss"]


def processor_of(row: Dict[str, Any], node: str) -> float:
    """Percent of a core that listener and guard use."""
    return row["idle"][node]["listener"] + row["idle"][node]["guard"]


def each_more(rows: List[Dict[str, Any]], node: str) -> Optional[float]:
    """KiB that one more election takes, between the fewest and the most; None with one row."""
    few, many = rows[0], rows[-1]
    if few["elections"] == many["elections"]:
        return None
    return (memory_of(many, node) - memory_of(few, node)) / (many["elections"] - few["elections"])


def idle_table(rows: List[Dict[str, Any]]) -> str:
    return table(
        ["elections", "node", "listener + guard, MiB", "threads", "listener + guard, % of a core", "supervisord, %",
         "requests/s to ZooKeeper"],
        [[row["elections"], role, memory_of(row, node) / 1024,
          row["idle"][node]["listener_threads"] + row["idle"][node]["guard_threads"], processor_of(row, node),
          row["idle"][node]["supervisord"], row["idle"][node]["requests"]]
         for row in rows for node, role in (("a", "primary"), ("b", "standby"))],
    )


def factor(row: Dict[str, Any]) -> float:
    """The last ack after a node's death against supervisord's own start of as many programs; the median of the runs."""
    return median([death["last"] / floor for death, floor in zip(row["deaths"], row["floors"])])


def death_table(rows: List[Dict[str, Any]]) -> str:
    return table(
        ["elections", "first ack, s", "median", "last ack", "supervisord starts as many, s",
         "last ack / supervisord", "processor: listener, s", "guard", "supervisord",
         "all processors busy, %"],
        [[row["elections"], *(median([death[which] for death in row["deaths"]]) for which in ("first", "median", "last")),
          median(row["floors"]), factor(row),
          *(median([death[f"{which}_seconds"] for death in row["deaths"]]) for which in ("listener", "guard", "supervisord")),
          median([death["busy"] for death in row["deaths"]])]
         for row in rows],
    )


def programs_table(rows: List[Dict[str, Any]]) -> str:
    return table(
        ["programs", "resign to dead, ms", "supervisord alone, ms", "resign to released, ms", "released to acked, ms",
         "supervisord starts as many, ms", "gone before the deadline, s"],
        [[row["programs"], 1000 * median([one["dead"] for one in row["handovers"]]),
          1000 * median([one["stop"] for one in row["floors"]]),
          1000 * median([one["released"] for one in row["handovers"]]),
          1000 * median([one["started"] for one in row["handovers"]]),
          1000 * median([one["start"] for one in row["floors"]]), min(row["margins"])] for row in rows],
    )


def sums_table(join: float) -> str:
    """The load of NODES nodes on one ensemble. join: requests of a node that joins, for each candidate there is."""
    rows = []
    for candidates_, timeout in ((2, 10.0), (10, 10.0), (100, 10.0), (NODES, 10.0), (2, 30.0)):
        one = sums.load(NODES, candidates_, timeout, join)
        rows.append([candidates_, timeout, one.sessions, one.reads, one.writes, one.watches, one.znodes,
                     one.listing / 1024, one.join, one.storm])
    return table(
        ["nodes in each election", "T, s", "sessions", "reads/s", "quorum writes/s", "watches", "znodes",
         "listing, KiB", "requests to join", "all join at once"], rows,
    )


def join_requests(rows: List[Dict[str, Any]]) -> float:
    """Requests of a node that joins, for each candidate there is already."""
    few, many = rows[0], rows[-1]
    return (many["join_requests"] - few["join_requests"]) / (many["candidates"] - few["candidates"])


# The targets


def targets(results: Dict[str, Any]) -> List[Target]:
    found: List[Target] = []
    if results.get("candidates"):
        rows = results["candidates"]
        woken, others = max(row["woken"] for row in rows), max(row["requests_others"] for row in rows)
        spread = [median(row["seconds"]) for row in rows]
        found += [
            Target("woken by a failover", "1, whatever the number of candidates", f"{woken}", woken == 1),
            Target("requests of all but the next in line", "0", f"{others}", others == 0),
            Target(f"to the next, {rows[0]['candidates']} to {rows[-1]['candidates']:,} candidates", "within a factor of 2",
                   f"{max(spread) / min(spread):.2f}", max(spread) / min(spread) <= FLAT),
        ]
    if results.get("elections"):
        rows = results["elections"]
        most = rows[-1]
        for node, role in (("a", "primary"), ("b", "standby")):
            more = each_more(rows, node)
            found.append(Target(
                f"memory of one more election, {role}", "≤ 100 KiB", "–" if more is None else f"{more:.0f} KiB",
                None if more is None else more <= MEMORY,
            ))
        for node, role in (("a", "primary"), ("b", "standby")):
            used = processor_of(most, node)
            found.append(Target(f"idle with {most['elections']} elections, {role}", "≤ 2 % of a core", f"{used:.1f} %",
                                used <= PROCESSOR))
        rates = [most["idle"][node]["requests"] / rows[0]["idle"][node]["requests"] for node in ("a", "b")]
        found += [
            Target(f"heartbeats with {most['elections']} elections against one", "the same", f"{max(rates):.2f}",
                   max(rates) <= STREAM),
            Target(f"a node's death with {most['elections']} elections: last ack against supervisord's own start",
                   "≤ 1.5", f"{factor(most):.2f}", factor(most) <= START_FACTOR),
        ]
    if results.get("programs"):
        margin = min(min(row["margins"]) for row in results["programs"])
        found.append(Target(f"gone before the lease's end, up to {results['programs'][-1]['programs']} programs", "> 0",
                            f"{margin:.2f} s", margin > 0))
    return found


def targets_table(results: Dict[str, Any]) -> str:
    words = {True: "met", False: "not met", None: "–"}
    return table(["target", "wanted", "measured", ""],
                 [[one.what, one.wanted, one.measured, words[one.met]] for one in targets(results)])


def report(results: Dict[str, Any]) -> str:
    """All that was measured, as text."""
    parts = []
    if results.get("candidates"):
        parts += ["Candidates in one election", candidates_table(results["candidates"])]
    if results.get("elections"):
        parts += ["Elections in one listener, while nothing happens", idle_table(results["elections"]),
                  "The node's death", death_table(results["elections"])]
    if results.get("programs"):
        parts += ["Programs in one group", programs_table(results["programs"])]
    return "\n\n".join([*parts, "Targets", targets_table(results)])


# Pictures and docs


def draw(results: Dict[str, Any], folder: Path) -> List[Path]:
    """The curves as SVG. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    # The same results give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "scale", "font.size": 9})
    from matplotlib import pyplot

    written = []

    def picture(name: str, plots: List[Dict[str, Any]]) -> None:
        figure, axes = pyplot.subplots(1, len(plots), figsize=(4.2 * len(plots), 3.2), squeeze=False)
        for axis, plot in zip(axes[0], plots):
            for label, x, y in plot["lines"]:
                axis.plot(x, y, marker="o", markersize=3, label=label)
            axis.set(xlabel=plot["x"], title=plot["title"], ylim=(0, None))
            if plot.get("log"):
                axis.set_xscale("log")
            axis.grid(alpha=0.3)
            axis.legend(frameon=False)
        figure.tight_layout()
        written.append(folder / f"scale-{name}.svg")
        figure.savefig(written[-1], metadata={"Date": None})
        pyplot.close(figure)

    folder.mkdir(parents=True, exist_ok=True)
    rows = results.get("candidates")
    if rows:
        x = [row["candidates"] for row in rows]
        picture("candidates", [
            dict(title="release to the next elected, ms", x="candidates", log=True, lines=[
                ("median", x, [1000 * median(row["seconds"]) for row in rows]),
                ("longest", x, [1000 * max(row["seconds"]) for row in rows])]),
            dict(title="requests in a failover", x="candidates", log=True, lines=[
                ("of the next in line", x, [row["requests_next"] for row in rows]),
                ("of all others", x, [row["requests_others"] for row in rows])]),
        ])
    rows = results.get("elections")
    if rows:
        x = [row["elections"] for row in rows]
        both = (("a", "primary"), ("b", "standby"))
        picture("elections", [
            dict(title="listener + guard, MiB", x="elections", lines=[
                (role, x, [memory_of(row, node) / 1024 for row in rows]) for node, role in both]),
            dict(title="listener + guard, % of a core", x="elections", lines=[
                (role, x, [processor_of(row, node) for row in rows]) for node, role in both]),
            dict(title="the node's death, s", x="elections", lines=[
                ("last ack", x, [median([death["last"] for death in row["deaths"]]) for row in rows]),
                ("supervisord starts as many", x, [median(row["floors"]) for row in rows])]),
        ])
    rows = results.get("programs")
    if rows:
        x = [row["programs"] for row in rows]
        picture("programs", [
            dict(title="start, ms", x="programs", lines=[
                ("released to acked", x, [1000 * median([one["started"] for one in row["handovers"]]) for row in rows]),
                ("supervisord alone", x, [1000 * median([one["start"] for one in row["floors"]]) for row in rows])]),
            dict(title="stop, ms", x="programs", lines=[
                ("resign to dead", x, [1000 * median([one["dead"] for one in row["handovers"]]) for row in rows]),
                ("supervisord alone", x, [1000 * median([one["stop"] for one in row["floors"]]) for row in rows])]),
        ])
    return written


def document(results: Dict[str, Any]) -> str:
    """docs/scale.md. Raises KeyError when a part was not measured."""
    join = join_requests(results["candidates"])
    most, many = results["elections"][-1], results["candidates"][-1]
    two = sums.load(NODES, 2, TIMEOUT, join)
    all_in_one = sums.load(NODES, NODES, TIMEOUT, join)
    return string.Template(TEMPLATE.read_text()).substitute(
        machine=results["machine"]["text"], commit=results["machine"].get("commit") or "unknown",
        load=f"{results['machine']['load']:.1f}", runs=results["runs"],
        timeout=f"{TIMEOUT:g}", interval=f"{TIMEOUT * INTERVAL_SHARE:g}", candidates=candidates_table(results["candidates"]),
        idle=idle_table(results["elections"]), death=death_table(results["elections"]),
        programs=programs_table(results["programs"]), targets=targets_table(results), sums=sums_table(join),
        nodes=f"{NODES:,}", join=f"{join:.2g}", join_seconds=f"{many['join_seconds']:.2f}",
        most_candidates=f"{many['candidates']:,}", most_elections=most["elections"], writes_two=f"{two.writes:,.0f}",
        reads_two=f"{two.reads:,.0f}", storm=f"{all_in_one.storm:,}", listing=f"{all_in_one.listing / 1024:.0f}",
        longest_queue=f"{sums.longest_queue():,}", standby_watches=sums.STANDBY_WATCHES,
        primary_watches=sums.PRIMARY_WATCHES, own_znodes=sums.OWN_ZNODES, watches=_cell(most["watches"]),
        watches_expected=_cell(most["elections"] * (sums.STANDBY_WATCHES + sums.PRIMARY_WATCHES)),
        requests_primary=f"{most['idle']['a']['requests']:.2f}",
        requests_standby=f"{most['idle']['b']['requests']:.2f}", proposal_bytes=f"{_proposal_bytes(results):.0f}",
        snapshot=f"{NODES * _proposal_bytes(results) / 2**20:.1f}",
    )


def _proposal_bytes(results: Dict[str, Any]) -> float:
    few, many = results["candidates"][0], results["candidates"][-1]
    return (many["data_bytes"] - few["data_bytes"]) / (many["candidates"] - few["candidates"])


# The command


def machine() -> Dict[str, Any]:
    text = (f"{os.cpu_count()} processors, Linux {platform.release()}, {counters.moves()}, "
            f"Python {platform.python_version()}, "
            f"supervisor-zkelect {__version__}")
    return {"text": text, "load": os.getloadavg()[0], "processors": os.cpu_count(), "commit": _commit(),
            "date": time.strftime("%Y-%m-%d")}


def _commit() -> str:
    try:
        return subprocess.run(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="bench --scale", description=__doc__.splitlines()[0])
    made.add_argument("--quick", action="store_true", help="small numbers, one run: some minutes")
    made.add_argument("--runs", type=int, metavar="N", help="runs of each row; default 3, with --quick 1")
    made.add_argument("--only", choices=PARTS, action="append", help="measure this part; may be given again")
    made.add_argument("--counts", metavar="N,N", help="other numbers for the part of --only")
    made.add_argument("--output", type=Path, default=RESULTS, metavar="FILE",
                      help="the results as JSON, the curves beside it; default bench/results/scale.json")
    made.add_argument("--write-docs", action="store_true",
                      help="measure nothing; write docs/scale.md and its pictures from the results in --output")
    return made


def measure(options: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> Dict[str, Any]:
    runs = options.runs or (1 if options.quick else 3)
    counts = dict(QUICK if options.quick else COUNTS)
    if options.counts:
        counts = {part: sorted({int(word) for word in options.counts.split(",")}) for part in PARTS}
    results: Dict[str, Any] = {"v": 1, "machine": machine(), "runs": runs, "timeout": TIMEOUT, "tick": TICK}
    parts = options.only or PARTS
    if "candidates" in parts:
        results["candidates"] = candidates.measure(folder / "1", counts["candidates"], 5 * runs, say)
    if "elections" in parts:
        idle = 5.0 if options.quick else 30.0
        results["elections"] = elections.measure(folder / "2", counts["elections"], TIMEOUT, TICK, idle, runs, say)
    if "programs" in parts:
        results["programs"] = programs.measure(folder / "3", counts["programs"], TIMEOUT, TICK, runs, say)
    return results


def write_docs(output: Path) -> int:
    try:
        results = json.loads(output.read_text())
        (DOCS / "scale.md").write_text(document(results))
        draw(results, DOCS)
    except (OSError, ValueError, KeyError, ImportError) as error:
        print(f"docs/scale.md cannot be written from {output}: {error!r}; measure all parts first, and install "
              "matplotlib", file=sys.stderr)
        return 2
    return 0


def main(arguments: Optional[Sequence[str]] = None) -> int:
    options = parser().parse_args(arguments)
    if options.write_docs:
        return write_docs(options.output)
    if options.counts and len(options.only or ()) != 1:
        print("--counts goes with one --only", file=sys.stderr)
        return 2

    reason = not_installed()
    if reason is not None:
        print(f"script/bench --scale: {reason}", file=sys.stderr)
        return 2

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    # An end by a signal cleans up as well.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="zkelect-scale-"))
    try:
        results = measure(options, folder, say)
    except (ZooKeeperMissing, ServerFailed, TimeoutError, RuntimeError, OSError) as error:
        print(f"it could not be measured: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.only and options.output.exists():
        # The parts that were not measured stay as they were.
        results = {**json.loads(options.output.read_text()), **results}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print(report(results))
    try:
        draw(results, options.output.parent)
    except ImportError:
        say("no curves are drawn without matplotlib; install supervisor-zkelect[bench]")
    return 0 if all(one.met is not False for one in targets(results)) else 1


if __name__ == "__main__":
    sys.exit(main())
