"""Play schedules: `python -m tests.simulation --schedules N --seed S`. A failing one is shrunk and printed."""

import argparse
import gc
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Optional, Tuple

from tests.simulation import faults

#: Of what befalls the nodes in the schedules that are drawn; () for everything. The same in the worker processes.
kinds: Tuple[str, ...] = ()


def drawn(seed: int) -> Any:
    from tests.simulation.schedule import KINDS, draw

    return draw(seed, kinds or KINDS)


def failing(seed: int) -> int:
    from tests.simulation import session_model
    from tests.simulation.schedule import play

    # What the schedule before left behind, while it is in the processor's cache; the others' survivors are not looked at again.
    gc.collect(0)
    return seed if play(drawn(seed)) or session_model.overrun(seed) else -1


def install(fault: Optional[str]) -> None:
    global kinds
    if fault is not None:
        faults.plant(faults.FAULTS[fault])
        kinds = faults.FAULTS[fault].kinds
    from tests.simulation import node
    from tests.simulation.schedule import draw, play

    node.install()
    play(draw(0))
    # Everything that is loaded stays; what a schedule leaves behind is collected before the next one (`failing`).
    gc.collect()
    gc.freeze()
    gc.disable()


def first_failure(first: int, count: int, fault: Optional[str] = None, processes: int = 2) -> int:
    """The first seed found to fail, or −1."""
    # Unlike a multiprocessing.Pool, it ends where a worker cannot begin, and starts no other in its place for ever.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), install, (fault,)) as pool:
        try:
            return next((seed for seed in pool.map(failing, range(first, first + count), chunksize=10) if seed >= 0), -1)
        finally:
            pool.shutdown(cancel_futures=True)


def told(seed: int) -> str:
    """The shrunk schedule of a failing seed, and its transcript with the product's own log."""
    from tests.simulation import node, session_model
    from tests.simulation.schedule import play, shrink

    overrun = session_model.overrun(seed)
    if overrun:
        return overrun
    schedule = shrink(drawn(seed))
    node.show_logs()
    lines = list(map(str, play(schedule) or ["it does not fail again: !!!!!"]))
    # What is broken stands last, whatever is logged on the way out.
    last = next(number for number, line in enumerate(lines) if "!!!!!" in line)
    return "\n".join([f"seed {seed}: {schedule}", *lines[:last + 1]])


def shown(seed: int) -> str:
    from tests.simulation import node
    from tests.simulation.schedule import Run
    from tests.simulation.world import Broken

    node.show_logs()
    run = Run(drawn(seed))
    try:
        run.play()
    except Broken:
        # The transcript ends with it.
        pass
    finally:
        run.world.close()
    return "\n".join([f"seed {seed}: {run.schedule}", *map(str, run.world.transcript)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule; else 0")
    parser.add_argument("--fault", choices=faults.FAULTS, help="put this fault into the product")
    parser.add_argument("--show", type=int, metavar="SEED", help="print the transcript of this one, whatever it is")
    options = parser.parse_args()
    if options.fault is not None:
        # What is wrong with it is told here, and not by each of the workers.
        faults.source_of(faults.FAULTS[options.fault])
    if options.show is not None:
        install(options.fault)
        print(shown(options.show))
        return 0
    begun = time.monotonic()
    seed = first_failure(options.seed, options.schedules, options.fault)
    if seed >= 0:
        install(options.fault)
        print(told(seed))
        return 1
    print(f"{options.schedules} schedules from seed {options.seed}: no promise broken, {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
