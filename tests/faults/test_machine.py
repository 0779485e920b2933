"""Row 21 of the design's list of faults: the wall clock jumps, disks are full."""

import glob
import os
import time

import pytest

from supervisor_zkelect.guard import record
from supervisor_zkelect.system.clock import now
from tests.faults.conftest import TIMEOUT, as_root

HOUR = 3600

FOUND = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + glob.glob("/usr/lib*/faketime/libfaketimeMT.so.1")
LIBRARY = FOUND[0] if FOUND else ""


def goes_on(case, pid, token):
    """Nothing happens: the lease is extended for another T, the same process serves in the same term."""
    since = now()
    case.until(lambda: case["a"].part("orders")["deadline"] > since + TIMEOUT, "another lease")
    case.same_term(pid, token)


@pytest.mark.skipif(not LIBRARY, reason="libfaketime not found; Debian's package faketime has it")
def test_21_wall_clock_jumps(make, folder, zookeeper):
    """An hour forwards and two hours back, for all processes of the primary's node.

    libfaketime answers what programs ask the C library for: CLOCK_REALTIME is shifted by what a file says, which each process
    reads once a second, and CLOCK_MONOTONIC and CLOCK_BOOTTIME are left alone, as when an operator sets the clock. The
    machine's own clock is not touched. Waits by CLOCK_MONOTONIC are to be left alone as well (FORCE_MONOTONIC_FIX=0): else
    each wait for Python's global lock ends at once, and a listener takes half a processor.

    A sleep until a moment, as Python's is, it counts by the clock that has jumped all the same, and the kernel refuses one
    that is over (EINVAL), which ends kazoo's thread. So the node's processes sleep for a time instead.
    """
    shift = folder / "shift"

    def jump(seconds):
        aside = folder / "shift.next"
        aside.write_text(f"{seconds:+d}\n")
        os.rename(aside, shift)

    jump(0)
    case = make(zookeeper, start=False)
    case["a"].environment.update(
        LD_PRELOAD=LIBRARY, FAKETIME_TIMESTAMP_FILE=str(shift), FAKETIME_CACHE_DURATION="1", FAKETIME_DONT_FAKE_MONOTONIC="1",
        FAKETIME_FORCE_MONOTONIC_FIX="0",
    )
    (case["a"].folder / "sitecustomize.py").write_text(
        "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
    )
    case["a"].environment["PYTHONPATH"] = str(case["a"].folder)
    case.start()
    pid, token = case.primary("a"), case.token("a")
    for seconds in (HOUR, -HOUR, 0):
        jump(seconds)
        case.until(lambda: abs(case["a"].report()["time"] - time.time() - seconds) < 60, "the listener to see the jump")
        goes_on(case, pid, token)
    jump(-HOUR)
    assert case["a"].zkelect("resign", "orders").returncode == 0
    case.settled("b")


def goes_on_through_a_restart(case, pid, token):
    goes_on(case, pid, token)
    assert case["a"].ctl("restart", "zkelect").returncode == 0
    case.same_term(pid, token)


@as_root
def test_21_runtime_disk_full(small_disk, make, folder, zookeeper):
    """No byte is left where the record lies: the service runs on, and a stop still revokes its grant."""
    small = folder / "small"
    small.mkdir()
    fill = small_disk(small, 64)
    case = make(zookeeper, start=False)
    case["a"].environment[record.VARIABLE] = str(small)
    case.start()
    pid, token = case.primary("a"), case.token("a")
    fill()
    goes_on_through_a_restart(case, pid, token)
    assert case["a"].zkelect("resign", "orders").returncode == 0
    case.settled("b")
    assert not record.read(str(small), record.owner_of(case["a"].supervisord_pid))[0].granted


@as_root
def test_21_log_disk_full(small_disk, make, folder, zookeeper):
    """No byte is left where supervisord writes its log and those of listener, guard and service.

    Its standard error is elsewhere: what it cannot log it tells there, and where it can do neither it ends by itself.
    """
    case = make(zookeeper, start=False)
    fill = small_disk(case["a"].folder / "logs", 256)
    case.start()
    pid, token = case.primary("a"), case.token("a")
    fill()
    goes_on_through_a_restart(case, pid, token)
    case["a"].kill(pid)
    case.primary("a", other=pid)
    assert case["a"].zkelect("resign", "orders").returncode == 0
    case.settled("b")
    assert case["b"].zkelect("resign", "orders").returncode == 0
    case.settled("a")
