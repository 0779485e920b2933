"""The configuration is edited while a node is primary, and its listener restarted: who is not concerned runs on."""

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NotEmptyError

from lab.node import SERVICE, service_command
from supervisor_zkelect.system.clock import now
from tests.system.conftest import on


def restart_listener(cluster, name="a"):
    """Restart the listener, and wait until another one has begun."""
    former = cluster[name].listener_pid()
    cluster[name].ctl("restart", "zkelect:zkelect")
    cluster.until(lambda: cluster[name].listener_pid() not in (None, former), "another listener")


def rewrite(node, *pairs):
    text = node.zkelect_conf.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    node.zkelect_conf.write_text(text)


def without(text, section):
    """The text of a configuration without one section."""
    begin = text.index(f"[{section}]")
    return text[:begin] + text[text.index("\n[", begin) + 1:]


def test_another_server_changes_nothing(make_cluster, patient):
    cluster = make_cluster(**on(patient))
    for node in cluster.nodes.values():
        command = f"zkelect run -- {service_command(node.addresses['orders'], '--ignore-term')}"
        node.overrides["program:orders"] = {"command": command, "stopwaitsecs": "30"}
    cluster.start()
    pid, token = cluster.primary("a"), cluster.token("a")
    port = patient.hosts.rpartition(":")[2]
    cluster["a"].overrides["zkelect"]["servers"] = f"{patient.hosts},localhost:{port}"
    cluster["a"].write()
    restart_listener(cluster)
    assert cluster.settled("a") == pid and cluster.token("a") == token
    cluster.verdict()


def test_an_election_that_is_taken_out_is_released(make_cluster, patient):
    cluster = make_cluster(**on(patient), sample="two-elections.conf", elections=("orders", "billing")).start()
    pid, token = cluster.primary("a", "orders"), cluster.token("a", "orders")
    cluster["a"].zkelect_conf.write_text(without(cluster["a"].zkelect_conf.read_text(), "election:billing"))
    restart_listener(cluster)
    cluster.primary("b", "billing")
    assert cluster.primary("a", "orders") == pid and cluster.token("a", "orders") == token
    cluster.until(lambda: "billing: released" in cluster["a"].logs(50000), "the release to be told")
    assert "ended without releasing" not in cluster["b"].logs(50000)
    for election in cluster.elections:
        cluster.verdict(election)


def test_an_election_that_gets_another_group_begins_again(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts)
    cluster["a"].config = (
        f"[program:other]\ncommand = zkelect run -- python3 {SERVICE} --listen "
        "%(ENV_ORDERS_ADDRESS)s\nautostart = false\nstopasgroup = true\nkillasgroup = true\n"
        "[group:second]\nprograms = other\n"
    )
    cluster.start()
    rewrite(cluster["a"], ("group = primary", "group = second"))
    restart_listener(cluster)
    cluster.until(lambda: not cluster["a"].service_pids("primary"), "the former group to end")
    cluster.leader()
    cluster.verdict()


def test_an_election_that_moves_to_another_znode_leaves_nothing_behind(make_cluster, zk_server, zk):
    cluster = make_cluster(zk_server.hosts).start()
    base = f"{cluster.chroot}/zkelect/orders"
    rewrite(cluster["a"], ("[election:orders]\n", "[election:orders]\nelection_znode = /moved/e\nelection_ack = /moved/ack\n"))
    restart_listener(cluster)
    cluster.until(lambda: "orders: released" in cluster["a"].logs(50000), "the former proposal to be given up")
    cluster.until(lambda: zk.exists(f"{cluster.chroot}/moved/e") and zk.get_children(f"{cluster.chroot}/moved/e"),
                  "a proposal at the other place")
    # The other node was not told of the move, and so leads where it stands.
    cluster.primary("b")
    assert len(zk.get_children(f"{base}/election")) == 1


def test_a_stop_by_hand_after_a_restart_of_the_listener_is_seen(make_cluster, patient):
    cluster = make_cluster(**on(patient), overrides={"election:orders": {"fall": "1000"}}).start()
    pid = cluster.primary("a")
    restart_listener(cluster)
    assert cluster.settled("a") == pid
    since = now()
    cluster["a"].ctl("stop", "primary:*")
    cluster.settled("b")
    # As a resignation, and not after a thousand failed checks.
    assert "counts as a resignation" in cluster["a"].logs() and now() - since < 60


@pytest.fixture
def client(zk_server):
    client = KazooClient(hosts=zk_server.hosts)
    client.start(timeout=30)
    yield client
    client.stop()
    client.close()


def try_to_delete(client, path):
    try:
        client.delete(path, recursive=True)
        return True
    except NotEmptyError:
        return False


def test_parents_of_the_ack_that_were_deleted_are_made_again(make_cluster, zk_server, client):
    places = {"election_znode": "/e/orders", "election_ack": "/acks/orders/ack"}
    cluster = make_cluster(zk_server.hosts, reached=None, overrides={"election:orders": places}).start()

    def remove():
        # What is made again meanwhile stands in the way.
        cluster.until(lambda: try_to_delete(client, f"{cluster.chroot}/acks"), "the parents to be gone")

    remove()
    cluster.settled("a")
    cluster.until(lambda: client.exists(f"{cluster.chroot}/acks/orders/ack-state/holder"), "the holder to be there again")
    remove()
    assert cluster["a"].zkelect("resign", "orders").returncode == 0
    cluster.settled("b")
