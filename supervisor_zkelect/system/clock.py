"""The one clock of the project."""

import time


def now() -> float:
    """Seconds since boot, counting suspension (CLOCK_BOOTTIME).

    It never jumps with the wall clock, and unlike CLOCK_MONOTONIC it goes on while the machine is suspended, as the
    clock of the ZooKeeper servers does.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)
