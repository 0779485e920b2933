"""Who is primary, found by Python and by a command, at a real ZooKeeper that comes and goes; and the examples of docs/discovery.md."""

import asyncio
import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect import Elector, discovery
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.discovery import AsyncPrimary, Known, Primary
from supervisor_zkelect.zookeeper.errors import TimedOut

PAGE = Path(__file__).parents[2] / "docs" / "discovery.md"

#: Seconds that anything may take.
LONG = 30


@contextlib.contextmanager
def leading(servers, root, node="a", address="10.0.0.5:8080"):
    with Elector.connect(servers, 4.0, f"{root}/orders/election", "n", f"{root}/orders/ack") as elector:
        elector.prepare()
        elector.create_proposal()
        elector.wait_to_lead(LONG)
        elector.claim(node, address)
        elector.ack_leader(address)
        yield elector


def test_a_handover_is_followed_by_watches(zk_server, root, monkeypatch):
    # Not by the looks in between.
    monkeypatch.setattr(discovery, "LOOKS", 1e-3)
    told = []
    with Primary(zk_server.hosts, "orders", told.append, root=root) as primary:
        assert primary.wait(LONG, after=Known("x")) == Known("")
        for node in "abc":
            with leading(zk_server.hosts, root, node, f"{node}:1") as elector:
                known = primary.wait(LONG)
                assert known == Known(f"{node}:1", elector.token, node)
            assert primary.wait(LONG, after=known) == Known("")
        until(lambda: told and told[-1] == Known(""), LONG, "the callback")


def test_zookeeper_away_and_back(tmp_path):
    with ZooKeeper(tmp_path, tick_ms=200) as server:
        with leading(server.hosts, "/zkelect", "a", "a:1") as elector, Primary(
            server.hosts, "orders", session_timeout=2.0
        ) as primary:
            known = primary.wait(LONG)
            assert known == Known("a:1", elector.token, "a") and primary.trouble == ""
            server.kill()
            until(lambda: primary.trouble and primary.age > 0.6, LONG, "the trouble, and that what is known gets old")
            with pytest.raises(TimedOut, match="no connection to ZooKeeper"):
                primary.wait(1.0, max_age=0.5)
            # The last is known, and old.
            assert primary.known == known and primary.age > 0.5
            server.start()
            assert primary.wait(LONG, max_age=0.5) == known and primary.trouble == ""


def test_before_zookeeper_is_there(tmp_path):
    server = ZooKeeper(tmp_path, tick_ms=200)
    with server, Primary(server.hosts, "orders", session_timeout=2.0) as primary:
        server.kill()
        server.start()
        with leading(server.hosts, "/zkelect") as elector:
            assert primary.wait(LONG).token == elector.token

            async def main():
                async with AsyncPrimary(server.hosts, "orders") as other:
                    return await other.wait(LONG)

            assert asyncio.run(main()) == primary.known


@pytest.fixture
def tool(tmp_path, zk_server, root):
    """Starts `zkelect primary orders --watch` with further words; it is ended after the test."""
    started = []

    def start(*words):
        zkelect = shutil.which("zkelect", path=child.environment("x")["PATH"])
        with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
            started.append(subprocess.Popen(
                [zkelect, "primary", "orders", "--servers", zk_server.hosts, "--root", root, *words], stdout=out, stderr=err
            ))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_command_at_each_change(tool, tmp_path, zk_server, root):
    script = tmp_path / "script"
    script.write_text(f'#!/bin/sh\necho "$ZKELECT_PRIMARY $ZKELECT_TOKEN" >>{tmp_path}/told\n')
    script.chmod(0o755)
    process = tool("--watch", "--json", "--exec", str(script))
    lines = []

    def told(line):
        lines.append(line)
        path = tmp_path / "told"
        until(lambda: path.exists() and path.read_text().splitlines() == lines, LONG, f"{lines}")

    told(" ")
    for node in "ab":
        with leading(zk_server.hosts, root, node, f"{node}:1") as elector:
            told(f"{node}:1 {elector.token}")
        told(" ")
    process.send_signal(signal.SIGTERM)
    assert process.wait(LONG) == 128 + signal.SIGTERM
    documents = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert [f"{one['address'] or ''} {one['token'] or ''}" for one in documents] == lines
    # At first there is none of that name.
    (err,) = (tmp_path / "err").read_text().splitlines()
    assert err.startswith("zkelect: there is no election ") and err.endswith("; waiting for it")


@pytest.mark.parametrize("words, told", [
    (("--exec", "true"), "--exec works only with --watch"), (("--watch", "--exec", "/none/such"), "--exec names no executable"),
    (("--watch", "--exec", ""), "--exec is empty"), (("--watch", "--exec", "'"), "--exec cannot be split"),
])
def test_what_is_no_command(tool, tmp_path, words, told):
    assert tool(*words).wait(LONG) == 2
    assert (tmp_path / "err").read_text().startswith(f"zkelect: {told}")


class Service(http.server.BaseHTTPRequestHandler):
    """Answers 409 to who does not mean its term."""

    def do_GET(self):
        right = self.headers["Zkelect-Token"] == str(self.server.token)
        self.send_response(200 if right else 409)
        self.end_headers()
        self.wfile.write(b"orders" if right else b"")

    def log_message(self, *about):
        pass


class Steps:
    """Stands in for a `Primary` that knows one of these after the other."""

    def __init__(self, *known):
        self.left, self._now = list(known), None

    def wait(self, timeout, *, after=None, max_age=None):
        assert 0 < timeout <= 10 and after == self._now
        self._now = self.left.pop(0)
        return self._now


def test_the_examples_run(zk_server, root, capsys):
    examples, space = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE), {}
    assert len(examples) == 4
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        try:
            with leading(zk_server.hosts, root, address=address) as elector:
                for example in examples:
                    example = example.replace('"zk1:2181,zk2:2181", "orders"', f'"{zk_server.hosts}", "orders", root="{root}"')
                    example = example.replace(f'root="{root}", moved', f'moved, root="{root}"')
                    exec(compile(example, str(PAGE), "exec"), space)
                server.token = token = elector.token
                with Primary(zk_server.hosts, "orders", root=root) as primary:
                    assert space["ask"](primary, "/") == (b"orders", token)
                    assert space["ask"](primary, "/", token - 1) == space["ask"](primary, "/", token) == (b"orders", token)
                    # A handover, of which nobody, and then a former term, is known first.
                    seen = Steps(Known("10.0.0.5:8080", token - 2, "b"), Known(""), Known("10.0.0.6:80", token - 1, "c"), primary.known)
                    assert space["ask"](seen, "/", token) == (b"orders", token) and not seen.left
                    with pytest.raises(TimedOut):
                        space["ask"](primary, "/", token + 1, seconds=0.5)
                    server.token += 1
                    with pytest.raises(ConnectionError):
                        space["ask"](primary, "/", token)
        finally:
            server.shutdown()
    # Whether the callback came before the end, nobody can tell.
    space["moved"](Known(""))
    out = capsys.readouterr().out
    assert "the primary is now nobody" in out
    assert f"{address} {token} a\n" in out and f"asyncio: {address}" in out


def test_the_page_has_each_argument_and_variable():
    text = PAGE.read_text()
    for name in Primary.__init__.__kwdefaults__:
        assert f"`{name}`" in text or f"`{name}=True`" in text, name
    for name in ("ZKELECT_PRIMARY", "ZKELECT_TOKEN", "ZKELECT_ELECTION"):
        assert f"| `{name}` |" in text
    assert os.path.basename(PAGE) == "discovery.md"
