"""A listener that reaches supervisord by a name with several addresses."""

import os

import pytest

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
