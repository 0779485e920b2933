"""What `check` looks at: the file against the machine and the servers."""

import os
import socket

import pytest

from supervisor_zkelect.config.load import from_file
from supervisor_zkelect.config.options import OPTIONS
from supervisor_zkelect.diagnosis import commands, examination, ports
from supervisor_zkelect.diagnosis.ports import Listening, Network
from supervisor_zkelect.supervisord.client import Fault

FILE = "[zkelect]\nservers = zk:2181\nnode_name = a\nsession_timeout = 10\n[election:orders]\naddress = {address}\n{more}\n"


@pytest.fixture
def load(tmp_path):
    def load(more="", address="127.0.0.1:80"):
        path = tmp_path / "zkelect.conf"
        path.write_text(FILE.format(address=address, more=more))
        path.chmod(0o600)
        return from_file(str(path), environ={})

    return load


@pytest.mark.parametrize("granted, asked, problems, notes", [
    (10, 10, [], []), (10.0004, 10, [], []), (0, 10, [], []),
    (4, 10, ["session_timeout = 10: the servers grant 4 s, and that counts; set session_timeout = 4, or maxSessionTimeout = 10000"], []),
    (20, 10, ["the servers grant 20 s, and that counts; set session_timeout = 20, or minSessionTimeout = 10000"], []),
    # It was attached with what it had; whether the servers grant the other one is not known.
    (4, 4, [], ["session_timeout = 10: the session has 4 s, as when it began"]),
])
def test_the_session_timeout_that_is_granted(load, granted, asked, problems, notes):
    found = examination.timeout_findings(load(), granted, asked)
    for lines, pieces in ((found.problems, problems), (found.notes, notes)):
        assert len(lines) == len(pieces) and all(piece in line for piece, line in zip(pieces, lines))
    assert not found.troubles


@pytest.mark.parametrize("more, told", [
    ("health = exec:/none/check --secret x", "[election:orders] health = /none/check …: /none/check does not exist"),
    ("health = exec:/none", "[election:orders] health = /none: /none does not exist"),
    ("fit = exec:/none/disk /srv", "[election:orders] fit = /none/disk …: /none/disk does not exist"),
    ("health = exec:sh", ""), ("fence = /bin/sh -c x", ""), ("", ""),
])
def test_commands_that_cannot_be_executed(load, more, told):
    lines = examination.command_problems(load(more), commands.Runner(os.geteuid(), os.environ["PATH"]))
    assert len(lines) == bool(told) and all(told in line and "secret" not in line for line in lines)


@pytest.mark.parametrize("option", [option.name for option in OPTIONS if option.type == "command"])
def test_each_option_that_names_a_command_is_looked_at(load, tmp_path, option):
    """Also those to come: whoever runs them need not be who reads the file."""
    script = tmp_path / "hook"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    settings = load(f"{option} = {script} x")
    script.chmod(0o644)
    [line] = examination.command_problems(settings, commands.Runner(os.geteuid(), None))
    assert f"[election:orders] {option} = {script} …: {script} cannot be executed by" in line


def seen(leading=(), processes=()):
    return examination.ProgramsSeen([], processes, {}, os.getpid(), os.geteuid(), os.geteuid(), None, None, frozenset(leading))


def test_a_stranger_on_the_port_is_told_and_on_a_healthy_primary_noted(load):
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        settings = load(address=f"127.0.0.1:{port}")
        [line] = examination.of_network(settings, seen()).troubles
        assert f"[election:orders] address = 127.0.0.1:{port}: " in line and f"process {os.getpid()} of the user" in line
        assert f"listens on port {port}, and does not belong to group primary" in line
        found = examination.of_network(settings, seen(["orders"]))
        assert not found.wrong and f"listens on port {port}" in found.notes[0]
        own = [{"group": "primary", "name": "x", "pid": os.getpid()}]
        assert not examination.of_network(settings, seen(processes=own)).wrong
        # An address of another machine tells nothing of a port on this one.
        assert not examination.of_network(load(address=f"192.0.2.1:{port}"), seen()).troubles


def test_who_may_not_be_seen_is_told_as_such(load, monkeypatch):
    monkeypatch.setattr(ports, "network", lambda wanted: Network(set(), [Listening("0.0.0.0", 80, None)]))
    [line] = examination.of_network(load(), seen()).troubles
    assert "a process that this user may not see (ask as root: zkelect check -c FILE) listens on port 80" in line


@pytest.mark.parametrize("address, health, pieces", [
    ("192.0.2.1:80", "", ["address = 192.0.2.1:80: 192.0.2.1 is no address of this machine"]),
    ("192.0.2.1:80", "health = http://192.0.2.1:80/", ["address = "]),
    ("127.0.0.1:80", "health = http://user:secret@192.0.2.1:80/x?y", ["health = http://192.0.2.1/x: 192.0.2.1 is no address of this machine"]),
    ("127.0.0.1:80", "health = tcp://192.0.2.1:80", ["health = tcp://192.0.2.1:80: 192.0.2.1 is no address"]),
    ("no-such-name.invalid:80", "", ["address = no-such-name.invalid:80: host name no-such-name.invalid cannot be resolved"]),
    ("some text", "", []), ("127.0.0.1:80", "health = exec:sh", []),
])
def test_addresses_that_lead_elsewhere_are_noted(load, monkeypatch, address, health, pieces):
    monkeypatch.setattr(ports, "network", lambda wanted: Network({"127.0.0.1"}, []))
    found = examination.of_network(load(health, address), seen())
    assert not found.wrong and len(found.notes) == len(pieces)
    assert all(piece in note and "secret" not in note for piece, note in zip(pieces, found.notes))


def test_a_machine_that_tells_nothing_is_told_of(load, monkeypatch):
    def refuse(wanted):
        raise OSError("no /proc")

    monkeypatch.setattr(ports, "network", refuse)
    found = examination.of_network(load(), seen())
    assert not found.wrong and found.notes == ["the addresses and ports of this machine were not looked at: no /proc"]


def test_many_names_take_no_longer_than_one_may(monkeypatch):
    moment = [0.0]
    monkeypatch.setattr(examination, "now", lambda: moment[0])
    asked = []

    def slow(host, seconds):
        asked.append((host, seconds))
        moment[0] += seconds
        raise ValueError(f"host name {host} cannot be resolved")

    monkeypatch.setattr(examination.resolve, "addresses_of", slow)
    names = examination._Names(5)
    for host in ("a", "a", "b", "c", "d", "d"):
        with pytest.raises(ValueError, match="was not looked up" if host == "d" else "cannot be resolved"):
            names.addresses_of(host)
    assert asked == [("a", 2), ("b", 2), ("c", 1)]


@pytest.mark.parametrize("reply, known", [
    ('[[["svc", "false"]]]', "false"), ('[[["svc", 7]]]', None), ("[[7]]", None), ("[7]", None), ("[]", None), ("{", None),
    ('[{"faultCode": 10}]', None), (Fault(1, "UNKNOWN_METHOD"), None),
])
def test_which_programs_are_started_again_is_known_as_far_as_supervisord_tells(reply, known):
    def call(method, groups):
        assert (method, groups) == ("zkelect.getAutorestarts", ["primary"])
        if isinstance(reply, Exception):
            raise reply
        return reply

    infos = [{"group": "primary", "name": "svc"}, {"group": "other", "name": "svc"}]
    first, second = examination.with_autorestarts(call, ["primary", "absent"], infos)
    assert first.get("autorestart") == known and second == infos[1]
