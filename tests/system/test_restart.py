"""The service again in the same term, by order, on real nodes."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.operators.outcome import DONE, ERROR


def token(node):
    return json.loads(node.zkelect("role", "--json").stdout)["elections"]["orders"]["token"]


def test_the_service_is_another_process_in_the_same_term_and_no_other_node_has_started_it(pair):
    before, (pid,), since = token(pair["a"]), pair["a"].service_pids(), pair["b"].logs()
    done = pair["b"].zkelect("restart", "--reason", "leak")
    assert done.returncode == DONE and "a has restarted the service in" in done.stdout, done.stdout + done.stderr
    pair.primary("a")
    assert token(pair["a"]) == before and pid not in pair["a"].service_pids()
    assert "promoting" not in pair["b"].logs()[len(since):] and not pair["b"].service_pids()
    (term, *_) = json.loads(pair["b"].zkelect("history", "--json").stdout)["elections"]["orders"]
    assert term["token"] == before and set(term["restarts"][0]) == {"ordered", "dead", "started", "healthy", "acked", "why"}
    assert term["restarts"][0]["why"].startswith("restarted by order of ") and term["restarts"][0]["why"].endswith(": leak")
    assert "nothing is ordered" in pair["a"].zkelect("orders").stdout


def test_what_cannot_be_done_stops_nothing(pair):
    (pid,) = pair["a"].service_pids()
    assert pair["a"].zkelect("restart", "--in", "3600").returncode == DONE
    again = pair["b"].zkelect("restart")
    assert again.returncode == ERROR and "restart --cancel takes it back" in again.stderr, again.stdout + again.stderr
    assert pair["b"].zkelect("restart", "--cancel").returncode == DONE
    assert pair["a"].service_pids() == {pid}


def test_a_listener_that_is_killed_meanwhile_does_not_end_the_term(pair):
    before, (pid,) = token(pair["a"]), pair["a"].service_pids()
    told = len(pair["a"].logs())
    with ThreadPoolExecutor(1) as other:
        ordered = other.submit(pair["b"].zkelect, "restart")
        until(lambda: "restarted by order" in pair["a"].logs()[told:], 30, "the restart to begin")
        os.kill(pair["a"].listener_pid(), signal.SIGKILL)
        said = ordered.result().stdout + ordered.result().stderr
        assert "has restarted the service" in said or "a listener ended in the middle of it" in said, said
    pair.primary("a")
    assert token(pair["a"]) == before and pid not in pair["a"].service_pids() and not pair["b"].service_pids()
    until(lambda: "nothing is ordered" in pair["b"].zkelect("orders").stdout, 30, "the order to be taken out")
