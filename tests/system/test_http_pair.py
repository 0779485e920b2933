"""`zkelect http` of a real pair: what it shows of the cluster, and that `role` tells when it does not answer."""

import contextlib
import json
import socket

import jsonschema
import pytest

from docs import write_schemas
from lab.web import Poller, WithHttp
from supervisor_zkelect.core.tally_words import BOUNDS, QUORUM


@pytest.fixture
def pair(tmp_path, zk_server, turn):
    """Two nodes of which `a` is told to be primary."""
    cluster = WithHttp(tmp_path, zk_server.hosts, ("a", "b"), reached=zk_server.hosts).start()
    try:
        cluster.until(lambda: cluster.ask("a", "/primary/orders")[0] == 200, "a to be told primary")
        yield cluster
        cluster.verdict()
    finally:
        cluster.stack.close()


def fits(name, document):
    schema = json.loads((write_schemas.FOLDER / f"http-{name}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)


def test_each_node_shows_the_whole_cluster(pair):
    def seen(name):
        status, document = pair.ask(name, "/status")
        fits("status", document)
        found = document["elections"]["orders"]
        roles = {one["node"]: one["role"] for one in found["nodes"]}
        return status == 200 and roles == {"a": "primary", "b": "standby"} and found["next"]["node"] == "b" and found["terms"]

    for name in pair.nodes:
        pair.until(lambda: seen(name), f"{name} to show both", None, 0.2)
    assert pair.ask("b", "/status")[1]["elections"]["orders"]["here"]["primary"] is False
    for name, ready in (("a", "/primary"), ("b", "/standby"), ("a", "/ready"), ("b", "/ready")):
        pair.until(lambda: pair.ask(name, ready)[0] == 200, f"{ready} of {name}")
    assert pair.ask("a", "/standby")[0] == pair.ask("b", "/primary")[0] == 503
    status, history = pair.ask("b", "/history/orders?limit=1")
    fits("history", history)
    assert status == 200 and [one["node"] for one in history["elections"]["orders"]] == ["a"]
    assert pair["a"].ctl("zkelect", "resign", "orders").returncode == 0
    pair.until(lambda: pair.ask("b", "/primary")[0] == 200 and pair.ask("a", "/standby")[0] == 200, "the roles to be told the other way")
    pair.until(lambda: pair.ask("a", "/status")[1]["elections"]["orders"]["next"]["node"] == "a", "a to be next", None, 0.2)


def test_role_tells_when_it_does_not_answer(pair):
    assert pair["a"].ctl("stop", "zkelect-http").returncode == 0
    told = f"zkelect http does not answer at 127.0.0.1:{pair.ports['a']} (Connection refused); a load balancer sees no primary here"
    pair.until(lambda: told in pair["a"].ctl("role").stdout.replace("\n", " "), "role to tell", None, 0.5)
    assert told in pair["a"].zkelect("check", "-c", str(pair["a"].zkelect_conf)).stdout.replace("\n", " ")
    assert pair["a"].ctl("start", "zkelect-http").returncode == 0
    pair.until(lambda: told not in pair["a"].ctl("role").stdout.replace("\n", " "), "role to tell no more", None, 0.5)


class Dawdlers:
    """Connections whose header has no end, in a `with` statement. Each that was closed is opened anew."""

    def __init__(self, port, number):
        self._port, self._links = port, [None] * number

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for link in filter(None, self._links):
            link.close()

    def dawdle(self):
        """A byte more on each."""
        for number, link in enumerate(self._links):
            try:
                if link is None:
                    self._links[number] = link = socket.create_connection(("127.0.0.1", self._port), 1.0)
                    link.sendall(b"GET /primary/orders HTTP/1.1\r\nX: ")
                link.sendall(b"x")
            except OSError:
                if link is not None:
                    link.close()
                self._links[number] = None


def heartbeats(node):
    """How many of the heartbeats by which its lease is extended were answered within half a second, and how many later."""
    counts = node.report()["counters"]["session"]["heartbeats"][QUORUM]["n"]
    within = BOUNDS.index(0.5) + 1
    return sum(counts[:within]), sum(counts[within:])


def test_heartbeats_are_not_late_while_strangers_dawdle_and_probe_at_full_speed(pair):
    """Generously: most within half a second, which is less than a third of the time that ZooKeeper may be silent."""
    node, term = pair["a"], pair.token("a")
    timely, late = heartbeats(node)
    with contextlib.ExitStack() as crowd:
        dawdlers = [crowd.enter_context(Dawdlers(port, 200)) for port in pair.ports.values()]
        poller = crowd.enter_context(Poller(pair.ports, pace=0.0))

        def answered():
            for one in dawdlers:
                one.dawdle()
            return sum(heartbeats(node)) >= timely + late + 10

        pair.until(answered, "ten heartbeats to be answered", None, 0.1)
        told = len(poller.said("a", 200))
    more, later = (now - before for now, before in zip(heartbeats(node), (timely, late)))
    assert later <= (more + later) / 5, f"{later} of {more + later} heartbeats took more than half a second, {told} probes meanwhile"
    assert told > 100 and pair.token("a") == term and pair.ask("a", "/primary/orders")[0] == 200
