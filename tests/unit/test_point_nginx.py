"""`contrib/nginx/point-nginx` by the real shell, with a command in the place of nginx."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "contrib" / "nginx" / "point-nginx"


@pytest.fixture
def point(tmp_path):
    """Run it with an address. right: whether nginx takes its configuration. Gives status, what it wrote to standard error, and the
    file that it has written, in a folder that is not there at first."""
    nginx = tmp_path / "nginx"
    nginx.write_text('#!/bin/sh\necho "$@" >>"$0.told"\ncase $1 in -t) exit "$REFUSED" ;; esac\n')
    nginx.chmod(0o755)
    file = tmp_path / "zkelect" / "orders.servers"

    def point(address, right=True):
        env = {
            **os.environ, "POINT_NGINX_FOLDER": str(file.parent), "POINT_NGINX": str(nginx), "ZKELECT_ELECTION": "orders",
            "ZKELECT_PRIMARY": address, "REFUSED": str(int(not right)),
        }
        done = subprocess.run(["sh", str(SCRIPT)], env=env, capture_output=True, text=True, timeout=20)
        return done.returncode, done.stderr, file.read_text() if file.exists() else None

    return point


@pytest.mark.parametrize("address", ["10.0.0.5:8080", "db-1.example:80", "[::1]:8080", "h_1:1"])
def test_what_is_an_address_is_written(point, address):
    assert point(address) == (0, "", f"server {address} max_fails=0;\n")


@pytest.mark.parametrize("address", [
    "unix:/run/x", "unix:8080", "host", "host:", ":80", "host:80x", "host:x80", "h:1; }", "h 1", "$(id)", "h:1\n", "h:1:", "a/b:1",
])
def test_what_is_none_is_refused_before_anything_is_written(point, tmp_path, address):
    status, errors, file = point(address)
    assert status == 1 and "is not host:port" in errors and file is None and not (tmp_path / "nginx.told").exists()


def test_what_nginx_refuses_is_taken_back(point):
    assert point("a:1", right=False) == (1, "", None)
    assert point("a:1")[2] == point("b:1", right=False)[2] == "server a:1 max_fails=0;\n"


def test_what_was_left_of_a_former_run_does_not_come_back(point, tmp_path):
    folder = tmp_path / "zkelect"
    folder.mkdir()
    (folder / "orders.servers.former").write_text("server old:1;\n")
    assert point("a:1", right=False)[2] is None


def test_while_nobody_is_primary_the_last_one_stays_and_at_first_nobody_answers(point):
    assert point("")[2] == "server 127.0.0.1:1 max_fails=0;\n"
    point("a:1")
    assert point("") == (0, "", "server a:1 max_fails=0;\n")
