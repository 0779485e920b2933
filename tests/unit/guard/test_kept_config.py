"""The copy of the last good configuration: all of it, without what it was read from, and nothing that is not whole."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from lab.certificates import certificates
from supervisor_zkelect.config import load
from supervisor_zkelect.guard import kept_config
from supervisor_zkelect.zookeeper import connect

FILE = """[zkelect]
servers = zk1:2181,[::1]:2182
node_name = %(ENV_NODE)s
digest_file = {folder}/digest
username = u
password = %(ENV_PASSWORD)s
tls_ca = {folder}/pem/ca.pem
tls_cert = {folder}/pem/client.pem
tls_key = {folder}/pem/client.key
[election:orders]
address = %(ENV_HOST)s:80
health = https://h:1/
health_ca = {folder}/pem/ca.pem
fence = /bin/sh -c 'exit 0'
[election:billing]
group = billing
address = b:1
"""


@pytest.fixture
def read(tmp_path):
    """The settings of a file that names files and variables; all of them are gone when it is `forgotten`."""
    certificates(tmp_path / "pem")
    (tmp_path / "digest").write_text("user:geheim\n")
    path = tmp_path / "zkelect.conf"
    path.write_text(FILE.format(folder=tmp_path))
    return load.from_file(str(path), environ={"NODE": "a", "PASSWORD": "pässword", "HOST": "h"})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return str(tmp_path / "run")


def test_all_that_was_read_comes_back(read, folder):
    kept_config.save(folder, read)
    assert kept_config.load(folder) == read
    assert kept_config.load(folder).digest.reveal() == "user:geheim" and kept_config.load(folder).password.reveal() == "pässword"
    assert [os.stat(os.path.join(folder, name)).st_mode & 0o777 for name in os.listdir(folder)] == [0o600]


def test_the_files_that_it_names_are_not_needed(read, folder, tmp_path):
    kept_config.save(folder, read)
    for path in [tmp_path / "digest", tmp_path / "zkelect.conf", *(tmp_path / "pem").iterdir()]:
        path.unlink()
    found = kept_config.load(folder)
    assert found.digest == read.digest
    # The client that is made of it, and the health check, read the PEM files.
    connect.client_for(found)
    assert found.elections[0].health_check() and connect.tls_context(found)
    assert all(os.stat(os.path.join(folder, name)).st_mode & 0o777 == 0o600 for name in os.listdir(folder))


def test_files_that_can_be_used_are_used_as_they_are_now(read, folder, tmp_path):
    kept_config.save(folder, read)
    certificates(tmp_path / "pem")
    assert kept_config.load(folder) == read


ASK = {
    "the keeper": "connect.tls_context(one)",
    # The key that it holds stands in for one that it cannot use.
    "the copy": "kept_config.load(sys.argv[1]).tls_key == sys.argv[2] or sys.exit('SSLError')",
    "the listener": "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(one.tls_cert, one.tls_key,"
                    " connect.client_for(one).keyfile_password)",
}


@pytest.mark.parametrize("who", ASK)
def test_a_key_whose_password_is_not_known_is_not_asked_for_on_the_terminal(read, folder, tmp_path, who):
    """Nobody would answer, and a listener that begins, or a keeper that is to release, would wait for ever."""
    kept_config.save(folder, read)
    key = str(tmp_path / "pem" / "client.key")
    openssl = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:geheim", "-out", f"{key}.new"]
    subprocess.run(openssl, check=True, capture_output=True)
    os.replace(f"{key}.new", key)
    code = (
        "import dataclasses, ssl, sys; from supervisor_zkelect.guard import kept_config\n"
        "from supervisor_zkelect.zookeeper import connect\n"
        "one = dataclasses.replace(kept_config.load(sys.argv[1]), tls_key=sys.argv[2])\n"
        f"try: {ASK[who]}\n"
        "except OSError as error: sys.exit(type(error).__name__)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, folder, key], stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as asking:
        try:
            # Nothing is typed: its input stays open while it is waited for.
            assert asking.wait(60) == 1 and asking.stderr.read() == b"SSLError\n"
        finally:
            asking.kill()


@pytest.mark.parametrize("spoil", ["nothing", "cut", "changed", "garbage", "boot", "version"])
def test_what_is_not_whole_is_refused(read, folder, monkeypatch, spoil):
    path = os.path.join(folder, kept_config.NAME)
    if spoil != "nothing":
        if spoil == "version":
            monkeypatch.setattr(kept_config, "VERSION", 2)
        kept_config.save(folder, read)
        monkeypatch.undo()
        data = open(path, "rb").read()
        spoiled = {"cut": data[:-1], "changed": data.replace(b"zk1", b"zk2"), "garbage": b"x"}.get(spoil, data)
        with open(path, "wb") as file:
            file.write(spoiled)
    if spoil == "boot":
        monkeypatch.setattr(kept_config.record, "boot", lambda: "another")
    with pytest.raises(kept_config.NoCopy, match="kept"):
        kept_config.load(folder)


def test_without_room_the_former_copy_stays(read, folder):
    kept_config.save(folder, read)
    code = (
        "import resource, signal, sys; from supervisor_zkelect.guard import kept_config; folder = sys.argv[1]\n"
        "one = kept_config.load(folder); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: kept_config.save(folder, one)\n"
        "except OSError as error: print(error.errno)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(errno.EFBIG), done.stderr
    assert kept_config.load(folder) == read and os.listdir(folder) == [kept_config.NAME]


def test_a_copy_of_another_version_has_defaults_for_what_it_lacks(read, folder):
    kept_config.save(folder, read)
    path = Path(folder, kept_config.NAME)
    document = json.loads(path.read_bytes().partition(b"\n")[2])
    settings = document["settings"]
    del settings["backoff_max"], settings["elections"][0]["rise"]
    settings["colour"] = settings["elections"][0]["colour"] = "red"
    data = json.dumps(document).encode()
    path.write_bytes(b"%08x\n%s" % (zlib.crc32(data), data))
    found = kept_config.load(folder)
    assert (found.backoff_max, found.elections[0].rise) == (60.0, 1) and found == read


def test_what_is_kept_stands_for_the_file_that_cannot_be_used(read, folder):
    kept_config.save(folder, read)
    settings, trouble = kept_config.fall_back(folder, ["gone"], 5.0, "/etc/another.conf")
    assert settings == dataclasses.replace(read, file="/etc/another.conf") and trouble.problems == ("gone",)
    refused = dataclasses.replace(read, file="/etc/another.conf", node_name="b")
    assert kept_config.fall_back(folder, ["bad"], 5.0, refused.file, refused)[0] == settings
    with pytest.raises(kept_config.NoCopy, match="says the same"):
        kept_config.fall_back(folder, ["bad"], 5.0, "/etc/another.conf", settings)


def test_since_when_the_file_cannot_be_used_is_told_until_one_is_kept_again(read, folder):
    kept_config.save(folder, read)
    assert kept_config.read(folder).unusable_since is None
    assert [kept_config.note_unusable(folder, moment) for moment in (5.0, 7.0)] == [5.0, 5.0]
    assert kept_config.read(folder).unusable_since == 5.0 and kept_config.load(folder) == read
    kept_config.save(folder, read)
    assert kept_config.read(folder).unusable_since is None
