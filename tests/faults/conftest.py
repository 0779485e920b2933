"""Clusters for the fault suite, the verdict on each fault, and the table of all of them.

What is tried, and with which times, comes from the environment, which `script/faults` sets from its options:

    ZKELECT_FAULTS_TIMEOUT, ZKELECT_FAULTS_TICK   session timeout T and tick in seconds; 4 and 0.5, and for row 14 the
                                                  two pairs of the design as well
    ZKELECT_FAULTS_SCOPE                          tests/conftest.py has what it means
    ZKELECT_FAULTS_TABLE                          print the table at the end

A test waits for conditions; the one time it may wait for is a fault that is a time (`passes`). Bounds are for telling
that something never happens. Times that are promised are measured, and shown in the table.
"""

import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from kazoo.client import KazooClient

import supervisor_zkelect
from lab import netns, service
from lab.cluster import Cluster
from lab.node import SERVICE
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system.clock import now
from tests.conftest import SCOPE

CHOSEN = "ZKELECT_FAULTS_TIMEOUT" in os.environ
"""Whether T and tick were given, and are meant for every row."""

TIMEOUT = float(os.environ.get("ZKELECT_FAULTS_TIMEOUT", "4"))
TICK = float(os.environ.get("ZKELECT_FAULTS_TICK", "0.5"))
TABLE = bool(os.environ.get("ZKELECT_FAULTS_TABLE"))

AT_ONCE = 0.8 * TIMEOUT
"""A silence that is shorter shows that the next node did not wait for the session's end; 0.2 to 0.8 s are usual."""

DIRTY = "ended without releasing"
"""What a winner's listener says when it finds the holder of a predecessor that did not release."""

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")

ROWS = (*range(1, 30), 32, 33, 34)
"""The rows of the design's list of faults that are built."""

rows_only = pytest.mark.skipif(SCOPE == "ci", reason="left to script/faults, for its time")
"""Takes long and differs little from what `script/test` runs. Of variants that runs one alone, unless all are marked every_variant."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


class Case(Cluster):
    """A cluster of one test, which ends with a verdict."""

    def __init__(self, notes, *arguments, **options):
        super().__init__(*arguments, **options)
        self.notes = notes
        self.judged = False
        self.foreign_pids = False  # the journals' pids are of another pid namespace

    def same_term(self, pid, token, name="a"):
        """The same process serves in the same term."""
        assert self.settled(name) == pid
        assert self.token(name) == token

    def lease(self, name="a"):
        """The lease of the node's first election in its shared record."""
        node = self.nodes[name]
        return record.read(node.environment[record.VARIABLE], record.owner_of(node.supervisord_pid))[0].lease

    def gap(self, since=0.0):
        """The longest silence that the observer heard since then, in seconds."""
        return self.observers["orders"].verdict(since).gap

    def led_at_once(self, name, since):
        """Wait until the node is primary, and see that it did not wait for the end of the former one's session.

        What the start of two Pythons takes meanwhile, the chain loader and the service, is the machine's.
        """
        with Beside("lab.service") as python:
            self.primary(name)
        gap = self.gap(since)
        assert gap - 2 * python.took < AT_ONCE, f"silent for {gap:.1f} s, and a Python took {python.took:.1f} s to start"

    def starts(self, name):
        """How often a service was started on the node."""
        return sum(life.name == name for life in self.lives())

    def left(self):
        """What is alive of nodes and services. A service without its node's environment is known by its journal."""
        found = [process.pid for node in self.nodes.values() for process in node.processes()]
        for life in self.lives():
            process = proc.read(life.pid)
            # A pid that was used again belongs to a process that is younger than the line.
            if process and not process.gone and not self.foreign_pids and process.start / CLOCK_TICKS <= life.start:
                found.append(life.pid)
        return found

    def finish(self, overlap=0.0):
        """Clean: exactly one primary, ack and role agree, and when all is ended nothing is left; never two at once.

        overlap: seconds for which two may have served, where nothing on the node can cover the fault. A test calls this
        itself while the ZooKeeper or the network that it made is still there.
        """
        self.judged = True
        try:
            self.told()
            leader = self.leader()
            # The primary last, so that nobody takes over.
            for name in sorted(self.nodes, key=lambda name: name == leader):
                self.nodes[name].terminate()
            self.until(lambda: not self.left(), "nothing to be left behind")
            heard = self.verdict(overlap=overlap)
            self.notes += [("gap", heard.gap), ("overlap", heard.overlap.seconds), ("served", heard.names)]
            return heard
        finally:
            self.end()

    def end(self):
        """End all of it, services that hide as well."""
        self.stack.close()
        for process in filter(None, map(proc.read, self.left())):
            proc.kill(process)


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory):
    """One server for all tests that do not touch it."""
    with ZooKeeper(tmp_path_factory.mktemp("zookeeper"), tick_ms=int(TICK * 1000)) as server:
        yield server


@pytest.fixture
def network():
    """Namespaces for a ZooKeeper and two nodes; every cut is one of these links."""
    reason = netns.available()
    if reason is not None:
        pytest.skip(reason)
    with netns.Network(["zk", "a", "b"]) as made:
        yield made


@pytest.fixture
def hand(zookeeper):
    """A client that changes znodes behind everybody's back."""
    client = KazooClient(zookeeper.hosts)
    client.start(30)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def folder():
    """A folder that every user can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="zkelect-faults-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def make(folder, request, turn):
    """Make a cluster of two nodes, started. After the test it is judged, unless it failed already, and ended."""
    made = []

    def make(servers, names=("a", "b"), start=True, **options):
        """servers: a ZooKeeper or an Ensemble."""
        options = {"timeout": TIMEOUT, "tick": TICK, "reached": servers.reached, **options}
        place = folder / f"cluster-{len(made)}" if made else folder
        case = Case(request.node.user_properties, place, servers.hosts, names, **options)
        made.append(case)
        return case.start() if start else case

    yield make
    for case in made:
        if case.judged or request.node.stash.get(FAILED, False):
            case.end()
        else:
            case.finish()


@pytest.fixture
def passes():
    """Wait until so many seconds passed since a moment, by default now: the fault is a time, as a freeze of 3 T is."""

    def wait(seconds, since=None):
        end = (now() if since is None else since) + seconds
        until(lambda: now() >= end, max(0.0, end - now()) + 30, f"{seconds:g} s to pass")

    return wait


class Beside:
    """A Python that is started at the same moment as a fault falls, and imports what the one imports that the node starts
    then. It tells a machine that is busy from a node that is slow: `took` seconds are what nothing here can be faster than.
    """

    def __init__(self, module):
        self._module = module
        self._took = 0.0
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()

    def _measure(self):
        since = now()
        command = [sys.executable, "-c", f"import {self._module}"]
        child.run(command, env=child.environment(child.new_marker()), timeout=300)
        self._took = now() - since

    @property
    def took(self):
        self._thread.join()
        return self._took


def only_clean(case, took, limit, what, overlap=0.0):
    """Where the machine took longer for something than the lease lasts, the case is to end clean, and no more is asked."""
    if took > limit:
        case.leader()
        case.finish(overlap)
        pytest.skip(f"clean, but this machine takes {took:.1f} s for {what}, and the lease leaves {limit:.1f} s for it")


def only_clean_without_enforcer(case, took, left):
    """Listener and guard were killed `left` seconds before the group had to die. supervisord sees to that once a second,
    and starts one Python, which starts another; until then nobody enforces the lease, and that nobody covers.

    took: Beside.took of the listener.
    """
    only_clean(case, 1.1 + 2 * took, left, "another listener and another guard", overlap=math.inf)


@pytest.fixture
def small_disk(folder):
    """Mount a file system of so many KiB at a folder; `fill` leaves no byte of it."""
    mounted = []

    def mount(path, kib):
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=755", "tmpfs", str(path)]
        subprocess.run(command, check=True, timeout=30)
        mounted.append(path)

        def fill():
            with pytest.raises(OSError), (Path(path) / "filler").open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 512)
            # What is left of the last page of a file that grows.
            for log in Path(path).glob("*.log"):
                with pytest.raises(OSError), log.open("ab", buffering=0) as file:
                    while True:
                        file.write(b"\n")

        return fill

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=True, timeout=30)


def remove_folder(folder):
    """Remove a runtime folder at once: while one file after the other goes, its guard puts them back."""
    gone = f"{folder}.gone"
    os.rename(folder, gone)
    shutil.rmtree(gone)


def as_nobody(case, node, command):
    """Have the group's program, such as of `service_command`, run with `user=nobody`.

    It gets a copy of the package, and a Python, that every user can read: where the tests are may be closed to others.
    """
    folder = node.folder / "public"
    package = folder / "supervisor_zkelect"
    shutil.copytree(Path(supervisor_zkelect.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    own = shutil.copy(service.__file__, folder)
    for python in (sys.executable, "/usr/bin/python3"):
        test = [python, "-c", "import supervisor_zkelect.loader.run"]
        try:
            done = subprocess.run(test, user="nobody", cwd="/", env={"PYTHONPATH": str(folder)}, timeout=60)
            if done.returncode == 0:
                break
        except OSError:
            continue
    else:
        pytest.skip("there is no Python here that the user nobody may run")
    script = folder / "zkelect"
    script.write_text(f'#!/bin/sh\nexec {python} -m supervisor_zkelect.command "$@"\n')
    script.chmod(0o755)
    case.journals.chmod(0o777)
    node.overrides["program:orders"] = {
        "command": f"{script} run -- {command.replace(sys.executable, python).replace(SERVICE, own)}", "user": "nobody",
        "environment": f'PYTHONPATH="{folder}"',
    }


# The table

FAILED = pytest.StashKey()
RESULTS = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.stash[FAILED] = True


def pytest_runtest_logreport(report):
    result = RESULTS.setdefault(report.nodeid, {"outcome": "ok", "why": "", "seconds": 0.0})
    result["seconds"] += report.duration
    result.update(report.user_properties)
    if report.skipped:
        result.update(outcome="skipped", why=report.longrepr[2].replace("Skipped: ", ""))
    elif report.failed:
        result["outcome"] = "not ok"


def pytest_terminal_summary(terminalreporter):
    if not TABLE:
        return
    rows = {number: [] for number in ROWS}
    for nodeid, result in RESULTS.items():
        name = nodeid.partition("::")[2].replace("test_", "", 1)
        number = re.match(r"(\d\d)_", name)
        rows.setdefault(int(number.group(1)) if number else 99, []).append((name, result))
    terminalreporter.section(f"faults, T = {TIMEOUT:g} s, tick = {TICK:g} s unless said otherwise")
    terminalreporter.write_line(f"{'row':>3}  {'fault':66} {'gap':>9} {'overlap':>8}  {'verdict':7}  served in turn")
    for number, tests in sorted(rows.items()):
        shown = f"{number:3}" if number < 99 else "  –"
        if not tests:
            terminalreporter.write_line(f"{shown}  {'':66} {'':9} {'':8}  not run")
        for name, result in sorted(tests, key=lambda test: test[0]):
            gap = f"{result['gap']:7.3f} s" if "gap" in result else ""
            overlap = f"{result['overlap'] * 1000:5.0f} ms" if "overlap" in result else ""
            last = result["why"] or " ".join(result.get("served", ()))
            terminalreporter.write_line(f"{shown}  {name:66} {gap:>9} {overlap:>8}  {result['outcome']:7}  {last}")
