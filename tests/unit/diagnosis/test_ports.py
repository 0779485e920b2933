"""Who listens on a service's port."""

import os
import socket
import subprocess
import sys

import pytest

from supervisor_zkelect.diagnosis import addresses, machine, ports
from supervisor_zkelect.diagnosis.addresses import HostPort
from supervisor_zkelect.diagnosis.ports import Listening
from supervisor_zkelect.guard import record

PLACE = HostPort("h", 80)


@pytest.mark.parametrize("socket_at, there", [
    (("10.0.0.5", 80), True), (("0.0.0.0", 80), True), (("::", 80), True), (("::ffff:10.0.0.5", 80), True),
    (("10.0.0.6", 80), False), (("10.0.0.5", 81), False), (("::1", 80), False),
])
def test_whoever_listens_where_the_service_is_to(socket_at, there):
    one = Listening(*socket_at, 7)
    assert ports.strangers(PLACE, ["10.0.0.5"], [one], lambda pid: False) == [one] * there
    assert ports.strangers(PLACE, ["10.0.0.5"], [one], lambda pid: pid == 7) == []


def test_a_process_with_several_sockets_is_one_and_who_cannot_be_seen_is_told():
    sockets = [Listening("0.0.0.0", 80, 7), Listening("::", 80, 7), Listening("::", 80, None)]
    assert [one.pid for one in ports.strangers(PLACE, [], sockets, lambda pid: False)] == [7, None]


def test_names_are_shown_without_harm():
    assert Listening("::", 80, 7, "ng\x1binx", "w\nw").holder == "ng\\x1binx, process 7 of the user w\\nw"
    assert Listening("::", 80, 7).holder == "process 7" and "may not see" in Listening("::", 80, None).holder
    # One that has ended meanwhile.
    assert machine._names(1 << 30) == ("", "")


def test_a_real_listener_is_found_with_its_names():
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as link:
        port, other = door.getsockname()[1], link.getsockname()[1]
        # Whoever only connects does not listen.
        own, [one] = ports.network([port, other, 1])
        assert one[:3] == ("127.0.0.1", port, os.getpid()) and one.program and one.user
        assert "127.0.0.1" in own and all(addresses.is_own(address, own) for address in own)


@pytest.mark.parametrize("code, told", [
    ("raise SystemExit('no psutil')", "no psutil"), ("print('[]')", "exit status 0"), ("print('{')", "exit status 0"),
    ("import time; time.sleep(100)", "it takes too long"),
])
def test_a_machine_that_does_not_tell_is_no_more_than_that(tmp_path, monkeypatch, code, told):
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable}\n{code}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(ports, "LOOK_TIME", 2 if "sleep" in code else 60)
    with pytest.raises(OSError, match=told):
        ports.network([1])


def info(pid, group="primary"):
    return {"group": group, "name": "x", "pid": pid}


def test_who_belongs_to_a_group():
    me, parent = os.getpid(), os.getppid()
    assert ports.GroupProcesses("primary", [info(me)], None)(me) and ports.GroupProcesses("primary", [info(parent)], None)(me)
    assert not ports.GroupProcesses("primary", [info(me, "other"), info(0)], None)(me)
    # Whoever has ended belongs to nobody.
    assert not ports.GroupProcesses("primary", [info(me)], None)(1 << 30)


@pytest.mark.parametrize("group, told", [("primary", True), ("other", False)])
def test_what_the_loader_started_belongs_also_when_it_has_another_parent(group, told):
    instance = record.instance(record.owner_of(os.getpid()))
    env = {"SUPERVISOR_GROUP_NAME": group, "ZKELECT_INSTANCE": instance}
    child = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        assert ports.GroupProcesses("primary", [], os.getpid())(child.pid) == told
        assert not ports.GroupProcesses("primary", [], None)(child.pid)
    finally:
        child.communicate(b"\n")
