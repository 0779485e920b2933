"""What operators see of real nodes: why, simulate, the list, the history and what differs."""

import json
import shutil
import signal
import subprocess
import time

import pytest

from lab.zookeeper import ZooKeeper
from supervisor_zkelect.operators.outcome import DONE, ERROR, USAGE


def afar(cluster, hosts):
    return ("--servers", hosts + cluster.chroot)


@pytest.fixture
def three(make_cluster, zk_server):
    """Three nodes of which `a` is primary and c stands last, with other options; in the end nobody may have heard two."""
    cluster = make_cluster(zk_server.hosts, ("a", "b", "c"))
    for name, node in cluster.nodes.items():
        node.overrides["zkelect"] = {
            **node.overrides.get("zkelect", {}), "tags": f"rack:{name}", **({"kill_time": "0.4"} if name == "c" else {}),
        }
    cluster.start()
    yield cluster
    cluster.verdict()


def document(done):
    assert done.returncode in (DONE, ERROR), (done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_what_is_foretold_of_a_lost_host_comes_true(three, zk_server):
    words = afar(three, zk_server.hosts)
    asked = ([("b", ()), ("b", words)])
    for name, more in asked:
        def told():
            return document(three[name].zkelect("why", "--json", *more))["elections"]["orders"]  # noqa: B023

        def told_all():
            found = told()  # noqa: B023
            # Each node tells of itself a moment after it has begun.
            differs = any("c differs from a in kill_time (0.4, not 0.3)" in line for line in found["hindrances"])
            return found if found["next"] == "b" and differs else None

        found = three.until(told_all, "b to be foretold, and c to have told of itself")
        assert found["primary"] == "a" and found["faults"]["host"]["leader"] == "b" and not found["leads"]
    text = three["b"].ctl("zkelect", "why")
    assert text.returncode == DONE and text.stdout.startswith("orders: b is not primary: it stands by in place 2, behind a"), text.stdout
    steps = document(three["c"].zkelect("simulate", "--fault", "host", "--json"))["elections"]["orders"]
    assert steps["leader"] == "b" and any("the session of a expires" in step["why"] for step in steps["steps"])
    begun = time.monotonic()
    # Nobody is left who could release.
    three["a"].crash(three["a"].guard_pid(), three["a"].supervisord_pid, three["a"].listener_pid())
    three.primary("b")
    took = time.monotonic() - begun
    # To see who is primary takes the test its time, too, and on a busy machine everything does.
    assert took <= found["faults"]["host"]["after"] + 5.0, (took, found["faults"]["host"])
    token = document(three["b"].zkelect("history", "--json"))["elections"]["orders"][0]["token"]
    past = three.until(
        lambda: document(three["b"].zkelect("simulate", "--term", str(token), "--json"))["elections"].get("orders"), "the term"
    )
    assert [step["says"] for step in past["steps"]][-1] == "the ack is written: primary"
    assert three["c"].ctl("zkelect", "simulate").returncode == USAGE

    def events():
        shown = document(three["c"].zkelect("events", "--json", *words))["elections"]["orders"]["events"]
        return shown if any(one["text"].startswith("promoting -> primary") and one["node"] == "b" for one in shown) else None

    shown = sorted(three.until(events, "b to note that it leads"), key=lambda one: one["counter"])
    gone = [(one["node"], one["text"]) for one in shown if "session ended" in one["text"]]
    assert gone == [("b", "a is gone: its session ended")], shown
    numbers = [one["counter"] for one in shown]
    assert numbers == list(range(1, len(numbers) + 1)) and shown[-1]["number"].endswith(f".{numbers[-1]}")
    later = three["b"].ctl("zkelect", "events", "--since", shown[0]["number"])
    assert later.returncode == DONE and shown[1]["number"] in later.stdout and shown[0]["number"] + " " not in later.stdout


def test_a_standby_that_dies_is_noted_by_whoever_stands_behind_it(three):
    three["b"].crash(three["b"].guard_pid(), three["b"].supervisord_pid, three["b"].listener_pid())

    def gone():
        shown = document(three["a"].zkelect("events", "--json"))["elections"]["orders"]["events"]
        return [(one["node"], one["text"]) for one in shown if "session ended" in one["text"]]

    assert three.until(gone, "somebody to note it") == [("c", "b is gone: its session ended")]


def test_who_differs_is_named_wherever_one_looks(three, zk_server):
    told = "differs from a in kill_time (0.4, not 0.3)"
    three.until(lambda: told in three["a"].ctl("zkelect", "list").stdout, "the list to tell")
    three.until(lambda: told in three["c"].ctl("role").stdout, "c to tell of itself")
    for done in (three["a"].ctl("zkelect", "check", "--cluster"), three["b"].zkelect("check", "--cluster", *afar(three, zk_server.hosts))):
        assert done.returncode == ERROR and f"[election:orders] c {told}" in done.stdout, done.stdout + done.stderr
    picked = three["a"].zkelect("list", "--tag", "rack:b", "--json")
    assert [one["node"] for one in document(picked)["elections"]["orders"]["nodes"]] == ["b"]
    assert "rack:b" in three["a"].ctl("zkelect", "list").stdout
    conf = three["c"].zkelect_conf
    conf.write_text(conf.read_text().replace("kill_time = 0.4\n", "").replace("rack:c", "rack:d"))
    assert three["c"].ctl("zkelect", "reload").returncode == DONE
    three.until(lambda: "no problem found" in three["a"].ctl("zkelect", "check", "--cluster").stdout, "all to agree")
    assert "rack:d" in three["a"].ctl("zkelect", "list").stdout and told not in three["c"].ctl("role").stdout


def test_a_list_that_is_watched_shows_each_change_until_it_is_interrupted(three, zk_server):
    found = shutil.which("zkelect", path=three["b"].environment["PATH"])
    command = [found or "zkelect", "list", "--watch", "--json", *afar(three, zk_server.hosts)]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=three["b"].environment)
    try:
        assert json.loads(watching.stdout.readline())["elections"]["orders"]["nodes"][0]["node"] == "a"
        assert three["a"].ctl("zkelect", "resign").returncode == DONE
        while json.loads(watching.stdout.readline())["elections"]["orders"]["nodes"][0]["node"] != "b":
            pass
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == DONE and watching.stderr.read() == ""
    finally:
        watching.kill()
        watching.communicate()


def test_the_history_is_told_while_zookeeper_is_away(make_cluster, tmp_path):
    with ZooKeeper(tmp_path / "zk") as server:
        cluster = make_cluster(server.hosts, ("a",)).start()
        cluster.primary("a")
        cluster.until(lambda: document(cluster["a"].zkelect("history", "--json"))["elections"]["orders"], "the term to be written")
        server.freeze()
        try:
            away = cluster.until(
                lambda: (done := cluster["a"].zkelect("history")).returncode == DONE and "copy of" in done.stdout and done, "the copy to answer"
            )
            assert " a " in away.stdout and "as ZooKeeper does not tell" in away.stdout
        finally:
            server.thaw()
