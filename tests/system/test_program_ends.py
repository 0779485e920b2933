"""A program of the group that cannot run: what it ended with, what that means, and where its log is, stands where one looks."""

import os
import shutil

import pytest

ENDS = {
    "not executable": ("{folder}/service", "exit status 126: the program's own, or {folder}/service cannot be executed as root"),
    "missing": ("/no/such/program", "exit status 127: the program's own, or /no/such/program does not exist"),
    "missing in a shell": ("sh -c nosuchcommand", "exit status 127: the program's own, or sh does not exist"),
    "refused by itself": ("sh -c 'exit 75'", "exit status 75: the program's own, or `zkelect run` did not start it"),
    "killed": ("sh -c 'kill -SEGV $$'", "killed by SIGSEGV, a crash"),
    "another": ("sh -c 'exit 41'", "exit status 41"),
}


def one(make_cluster, zk_server, command, health="none", **options):
    """A cluster of one node whose program is given up after two tries."""
    program = {"command": f"zkelect run -- {command}", "startretries": "1", **options}
    overrides = {"election:orders": {"health": health, "promote_timeout": "20"}, "program:orders": program}
    return make_cluster(zk_server.hosts, ("a",), overrides=overrides)


@pytest.mark.parametrize("health", ["none", "tcp://127.0.0.1:1"])
@pytest.mark.parametrize("what", ENDS)
def test_why_a_program_does_not_run(make_cluster, zk_server, tmp_path, what, health):
    (tmp_path / "service").write_text("#!/bin/sh\n")
    command, told = (text.format(folder=tmp_path) for text in ENDS[what])
    cluster = one(make_cluster, zk_server, command, health)
    node = cluster["a"].start()
    cluster.until(lambda: "-> demoting" in node.logs(50000), "the promotion to be given up")
    log = node.rpc.call("supervisor.getProcessInfo", "primary:orders")["stderr_logfile"]
    said = [line for line in node.logs(50000).splitlines() if told in line and f"its log is {log}" in line]
    assert any("the program orders ended: " in line for line in said), said
    assert any("-> demoting" in line and "the program orders is in FATAL" in line for line in said), said
    cluster.until(lambda: told in node.ctl("zkelect", "status").stdout, "status to say it")
    for words in ((), ("-c", str(node.zkelect_conf))):
        cluster.until(lambda: told in node.zkelect("check", *words).stdout, "check to say it")


def test_a_program_whose_directory_is_missing(make_cluster, zk_server):
    cluster = one(make_cluster, zk_server, "cat", directory="/no/such/folder")
    node = cluster["a"].start()
    cluster.until(lambda: "-> demoting" in node.logs(50000), "the promotion to be given up")
    assert "or its directory= cannot be entered" in node.logs(50000)


def test_a_program_whose_section_was_changed_since_the_listener_began(make_cluster, zk_server):
    """What is told is of the program that ended, and not of the one that there was when the listener began."""
    cluster = make_cluster(zk_server.hosts).start()
    cluster.primary("a")
    node = cluster["b"]
    log = node.folder / "logs" / "another.log"
    changes = {"command": "zkelect run -- /no/such/server", "startretries": "1", "stdout_logfile": str(log)}
    node.overrides.setdefault("program:orders", {}).update(changes)
    node.write()
    assert node.ctl("update").returncode == 0
    resigned = cluster["a"].zkelect("resign", "orders")
    assert resigned.returncode == 1 and "b failed" in resigned.stderr, (resigned, cluster.logs())
    cluster.until(lambda: "the program orders is in FATAL" in node.logs(50000), "the promotion to be given up")
    [line, *_] = [line for line in node.logs(50000).splitlines() if "the program orders ended: " in line]
    assert "/no/such/server does not exist" in line and f"its log is {log}" in line
    cluster.until(lambda: "/no/such/server does not exist" in node.zkelect("check").stdout, "check to say it")


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_a_program_whose_user_may_not_execute_the_loader(make_cluster, zk_server, tmp_path):
    """As with a virtual environment in root's home."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    cluster = one(make_cluster, zk_server, "cat", user="nobody")
    node = cluster["a"]
    shutil.copy(shutil.which("zkelect", path=node.environment["PATH"]), folder / "zkelect")
    node.overrides["program:orders"]["command"] = f"{folder}/zkelect run -- cat"
    node.start()
    told = "`zkelect` itself cannot be executed as nobody"
    cluster.until(lambda: "-> demoting" in node.logs(50000), "the promotion to be given up")
    assert [line for line in node.logs(50000).splitlines() if "-> demoting" in line and told in line], node.logs(50000)
