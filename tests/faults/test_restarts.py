"""The listener is restarted again and again while the machine is busy: no interruption, one term."""

import os
import sys
import threading

import pytest

from supervisor_zkelect.demo import child, observer
from tests.faults.conftest import TABLE

RESTARTS = int(os.environ.get("ZKELECT_FAULTS_RESTARTS", "4"))

HOGS = (os.cpu_count() or 1) if TABLE else 0
"""In a run of all tests the other tests are the load."""


@pytest.fixture
def busy():
    """Processes that do nothing but use a processor each."""
    hogs = [
        child.start([sys.executable, "-c", "while True: pass"], env=child.environment(child.new_marker()))
        for _ in range(HOGS)
    ]
    yield
    for hog in hogs:
        hog.kill()
        hog.wait(30)


def test_restarts_of_the_listener_under_load(make, zookeeper, busy):
    case = make(zookeeper)
    pid, token, address = case.primary("a"), case.token("a"), case["a"].addresses["orders"]
    done, failed = threading.Event(), []

    def client():
        while not done.wait(0.002):
            try:
                if observer.ask(address, 10.0) != pid:
                    failed.append("another process answered")
            except OSError as problem:
                failed.append(str(problem))

    clients = [threading.Thread(target=client, daemon=True) for _ in range(4)]
    for one in clients:
        one.start()
    listeners = {case["a"].listener_pid()}
    for _ in range(RESTARTS):
        assert case["a"].ctl("restart", "zkelect").returncode == 0
        case.same_term(pid, token)
        listeners.add(case["a"].listener_pid())
    done.set()
    for one in clients:
        one.join(30)
    assert not failed, failed[:3]
    assert len(listeners) == RESTARTS + 1
    [life] = case.lives()
    assert (life.name, life.pid, life.token) == ("a", pid, token)
