"""`check`, asked of the listener and by the file: it never finds nothing wrong where a node cannot do its part."""

import json
import os
import signal
import subprocess
import sys

import pytest
from kazoo.security import make_acl, make_digest_acl

from supervisor_zkelect.demo.wait import until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")

#: Listens on a port of this machine, as a user.
STRANGER = """
import os, socket, sys
port, uid = map(int, sys.argv[1:])
if uid:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
door = socket.create_server(("127.0.0.1", port))
print("there", flush=True)
sys.stdin.read()
"""


def checks(node):
    """What both ways to ask print, with their exit statuses; a JSON document says the same."""
    found = []
    for words in ((), ("-c", str(node.zkelect_conf))):
        done = node.zkelect("check", *words)
        assert done.stderr == "" and (done.returncode == 0) == ("no problem found" in done.stdout), done
        document = json.loads(node.zkelect("check", *words, "--json").stdout)
        assert document["exit"] == done.returncode and document["ok"] == (done.returncode == 0), document
        found.append((done.returncode, done.stdout))
    return found


def told(cluster, node, *pieces, status=1):
    """Wait until both say all of it, in one line that is no note."""

    def said():
        lines = [[line for line in text.splitlines() if not line.startswith("note: ")] for code, text in checks(node) if code == status]
        return len(lines) == 2 and all(any(all(piece in line for piece in pieces) for line in one) for one in lines)

    cluster.until(said, f"check to say {pieces}")


def well(cluster, node):
    cluster.until(lambda: [code for code, _ in checks(node)] == [0, 0], "check to find nothing wrong")


@pytest.fixture
def listening():
    """Have a process listen on a port."""
    made = []

    def listen(port, uid=0):
        process = subprocess.Popen(
            [sys.executable, "-c", STRANGER, str(port), str(uid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        made.append(process)
        assert process.stdout.readline() == "there\n"
        return process

    yield listen
    for process in made:
        process.communicate()


@as_root
@pytest.mark.parametrize("uid, user", [(0, "root"), (65534, "nobody")])
def test_a_stranger_on_the_services_port(pair, listening, uid, user):
    node = pair["b"]
    well(pair, node)
    # The primary's own service is no stranger.
    well(pair, pair["a"])
    address = node.addresses["orders"]
    stranger = listening(int(address.rpartition(":")[2]), uid)
    told(pair, node, f"address = {address}: ", f"process {stranger.pid} of the user {user} listens on port", "does not belong to group primary")
    stranger.communicate()
    well(pair, node)


@pytest.fixture
def with_digest(make_cluster, zk_server, zk):
    """A node with credentials."""
    zk.add_auth("digest", "b:b")
    cluster = make_cluster(
        zk_server.hosts, ("a",), overrides={"zkelect": {"digest": "%(ENV_ZK_DIGEST)s"}}, env={"ZK_DIGEST": "a:a"}
    )
    return cluster


CLOSED = [make_digest_acl("b", "b", all=True), make_acl("world", "anyone", read=True)]


@pytest.mark.parametrize("place, option", [
    ("election", "election_znode"), ("ack", "election_ack"), ("ack-state", "election_state"),
])
def test_what_zookeeper_would_refuse_while_it_leads(with_digest, zk, place, option):
    cluster = with_digest.start()
    path = f"{cluster.chroot}/zkelect/orders/{place}"
    zk.set_acls(path, CLOSED)
    told(cluster, cluster["a"], f"[election:orders] {option} = {path}: its ACL does not let this node", "correct the credentials")
    zk.set_acls(path, [make_acl("world", "anyone", all=True)])
    well(cluster, cluster["a"])


def test_an_election_that_a_node_may_not_join(with_digest, zk):
    cluster, path = with_digest, f"{with_digest.chroot}/zkelect/orders/election"
    zk.create(path, makepath=True)
    zk.set_acls(path, CLOSED)
    node = cluster["a"].start()
    told(cluster, node, f"election_znode = {path}: its ACL does not let this node propose")
    cluster.until(lambda: node.part("orders").get("trouble"), "the trouble")
    assert node.part("orders")["trouble"] in checks(node)[0][1]
    zk.set_acls(path, [make_acl("world", "anyone", all=True)])


def test_a_chroot_that_a_node_may_not_make(with_digest, zk):
    cluster = with_digest
    zk.create(cluster.chroot, acl=CLOSED)
    cluster["a"].overrides["zkelect"]["chroot"] = f"{cluster.chroot}/deeper/still"
    node = cluster["a"].start()
    chroot = f"[zkelect] chroot = {cluster.chroot}/deeper/still: the ACL of {cluster.chroot} does not let this node create {cluster.chroot}/deeper;"
    told(cluster, node, chroot)


def test_a_twin_and_a_node_with_the_same_address(make_cluster, zk_server, zk):
    cluster = make_cluster(zk_server.hosts, ("a",)).start()
    node, path = cluster["a"], f"{cluster.chroot}/zkelect/orders/election/n-"
    well(cluster, node)
    for name, address, piece in (
        ("a", "10.9.9.9:1", "has the name of this node, a, and is of another session"),
        ("c", node.addresses["orders"], f"address = {node.addresses['orders']}: the node c proposes the same one"),
    ):
        data = json.dumps({"v": 1, "node": name, "address": address}).encode()
        made = zk.create(path, data, ephemeral=True, sequence=True)
        told(cluster, node, piece, made.rpartition("/")[2])
        zk.delete(made)
        well(cluster, node)


def test_a_node_that_is_another_ones_twin(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, ("a", "b"))
    cluster["b"].environment["ZKELECT_NODE"] = "a"
    cluster["a"].start()
    cluster.primary("a")
    node = cluster["b"].start()
    told(cluster, node, "[election:orders] ", "a proposal with this node's name")


def test_a_session_timeout_that_the_servers_do_not_grant(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, ("a",), overrides={"zkelect": {"session_timeout": "100"}}).start()
    # Twenty ticks of 200 ms.
    told(cluster, cluster["a"], "[zkelect] session_timeout = 100: the servers grant 4 s", "set session_timeout = 4", status=2)


def test_a_listener_that_does_not_run_or_says_nothing(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, ("a",), overrides={"zkelect": {"reattach_grace": "600"}}).start()
    node = cluster["a"]
    log = node.rpc.call("supervisor.getProcessInfo", "zkelect:zkelect")["stderr_logfile"]
    well(cluster, node)
    frozen = node.listener_pid()
    node.freeze(frozen)
    try:
        told(cluster, node, "the listener zkelect:zkelect is RUNNING", f"the listener (pid {frozen}) is stopped by a signal", log)
    finally:
        node.thaw(frozen)
    cluster.primary("a")
    well(cluster, node)
    node.ctl("stop", "zkelect")
    told(cluster, node, "the listener zkelect:zkelect is STOPPED, and this node makes no proposal: supervisorctl start zkelect:zkelect")
    assert log in checks(node)[0][1]


@pytest.mark.parametrize("startretries, state", [("100000", "BACKOFF"), ("0", "FATAL")])
def test_a_listener_that_cannot_start(make_cluster, zk_server, tmp_path, startretries, state):
    (tmp_path / "zkelect").write_text("#!/bin/sh\nexit 41\n")
    (tmp_path / "zkelect").chmod(0o755)
    overrides = {"eventlistener:zkelect": {"command": f"{tmp_path}/zkelect listen", "startretries": startretries}}
    cluster = make_cluster(zk_server.hosts, ("a",), overrides=overrides)
    node = cluster["a"].start()
    told(cluster, node, f"the listener zkelect:zkelect is {state} (exit status 41)", "supervisorctl tail zkelect:zkelect stderr (")


def test_a_listener_whose_command_is_mistyped(make_cluster, zk_server):
    """From the start, and by an update of one that reported before."""
    cluster = make_cluster(zk_server.hosts, ("a",), overrides={"zkelect": {"reattach_grace": "600"}})
    node = cluster["a"].start()
    well(cluster, node)
    command = f"zkelekt listen -c {node.zkelect_conf}"
    node.overrides["eventlistener:zkelect"] = {"command": command}
    node.write()
    node.ctl("update")

    def is_told():
        told(cluster, node, "the listener zkelect:zkelect is ", "can't find command 'zkelekt'", "correct its section")
        for shown in (node.zkelect("role"), node.ctl("zkelect", "role")):
            text = shown.stdout + shown.stderr
            assert "supervisord has zkelect:zkelect in " in text and "can't find command 'zkelekt'" in text and "STOPPED" not in text

    is_told()
    node.kill_all()
    node.start()
    is_told()


def test_commands_that_are_none(make_cluster, zk_server, tmp_path):
    hook = tmp_path / "hook"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    cluster = make_cluster(zk_server.hosts, ("a",), overrides={
        "election:orders": {"health": "exec:/no/such/check --now", "stop_failed": str(hook), "fence": f"{hook} | cat"},
    })
    node = cluster["a"].start()
    told(cluster, node, "[election:orders] health = /no/such/check …: /no/such/check does not exist", status=2)
    told(cluster, node, "[election:orders] fence = ", ": | needs a shell, but this command runs without one", status=2)
    hook.write_text("#!/no/such/sh\n")
    told(cluster, node, f"[election:orders] stop_failed = {hook}: {hook}: its first line names the interpreter /no/such/sh", status=2)
    hook.chmod(0o644)
    told(cluster, node, f"[election:orders] stop_failed = {hook}: names no executable program", status=2)


def test_a_program_without_the_loader_is_a_problem(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, ("a",))
    node = cluster["a"]
    node.write()
    command = next(line for line in node.zkelect_conf.read_text().splitlines() if "zkelect run -- " in line)
    node.overrides["program:orders"] = {"command": command.partition("zkelect run -- ")[2]}
    node.start()
    cluster.primary("a")
    told(cluster, node, "unguarded")


@pytest.mark.parametrize("cut", [signal.SIGSTOP])
def test_without_zookeeper(make_cluster, zk_server, cut):
    """What the listener says of its link is told, and what it cannot look at costs no more than its time."""
    cluster = make_cluster("127.0.0.1:1", ("a",))
    node = cluster["a"].start()
    told(cluster, node, "ZooKeeper: ", "Connection refused")


def test_check_answers_in_time_where_much_is_wrong(make_cluster, zk_server):
    """Names that do not resolve and servers that are not there."""
    elections = {f"election:e{number}": {"address": f"no-{number}.invalid:1", "group": f"g{number}"} for number in range(5)}
    cluster = make_cluster("127.0.0.1:1", ("a",), overrides=elections)
    node = cluster["a"].start()
    done = until(lambda: (one := node.zkelect("check", "-c", str(node.zkelect_conf))).returncode and one, 60, "an answer")
    assert "supervisord has no such group" in done.stdout and "no-4.invalid cannot be resolved" in done.stdout


@pytest.mark.parametrize("section, option, value, wanted", [
    ("program:orders", "stdout_logfile", None, "[program:orders] stdout_logfile = AUTO: supervisord deletes this log"),
    ("eventlistener:zkelect", "stderr_logfile", None, "[eventlistener:zkelect] stderr_logfile = AUTO: supervisord deletes"),
    ("program:orders", "command", "zkelect run -- no-such-program", "[program:orders] command: supervisord's PATH"),
])
def test_what_keeps_an_installation_from_working(make_cluster, zk_server, section, option, value, wanted):
    cluster = make_cluster(zk_server.hosts, ("a",), overrides={section: {option: value}})
    cluster["a"].start()
    cluster.until(
        lambda: all(wanted in text for _, text in checks(cluster["a"])), f"check to say {wanted}"
    )
