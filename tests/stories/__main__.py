"""Compare stories with what happens, or write them anew: `python -m tests.stories [--rewrite] [FILE ...]`."""

import argparse
import difflib
import sys
from pathlib import Path

from tests.stories import faults

FOLDER = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stories", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="else all stories")
    parser.add_argument("--rewrite", action="store_true", help="write what happens into the files")
    parser.add_argument("--fault", choices=faults.FAULTS, help="put this fault into the product")
    parser.add_argument("--logs", action="store_true", help="tell the product's own log as well")
    options = parser.parse_args()
    if options.fault is not None:
        faults.plant(options.fault)
    # What they import of the product has the fault in it.
    from tests.simulation import node
    from tests.stories import script

    node.install()
    if options.logs:
        node.show_logs()
    status = 0
    for file in options.files or sorted(FOLDER.glob("*.txt")):
        text = file.read_text()
        try:
            told = script.replay(text)
        except script.Wrong as error:
            status = 1
            print(f"=== {file.name}: {error}")
            continue
        if told == text:
            continue
        if options.rewrite:
            file.write_text(told)
            continue
        status = 1
        print(f"=== {file.name}: {broken(told) or 'another story'}")
        print("\n".join(difflib.unified_diff(text.splitlines(), told.splitlines(), "as written", "as told", lineterm="")))
    return status


def broken(told: str) -> str:
    """The promise that is broken in a story; "" while all are kept."""
    return "".join(line.strip() for line in told.splitlines() if "!!!!!" in line)


if __name__ == "__main__":
    sys.exit(main())
