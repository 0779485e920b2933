"""Runs tests on mutants: one pytest collects the tests once, and each mutant is judged in a fork of it.

`mutmut run` starts a pytest for each mutant, which takes longer than the tests themselves.

A mutant is judged by the tests that ran its function when there was no fault, those first that take least, and is killed by the
first that fails. One that makes a test take many times as long as it does (by the processor's time, so that a busy machine kills
nothing), or eat the memory, is killed as well.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, NoReturn, Sequence, Tuple

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

KILLED, SURVIVED, TIMED_OUT, UNTESTED = "killed", "survived", "timed out", "untested"

LEAST, TIMES = 3.0, 20
"""Seconds of the processor that a test may take in any case, and how many times as long as without a fault."""
LEAST_WAIT, TIMES_WAIT = 10, 20
"""The same in seconds that pass, for all tests of a mutant, as one may wait and not work."""
MEMORY = 3 << 30
"""Bytes."""

FAILED, BROKEN = 1, 99


class Test(NamedTuple):
    """One without a fault. work, wait: seconds of the processor, and that passed."""

    work: float
    wait: float
    item: Any


class Judge:
    """A plugin of pytest that judges mutants in place of running the tests.

    names: of the mutants, as mutmut has them. told: is called with each and what came of it.
    """

    def __init__(self, names: Sequence[str], workers: int, told: Callable[[str, str], None]) -> None:
        self._names = names
        self._workers = workers
        self._told = told
        self._failed: List[str] = []
        self._folder = tempfile.mkdtemp(prefix="zkelect-mutants-")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self._failed.append(f"{report.nodeid}\n{report.longreprtext}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        try:
            if session.testsfailed:
                raise session.Interrupted("tests cannot be collected")
            gc.collect()
            gc.freeze()
            tests_of = self._sound(session.items)
            self._judge(tests_of)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        return True

    # Without a fault

    def _sound(self, items: List[Any]) -> Dict[str, List[Test]]:
        """Run all tests without a fault: those of each function, and how long each takes. Raises pytest.UsageError where one fails."""
        tests_of: Dict[str, List[Test]] = {}
        shares = [items[at::self._workers] for at in range(self._workers)]
        pids = {}
        for number, share in enumerate(shares):
            pids[self._fork(f"sound-{number}", lambda: self._measure(share, number))] = number
        for _ in shares:
            pid, status = os.wait()
            number = pids[pid]
            if status:
                told = Path(self._folder, f"failed-{number}")
                raise pytest.UsageError(f"without a fault: {told.read_text() if told.exists() else f'status {status}'}")
            measured = json.loads(Path(self._folder, f"measured-{number}").read_text())
            for item, (work, wait, functions) in zip(shares[number], measured):
                for function in functions:
                    tests_of.setdefault(function, []).append(Test(work, wait, item))
        for tests in tests_of.values():
            tests.sort(key=lambda test: (test.work, test.item.nodeid))
        return tests_of

    def _measure(self, items: List[Any], number: int) -> int:
        set_mutant_under_test("stats")
        measured = []
        for item, after in _pairs(items):
            work, wait = time.process_time(), time.monotonic()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=after)
            if self._failed:
                Path(self._folder, f"failed-{number}").write_text(self._failed[0])
                return FAILED
            measured.append((time.process_time() - work, time.monotonic() - wait, sorted(state()._stats)))
            state()._stats.clear()
        Path(self._folder, f"measured-{number}").write_text(json.dumps(measured))
        return 0

    # With faults

    def _judge(self, tests_of: Dict[str, List[Test]]) -> None:
        running: Dict[int, str] = {}
        for name in self._names:
            tests = tests_of.get(name.partition("__mutmut_")[0])
            if tests is None:
                self._told(name, UNTESTED)
                continue
            if len(running) == self._workers:
                self._hear(running)
            running[self._fork(name, lambda: self._try(name, tests))] = name
        while running:
            self._hear(running)

    def _try(self, name: str, tests: List[Test]) -> int:
        set_mutant_under_test(name)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.alarm(LEAST_WAIT + int(TIMES_WAIT * sum(test.wait for test in tests)))
        limits = iter([LEAST + TIMES * test.work for test in tests])
        for item, after in _pairs([test.item for test in tests]):
            signal.setitimer(signal.ITIMER_PROF, next(limits))
            item.ihook.pytest_runtest_protocol(item=item, nextitem=after)
            if self._failed:
                return FAILED
        return 0

    def _hear(self, running: Dict[int, str]) -> None:
        pid, status = os.wait()
        name = running.pop(pid)
        shutil.rmtree(Path(self._folder, name), ignore_errors=True)
        try:
            # What its tests have started.
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        code = os.waitstatus_to_exitcode(status)
        if code == BROKEN:
            raise pytest.UsageError(f"{name} could not be judged: its tests could not be run")
        self._told(name, SURVIVED if code == 0 else TIMED_OUT if -code in (signal.SIGPROF, signal.SIGALRM) else KILLED)

    def _fork(self, name: str, work: Callable[[], int]) -> int:
        """Do it in a process of its own, with a folder of its own for temporary files, in a group of processes of its own."""
        folder = Path(self._folder, name)
        folder.mkdir()
        pid = os.fork()
        if pid == 0:
            _be_child(work, folder)
        return pid


def _be_child(work: Callable[[], int], folder: Path) -> NoReturn:
    code = BROKEN
    try:
        os.setsid()
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        # What a fault has written to a path without a folder goes with it.
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        code = work()
    except Exception:
        traceback.print_exc()
    except BaseException:
        # A fault that ends all tests.
        code = FAILED
    finally:
        os._exit(code)


def _pairs(items: List[Any]) -> Iterator[Tuple[Any, Any]]:
    return zip(items, [*items[1:], None])
