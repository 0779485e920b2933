"""`zkelect primary --watch` asks again and again, and leaves no more with the client than one thing to call."""

import json
from types import SimpleNamespace

import pytest

from supervisor_zkelect.core.sighting import Known
from supervisor_zkelect.operators import primary, remote
from supervisor_zkelect.operators.cli import main
from supervisor_zkelect.operators.outcome import Trouble
from supervisor_zkelect.processes import proc
from supervisor_zkelect.zookeeper import connect
from supervisor_zkelect.zookeeper.errors import NotConnected
from tests.unit.zookeeper.cluster import ROOT, STATE, Cluster
from tests.unit.zookeeper.memory import Client

ELECTION = SimpleNamespace(name="orders", election_znode=f"{ROOT}/election", election_ack=f"{ROOT}/ack", election_state=STATE)


class Looked(Client):
    """A client whose looks are scripted, and refused in the end. changes: called before each look of the ack, in turn. given: what it
    was to call at a change."""

    def __init__(self, ensemble, changes):
        super().__init__(ensemble)
        self.changes, self.given = list(changes), []

    def get_async(self, path, watch=None):
        if path == ELECTION.election_ack:
            self.given.append(watch)
            if not self.changes:
                self.ensemble.denied.add(("read", path))
            else:
                self.changes.pop(0)()
        return super().get_async(path)


def nothing():
    pass


@pytest.fixture
def cluster():
    return Cluster("a")


def looked(cluster, *changes, as_json=False):
    """What `--watch` prints while this happens, and the client."""
    client = Looked(cluster.ensemble, changes)
    return client, primary.AckZnode(client, SimpleNamespace(chroot="", hosts="h"), ELECTION, as_json)


def acked(cluster, text):
    return lambda: cluster.ensemble.set(ELECTION.election_ack, text)


def test_looks_leave_one_callback(cluster, capsys):
    client, ack = looked(cluster, nothing, nothing, cluster.nodes["a"].release, *[nothing] * 5)
    with pytest.raises(Trouble):
        ack.watch(look_again=0)
    assert capsys.readouterr().out == "a:1\n\n"
    assert len(client.given) == 9 and len(set(client.given)) == 1


def test_one_look_leaves_none(cluster, capsys):
    client, ack = looked(cluster, nothing)
    assert ack.once() == 0
    assert client.given == [None] and capsys.readouterr().out == "a:1\n"


def test_documents_have_the_token_and_come_with_each(cluster, capsys):
    """Where the same node leads again, and nobody looked in between."""

    def again():
        one = cluster.nodes["a"]
        one.release()
        one.create_proposal()
        cluster.lead("a")

    first = cluster.nodes["a"].token
    _, ack = looked(cluster, nothing, again, as_json=True)
    with pytest.raises(Trouble):
        ack.watch(look_again=0)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["address"], one["token"]) for one in told] == [("a:1", first), ("a:1", cluster.nodes["a"].token)]
    assert told[1]["token"] > first


def test_a_command_is_told_each_change_once(cluster):
    told = []
    reaction = SimpleNamespace(note=told.append, check=nothing)
    token = cluster.nodes["a"].token
    _, ack = looked(cluster, nothing, nothing, acked(cluster, b"b:1"), nothing, acked(cluster, b""))
    with pytest.raises(Trouble):
        ack.watch(0, reaction)
    assert told == [Known("a:1", token, "a"), Known("b:1"), Known("")]


def test_a_signal_whose_exception_was_lost_ends_it(cluster):
    def check():
        raise SystemExit(143)

    _, ack = looked(cluster, *[nothing] * 9)
    with pytest.raises(SystemExit, match="143"):
        ack.watch(0, SimpleNamespace(note=lambda known: None, check=check))


# By the program


@pytest.fixture
def run(cluster, monkeypatch, capsys):
    """Run it, at a ZooKeeper in memory, until Ctrl-C at its second look. Gives status, output and errors."""

    def interrupt():
        raise KeyboardInterrupt

    def run(*words):
        client = Looked(cluster.ensemble, [nothing, interrupt])
        monkeypatch.setattr(remote, "opened", lambda *words: client)
        monkeypatch.setattr(primary, "LOOK_AGAIN", 0)
        status = main(["primary", *words, "--servers", "zk1"])
        return status, *capsys.readouterr()

    return run


def test_an_election_that_is_not_there_is_told_also_while_it_is_waited_for(run):
    there = "there is no election nope below /zkelect; there are: orders"
    assert run("nope") == (2, "", f"zkelect: {there}\n")


def test_while_it_is_waited_for_one_line_says_so(cluster, monkeypatch, capsys):
    def look(self, watch):
        raise KeyboardInterrupt

    client = Client(cluster.ensemble)
    monkeypatch.setattr(remote, "opened", lambda *words: client)
    monkeypatch.setattr(primary.AckZnode, "look", look)
    assert main(["primary", "nope", "--servers", "zk1", "--watch", "--exec", "true"]) == 130
    assert capsys.readouterr().err == (
        "zkelect: there is no election nope below /zkelect; there are: orders; waiting for it\nzkelect: interrupted\n"
    )


def test_ctrl_c_is_one_line(run):
    assert run("orders", "--watch") == (130, "a:1\n", "zkelect: interrupted\n")
    status, out, errors = run("orders", "--watch", "--exec", "true")
    assert (status, out, errors) == (130, "a:1\n", "zkelect: interrupted\n")


def test_a_host_that_can_wait_for_no_command_is_told_before_anything_is_asked(run, monkeypatch):
    monkeypatch.setattr(proc, "pidfd_trouble", lambda: "pidfd_open: Function not implemented; run Linux 5.3 or later")
    status, out, errors = run("orders", "--watch", "--exec", "true")
    assert status == 1 and out == "" and errors == (
        "zkelect: --exec needs what this host lacks: pidfd_open: Function not implemented; run Linux 5.3 or later\n"
    )


@pytest.mark.parametrize("words, told", [
    (("--watch", "--exec", ""), "--exec"), (("--watch", "--exec", "  "), "--exec"), (("--watch", "--exec", "a 'b"), "--exec"),
    (("--exec", "true"), "--exec works only with --watch"), (("--watch", "--exec"), "argument --exec: expected one argument"),
])
def test_a_command_that_is_none_is_told_in_one_line_before_anything_is_asked(run, words, told):
    status, out, errors = run("orders", *words)
    assert status == 2 and out == "" and errors.startswith("zkelect: ") and told in errors and errors.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("--watch",), ("--watch", "--exec", "true")])
def test_where_zookeeper_is_away_at_the_start_one_line_says_so(words, monkeypatch, capsys):
    def away(client, limit):
        raise NotConnected("cannot reach ZooKeeper at zk1:2181: no answer; see that a server runs there and can be reached")

    monkeypatch.setattr(connect, "start_client", away)
    assert main(["primary", "orders", "--servers", "zk1", *words]) == 4
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("zkelect: unknown: cannot reach ZooKeeper at zk1:2181") and shown.err.count("\n") == 1


@pytest.mark.parametrize("words, told", [
    (("nope",), "there is no election nope below /zkelect; there are: orders"), (("a|b",), "is not a valid election name"),
])
def test_a_monitor_of_an_election_that_is_not_there_knows_nothing(cluster, monkeypatch, capsys, words, told):
    client = Client(cluster.ensemble)
    monkeypatch.setattr(remote, "opened", lambda *words: client)
    assert main(["monitor", *words, "--servers", "zk1"]) == 3
    out = capsys.readouterr().out
    assert out.startswith("ZKELECT UNKNOWN - ") and told in out and out.count("\n") == 1 and "|" not in out
