"""Judge mutants by the unit tests and the stories: all of them, a sample, or those whose names are given."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import time
import zlib
from fnmatch import fnmatch
from pathlib import Path
from typing import Dict, List

import pytest
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.utils.file_utils import copy_src_dir, walk_mutatable_files

from tests.mutants import survivors
from tests.mutants.judge import KILLED, SURVIVED, TIMED_OUT, UNTESTED, Judge

MUTANTS = Path("mutants")
"""Where mutmut puts the package with all mutants in it, and what came of them."""

LAST = MUTANTS / "survivors"
"""The names of those that survived the last run."""

PARTS = {"supervisor_zkelect/loader/run.py": "main command_of become _insist _grant _entry forbidden _register _quoted"}
"""Functions that are mutated of a module that does other things as well."""

WORKERS = len(os.sched_getaffinity(0))

STORIES = "tests/mutants/stories.py"

WANTED = 0.95
"""The share of the mutants that is to be killed."""

TOLERATED = 0.3
"""The share of a sample that may survive without a known reason in functions whose mutants were not all judged yet
(`survivors.unjudged`). In all others none may."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of mutants, or a pattern as *core.lease.*; else all")
    parser.add_argument("--sample", type=int, metavar="N", help="judge N of them")
    parser.add_argument("--seed", type=int, help="draw the sample with this; else with a number that follows from the mutated files")
    parser.add_argument("--left", action="store_true", help="judge those that survived the last time")
    parser.add_argument("--units", action="store_true", help="by unit tests alone, which is quicker and kills fewer")
    options = parser.parse_args()
    began = time.monotonic()
    generate()
    # In an order that is the same on each machine, for the sake of the seed.
    files = {str(path): names_of(path) for path in sorted(walk_mutatable_files())}
    names = [name for of_file in files.values() for name in of_file]
    if options.left:
        names = [name for name in LAST.read_text().split() if name in names]
    if options.names:
        names = [name for name in names if any(fnmatch(name, pattern) for pattern in options.names)]
    if options.sample is not None:
        seed = options.seed if options.seed is not None else seed_of(files)
        print(f"{options.sample} of {len(names)} mutants, drawn with --seed {seed}")
        names = random.Random(seed).sample(names, min(options.sample, len(names)))
    if not names:
        parser.error("there is no such mutant")
    print(f"{len(names)} mutants, made in {time.monotonic() - began:.0f} s", flush=True)
    results = judged(names, [one for one in config().pytest_add_cli_args_test_selection if one != STORIES or not options.units])
    if len(results) < len(names):
        return 2
    return report(files, results)


def generate() -> None:
    """Make the mutants of the files that changed since the last time. Those of a changed configuration are made anew."""
    made = MUTANTS / "made"
    if not made.exists() or made.stat().st_mtime < Path("setup.cfg").stat().st_mtime:
        shutil.rmtree(MUTANTS, ignore_errors=True)
    MUTANTS.mkdir(exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        copy_src_dir()
        mutmut.create_mutants(WORKERS)
    made.touch()


def names_of(path: Path) -> List[str]:
    data = SourceFileMutationData(path=path)
    data.load()
    parts = PARTS.get(str(path))
    return [name for name in data.exit_code_by_key if parts is None or survivors.function_of(name) in parts.split()]


def seed_of(files: Dict[str, List[str]]) -> int:
    """Another one after each change of the mutated files, and the same whenever and wherever the same files are tested."""
    return zlib.crc32(b"".join(Path(file).read_bytes() for file in files))


def judged(names: List[str], selection: List[str]) -> Dict[str, str]:
    """What came of each; of less than all where the tests cannot be run, which pytest has told then."""
    results: Dict[str, str] = {}
    began, listed = time.monotonic(), survivors.listed()
    sys.path.insert(0, str(MUTANTS.absolute()))

    def told(name: str, result: str) -> None:
        results[name] = result
        if result in (SURVIVED, UNTESTED) and survivors.mutant(name) not in listed:
            print(f"{result}: {name}", file=sys.stderr, flush=True)
        if len(results) % 100 == 0:
            print(f"{len(results)} judged in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    # Of a mutant's standard output nobody sees anything, and descriptors that are captured would be shared by forks.
    words = ["-qq", "--capture=sys", "-p", "no:xdist", *selection]
    status = pytest.main(words, plugins=[Judge(names, WORKERS, told)])
    if len(results) < len(names):
        print(f"the tests could not be run: {status!r}")
    return results


def report(files: Dict[str, List[str]], results: Dict[str, str]) -> int:
    """Print what came of the mutants, and keep the names of those that survived. Returns an exit status."""
    listed = survivors.listed()
    lived = [name for name, result in results.items() if result in (SURVIVED, UNTESTED)]
    LAST.write_text("".join(f"{name}\n" for name in lived))
    news = {name: survivors.mutant(name) for name in lived}
    news = {name: mutant for name, mutant in news.items() if mutant not in listed}
    for file, names in files.items():
        of_file = [results[name] for name in names if name in results]
        if of_file:
            killed = sum(result in (KILLED, TIMED_OUT) for result in of_file)
            print(f"{killed:5} of {len(of_file):5}  {100 * killed / len(of_file):5.1f} %  {file}")
    for name, mutant in news.items():
        print(f"\n{results[name]}, and not in {survivors.FILE}: {name}\n{mutant}")
    known = {survivors.mutant(name) for name in results if name not in lived} & listed.keys()
    for mutant in sorted(known - {survivors.mutant(name) for name in lived}):
        print(f"\nkilled, and still in {survivors.FILE}:\n{mutant}")
    killed = len(results) - len(lived)
    late = sum(result == TIMED_OUT for result in results.values())
    print(f"\nkilled: {killed} of {len(results)} mutants, {100 * killed / len(results):.1f} %, {late} of them by time; "
          f"survived: {len(lived)}, {len(lived) - len(news)} of them with a known reason")
    if len(results) == sum(map(len, files.values())):
        return 1 if news or killed < WANTED * len(results) else 0
    unjudged = survivors.unjudged()
    early = [mutant for mutant in news.values() if mutant.where in unjudged]
    return 1 if len(early) < len(news) or len(early) > TOLERATED * len(results) else 0


if __name__ == "__main__":
    sys.exit(main())
