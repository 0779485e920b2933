"""`script/bench`: put the same faults to this plugin and its peers, and print how long the service was away."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

from bench import counters, faults, floors, measure, report, results
from bench.ours import Ours, OursOnThree
from bench.peers import Careful, Etcd, KazooElection, Keepalived
from bench.stage import Missing, Stage
from lab import netns
from supervisor_zkelect.system import clock

PEERS = {
    "ours": (Ours, OursOnThree), "kazoo": (KazooElection,), "careful": (Careful,), "etcd": (Etcd,),
    "keepalived": (Keepalived,),
}

ADVERTS = (1.0, 0.1)
"""Settings of keepalived, seconds between two advertisements; it has no session timeout."""

PACKAGES = {"etcd": ("etcd-server", "etcd-client"), "keepalived": ("keepalived",)}

DESCRIPTION = """
Two nodes in network namespaces of their own, a coordinator in a third, the same service, and an observer that asks both
nodes every 5 ms. Each fault befalls the node that serves:

"""

EPILOG = """
Peers: ours, this plugin; kazoo, Election.run with Popen in a loop; careful, thirty lines more; etcd, `etcdctl lock` in
a loop; keepalived, with advertisements every 1 s and every 0.1 s. What is not installed is installed with apt-get by
root, or else left out and said. Patroni is left out: what it runs is PostgreSQL and not this service.

The table has min/median/max. "back after": from the fault until another process answers than before. "silence": the
longest time without an answer. "overlap": for how long two answered at once, the longest of all runs; ∞, they still
did when the watch ended. RSS, PSS and CPU are of all processes that a node needs besides supervisord and the service.

`script/bench --scale` measures how this plugin scales instead, and `script/bench --balancers` what clients see of handovers
through HAProxy; each has a --help of its own.

Takes root, Linux and the program `ip`. Exit status 1: something did not go as this plugin promises.
"""


def main() -> int:
    if sys.argv[1:2] == ["--scale"]:
        from bench import scale

        return scale.main(sys.argv[2:])
    if sys.argv[1:2] == ["--balancers"]:
        from bench import balancers

        return balancers.main(sys.argv[2:])
    options = _options(sys.argv[1:])
    reason = measure.not_installed() or netns.available()
    if reason is not None:
        print(f"script/bench: {reason}", file=sys.stderr)
        return 2
    document: results.Document = {
        "v": results.VERSION, "command": " ".join(["script/bench", *sys.argv[1:]]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "machine": _machine(),
        "floors": {}, "peers": [], "left_out": [], "failures": [], "timelines": [],
    }
    try:
        # A client whose coordinator is restarted has a lot to say.
        logging.getLogger("kazoo").setLevel(logging.CRITICAL)
        _measure(options, document)
    except KeyboardInterrupt:
        document["failures"].append("interrupted")
        options.write_docs = False
    document["machine"]["load_after"] = os.getloadavg()[0]
    results.save(document, options.output)
    print()
    if document["floors"]:
        print(results.table(("floor", "ms", "runs"), results.floors(document, floors.FLOORS)), end="\n\n")
    print(results.table(results.HEADER, results.rows(document)))
    for line in document["left_out"]:
        print(f"left out: {line}")
    broken = results.broken(document)
    for line in broken:
        print(f"NOT AS PROMISED: {line}")
    print(f"written: {options.output}")
    if options.write_docs:
        for path in report.write(document):
            print(f"written: {path}")
    return 1 if broken else 0


def _measure(options: argparse.Namespace, document: results.Document) -> None:
    if options.floors:
        document["floors"] = floors.measured(options.runs, _tell)
    for which in options.peers:
        if which in PACKAGES:
            _install(PACKAGES[which])
        for number in ADVERTS if which == "keepalived" else options.timeouts:
            try:
                for kind in PEERS[which]:
                    _peer(kind(number), options, document)
            except Missing as problem:
                document["left_out"].append(f"{which}: {problem}")
                _tell(f"left out: {which}: {problem}")
                break


def _peer(stage: Stage, options: argparse.Namespace, document: results.Document) -> None:
    """Put all faults to one peer. What goes wrong with it is noted, and does not keep the others from their turn."""
    if not any(map(stage.has, options.faults)):
        return
    entry: Dict[str, Any] = {"name": stage.name, "setting": stage.setting, "timeout": stage.timeout, "idle": {},
                             "faults": {}}
    try:
        with stage:
            document["peers"].append(entry)
            idle = stage.idle(options.idle)
            entry["idle"] = {role: dataclasses.asdict(needed) for role, needed in idle.items()}
            for fault in options.faults:
                if stage.has(fault):
                    entry["faults"][fault] = []
                    _repeat(stage, fault, options, entry["faults"][fault])
    except Missing:
        raise
    except Exception as problem:  # the others get their turn, whatever befell this one
        text = f"{stage.name} {stage.setting}: given up: {type(problem).__name__}: {problem}"
        document["failures" if isinstance(stage, Ours) else "left_out"].append(text)
        _tell(text)
    finally:
        document["timelines"] += stage.timelines


def _repeat(stage: Stage, fault: str, options: argparse.Namespace, found: List[Dict[str, Any]]) -> None:
    begun = clock.now()
    while len(found) < options.runs:
        run = stage.run(fault)
        found.append(dataclasses.asdict(run))
        back = "no other process" if run.back is None else f"back after {results.milliseconds(run.back)} ms"
        silence, overlap = results.spread([run.silence]), results.overlapped(found[-1:])
        _tell(f"{stage.name} {stage.setting} {fault}: {back}, silence {silence} ms, overlap {overlap}")
        if clock.now() - begun > options.limit:
            break


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _install(packages: Sequence[str]) -> None:
    """With apt-get where that is possible; what is missing then is said by whoever needs it."""
    wanted = [package for package in packages if _status(package) != "installed"]
    if not wanted or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    # Without it Debian starts the daemons that it installs (invoke-rc.d(8)).
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for words in (["update"], ["-y", "--no-install-recommends", "install", *wanted]):
            command = ["apt-get", "-o", "DPkg::Lock::Timeout=600", "-qq", *words]
            subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=sys.stderr)
    finally:
        if ours:
            policy.unlink()


def _status(package: str) -> str:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    try:
        return subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    except FileNotFoundError:
        return ""


def _machine() -> Dict[str, Any]:
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "cores": os.cpu_count(), "processor": models[0] if models else platform.machine(),
        "kernel": platform.release(), "python": platform.python_version(), "cgroups": counters.moves(),
        "load_before": os.getloadavg()[0],
    }


def _options(words: List[str]) -> argparse.Namespace:
    listed = "\n".join(f"  {name:14} {fault.what}" for name, fault in faults.FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="script/bench", description=__doc__ + DESCRIPTION + listed, epilog=EPILOG, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--peers", type=_names(PEERS), metavar="LIST", help=f"some of {','.join(PEERS)}; else all")
    parser.add_argument("--faults", type=faults.chosen, metavar="LIST",
                        help="such as A,B; a letter means its variants too; else all")
    parser.add_argument("--timeouts", type=_numbers, metavar="LIST", help="session timeouts T in seconds; else 2,10")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each fault, else 5")
    parser.add_argument("--limit", type=float, metavar="SECONDS",
                        help="no further run of a fault that took so long with one peer; else 30")
    parser.add_argument("--idle", type=float, metavar="SECONDS", help="how long to measure idle CPU; else 10")
    parser.add_argument("--no-floors", dest="floors", action="store_false", help="without supervisord's own times")
    parser.add_argument("--quick", action="store_true",
                        help="a few minutes: T = 2, two runs, A, B, C and F, unless said otherwise")
    parser.add_argument("--output", metavar="FILE", help="for the JSON; else bench/results/DATE.json")
    parser.add_argument("--write-docs", action="store_true", help="then write docs/bench.md and its pictures")
    options = parser.parse_args(words)
    quick = options.quick
    for name, short, usual in (
        ("peers", list(PEERS), list(PEERS)), ("faults", faults.chosen("A,B,C,F"), list(faults.FAULTS)),
        ("timeouts", [2.0], [2.0, 10.0]), ("runs", 2, 5), ("limit", 5.0, 30.0), ("idle", 3.0, 10.0),
    ):
        if getattr(options, name) is None:
            setattr(options, name, short if quick else usual)
    if options.runs < 1 or any(timeout <= 0 for timeout in options.timeouts):
        parser.error("--runs and --timeouts are greater than 0")
    if options.output is None:
        name = datetime.now(timezone.utc).strftime("%Y-%m-%d-%H%M%S")
        options.output = str(Path(__file__).parent / "results" / f"{name}.json")
    return options


def _names(known: Dict[str, Any]) -> Callable[[str], List[str]]:
    def read(text: str) -> List[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown) or 'nothing'}; one of {','.join(known)}")
        return names

    return read


def _numbers(text: str) -> List[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of seconds such as 2,10") from None


if __name__ == "__main__":
    sys.exit(main())
