"""`check -c FILE`, as far as it takes neither a real supervisord nor ZooKeeper."""

import os

import pytest

from supervisor_zkelect.config.load import from_file
from supervisor_zkelect.diagnosis import examination, ports
from supervisor_zkelect.operators import check
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import resolve

FILE = """\
[zkelect]
servers = zk:2181
node_name = a
[election:orders]
address = 192.0.2.7:80
health = exec:/no/such
"""
LISTENER = {
    "group": "zkelect", "name": "zkelect", "command": "zkelect listen -c /etc/z.conf", "uid": "none", "stderr_logfile": "auto",
}
PROGRAM = {"group": "primary", "name": "orders", "command": "/bin/sh run -- /no/such/app", "uid": "none"}


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "zkelect.conf"
    path.write_text(FILE)
    path.chmod(0o600)
    return from_file(str(path), environ={})


@pytest.fixture
def machine(monkeypatch):
    """This machine has the address 192.168.1.5 beside the usual ones, and the name node1.example."""
    known = {"node1.example": ["192.168.1.5"], "both.example": ["192.0.2.1", "192.168.1.5"], "far.example": ["192.0.2.1"]}

    def addresses_of(host, seconds):
        if host.endswith(".invalid"):
            raise resolve.Unresolved(f"host name {host} cannot be resolved")
        return known.get(host, [host])

    monkeypatch.setattr(resolve, "addresses_of", addresses_of)
    monkeypatch.setattr(ports, "network", lambda wanted: ports.Network(frozenset(["192.168.1.5", "fe80::5"]), []))


def call(method, *arguments):
    return {
        "supervisor.getAllConfigInfo": [LISTENER, PROGRAM], "supervisor.getAllProcessInfo": [], "supervisor.getPID": os.getpid(),
        "zkelect.getAutorestarts": "[[]]", "zkelect.getProcessEnds": "[[]]",
    }[method]


HERE = [
    "unix:///run/s.sock", "unix://s#1/s.sock", "http://127.0.0.1:9001", "http://localhost:9001", "http://[::1]:9001",
    "http://127.0.1.1:9001", "http://192.168.1.5:9001", "http://[fe80::5]:9001", "http://node1.example:9001",
    "http://both.example:9001", "http://0.0.0.0:9001",
]


@pytest.mark.parametrize("url", HERE)
def test_a_supervisord_on_this_machine_is_known_by_any_of_its_addresses(url, settings, machine, monkeypatch):
    if url == "http://localhost:9001":
        monkeypatch.setattr(resolve, "addresses_of", lambda host, seconds: ["::1", "127.0.0.1"])
    seen = check._seen(call, settings, url)
    assert (seen.pid, seen.supervisord_uid) == (os.getpid(), os.stat("/proc/self").st_uid)
    found = examination.of_programs(settings, seen)
    assert any("health = /no/such: /no/such does not exist" in line for line in found.problems)
    assert not any("not looked at" in line for line in found.notes)


def unseen(settings, url):
    seen = check._seen(call, settings, url)
    assert (seen.pid, seen.supervisord_uid) == (None, None)
    found = examination.of_programs(settings, seen)
    # What takes nothing of that machine is told, and what was left out.
    assert any("health = /no/such: /no/such does not exist" in line for line in found.problems)
    assert any("[eventlistener:zkelect] stderr_logfile = AUTO" in line for line in found.notes)
    [note] = [line for line in found.notes if "not looked at" in line]
    assert "run zkelect check -c FILE where supervisord runs" in note
    # Of the files and addresses of another machine this one cannot tell.
    assert not any("/bin/sh" in line or "192.0.2.7 is no address" in line for line in [*found.problems, *found.notes])


@pytest.mark.parametrize("url", ["http://192.0.2.1:9001", "http://far.example:9001", "http://none.invalid:9001"])
def test_what_is_not_looked_at_of_a_supervisord_elsewhere_is_noted(url, settings, machine):
    unseen(settings, url)


def test_a_machine_whose_addresses_nobody_tells_is_noted_as_another(settings, machine, monkeypatch):
    def refuse(wanted):
        raise OSError("no /proc")

    monkeypatch.setattr(ports, "network", refuse)
    unseen(settings, "http://192.168.1.5:9001")


def test_a_process_that_cannot_be_seen_is_noted_as_well(settings, machine, monkeypatch):
    """As that of a supervisord in a container, whose port is this machine's."""
    def elsewhere(method, *arguments):
        return 1 << 30 if method == "supervisor.getPID" else call(method)

    seen = check._seen(elsewhere, settings, "http://127.0.0.1:9001")
    assert seen.pid is None and any("not looked at" in line for line in examination.of_programs(settings, seen).notes)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_starts_that_would_all_be_refused_are_problems(settings, monkeypatch, tmp_path):
    """The command, or the runtime folder, is closed to the user of a program."""
    app, closed = tmp_path / "app", tmp_path / "closed"
    app.write_text("#!/bin/sh\n")
    app.chmod(0o700)
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(proc, "environ", lambda pid: {"ZKELECT_RUNTIME_DIR": f"{closed}/zk"})
    monkeypatch.setitem(PROGRAM, "uid", 65534)
    monkeypatch.setitem(PROGRAM, "command", f"/bin/zkelect run -- {app}")
    found = examination.of_programs(settings, check._seen(call, settings, "unix:///run/s.sock"))
    assert any(f"[program:orders] command: {app} cannot be executed by nobody" in line for line in found.problems)
    assert any("[program:orders] user = nobody: each start is refused" in line and f"{closed}/zk" in line for line in found.problems)
