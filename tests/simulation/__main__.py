"""Play schedules: `python -m tests.simulation --schedules N --seed S`. A failing one is shrunk and printed."""

import argparse
import multiprocessing
import sys
import time

from tests.simulation.schedule import draw, play, shrink


def failing(seed: int) -> int:
    return seed if play(draw(seed)) else -1


def first_failure(first: int, count: int, processes: int = 2) -> int:
    """The first seed found to fail, or −1."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for seed in pool.imap_unordered(failing, range(first, first + count), chunksize=50):
            if seed >= 0:
                return seed
    return -1


def told(seed: int) -> str:
    """The shrunk schedule of a failing seed, and its transcript."""
    schedule = shrink(draw(seed))
    return "\n".join([f"seed {seed}: {schedule}", *(play(schedule) or ["it does not fail again"])])


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule")
    options = parser.parse_args()
    begun = time.monotonic()
    seed = first_failure(options.seed, options.schedules)
    if seed >= 0:
        print(told(seed))
        return 1
    print(f"{options.schedules} schedules from seed {options.seed}: no promise broken, {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
