"""The service again in the same term, by order, on real nodes."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.operators.outcome import DONE, ERROR


def token(node):
    return json.loads(node.zkelect("role", "--json").stdout)["elections"]["orders"]["token"]


def last(node):
    return json.loads(node.zkelect("history", "--json").stdout)["elections"]["orders"][0]


def test_the_service_is_another_process_in_the_same_term_and_no_other_node_has_started_it(steady):
    before, (pid,), since = token(steady["a"]), steady["a"].service_pids(), steady["b"].logs()
    done = steady["b"].zkelect("restart", "--reason", "leak")
    assert done.returncode == DONE and "a has restarted the service in" in done.stdout, done.stdout + done.stderr
    steady.primary("a")
    assert token(steady["a"]) == before and pid not in steady["a"].service_pids()
    assert "promoting" not in steady["b"].logs()[len(since):] and not steady["b"].service_pids()
    # What was told is written afterwards.
    term = steady.until(lambda: (found := last(steady["b"])).get("restarts") and found, "the restart to be written")
    assert term["token"] == before and set(term["restarts"][0]) == {"ordered", "dead", "started", "healthy", "acked", "why"}
    assert term["restarts"][0]["why"].startswith("restarted by order of ") and term["restarts"][0]["why"].endswith(": leak")
    until(lambda: "nothing is ordered" in steady["a"].zkelect("orders").stdout, 30, "the order to be taken out")


def test_what_cannot_be_done_stops_nothing(steady):
    (pid,) = steady["a"].service_pids()
    assert steady["a"].zkelect("restart", "--in", "3600").returncode == DONE
    again = steady["b"].zkelect("restart")
    assert again.returncode == ERROR and "restart --cancel takes it back" in again.stderr, again.stdout + again.stderr
    assert steady["b"].zkelect("restart", "--cancel").returncode == DONE
    assert steady["a"].service_pids() == {pid}


def test_a_listener_that_is_killed_meanwhile_does_not_end_the_term(steady):
    before, (pid,) = token(steady["a"]), steady["a"].service_pids()
    with ThreadPoolExecutor(1) as other:
        ordered = other.submit(steady["b"].zkelect, "restart")
        until(lambda: "restarted by order" in steady["a"].logs(50000), 30, "the restart to begin")
        os.kill(steady["a"].listener_pid(), signal.SIGKILL)
        said = ordered.result().stdout + ordered.result().stderr
        assert "has restarted the service" in said or "a listener ended in the middle of it" in said, said
    steady.primary("a")
    assert token(steady["a"]) == before and pid not in steady["a"].service_pids() and not steady["b"].service_pids()
    until(lambda: "nothing is ordered" in steady["b"].zkelect("orders").stdout, 30, "the order to be taken out")
