"""Reaching an election from any host, by words of the command line."""

import json
import socket
import time
from types import SimpleNamespace

import pytest
from kazoo import exceptions

from supervisor_zkelect.operators import listing, remote
from supervisor_zkelect.operators.cli import main, parser
from supervisor_zkelect.operators.outcome import ERROR, UNKNOWN, USAGE, Trouble
from supervisor_zkelect.operators.table import PLAIN
from supervisor_zkelect.operators.verbs import VERBS
from tests.unit.zookeeper.cluster import Cluster
from tests.unit.zookeeper.memory import Client


def settings(*words):
    arguments = parser().parse_args(["primary", *words])
    assert remote.wanted(arguments)
    return remote.settings(arguments)


@pytest.mark.parametrize("words, servers, ack", [
    (["--servers", "zk1,zk2:2182"], ("zk1:2181", "zk2:2182"), "/zkelect/orders/ack"),
    (["--servers", "[::1]:2181/app"], ("[::1]:2181",), "/app/zkelect/orders/ack"),
    (["--servers", "zk1/a/b/", "--root", "/x/"], ("zk1:2181",), "/a/b/x/orders/ack"),
    (["--servers", "zk1", "--root", "/"], ("zk1:2181",), "/orders/ack"),
    (["--servers", "zk1", "--root", "/x %y"], ("zk1:2181",), "/x %y/orders/ack"),
])
def test_what_the_words_mean(words, servers, ack):
    found = settings("orders", *words)
    assert found.servers == servers and found.chroot + found.election("orders").election_ack == ack
    assert not found.tls and found.digest is None


def test_secrets_come_from_files(tmp_path):
    (tmp_path / "digest").write_text("me:secret\n")
    found = settings("orders", "--servers", "zk1", "--digest-file", str(tmp_path / "digest"))
    assert found.digest.reveal() == "me:secret"


@pytest.mark.parametrize("words, told", [
    (["--servers", "zk1:x"], "--servers zk1:x: 'zk1:x' is not host:port"),
    (["--servers", ""], "argument --servers: nothing stands there"),
    (["--servers", "zk1//app"], "--servers //app: has an empty part"),
    (["--servers", "%(ENV_HOME)s"], "is not host:port"),
    (["--servers", "zk1", "--root", "x"], "--root x/orders/ack: is a relative path"),
    (["--servers", "zk1", "--root", "/a/../b"], "--root /a/../b/orders/ack: has a part . or .."),
    (["--servers", "zk1\n[election:x]"], "--servers contains a control character"),
    (["--servers", "zk1 ;x"], "after a blank"),
    (["--servers", "zk1", "--digest-file", "/none"], "--digest-file /none: does not exist"),
    (["--servers", "zk1", "--tls-ca", "/none"], "--tls-ca /none: does not exist"),
])
def test_each_mistake_names_the_word(words, told):
    with pytest.raises(Trouble) as caught:
        settings("orders", *words)
    assert caught.value.status == USAGE and len(caught.value.lines) == 1 and told in caught.value.lines[0]


@pytest.mark.parametrize("name", ["../x", "a/b", "x]\n[y", "größe", ".x", "x" * 101])
def test_a_name_that_no_election_has(name):
    with pytest.raises(Trouble) as caught:
        settings(name, "--servers", "zk1")
    assert "is not a valid election name" in caught.value.lines[0]


@pytest.mark.parametrize("words, told", [
    (["--servers", "zk1", "-c", "f"], "--servers and -c FILE exclude each other; give one of them"),
    (["--root", "/x"], "--root works only with --servers"), (["--digest-file", "/x", "-c", "f"], "--digest-file works only with --servers"),
])
def test_words_that_do_not_go_together(words, told):
    with pytest.raises(Trouble) as caught:
        remote.wanted(parser().parse_args(["primary", "orders", *words]))
    assert caught.value.status == USAGE and told in caught.value.lines[0]


def test_without_servers_the_file_is_taken():
    assert not remote.wanted(parser().parse_args(["primary", "orders", "-c", "f"]))


class Servers:
    """A client for which each answer is this error."""

    chroot = ""

    def __init__(self, error):
        self.error = error
        self.handler = SimpleNamespace(timeout_exception=TimeoutError)

    def get_children_async(self, path):
        def get(timeout):
            raise self.error

        return SimpleNamespace(get=get)


@pytest.mark.parametrize("error, status, told", [
    (exceptions.NoNodeError(), USAGE, "there is no election below /other"), (TimeoutError(), UNKNOWN, "ZooKeeper did not answer in time"),
    (exceptions.ConnectionLoss(), UNKNOWN, "ZooKeeper did not answer in time"),
])
def test_where_no_election_stands_or_nobody_answers_that_is_told(monkeypatch, error, status, told):
    monkeypatch.setattr(remote, "opened", lambda *words: Servers(error))
    with pytest.raises(Trouble) as caught:
        listing.Afar(parser().parse_args(["list", "--servers", "zk1", "--root", "/other"])).outcome(VERBS["list"], {}, PLAIN)
    assert caught.value.status == status and told in str(caught.value.lines)


@pytest.mark.parametrize("words, shown", [
    (["monitor", "-t", "0.3"], "ZKELECT UNKNOWN - unknown: "), (["list", "--wait", "0.3"], ""), (["history", "--timeout", "0.3"], ""),
])
def test_servers_that_do_not_answer_are_waited_for_as_long_as_it_says(words, shown, capsys):
    """The connection is taken, and nothing comes on it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        status = main([*words, "--servers", f"127.0.0.1:{silent.getsockname()[1]}"])
        took = time.monotonic() - began
    told = capsys.readouterr()
    assert status == (3 if shown else UNKNOWN) and told.out.startswith(shown) and took < remote.ZOOKEEPER_TIME


def test_one_limit_holds_for_all_that_a_look_asks(monkeypatch):
    """And each look that follows has it anew."""
    asked, clock = [], SimpleNamespace(moment=100.0)

    class Slow(Servers):
        def __init__(self):
            super().__init__(None)

        def get_children_async(self, path):
            return SimpleNamespace(get=self.took([]))

        def took(self, found):
            def get(timeout):
                asked.append(round(timeout, 3))
                clock.moment += 2.0
                return found

            return get

    def opened(settings, seconds):
        asked.append(seconds)
        clock.moment += 4.0
        return Slow()

    monkeypatch.setattr(remote, "opened", opened)
    monkeypatch.setattr(listing.time, "monotonic", lambda: clock.moment)
    for word, limits in ((["--wait", "10"], [10.0, 6.0, 10.0]), ([], 3 * [remote.ZOOKEEPER_TIME])):
        asked.clear()
        looking = listing.Afar(parser().parse_args(["list", "--servers", "zk1", *word]))
        for _ in range(2):
            with pytest.raises(Trouble, match="there is no election"):
                looking.outcome(VERBS["list"], {}, PLAIN)
        assert asked == limits


#: Children of the root that are no elections, though each has an `election` znode, and one that has none.
STRANGE = ("x|y", "x\ny", "x\x1b[31m", "x\u202ey", "größe", "-x", "x y", "x" * 101)


@pytest.fixture
def world(monkeypatch):
    """A ZooKeeper in memory with one election, and a client of it."""
    cluster = Cluster("a", "b")
    client = Client(cluster.ensemble)
    monkeypatch.setattr(remote, "opened", lambda *words: client)
    return cluster


def many(world, number):
    for one in range(number):
        world.ensemble.create(f"/zkelect/e{one:03}/election", makepath=True)


def test_what_no_election_may_be_called_is_nowhere_shown(world, capsys):
    for name in STRANGE:
        world.ensemble.create(f"/zkelect/{name}/election", makepath=True)
    world.ensemble.create("/zkelect/none")
    assert remote.elections(Client(world.ensemble), "/zkelect", 1.0) == (("orders",), 0)
    for words in (["list", "--json"], ["history"], ["orders"], ["monitor"], ["primary", "no-such"], ["switchover", "no-such"]):
        main([*words, "--servers", "zk1"])
        shown = capsys.readouterr()
        text = shown.out + shown.err
        assert "orders" in text and not any(name in text or ascii(name)[1:-1] in text for name in STRANGE[:-2]), words


def test_candidates_are_counted_where_they_are_elections(world):
    for number in range(300):
        world.ensemble.create(f"/zkelect/a{number}")
    many(world, 99)
    names, left_out = remote.elections(Client(world.ensemble), "/zkelect", 1.0)
    assert len(names) == 100 and "orders" in names and not left_out


def test_list_says_how_many_are_left_out(world, capsys):
    many(world, 103)
    assert main(["list", "--servers", "zk1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 more elections below /zkelect are left out; name one to see it"
    assert main(["list", "--servers", "zk1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["left_out"] == 4 and len(document["elections"]) == 100


def test_a_monitor_that_does_not_see_all_of_them_knows_nothing(world, capsys):
    world.tell("a", state="primary")
    for number in range(2, 106):
        world.ensemble.create(f"/zkelect/z{number}/election", makepath=True)
    status = main(["monitor", "orders", "--servers", "zk1"])
    assert status == 0 and "left_out" not in capsys.readouterr().out
    main(["monitor", "--servers", "zk1"])
    assert "more than 100 elections; name one" in capsys.readouterr().out


@pytest.mark.parametrize("words", [
    ["why"], ["simulate", "--fault", "host"], ["history"], ["events"], ["check", "--cluster"], ["orders"], ["maintenance", "on", "--node", "a"],
    ["forget", "c"],
])
def test_what_is_meant_for_all_of_too_many_is_done_to_none(world, capsys, words):
    many(world, 103)
    assert main([*words, "--servers", "zk1"]) == USAGE
    assert capsys.readouterr().err == "zkelect: there are more than 100 elections below /zkelect; name one\n"


def test_one_behind_the_hundredth_can_be_named(world, capsys):
    many(world, 103)
    for words in (["list", "orders"], ["orders", "orders"], ["primary", "orders"]):
        assert main([*words, "--servers", "zk1"]) == 0
    assert main(["list", "no-such", "--servers", "zk1"]) == USAGE
    assert capsys.readouterr().err.endswith("e099 and 4 more\n")


def test_who_may_not_list_may_name_one(world, capsys, monkeypatch):
    def denied(path):
        def get(timeout):
            raise exceptions.NoAuthError()

        return SimpleNamespace(get=get)

    listed = Client.get_children_async
    monkeypatch.setattr(Client, "get_children_async", lambda self, path: denied(path) if path == "/zkelect" else listed(self, path))
    assert main(["list", "orders", "--servers", "zk1"]) == 0
    capsys.readouterr()
    assert main(["list", "--servers", "zk1"]) == ERROR
    assert capsys.readouterr().err == (
        "zkelect: ZooKeeper does not let this user list what is below /zkelect; name an election, or see --digest-file\n"
    )
    assert main(["list", "other", "--servers", "zk1"]) == USAGE
    assert "there are: none that this client can see" in capsys.readouterr().err
