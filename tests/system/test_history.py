"""The history of terms on real nodes: who led, why each term ended, and in which steps."""

import json
import time

from supervisor_zkelect.core.history import BEGUN, ENDED


def terms(cluster, node):
    done = cluster[node].zkelect("history", "orders", "--json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)["elections"]["orders"]


def in_order(moments, names):
    """A program may be executed before supervisord has answered that all are started."""
    times = [moments[name] for name in names if name != "executed"]
    return times == sorted(times) and moments.get("leased", 0) <= moments.get("executed", 1e12) <= moments.get("healthy", 2e12)


def test_terms_are_told_with_their_steps_and_ends(pair):
    assert pair["a"].ctl("zkelect", "resign").returncode == 0
    pair.settled("b")
    # A listener that outlives supervisord for a moment would end the term.
    pair["b"].crash(pair["b"].supervisord_pid, pair["b"].listener_pid())
    pair.primary("a")

    def told():
        found = terms(pair, "a")
        return found if len(found) == 3 and all("ended" in term for term in found[1:]) else []

    third, second, first = pair.until(told, "three terms, and the ends of two, to be written")
    assert [third["node"], second["node"], first["node"]] == ["a", "b", "a"]
    assert third["token"] > second["token"] > first["token"]
    for term in (third, second, first):
        assert in_order(term["begun"], BEGUN), term
    # The first end is told by the listener, the second by the guard, which no listener outlived.
    for term in (second, first):
        assert in_order(term["ended"], ENDED), term
    assert "resigned" in first["ended"]["why"] and second["ended"]["why"] == "supervisord is dead"
    assert "ended" not in third
    shown = pair["a"].ctl("zkelect", "history").stdout
    assert "supervisord is dead" in shown and "executed" in shown


def test_a_listener_that_takes_a_term_over_tells_its_end_as_well(steady):
    (before,) = steady.until(lambda: terms(steady, "a"), "the term to be written")
    steady["a"].ctl("restart", "zkelect")
    steady.until(lambda: "goes on in the same term" in steady["a"].logs(50000), "the other listener to go on")
    assert steady["a"].zkelect("resign", "orders").returncode == 0
    steady.settled("b")
    steady.until(lambda: "ended" in terms(steady, "a")[-1], "the end of the term to be written")
    after = terms(steady, "a")[-1]
    assert after["begun"] == before["begun"] and in_order(after["ended"], ENDED)


def test_a_term_whose_node_vanished_is_told_as_not_released(pair):
    # Nobody is left who could release.
    pair["a"].crash(pair["a"].guard_pid(), pair["a"].supervisord_pid, pair["a"].listener_pid())
    pair.settled("b")
    pair.until(lambda: "lost" in terms(pair, "b")[1], "b to note how the former term ended")
    latter, former = terms(pair, "b")
    assert (latter["node"], former["node"]) == ("b", "a") and "ended" not in former and "acked" in former["begun"]
    shown = pair["b"].ctl("zkelect", "history").stdout
    assert "not released: its session ended, as b noticed at 20" in shown and "  up to " in shown, shown


def test_a_standby_that_dies_does_not_end_its_former_term_again(pair):
    assert pair["a"].ctl("zkelect", "resign").returncode == 0
    pair.settled("b")
    pair.until(lambda: "ended" in terms(pair, "b")[1], "the end of the term to be written")
    before = terms(pair, "b")[1]
    pair["a"].kill(pair["a"].supervisord_pid, pair["a"].listener_pid())
    pair.until(lambda: not pair["a"].processes(), "everything of a to be gone")
    assert terms(pair, "b")[1] == before


def test_what_the_guard_ended_while_the_listener_stood_still(pair):
    """Told as the guard saw it, and not as the listener found it when it went on."""
    listener = pair["a"].listener_pid()
    pair["a"].freeze(listener)
    pair.primary("b")
    thawed = time.time()
    pair["a"].thaw(listener)
    pair.until(lambda: "ended" in terms(pair, "b")[1], "the end of the term to be written")
    ended = terms(pair, "b")[1]["ended"]
    assert ended["why"] == "the lease ran out: nobody extended it" and ended["noticed"] <= ended["dead"] < thawed
