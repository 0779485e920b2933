"""No promise is broken in thousands of schedules, and the simulation finds the faults that are put in.

Each run is a process of its own, because it puts virtual time and model clients into the product's modules. It takes
all processors and waits for nothing, so one run at a time fills what tests with real nodes leave.
"""

import os
import subprocess
import sys

import pytest

from tests.simulation.faults import FAULTS

SCHEDULES = os.environ.get("ZKELECT_SCHEDULES", "5000")

#: How many schedules may pass before a fault is found.
SOON = "6000"


def simulate(*words):
    # Not at a lower priority than the tests with real nodes: a fork of it would hold locks of the kernel for long that a
    # guard needs to move a program into its cgroup.
    command = [sys.executable, "-m", "tests.simulation", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=3600)


def test_no_promise_is_broken():
    done = simulate("--schedules", SCHEDULES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault):
    done = simulate("--schedules", SOON, "--fault", fault)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 1 and ("!!!!!" in last or "the lease lasted" in last), done.stdout + done.stderr
    # One that breaks the product altogether is none, be it that nothing works or that nothing ever works again.
    assert "a defect" not in done.stdout and "!!!!! 9:" not in last, done.stdout


def test_the_same_seed_is_the_same_run():
    shown = [simulate("--show", "5").stdout for _ in range(2)]
    assert shown[0] == shown[1] and "the service runs" in shown[0]
