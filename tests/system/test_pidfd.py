"""A node whose kernel, or whose container's seccomp profile, knows no pidfds: it says so, and takes part in nothing."""

import errno
import os
import subprocess
import sys

import pytest

from lab.cluster import CANNOT
from supervisor_zkelect.processes import proc

#: Has the kernel refuse one system call to this process and to all that it starts (seccomp(2), filters as in
#: linux/filter.h), and becomes the command. Both calls have one number on all architectures.
DENY = """
import ctypes, os, struct, sys
number, error, *command = sys.argv[1:]
words = [(0x20, 0, 0, 0), (0x15, 0, 1, int(number)), (0x06, 0, 0, 0x00050000 | int(error)), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *word) for word in words))

class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filters", ctypes.c_void_p)]

libc = ctypes.CDLL(None, use_errno=True)
program = Program(len(words), ctypes.cast(code, ctypes.c_void_p))
# PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
    sys.exit(f"no filter can be set: {os.strerror(ctypes.get_errno())}")
os.execvp(command[0], command)
"""

PIDFD_SEND_SIGNAL, PIDFD_OPEN = 424, 434


def refused(number, error):
    return [sys.executable, "-c", DENY, str(number), str(error)]


@pytest.mark.parametrize("number, error", [
    (PIDFD_OPEN, errno.EPERM), (PIDFD_OPEN, errno.ENOSYS), (PIDFD_SEND_SIGNAL, errno.EPERM),
])
def test_a_node_without_pidfds_says_so_and_leaves_the_lead_to_others(make_cluster, zk_server, number, error):
    cluster = make_cluster(zk_server.hosts, ("b", "a"))
    node = cluster["a"]
    node.wrapper = refused(number, error)
    cluster["b"].start()
    cluster.primary("b")
    node.start()
    cluster.role_is("a", "detached")
    wanted = f"the kernel refuses pidfds ({os.strerror(error)}); supervisor-zkelect needs pidfd_open"
    told = [node.ctl("role", "orders"), node.zkelect("check"), node.zkelect("check", "-c", str(node.zkelect_conf))]
    # The last is no process that a filter was set for, and reads it in the listener's report.
    for done in told:
        assert done.returncode and wanted in done.stdout and "Linux 5.3" in done.stdout, done
    assert told[0].returncode == CANNOT, told
    members = cluster["b"].zkelect("members", "orders").stdout
    assert len(members.strip().splitlines()) == 2, members
    assert node.logs().count(wanted) == 1 and "Traceback" not in node.logs(), node.logs()
    # It ends at once.
    node.terminate()


def test_check_of_a_file_says_it_too(make_cluster, zk_server):
    node = make_cluster(zk_server.hosts, ("a",))["a"]
    node.write()
    check = [sys.executable, "-m", "supervisor_zkelect.command", "check", "-c", str(node.zkelect_conf)]
    done = subprocess.run(
        [*refused(PIDFD_OPEN, errno.ENOSYS), *check], env=node.environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "the kernel refuses pidfds (Function not implemented)" in done.stdout, done


def test_a_lack_of_descriptors_is_no_lack_of_pidfds(monkeypatch):
    def none_left(pid):
        raise OSError(errno.EMFILE, "Too many open files")

    assert proc.pidfd_trouble() == ""
    monkeypatch.setattr(os, "pidfd_open", none_left)
    assert proc.pidfd_trouble() == ""
    monkeypatch.delattr(os, "pidfd_open")
    assert "this Python lacks pidfds" in proc.pidfd_trouble()
