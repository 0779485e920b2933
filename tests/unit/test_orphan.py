"""A listener that begins when its supervisord is dead already."""

import os
import subprocess
import sys

from supervisor_zkelect.config import samples
from supervisor_zkelect.guard import record


def test_a_listener_takes_nobody_else_for_its_supervisord(tmp_path):
    """Whoever took the orphan in is its parent then, such as process 1. Nothing in the runtime folder is touched."""
    reading, writing = os.pipe()
    os.close(writing)
    runtime = tmp_path / "runtime"
    environment = {
        **os.environ, "SUPERVISOR_ENABLED": "1", "SUPERVISOR_SERVER_URL": f"unix://{tmp_path}/none", "ZKELECT_NODE": "a",
        "ZKELECT_SERVERS": "127.0.0.1:1", "ORDERS_ADDRESS": "127.0.0.1:2", record.VARIABLE: str(runtime),
    }
    command = [sys.executable, "-m", "supervisor_zkelect.command", "listen", "-c", str(samples.path("zkelect.conf"))]
    done = subprocess.run(command, stdin=reading, env=environment, capture_output=True, text=True, timeout=60)
    os.close(reading)
    assert done.returncode == 2 and "supervisord is dead" in done.stderr, done
    assert not runtime.exists()
    assert not done.stdout
