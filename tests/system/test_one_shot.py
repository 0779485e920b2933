"""A program of the group that ends when its work is done, in an election without a health check."""

import json

import pytest


@pytest.mark.parametrize("startsecs, status", [("0", "0"), ("0", "3"), ("1", "0")])
def test_a_one_shot_program_is_told(make_cluster, zk_server, startsecs, status):
    """No node becomes primary, which is right; log, role and check say why, and what to do."""
    cluster = make_cluster(zk_server.hosts, ("a",), overrides={
        "election:orders": {"health": "none", "promote_timeout": "8"},
        "program:setup": {
            "command": f"zkelect run -- sh -c 'exit {status}'", "autostart": "false", "autorestart": "false",
            "startsecs": startsecs, "startretries": "1",
        },
        "group:primary": {"programs": "orders,setup"},
    })
    node = cluster["a"]
    cluster.nodes["a"].start()
    if startsecs == "0":
        cause = f"program setup has exited with status {status}: without a health check"
        reason = "setup is EXITED: it has ended, and without a health check a node is primary only while every program"
        cluster.until(lambda: reason in node.part("orders").get("trouble", ""), "the trouble to be told")
        assert "setup is EXITED" in node.zkelect("role").stdout
    else:
        cause = "program setup is in FATAL"
        reason = f"{cause}: at each try it could not be started, or ended before its startsecs"
    cluster.until(lambda: "-> demoting" in node.logs(50000), "the promotion to be given up")
    line = next(line for line in node.logs(50000).splitlines() if "-> demoting" in line)
    assert f"exit status {status}; its log is " in line
    assert reason in line and "move it out of [group:primary], or set health in [election:orders]" in line

    def told(*words):
        checked = node.zkelect("check", *words, "--json")
        found = json.loads(checked.stdout)
        if startsecs == "0":
            return checked.returncode != 0 and any(cause in line for line in found["problems"])
        return any(cause in line for line in found["notes"])

    # While it is just being started once more supervisord's word tells nothing.
    cluster.until(lambda: told(), "check to say it")
    cluster.until(lambda: told("-c", str(node.zkelect_conf)), "check of the file to say it")
    for words in ((), ("-c", str(node.zkelect_conf))):
        notes = json.loads(node.zkelect("check", *words, "--json").stdout)["notes"]
        assert any("program setup has autorestart = false" in line and "program orders" not in line for line in notes), notes
