"""A user without rights on the machine, and a service that is hostile itself, against two nodes.

Whatever they do, two never serve at once, nothing is killed that is not the group's, and a release is not held up for longer
than the bound in docs/safety.md.
"""

import json
import os
import resource
import signal
import socket
import sys
import time

import pytest

from lab import service
from lab.node import SERVICE, WITHOUT_CGROUPS, service_command
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.core.proof import DOUBT_TIME
from supervisor_zkelect.guard import record
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system.clock import now
from tests.conftest import cgroups_can_be_made
from tests.faults.conftest import AT_ONCE, TICK, as_root

pytestmark = as_root

NOBODY = 65534

SETTINGS = ["cgroups", "without_cgroups"]


@pytest.fixture
def begin():
    """Run a function in a process of a user, in a session of its own, which ends with the test; its pid."""
    made = []

    def begin(uid, work):
        pid = os.fork()
        if not pid:
            try:
                os.setsid()
                os.setresuid(uid, uid, uid)
                work()
            finally:
                os._exit(0)
        made.append(proc.read(pid))
        return made[-1]

    yield begin
    for process in made:
        for one in [process, *proc.tree([process], outside_sessions=(os.getsid(0),))]:
            proc.kill(one)
        os.waitpid(process.pid, 0)


def forged(node, name="primary"):
    """What everybody on the machine can know of what a program of the node carries."""
    owner = record.owner_of(node.supervisord_pid)
    return {
        "SUPERVISOR_ENABLED": "1", "SUPERVISOR_SERVER_URL": f"unix://{node.socket}", "SUPERVISOR_PROCESS_NAME": "orders",
        "SUPERVISOR_GROUP_NAME": name, "ZKELECT_INSTANCE": record.instance(owner), "ZKELECT_SECRET": "0" * 32,
    }


def claim(variables):
    """Become a process that carries these."""
    try:
        os.execve("/bin/sleep", ["sleep", "1000"], variables)
    except OSError as error:
        os.write(2, f"{error}\n".encode())


def large(count=400_000):
    """As many variables as that; some 6 MB, which is what the kernel allows."""
    return {f"{number:x}": "" for number in range(count)}


def spawn(work):
    pid = os.fork()
    if not pid:
        work()
        os._exit(1)
    return pid


def prepared(case, setting):
    if setting == "cgroups" and not cgroups_can_be_made():
        pytest.skip("there is no cgroup2 file system here that this user may write to")
    if setting == "without_cgroups":
        for node in case.nodes.values():
            node.wrapper = list(WITHOUT_CGROUPS)
    return case.start()


def handed_over(case, bound=AT_ONCE):
    """Node a resigns, and b serves in time; returns when it began. On a full machine b may lose its lease soon after that."""
    since = now()
    assert case["a"].zkelect("resign", "orders").returncode == 0

    def turns(name):
        return [one for one in case.observers["orders"].verdict(since).turns if one.name == name]

    first = case.until(lambda: turns("b"), "b to serve")[0].first
    silence = first - max([since, *(one.last for one in turns("a") if one.last < first)])
    assert silence < bound, silence
    return since


@pytest.mark.parametrize("setting", SETTINGS)
def test_environments_of_millions_of_bytes_when_a_lease_ends(make, network, folder, begin, setting):
    """Six with 400,000 variables and claims at their ends, begun while the node is cut off."""
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), place=network["zk"]) as zookeeper:
        case = prepared(make(zookeeper, network=network, start=False), setting)
        variables = forged(case["a"])
        many = {**large(), **variables}

        def work():
            resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, 64 << 20))
            for _ in range(6):
                spawn(lambda: claim(many))
            for _ in range(3):
                spawn(lambda: claim(variables))
            signal.pause()

        network.cut("a")
        stranger = begin(NOBODY, work)
        case.primary("b")
        assert not case.pid("a")

        def claiming():
            return [one for one in proc.tree([stranger]) if proc.cmdline(one.pid).startswith(b"sleep")]

        # What they carry takes its time to be given to them, and nobody has killed one.
        case.until(lambda: len(claiming()) == 9, "the strangers to be there")
        network.heal()
        case.settled("b")
        case.finish()


def test_thousands_of_processes_that_carry_the_name(make, network, folder, begin):
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), place=network["zk"]) as zookeeper:
        case = prepared(make(zookeeper, network=network, start=False), "without_cgroups")
        variables = forged(case["a"])

        def work():
            for _ in range(2000):
                spawn(lambda: claim(variables))
            signal.pause()

        network.cut("a")
        stranger = begin(NOBODY, work)
        case.primary("b")
        assert not case.pid("a") and proc.alive(stranger)
        network.heal()
        case.settled("b")
        case.finish()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("uid", [NOBODY, 0], ids=["another_user", "user_of_the_programs"])
def test_a_claim_is_no_membership(make, zookeeper, begin, setting, uid):
    """A daemon of root has a worker that carries the group's variables; neither is killed, nor is a release held up."""
    case = prepared(make(zookeeper, start=False), setting)
    variables = forged(case["a"])

    def work():
        def worker():
            os.setresuid(uid, uid, uid)
            claim(variables)

        spawn(worker)
        signal.pause()

    daemon = begin(0, work)
    case.until(lambda: len(proc.tree([daemon])) == 2, "the worker to run")
    case.until(lambda: [one for one in proc.tree([daemon]) if b"sleep" in proc.cmdline(one.pid)], "it to claim")
    handed_over(case, AT_ONCE + (DOUBT_TIME if uid == 0 else 0))
    assert len(proc.tree([daemon])) == 2 and proc.alive(daemon)
    # And so after the death of everything that enforces.
    case["b"].kill(case["b"].supervisord_pid)
    case.primary("a")
    assert len(proc.tree([daemon])) == 2 and proc.alive(daemon)
    case["b"].reap()


@pytest.mark.parametrize("uid", [NOBODY, 0], ids=["another_user", "user_of_the_programs"])
def test_a_storm_of_claims(make, zookeeper, begin, uid):
    """A fork after the other carries the variables, for as long as the resignation takes and longer."""
    case = prepared(make(zookeeper, start=False), "without_cgroups")
    variables = forged(case["a"])

    def work():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            spawn(lambda: os.execve("/bin/sleep", ["sleep", "0.2"], variables))
            # So many a second: with more of them the test would be of a machine that is full.
            time.sleep(0.003)

    storm = begin(uid, work)
    handed_over(case, AT_ONCE + (DOUBT_TIME if uid == 0 else 0))
    assert proc.alive(storm)


def connections(path, *texts):
    """Write to the guard again and again, each time as much as it takes."""
    number = 0
    while True:
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(0.2)
        try:
            link.connect(path)
            link.sendall(texts[number % len(texts)])
            number += 1
        except OSError:
            continue


FLOODS = {
    "newlines": [b"\n" * 60000],
    "half_open": [b'{"do":"run","gr'],
    "json": [b'{"do":"run","group":"' + b"x" * (1 << 20) + b'"}\n', b'{"do":"run","group":"primary","name":"orders"}\n',
             b"[" * 60000],
}


@pytest.mark.parametrize("uid", [NOBODY, 0], ids=["another_user", "user_of_the_guard"])
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flooded_door(make, zookeeper, begin, passes, flood, uid):
    """The guard goes on, in the same term; a program that is killed registers and serves again; a resignation is quick."""
    case = prepared(make(zookeeper, start=False), "without_cgroups")
    node = case["a"]
    pid, token, guard = case.primary("a"), case.token("a"), node.guard_pid()
    path = os.path.join(node.environment[record.VARIABLE], record.SOCKET)
    for _ in range(2):
        begin(uid, lambda: connections(path, *FLOODS[flood]))
    passes(4.0)
    case.same_term(pid, token)
    node.kill(pid)
    again = case.primary("a", other=pid)
    assert case.token("a") == token and node.guard_pid() == guard
    assert proc.environ(again).get("ZKELECT_SECRET"), "it did not register"
    assert node.logs(100000).count("was not understood") <= 2
    handed_over(case)


#: A service that registers itself for another group, and fills the guard's door; then it hides a child that holds the port.
HOSTILE = """
import json, os, signal, socket, sys, time
python, service, path, told, *words = sys.argv[1:]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
words += ["--ignore-term", "--token", os.environ["ZKELECT_TOKEN"]]

def register(group):
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(5)
    link.connect(path)
    link.sendall(json.dumps({"do": "run", "group": group, "name": "x"}).encode() + b"\\n")
    return json.loads(link.recv(1000))["ok"]

answers = [register("billing")]
if os.fork() == 0:
    # A daemon in a session of its own, of which a scan sees the parents.
    os.setsid()
    with open(told + ".part", "w") as file:
        json.dump(answers + [register("billing")], file)
    os.rename(told + ".part", told)
    # Longer than a group that runs rests between two scans, as nothing tells when it was seen.
    time.sleep(1.5)
    if os.fork():
        time.sleep(1.5)
        os._exit(0)
    os.execve(python, [python, service, *words], {"SUPERVISOR_GROUP_NAME": "billing"})
while True:
    signal.pause()
"""


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_service_that_registers_for_another_group(make, zookeeper, folder, setting):
    """Its first registration counts, which `zkelect run` made; a descendant's never does. So all of it dies with its group."""
    case = make(zookeeper, start=False, sample="two-elections.conf", elections=("orders", "billing"))
    script = folder / "hostile.py"
    script.write_text(HOSTILE)
    for node in case.nodes.values():
        words = service_command(node.addresses["orders"], "--name", node.name, "--journal", str(case.journal()))
        words = words.replace(f"{sys.executable} {SERVICE}", "")
        path = os.path.join(node.environment[record.VARIABLE], record.SOCKET)
        command = f"{sys.executable} {script} {sys.executable} {service.__file__} {path} {folder / node.name}.told{words}"
        node.overrides["program:orders-server"] = {"command": f"zkelect run -- {command}"}
    prepared(case, setting)
    assert json.loads((folder / "a.told").read_text()) == [False, False]
    served = proc.read(case.pid("a"))
    assert proc.environ(served.pid) == {"SUPERVISOR_GROUP_NAME": "billing"}
    case.until(lambda: proc.read(served.pid).ppid == 1, "its parents to be gone")
    # Who leads next is not the point: b's own service starts three Pythons, and the machine may be busy.
    case["a"].zkelect("resign", "orders")
    case.leader()
    assert not proc.alive(served)
