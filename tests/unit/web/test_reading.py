"""The cluster as it is read from ZooKeeper, by a ZooKeeper in memory."""

import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect.config.load import from_text
from supervisor_zkelect.elector import NotConnected
from supervisor_zkelect.web import reading
from supervisor_zkelect.web.reading import Away, ElectionReader
from tests.unit.config.files import text
from tests.unit.web.test_schemas import fits
from tests.unit.zookeeper.cluster import Cluster
from tests.unit.zookeeper.memory import Client

SETTINGS = from_text(text(), "f.conf")


@pytest.fixture
def cluster(monkeypatch):
    """A cluster of two nodes, of which a leads, at the ZooKeeper to which a source connects. opened: how often that was."""
    made = Cluster("a", "b")
    made.tell("a", state="primary")
    made.opened = 0

    def open_client(settings, seconds):
        made.opened += 1
        client = Client(made.ensemble)
        client._connection = SimpleNamespace(_connection_routine=threading.current_thread())
        return client

    monkeypatch.setattr(reading.connect, "open_client", open_client)
    monkeypatch.setattr(reading.connect, "stop_client", lambda client: None)
    return made


def read(source=None, former=()):
    return (source or ElectionReader(lambda: SETTINGS)).elections(1.0, dict(former))


def test_all_that_is_told_of_an_election(cluster):
    told = read()["orders"]
    assert [(one["node"], one["role"], one["place"]) for one in told["nodes"]] == [("a", "primary", 1), ("b", "standby", 2)]
    assert told["address"] == "a:1" and told["next"]["node"] == "b" and told["next"]["seconds"] > 0
    assert told["terms"] == [] and told["orders"] == [] and told["paused"] is None and told["trouble"] == ""
    fits("status", {
        "v": 1, "node": "a", "version": "1", "now": 1, "age": 0.0, "zookeeper": {"connected": True, "since": 1, "trouble": ""},
        "elections": {"orders": {**told, "here": {
            "primary": False, "why": "", "lease": None, "acked": False, "token": None, "guarded": False,
        }}},
    })


def test_that_nobody_could_take_over_is_told(cluster):
    cluster.end("b")
    told = read()["orders"]
    assert told["next"]["node"] is None and "nobody would take over" in told["next"]["why"]


def test_one_session_is_kept_and_another_begun_where_the_file_is_another(cluster):
    settings = [SETTINGS]
    source = ElectionReader(lambda: settings[0])
    read(source)
    read(source)
    assert cluster.opened == 1
    settings[0] = from_text(text(), "f.conf")
    read(source)
    assert cluster.opened == 2
    source.close()
    read(source)
    assert cluster.opened == 3


def test_a_client_that_has_given_up_is_replaced(cluster, monkeypatch):
    """As where its credentials were refused: it would answer nothing any more, whatever is set right."""
    gone, closed, source = threading.Thread(target=lambda: None), [], ElectionReader(lambda: SETTINGS)
    monkeypatch.setattr(reading.connect, "stop_client", closed.append)
    gone.start()
    gone.join()
    read(source)
    first = source._client
    first._connection._connection_routine = gone
    assert read(source)["orders"]["address"] == "a:1" and cluster.opened == 2 and closed == [first]
    read(source)
    assert cluster.opened == 2


def test_a_rehearsal_is_made_where_something_has_changed(cluster, monkeypatch):
    """It takes longer than all the rest."""
    made = []
    real = reading.outlook_of
    monkeypatch.setattr(reading, "outlook_of", lambda whole: made.append(1) or real(whole))
    source = ElectionReader(lambda: SETTINGS)
    assert read(source) == read(source) and len(made) == 1
    cluster.tell("b", state="standby", trouble="slow")
    assert "slow" in read(source)["orders"]["next"]["why"] and len(made) == 2


def test_without_a_session_why_is_told(monkeypatch):
    def refuse(settings, seconds):
        raise NotConnected("cannot reach ZooKeeper at zk1:2181: no answer")

    monkeypatch.setattr(reading.connect, "open_client", refuse)
    with pytest.raises(Away, match="cannot reach ZooKeeper at zk1:2181"):
        read()


def test_an_election_that_cannot_be_read_keeps_what_was_told_of_it(cluster, monkeypatch):
    source = ElectionReader(lambda: SETTINGS)
    former = read(source)

    def refuse(self):
        raise reading.ElectionError("refused\x1b")

    monkeypatch.setattr(reading.Elector, "overview", refuse)
    told = read(source, former)["orders"]
    since = told["unread_since"]
    assert told == {**former["orders"], "trouble": "refused\\x1b", "unread_since": since} and since > 0
    assert read(source, {"orders": told})["orders"]["unread_since"] == since
    first = read(source)["orders"]
    assert first == {**reading.EMPTY, "trouble": "refused\\x1b", "unread_since": first["unread_since"]} and first["unread_since"]
    monkeypatch.undo()
    assert read(source, {"orders": told})["orders"]["unread_since"] is None


def test_a_silent_zookeeper_is_told_for_all_together(cluster, monkeypatch):
    def silent(self):
        raise NotConnected("lost")

    monkeypatch.setattr(reading.Elector, "overview", silent)
    with pytest.raises(Away, match="there is no connection to ZooKeeper"):
        read()
