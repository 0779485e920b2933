"""What lets strangers in is told, one line each, without the secrets themselves."""

import dataclasses
import subprocess

import pytest

from supervisor_zkelect.config.load import from_file
from supervisor_zkelect.diagnosis import exposure

FILE = "[zkelect]\nservers = {servers}\nnode_name = a\n{main}\n[election:orders]\naddress = 10.0.0.5:80\n"


@pytest.fixture
def load(tmp_path):
    def load(main="", servers="zk1:2181,zk2:2181"):
        path = tmp_path / "zkelect.conf"
        path.write_text(FILE.format(servers=servers, main=main))
        path.chmod(0o600)
        return from_file(str(path), {})

    return load


def told(settings):
    lines = exposure.of_file(settings)
    assert all(line.isprintable() and line.startswith(f"{settings.file}: [zkelect] ") for line in lines)
    return [line.partition("[zkelect] ")[2].partition(" = ")[0] for line in lines]


def test_an_open_acl_is_told(load):
    assert told(load()) == told(load(servers="127.0.0.1:2181")) == ["acl"]


def test_an_acl_does_not_keep_out_who_has_no_certificate(load):
    assert told(load("digest = zk:gehe1m\nacl = creator", "127.0.0.1:1")) == ["acl"]
    settings = load("digest = zk:gehe1m\nacl = creator", "127.0.0.1:1")
    assert told(dataclasses.replace(settings, tls=True, tls_cert="/c.pem")) == []


@pytest.mark.parametrize("servers, afar", [
    ("zk1:2181", True), ("localhost:1,zk1:2181", True), ("10.0.0.1:1", True), ("[2001:db8::1]:1", True),
    ("localhost:2181", False), ("127.0.0.1:1,127.9.9.9:1", False), ("[::1]:2181", False),
])
def test_credentials_in_plain_text_are_told_where_they_leave_the_machine(load, servers, afar):
    settings = load("digest = zk:gehe1m", servers)
    assert ("digest" in told(settings)) is afar
    assert "gehe1m" not in "".join(exposure.of_file(settings))
    assert "digest" not in told(dataclasses.replace(settings, tls=True))


@pytest.mark.parametrize("url, afar", [
    ("http://10.0.0.1:9001", True), ("http://127.0.0.1:9001", False), ("http://localhost:9001", False),
    ("unix:///s.sock", False),
])
def test_supervisords_password_in_plain_text_is_told(load, url, afar):
    assert ("password" in told(load(f"serverurl = {url}\nusername = u\npassword = gehe1m"))) is afar


def test_secrets_that_programs_inherit_are_told(load):
    """Of supervisord, and of a program alone; neither of a listener alone, nor of another election's program."""
    settings = load("digest = zk:gehe1m\nusername = u\npassword = s3cret", "127.0.0.1:1")
    environments = [{"ZK": "gehe1m", "X": "zk"}, {"PW\n": "s3cret", "ZK": "gehe1m"}, {"D": "zk:gehe1m"}]
    processes = [subprocess.Popen(["/bin/sleep", "1000"], env=one) for one in environments]
    try:
        above, program, other = (one.pid for one in processes)
        infos = [{"name": "p", "group": "primary", "pid": program}, {"name": "q", "group": "q", "pid": other},
                 {"name": "r", "group": "primary", "pid": 0}]
        lines = exposure.of_processes(settings, above, infos)
    finally:
        for one in processes:
            one.kill()
            one.wait()
    first, second = lines
    assert "digest = ***" in first and "supervisord, as ZK, and each program" in first and "digest_file" in first
    assert "password = ***" in second and "of program p, as PW\\n;" in second
    assert "gehe1m" not in first + second and "s3cret" not in first + second


def test_what_cannot_be_read_is_left_out(load):
    assert exposure.environment(1 << 30) == b"" and exposure.of_processes(load("digest = a:b"), 1 << 30) == []


def test_an_environment_without_bounds_is_read_to_a_bound():
    with subprocess.Popen(["/bin/sleep", "1000"], env={f"X{number}": "y" * 99_000 for number in range(15)}) as process:
        try:
            assert len(exposure.environment(process.pid)) == exposure.LONGEST_ENVIRONMENT
        finally:
            process.kill()
