"""Standbys whose service is sick, and who stand before a healthy one."""

from supervisor_zkelect.system.clock import now

#: promote_timeout, in seconds; a failover that takes less waited for no promotion that fails.
LONG = 8


def test_who_failed_its_promotion_is_passed_over_at_the_next_failover(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, ("a", "b", "c", "d"),
                           overrides={"election:orders": {"promote_timeout": str(LONG)}})
    for sick in "bc":
        cluster[sick].overrides["election:orders"]["health"] = f"http://{cluster[sick].addresses['orders']}/missing"
    for watcher in cluster.observers.values():
        cluster.stack.enter_context(watcher)
    for name in "abc":
        cluster[name].start()
        cluster.primary(name) if name == "a" else cluster.standby(name)
    # The first time b and c are tried, and a leads again.
    assert cluster["a"].zkelect("resign", "orders", timeout=120).returncode == 1
    cluster.settled("a")
    cluster["d"].start()
    cluster.standby("d")

    def passed(since, name):
        cluster.primary(name)
        heard = cluster.observers["orders"].verdict(since)
        assert heard.gap < LONG and set(heard.names) <= {"a", "d"}, (heard.gap, heard.names, cluster.logs())
        cluster.settled(name)

    for leader, other in (("a", "d"), ("d", "a"), ("a", "d")):
        since = now()
        assert cluster[leader].zkelect("resign", "orders").returncode == 0
        passed(since, other)
    since = now()
    cluster["d"].kill_all()
    passed(since, "a")
    # With nobody else there they are tried again.
    cluster["a"].terminate()
    assert "steps behind" in cluster["b"].logs() and "steps behind" in cluster["c"].logs()
    for sick in "bc":
        cluster.role_is(sick, "promoting")
    cluster.verdict()
