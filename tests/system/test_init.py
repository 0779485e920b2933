"""The file that `zkelect init` writes, in a real supervisord with a real ZooKeeper of usual times, until its node is primary."""

import json
import shlex
import sys
import urllib.request

import pytest

from lab.node import Node
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.wait import until

#: What supervisord's files, its expansions and a shell make something else of.
NAME = "100% ;of #it's \"ö\" %(here)s $HOME"


@pytest.fixture
def zookeeper(tmp_path):
    with ZooKeeper(tmp_path / "zookeeper", tick_ms=2000) as server:
        if not server.running:
            server.start()
        yield server


def test_the_written_file_elects_a_primary(tmp_path, zookeeper, turn):
    port = child.free_port()
    folder = tmp_path / "a folder; it's ü"
    folder.mkdir()
    written, address = folder / "zkelect.conf", f"127.0.0.1:{port}"
    program = [sys.executable, "-m", "supervisor_zkelect.demo.service", "--listen", address, "--name", NAME]
    command = [
        sys.executable, "-m", "supervisor_zkelect.command", "init", "orders", "--program", shlex.join(program),
        "--address", address, "--servers", zookeeper.hosts, "--health", f"http://{address}/health", "--node", "a",
        "--output", str(written),
    ]
    done = child.run(command, env=child.environment(child.new_marker()))
    assert done.returncode == 0, done.stderr
    node = Node(tmp_path / "node", "a", sample=written)
    try:
        node.start()
        until(lambda: node.zkelect("role").returncode == 0, 60, f"the node to be primary\n{node.logs()}")
        checked = node.zkelect("check", "-c", str(written))
        assert checked.returncode == 0 and "no problem found" in checked.stdout, checked.stdout + checked.stderr
        assert "unguarded" not in checked.stdout
        with urllib.request.urlopen(f"http://{address}/", timeout=10) as answer:
            assert json.load(answer)["node"] == NAME
        assert node.zkelect("primary", "orders", "-c", str(written)).stdout == f"{address}\n"
        assert (node.folder / "logs" / "zkelect-stderr.log").stat().st_size
        node.terminate()
    finally:
        node.close()
        child.give_back(port)
