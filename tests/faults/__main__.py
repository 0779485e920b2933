"""`script/faults`: put the list of faults to real nodes and print what the observers heard, a row for each fault."""

import argparse
import os
import subprocess
import sys

DESCRIPTION = """Every variant of the rows, and those of other tests with nodes that script/test leaves, two at a time, then a
table: the longest silence, how long two served at once, the verdict, and who served in turn. Other words go to pytest: `-k 14`, `-n 0` for one at a time, a test."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/faults", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--timeout", type=float, metavar="T", help="session timeout in seconds, for every row; else 4")
    parser.add_argument("--tick", type=float, metavar="SECONDS", help="ZooKeeper's tickTime; else 0.5, or T/5 with T")
    parser.add_argument("--full", action="store_true", help="the whole matrix of enforcers, too: some 200 tests more")
    parser.add_argument("--stops", type=int, metavar="N", help="ordinary stops of each kind with a Redis; else 5")
    parser.add_argument("--restarts", type=int, metavar="N", help="restarts of the listener under load; else 10")
    parser.add_argument("--quick", action="store_true", help="only what script/test runs")
    options, words = parser.parse_known_args()
    env = {"ZKELECT_FAULTS_SCOPE": "full" if options.full else "ci" if options.quick else "rows"}
    timeout, tick = options.timeout, options.tick
    if timeout is not None or tick is not None:
        timeout = timeout or 4.0
        tick = tick or timeout / 5
        if not 2 * tick <= timeout <= 20 * tick:
            parser.error(f"ZooKeeper grants 2 to 20 ticks, and not {timeout:g} s with a tick of {tick:g} s")
        env.update(ZKELECT_FAULTS_TIMEOUT=f"{timeout:g}", ZKELECT_FAULTS_TICK=f"{tick:g}")
    if options.stops:
        env["ZKELECT_FAULTS_STOPS"] = str(options.stops)
    if options.restarts or not options.quick:
        env["ZKELECT_FAULTS_RESTARTS"] = str(options.restarts or 10)
    if not any(os.path.exists(word.partition("::")[0]) for word in words):
        words = ["tests/faults", *([] if options.quick else ["tests/system"]), *words]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *words]
    return subprocess.run(command, env={**os.environ, "ZKELECT_FAULTS_TABLE": "1", **env}).returncode


if __name__ == "__main__":
    sys.exit(main())
