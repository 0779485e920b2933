"""Reaching an election from any host, by words of the command line."""

from types import SimpleNamespace

import pytest
from kazoo import exceptions

from supervisor_zkelect.operators import listing, remote
from supervisor_zkelect.operators.cli import parser
from supervisor_zkelect.operators.outcome import UNKNOWN, USAGE, Trouble
from supervisor_zkelect.operators.table import PLAIN
from supervisor_zkelect.operators.verbs import VERBS


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
    (["--servers", ""], "--servers : is empty"),
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


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x]\n[y", "größe"])
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
    monkeypatch.setattr(remote, "opened", lambda settings: Servers(error))
    with pytest.raises(Trouble) as caught:
        listing.Afar(parser().parse_args(["list", "--servers", "zk1", "--root", "/other"])).outcome(VERBS["list"], {}, PLAIN)
    assert caught.value.status == status and told in str(caught.value.lines)
