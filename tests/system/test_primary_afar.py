"""`zkelect primary --servers`, which needs no file of a node and no supervisord."""

import json
import os
import shutil
import socket

import pytest
from kazoo.security import make_digest_acl

from supervisor_zkelect.demo import child


@pytest.fixture
def primary(tmp_path):
    """Ask, in an environment that knows of no supervisord."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR")}

    def ask(*words):
        zkelect = shutil.which("zkelect", path=child.environment("x")["PATH"])
        return child.run([zkelect, "primary", *words], env=env, cwd=str(tmp_path), timeout=60)

    return ask


def test_the_address_of_an_election_by_its_servers_alone(primary, zk_server, zk, root):
    zk.create(f"{root}/orders/ack", b"10.0.0.5:8080", makepath=True)
    zk.create(f"{root}/orders/election")
    for words in (["--servers", zk_server.hosts, "--root", root], ["--servers", f"{zk_server.hosts}{root}", "--root", "/"]):
        done = primary("orders", *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "10.0.0.5:8080\n", ""), done
        assert json.loads(primary("orders", *words, "--json").stdout)["address"] == "10.0.0.5:8080"
    zk.set(f"{root}/orders/ack", b"")
    done = primary("orders", "--servers", zk_server.hosts, "--root", root)
    assert (done.returncode, done.stdout) == (3, "") and "has no primary" in done.stderr and done.stderr.count("\n") == 1


def test_an_election_that_there_is_not(primary, zk_server, zk, root):
    for name in ("orders", "stock"):
        zk.create(f"{root}/{name}/election", makepath=True)
    zk.create(f"{root}/no-election")
    done = primary("nope", "--servers", zk_server.hosts, "--root", root)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"zkelect: there is no election nope below {root}; there are: orders, stock\n"
    # One whose ack nobody has made yet has no primary.
    assert primary("orders", "--servers", zk_server.hosts, "--root", root).returncode == 3
    done = primary("nope", "--servers", zk_server.hosts, "--root", f"{root}/none")
    assert done.returncode == 2 and "there are: none that this client can see" in done.stderr


def test_what_a_client_may_not_read_it_is_told(primary, zk_server, zk, root, tmp_path):
    zk.create(f"{root}/orders/ack", b"h:1", makepath=True)
    zk.add_auth("digest", "me:secret")
    zk.set_acls(f"{root}/orders/ack", [make_digest_acl("me", "secret", all=True)])
    words = ["orders", "--servers", zk_server.hosts, "--root", root]
    done = primary(*words)
    assert done.returncode == 1 and "does not let this user read" in done.stderr
    (tmp_path / "digest").write_text("me:secret\n")
    assert primary(*words, "--digest-file", str(tmp_path / "digest")).stdout == "h:1\n"


def test_servers_that_are_not_there(primary):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for hosts in ("127.0.0.1:1", "[::1]:1", "no-such-host.invalid", f"127.0.0.1:{silent.getsockname()[1]}"):
            done = primary("orders", "--servers", hosts)
            assert (done.returncode, done.stdout) == (4, "") and done.stderr.startswith("zkelect: unknown: "), done
            assert done.stderr.count("\n") == 1


def test_both_ways_at_once_are_refused(primary):
    done = primary("orders", "--servers", "h:1", "-c", "/none")
    assert (done.returncode, done.stderr) == (2, "zkelect: --servers and -c FILE exclude each other; give one of them\n")
