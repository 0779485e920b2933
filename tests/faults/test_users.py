"""Listener and programs that run with `user=`, under a supervisord that is root's."""

import shutil
from pathlib import Path

import kazoo
import pytest

from lab.node import service_command
from supervisor_zkelect.guard import record
from tests.faults.conftest import DIRTY, as_nobody, as_root, remove_folder
from tests.faults.test_folder import PATIENT


@pytest.fixture
def derived():
    """Have nodes find their runtime folders by their URLs. To be named before `make`: what they leave is removed after their
    end, as their guards would make it anew."""
    made = []

    def derive(node):
        del node.environment[record.VARIABLE]
        made.append(node)

    yield derive
    for node in made:
        for folder in record.folders(f"unix://{node.socket}", 0, {}):
            shutil.rmtree(folder, ignore_errors=True)


def unprivileged(case, node):
    """Run listener and program of a node as nobody, who may speak to supervisord by one of its servers."""
    as_nobody(case, node, service_command(node.addresses["orders"], "--name", node.name))
    # What the listener takes besides, which is Python alone.
    shutil.copytree(Path(kazoo.__file__).parent, node.folder / "public" / "kazoo")
    program = node.overrides["program:orders"]
    script = program["command"].split()[0]
    node.overrides["eventlistener:zkelect"] = {
        "command": f"{script} listen -c {node.zkelect_conf}", "user": "nobody", "environment": program["environment"],
    }
    if node.inet_url:
        node.overrides["zkelect"]["serverurl"] = node.inet_url
    else:
        node.config += "\n[unix_http_server]\nchown = nobody\n"


@as_root
@pytest.mark.parametrize("places", ["derived", "chosen"])
def test_listener_and_program_as_nobody(derived, make, zookeeper, places):
    """It works as for root, through restarts of each, and the loss of the folder."""
    case = make(zookeeper, start=False, inet=places == "chosen", **PATIENT)
    node = case["a"]
    unprivileged(case, node)
    if places == "derived":
        derived(node)
    else:
        folder = node.folder / "run"
        folder.mkdir()
        shutil.chown(folder, "nobody")
    case.start()
    pid, token = case.primary("a"), case.token("a")
    case.until(lambda: "no problem" in node.zkelect("check").stdout, "check to find nothing wrong")
    assert node.ctl("restart", "zkelect").returncode == 0
    case.same_term(pid, token)
    node.kill(node.guard_pid())
    case.same_term(pid, token)
    node.kill(pid)
    case.primary("a", other=pid)
    assert case.token("a") == token
    if places == "derived":
        found = [one for one in record.folders(f"unix://{node.socket}", 0, {}) if record.untrusted(one, 65534) is None]
        remove_folder(found[0])
        case.until(lambda: record.untrusted(found[0], 65534) is None, "the folder to be made anew")
    assert node.zkelect("resign", "orders").returncode == 0
    case.settled("b")
    assert DIRTY not in case["b"].logs(100000)


@as_root
def test_a_listener_of_another_user_than_before(derived, make, zookeeper):
    """The folder that root's listener left in /run is none that nobody's can use; its programs find the right one."""
    case = make(zookeeper, ("a",), start=False)
    node = case["a"]
    derived(node)
    stale = record.folders(f"unix://{node.socket}", 0, {})[0]
    unprivileged(case, node)
    listener = node.overrides["eventlistener:zkelect"]
    nobody, listener["user"] = listener.pop("user"), "root"
    case.start()
    pid = case.primary("a")
    listener["user"] = nobody
    node.write()
    assert node.ctl("update").returncode == 0
    case.until(lambda: node.guard_pid() and f"/proc/{node.guard_pid()}", "a guard")
    case.primary("a", other=pid)
    assert record.untrusted(stale, 0) is None
