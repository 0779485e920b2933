"""What is kept for the moment when there are no descriptors and no memory to be had; each in a process of its own."""

import subprocess
import sys

import pytest

HEAD = """
import errno, os, resource
from supervisor_zkelect.system import reserve

reserve.begin()
assert reserve.keep()
"""


def run(text):
    done = subprocess.run([sys.executable, "-c", HEAD + text], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_descriptors_are_there_after_a_limit_was_lowered():
    run("""
resource.setrlimit(resource.RLIMIT_NOFILE, (3 + reserve.DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    os.open("/", os.O_RDONLY)
except OSError as error:
    assert reserve.short(error), error
else:
    raise AssertionError("there was one")
reserve.spend()
taken = [os.open("/", os.O_RDONLY) for _ in range(reserve.DESCRIPTORS)]
assert not reserve.keep()
for one in taken:
    os.close(one)
assert reserve.keep()
""")


def test_memory_is_there_after_a_limit_was_lowered():
    run("""
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), resource.getrlimit(resource.RLIMIT_AS)[1]))

def take():
    try:
        return bytearray(reserve.MEMORY * 3 // 4)
    except MemoryError as error:
        assert reserve.short(error)

assert not take()
reserve.spend()
taken = take()
assert taken and not reserve.keep()
del taken
assert reserve.keep()
""")


@pytest.mark.parametrize("hard", [256, 1024])
def test_the_limit_is_raised_as_far_as_it_may_be(hard):
    done = subprocess.run(
        [sys.executable, "-c", f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}))\n"
         + HEAD + f"assert resource.getrlimit(resource.RLIMIT_NOFILE) == ({hard}, {hard})"],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
