"""A listener that reaches supervisord by a name with several addresses, or finds another one at its address."""

import os

import pytest

from supervisor_zkelect.demo import child

HOSTS = (
    "unshare", "--mount", "sh", "-c",
    'printf "::1 localhost\\n127.0.0.1 localhost\\n" > hosts && mount --bind hosts /etc/hosts && exec "$@"', "sh",
)
"""A wrapper: the node's localhost is ::1 first, where its supervisord, which listens on IPv4 only, is not."""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_localhost_is_ipv6_first(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, ("a",), inet=True, wrapper=HOSTS)
    node = cluster["a"]
    node.overrides["zkelect"]["serverurl"] = node.inet_url.replace("127.0.0.1", "localhost")
    cluster.start()
    pid = cluster.settled("a")
    node.kill(pid)
    cluster.primary("a", other=pid)
    # A health check may take longer than its time while others are at work.
    cluster.until(lambda: node.zkelect("check").returncode == 0, "check to find nothing wrong")
    cluster.verdict()


def test_another_supervisord_at_the_same_socket_is_given_no_orders(pair):
    """Somebody has removed the socket, found that supervisord does not answer, and started one from the same file."""
    node, pid = pair["a"], pair.settled("a")
    first = node.supervisord_pid
    os.unlink(node.socket)
    output = str(node.folder / "second.log")
    second = child.start(
        node.command(), env=node.environment, cwd=str(node.folder), output=output, prepare=node.prepare, new_session=True
    )
    try:
        told = f"answered by another supervisord, process {second.pid}, and not by process {first}, which is meant"
        pair.until(lambda: told in node.logs(100_000), "the listener to tell who answers")
        assert node.service_pids() == {pid}
        # Its own supervisord starts the program again, and the check tells that it is well.
        node.kill(pid)
        pair.until(lambda: node.service_pids() not in (set(), {pid}), "the program to run again")
    finally:
        second.terminate()
        second.wait()
