"""The end of a process: at once, with its status, whatever else is going on in it."""

import subprocess
import sys

import pytest

BUSY = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from supervisor_zkelect.system import logs

logs.begin()
pool = ThreadPoolExecutor(1)
pool.submit(threading.Event().wait)
print("said", end="", file=sys.stderr)
logs.end(7)
"""


@pytest.mark.parametrize("stderr, said", [("", b"said"), ("2>&-", b"")], ids=["", "without standard error"])
def test_a_process_ends_though_a_thread_waits(stderr, said):
    """As one does for the answer of a supervisord that hangs."""
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {stderr}', "sh", sys.executable, "-c", BUSY], stderr=subprocess.PIPE, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (7, said)
