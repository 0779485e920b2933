"""Two and three real nodes with the shipped sample: what a client and the operator see."""

import json
import re
from datetime import datetime, timedelta

import pytest

from lab.cluster import NOT_PRIMARY, PRIMARY, UNKNOWN
from lab.node import service_command
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.core.promotion import LOOKS, WORD_PACE
from supervisor_zkelect.system.clock import now
from tests.system.conftest import on

SOON = 10.0
"""Seconds within which three looks, one a second, are over on a machine that is busy with other things."""


def test_a_killed_service_comes_back_here(make_cluster, zk_server):
    # It may take longer to begin again than three checks that are a second apart.
    pair = make_cluster(zk_server.hosts, overrides={"election:orders": {"health_interval": "5"}}).start()
    pid = pair.primary("a")
    pair["a"].kill(pid)
    pair.primary("a", other=pid)
    pair.settled("a")
    assert pair.verdict().names == ["a"]


def test_everything_killed_at_once_fails_over(pair):
    pair["a"].kill_all()
    pair.primary("b")
    pair["a"].start()
    pair.settled("b")


def test_a_shut_down_supervisord_hands_over(pair):
    pair["a"].terminate()
    pair.until(lambda: not pair["a"].processes(), "the guard to end as well")
    pair.settled("b")


def test_resign_tells_who_leads_now(pair):
    done = pair["a"].zkelect("resign", "orders", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert pair["b"].addresses["orders"] in json.dumps(told)
    pair.settled("b")
    assert pair["b"].ctl("zkelect", "resign", "orders").returncode == 0
    pair.settled("a")


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["text", "json"])
def test_resign_is_no_success_where_the_other_node_fails(make_cluster, zk_server, words):
    cluster = make_cluster(zk_server.hosts)
    health = f"http://{cluster['b'].addresses['orders']}/missing"
    cluster["b"].overrides["election:orders"] = {"promote_timeout": "1", "health": health}
    cluster.start()
    done = cluster["a"].zkelect("resign", "orders", *words)
    told = json.loads(done.stdout)["text"] if words else done.stderr
    assert done.returncode == 1, done
    assert f"this node leads again at {cluster['a'].addresses['orders']}" in told and "b leads" not in told, done
    assert "b failed: not healthy within 1 s" in told, done
    cluster.settled("a")
    cluster.verdict()


def test_resign_tells_of_a_node_whose_promotion_had_failed(make_cluster, zk_server):
    """It steps behind the other, or tries where that does not stand in the queue again yet."""
    cluster = make_cluster(zk_server.hosts)
    health = f"http://{cluster['b'].addresses['orders']}/missing"
    cluster["b"].overrides["election:orders"] = {"promote_timeout": "1", "health": health}
    cluster.start()
    assert "b failed: not healthy within 1 s" in cluster["a"].zkelect("resign", "orders").stderr
    cluster.settled("a")
    done = cluster["a"].zkelect("resign", "orders")
    assert done.returncode == 1 and "this node leads again" in done.stderr, done
    stepped = "b stepped behind, since its last promotion failed: not healthy within 1 s"
    assert (stepped in done.stderr) != ("b failed: not healthy within 1 s" in done.stderr), done
    cluster.settled("a")
    said = cluster["b"].zkelect("role", "orders")
    assert said.returncode == 3 and "stands by, but its last promotion failed" in said.stdout + said.stderr, said
    found = cluster["b"].zkelect("check")
    assert found.returncode == 1 and "its last promotion failed" in found.stdout + found.stderr, found
    cluster.verdict()


def test_resign_is_refused_while_zookeeper_is_silent(pair, zk_server):
    zk_server.freeze()
    try:
        done = pair["a"].zkelect("resign", "orders", "--json", "--timeout", "15")
    finally:
        zk_server.thaw()
    told = json.loads(done.stdout)["text"]
    assert done.returncode == 1 and "ZooKeeper" in told, done
    assert "nobody could take over" in told or "the term ended before it was known who could take over" in told, done
    assert "resigned by order" not in pair["a"].logs()
    pair.leader()


def test_resign_on_a_standby_changes_nothing(steady):
    pid = steady.primary("a")
    assert steady["b"].zkelect("resign", "orders").returncode != 0
    assert steady.settled("a") == pid


def test_a_sick_service_steps_down(pair):
    pair["a"].health_file.write_text("")
    pair.settled("b")


@pytest.mark.parametrize("events", ["PROCESS_STATE,SUPERVISOR_STATE_CHANGE", "SUPERVISOR_STATE_CHANGE"])
def test_without_a_health_check_an_end_that_supervisord_does_not_mend_is_noticed(make_cluster, patient, events):
    """In three looks, one a second, and not when supervisord's word is asked for again anyway; by the guard's pidfds
    where supervisord's events do not come."""
    cluster = make_cluster(**on(patient), overrides={
        "election:orders": {"health": "none"}, "program:orders": {"autorestart": "false"},
        "eventlistener:zkelect": {"events": events},
    }).start()
    cluster.until(
        lambda: now() - cluster["a"].part("orders")["since"] > LOOKS + 1
        and 4 < now() % WORD_PACE < WORD_PACE - SOON - 1,
        "looks at supervisord's word to be rare",
    )
    cluster["a"].kill(cluster.pid("a"))
    cluster.settled("b")
    lines = cluster["a"].logs(20000).splitlines()
    ended, left = (
        next(datetime.fromisoformat(line[:23]) for line in lines if text in line)
        for text in ("the process", "primary -> demoting")
    )
    assert timedelta(seconds=1) < left - ended < timedelta(seconds=SOON), cluster.logs()
    cluster.verdict()


def test_a_frozen_listener_makes_the_role_unknown(make_cluster, tmp_path):
    """For less than its lease, which is long enough for a busy machine to say so."""
    with ZooKeeper(tmp_path / "zk", tick_ms=1000) as zookeeper:
        pair = make_cluster(zookeeper.hosts, timeout=20, tick=1).start()
        pid = pair["a"].listener_pid()
        pair["a"].freeze(pid)
        pair.role("a", UNKNOWN)
        pair["a"].thaw(pid)
        pair.role("a", PRIMARY)


def test_a_stopped_listener_makes_the_role_unknown(pair):
    assert pair["b"].ctl("stop", "zkelect").returncode == 0
    pair.role("b", UNKNOWN)
    assert pair["b"].ctl("start", "zkelect").returncode == 0
    pair.settled("a")


def test_a_killed_listener_goes_on_in_the_same_term(steady):
    service, token, pid = steady.primary("a"), steady.token("a"), steady["a"].listener_pid()
    steady["a"].kill(pid)
    steady.until(lambda: steady["a"].listener_pid() not in (None, pid), "a listener to run again")
    assert steady.settled("a") == service and steady.token("a") == token


def test_a_service_that_ends_in_fatal_steps_down(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts)
    for node in cluster.nodes.values():
        command = service_command(node.addresses["orders"])
        script = node.folder / "service"
        script.write_text(f"#!/bin/sh\n[ ! -e {node.folder}/broken ] || exit 1\nexec {command}\n")
        script.chmod(0o755)
        node.overrides["program:orders"] = {"startretries": "1", "command": f"zkelect run -- {script}"}
    cluster.start()
    (cluster["a"].folder / "broken").touch()
    cluster["a"].kill(cluster.primary("a"))
    cluster.settled("b")
    cluster.verdict()


def test_a_group_started_by_hand_on_a_standby_is_refused_or_undone(steady):
    steady["b"].ctl("start", "primary:*")
    # The chain loader refuses, unless the listener was faster and had it killed.
    steady.until(
        lambda: re.search("may not start here|standby; it is killed", steady["b"].logs()), "the refusal to be told"
    )
    steady.until(lambda: not steady["b"].service_pids(), "the loaders to be gone")
    steady.settled("a")
    assert steady.verdict().names == ["a"]


def test_a_group_stopped_by_hand_on_the_primary_resigns(pair):
    assert pair["a"].ctl("stop", "primary:*").returncode == 0
    pair.settled("b")


def test_three_nodes_hand_down_the_line(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, ("a", "b", "c")).start()
    cluster["a"].kill_all()
    cluster.settled("b")
    cluster["b"].terminate()
    cluster.settled("c")
    cluster["a"].start()
    cluster.settled("c")
    assert cluster["c"].zkelect("resign", "orders").returncode == 0
    cluster.settled("a")
    assert cluster.verdict().names == ["a", "b", "c", "a"]


def test_passwords_on_both_servers_of_supervisord(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, username="operator", password="s3cret%;word", inet=True).start()
    for url in (f"unix://{cluster['a'].socket}", cluster["a"].inet_url):
        shown = cluster["a"].zkelect("role", "-s", url, "-u", "operator", "-p", "s3cret%;word")
        assert shown.returncode == PRIMARY, shown.stdout + shown.stderr
        refused = cluster["a"].zkelect("role", "-s", url, "-u", "operator", "-p", "wrong")
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused
    cluster["a"].kill_all()
    cluster.settled("b")


def test_two_elections_in_one_listener(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts, sample="two-elections.conf", elections=("orders", "billing")).start()
    assert cluster["a"].zkelect("resign", "billing").returncode == 0
    cluster.primary("b", "billing")
    cluster.role("a", NOT_PRIMARY, "billing")
    cluster.primary("a", "orders")
    cluster["a"].kill_all()
    for election in cluster.elections:
        cluster.primary("b", election)
        cluster.verdict(election)


def test_without_a_health_check_supervisords_word_makes_it_primary(make_cluster, zk_server):
    """An event tells when the program runs, and in time; to ask for it again takes 20 s."""
    word = {"election:orders": {"health": "none", "health_interval": "120"}}
    cluster = make_cluster(zk_server.hosts, overrides=word).start()
    cluster["a"].kill_all()
    cluster.settled("b")
    cluster.verdict()

    def terms():
        found = json.loads(cluster["b"].zkelect("history", "--json").stdout)["elections"]["orders"]
        return found if len(found) == 2 and all("healthy" in term["begun"] for term in found) else []

    # Whoever leads writes it afterwards.
    found = cluster.until(terms, "two terms to be written")
    assert [term["begun"]["healthy"] - term["begun"]["executed"] < 10 for term in found] == [True, True]


def test_a_program_that_ignores_sigterm_is_killed(make_cluster, zk_server):
    cluster = make_cluster(zk_server.hosts)
    address = cluster["a"].addresses["orders"]
    cluster["a"].overrides["program:orders"] = {"command": f"zkelect run -- {service_command(address, '--ignore-term')}"}
    cluster.start()
    assert cluster["a"].zkelect("resign", "orders").returncode == 0
    cluster.settled("b")
    cluster.verdict()


@pytest.mark.parametrize("autorestart, here", [(None, True), ("unexpected", False)])
def test_a_service_that_ends_on_sigterm_is_started_again_where_supervisord_does_so(make_cluster, zk_server, autorestart, here):
    """README, "Day to day": restart it."""
    # It may take longer to begin again than three checks that are a second apart.
    overrides = {"election:orders": {"health_interval": "5"}}
    if autorestart:
        overrides["program:orders"] = {"autorestart": autorestart}
    cluster = make_cluster(zk_server.hosts, overrides=overrides).start()
    pid, token = cluster.primary("a"), cluster.token("a")
    # What ends before that supervisord takes for one that did not start.
    cluster.until(lambda: cluster["a"].rpc.call("supervisor.getProcessInfo", "primary:orders")["statename"] == "RUNNING",
                  "the service to be RUNNING")
    assert cluster["a"].ctl("signal", "TERM", "primary:orders").returncode == 0
    if here:
        assert cluster.primary("a", other=pid) and cluster.token("a") == token
    else:
        cluster.primary("b")
    log = (cluster["a"].folder / "logs" / "supervisord.log").read_text()
    assert "exited: orders (exit status 0; expected)" in log
    cluster.verdict()
