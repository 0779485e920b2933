"""`supervisorctl update` changes the programs of a group: the listener goes by what they are from then on."""

#: Takes four seconds to save before it ends. "$0" is where.
SAVES = "trap 'sleep 4; echo saved > \"$0\"; exit 0' TERM; while :; do sleep 0.1; done"


def saving(path, stopwaitsecs):
    """A program that needs longer to stop than those of the sample have."""
    command = f'zkelect run -- /bin/sh -c "{SAVES}" {path}'.replace("%", "%%")
    return {"command": command, "autostart": "false", "startsecs": "0", "stopwaitsecs": str(stopwaitsecs)}


def changed(node, programs, **options):
    """Have supervisord take a changed group."""
    node.overrides["group:primary"] = {"programs": programs}
    node.overrides["program:saving"] = saving(node.folder / "saved", **options)
    node.write()
    assert node.ctl("update").returncode == 0


def saved(cluster, node):
    """When its term is over the program has written its file."""
    cluster.primary(node.name)
    cluster.until(lambda: len(node.service_pids("primary")) >= 2, "both programs to run")
    listener = node.listener_pid()
    (node.folder / "saved").unlink(missing_ok=True)
    # It is the only node, so it leads again.
    assert "resigned" in node.zkelect("resign", "orders", "--force").stderr
    assert (node.folder / "saved").exists() and node.listener_pid() == listener, node.logs()


def test_a_longer_time_to_stop(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, names=("a",))
    node = cluster["a"]
    node.overrides["group:primary"] = {"programs": "orders,saving"}
    node.overrides["program:saving"] = saving(node.folder / "saved", 1)
    cluster.start()
    cluster.primary("a")
    changed(node, "orders,saving", stopwaitsecs=20)
    cluster.until(lambda: "the group has 20 s to stop" in node.logs(50000), "the listener to know")
    saved(cluster, node)


def test_a_new_program_that_needs_longer(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, names=("a",)).start()
    node = cluster["a"]
    cluster.primary("a")
    changed(node, "orders,saving", stopwaitsecs=20)
    cluster.until(lambda: "the group has 20 s to stop" in node.logs(50000), "the listener to know")
    saved(cluster, node)


def test_a_program_that_is_no_longer_started_by_the_loader(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, names=("a",)).start()
    node = cluster["a"]
    cluster.primary("a")
    command = node.rpc.call("supervisor.getAllConfigInfo")
    [words] = [one["command"] for one in command if one["group"] == "primary"]
    for loaded in (False, True):
        node.overrides.setdefault("program:orders", {})["command"] = words if loaded else words.partition(" -- ")[2]
        node.write()
        assert node.ctl("update").returncode == 0
        cluster.until(lambda: node.part("orders").get("unguarded") is not loaded, "the report to say it")
        cluster.primary("a")
