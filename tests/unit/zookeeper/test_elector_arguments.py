"""What an Elector is given and cannot be right is refused by name, before anything is asked and before a session is opened."""

import math
from types import SimpleNamespace

import pytest
from kazoo.security import ACL, OPEN_ACL_UNSAFE, Id

from supervisor_zkelect import Elector
from supervisor_zkelect.zookeeper import arguments, connect
from supervisor_zkelect.zookeeper.errors import BadArgument


class Client:
    """A client that nobody may ask anything."""

    chroot = ""
    client_id = (7, b"")
    connected = True
    handler = SimpleNamespace(timeout_exception=TimeoutError)

    def refuse(self, *arguments, **options):
        pytest.fail("ZooKeeper was asked")

    def add_listener(self, listener):
        """Nothing to tell."""

    remove_listener = add_listener
    exists_async = get_async = get_children_async = create_async = set_async = delete_async = sync_async = transaction = refuse


PLACES = {"election_znode": "/o/election", "election_prefix": "n", "election_ack": "/o/ack"}

#: Of every kind that is no text.
NO_TEXT = [None, 5, True, b"n", ["n"], 1.5, object()]
NO_PATH = [
    "", "/", "relative", "/a/", "/a//b", "/a/../b", "/a/./b", "/a\0", "/a\n", "/a\x1b[2J", "/a\ud800", "/a\U0001f600",
    "/" + "a" * 1024,
]
NO_NAME = ["a/b", "/", "n\0", "n\x07", "n\ud800", "n" * 201]
NO_SECONDS = [0, -1, 1e9, 3601, math.nan, math.inf, True, "10", None, b"10", 10 ** 400, [10]]
NO_BYTES = ["text", None, 5, bytearray(b"x"), ["x"]]

CONSTRUCTOR = [
    *(("election_znode", value) for value in NO_TEXT + NO_PATH), *(("election_ack", value) for value in NO_TEXT + NO_PATH),
    *(("election_prefix", value) for value in [*NO_TEXT, *NO_NAME, ""]), *(("separator", value) for value in NO_TEXT + NO_NAME),
    *(("election_state", value) for value in NO_TEXT[1:] + NO_PATH), *(("timeout", value) for value in NO_SECONDS),
    *(("data", value) for value in [*NO_BYTES, b"x" * (arguments.LONGEST_DATA + 1)]),
    *(("lost", value) for value in ["f", 5, []]),
]


def named(value):
    """An id for a test that a terminal takes, and that is the same in each process."""
    return ascii(value)[:40] if isinstance(value, (str, bytes, int, float)) else type(value).__name__


@pytest.mark.parametrize("name, value", CONSTRUCTOR, ids=named)
def test_the_constructor(name, value):
    with pytest.raises(BadArgument, match=name) as refused:
        Elector(Client(), **{**PLACES, "granted": 4.0, name: value})
    assert str(refused.value).isprintable() and len(str(refused.value)) < 400


@pytest.mark.parametrize("name, value", CONSTRUCTOR, ids=named)
def test_connect_refuses_the_same_before_it_opens_a_session(name, value, monkeypatch):
    monkeypatch.setattr(connect, "make_client", lambda *_, **__: pytest.fail("a client was made"))
    with pytest.raises(BadArgument, match=name):
        Elector.connect(**{"servers": "127.0.0.1:1", "timeout": 4.0, **PLACES, name: value})


@pytest.mark.parametrize("name, value", [
    *(("servers", value) for value in [
        None, 5, b"h:1", "", ",", "h:", "h:0", "h:99999", "h:x", "h\0:1", "h\n:1", "h:1,h:1", "\ud800:1", "a..b", "://",
        "h:1/a/../b",
        [], [5], ["h:1", None], ["h:1/a", "g:1"], "h:1/a,g:1/a", [b"h:1"], ("h:1", ""), {"h:1"}, "h:1 g:1", "x" * 5000,
    ]),
    *(("digest", value) for value in [5, b"u:secret", "secret", "", ":secret", "u:\ud800secret", ["u:secret"]]),
    *(("acl", value) for value in ["", "creater", None, 5, True, ["open"], list(OPEN_ACL_UNSAFE)]),
], ids=named)
def test_what_connect_takes_beside_them(name, value, monkeypatch):
    monkeypatch.setattr(connect, "make_client", lambda *_, **__: pytest.fail("a client was made"))
    with pytest.raises(BadArgument, match=name) as refused:
        Elector.connect(**{"servers": "127.0.0.1:1", "timeout": 4.0, **PLACES, name: value})
    assert "secret" not in str(refused.value) and str(refused.value).isprintable()


@pytest.mark.parametrize("word, meant", [
    ("seperator", "separator"), ("election_sate", "election_state"), ("dat", "data"), ("loss", "lost"),
    ("session_timeout", "timeout"), ("", "there are"),
    ("x\x1b[2J", "there are"), ("z" * 5000, "there are"),
], ids=named)
def test_an_unknown_keyword_is_refused_with_the_nearest_word(word, meant, monkeypatch):
    monkeypatch.setattr(connect, "make_client", lambda *_, **__: pytest.fail("a client was made"))
    for call in (lambda: Elector(Client(), **PLACES, **{word: ""}), lambda: Elector.connect("h:1", 4.0, **PLACES,
    **{word: ""})):
        with pytest.raises(BadArgument, match=meant) as refused:
            call()
        assert str(refused.value).isprintable() and len(str(refused.value)) < 400


@pytest.mark.parametrize("client", [None, 5, "127.0.0.1:2181", object(), SimpleNamespace(chroot=5), Client], ids=named)
def test_a_client_that_is_none(client):
    with pytest.raises(BadArgument, match="client"):
        Elector(client, **PLACES)


@pytest.mark.parametrize("acl", [
    5, "creator", b"", [], [5], list(OPEN_ACL_UNSAFE) + ["x"], OPEN_ACL_UNSAFE[0], [ACL(31, "world")], [ACL("all",
    Id("world", "anyone"))],
    [ACL(31, Id("digest", b"u:x"))], {31}, True, False, 0,
], ids=named)
def test_an_acl_that_is_none(acl):
    with pytest.raises(BadArgument, match="acl"):
        Elector(Client(), **PLACES, acl=acl)


@pytest.mark.parametrize("granted", [*NO_SECONDS[:-4], "10"], ids=named)
def test_a_granted_timeout_that_is_none(granted):
    with pytest.raises(BadArgument, match="granted"):
        Elector(Client(), **PLACES, granted=granted)


@pytest.mark.parametrize("call, name", [
    (lambda one: one.ack_leader(5), "info"), (lambda one: one.ack_leader(None), "info"),
    (lambda one: one.ack_leader(bytearray(b"x")), "info"),
    (lambda one: one.ack_leader("\ud800"), "info"), (lambda one: one.ack_leader(b"x" * 2_000_000), "2000000 bytes"),
    (lambda one: one.ack_leader("ä" * 1_000_000), "2000000 bytes"), (lambda one: one.repair(["x"]), "info"),
    (lambda one: one.repair(b"x" * 2_000_000), "info"), (lambda one: one.repair("x", 5), "address"),
    (lambda one: one.repair("x", "a\nb"), "address"), (lambda one: one.claim(None, "a:1"), "node"),
    (lambda one: one.claim("", "a:1"), "node"),
    (lambda one: one.claim("a\0", "a:1"), "node"), (lambda one: one.claim(b"a", "a:1"), "node"),
    (lambda one: one.claim("a", None), "address"),
    (lambda one: one.claim("a", "-o"), "address"), (lambda one: one.claim("a", "x" * 1025), "address"),
    (lambda one: one.predecessor("7"), "fenced"), (lambda one: one.predecessor(True), "fenced"),
    (lambda one: one.release("no"), "dirty"),
    (lambda one: one.release(0), "dirty"), (lambda one: one.try_be_leader(claiming=1), "claiming"),
    (lambda one: one.describe("x"), "data"),
    (lambda one: one.describe(b"x" * 2_000_000), "data"), (lambda one: one.glance_at_queue(None), "changed"),
    (lambda one: one.amend_history(5, 1.0), "change"), (lambda one: one.amend_history(bytes, math.nan), "timeout"),
    (lambda one: one.wait_to_lead("10"), "timeout"), (lambda one: one.wait_to_lead(1e9), "timeout"),
    (lambda one: one.wait_to_lead(0), "timeout"),
    (lambda one: one.run(None), "function"), (lambda one: one.run("f"), "function"),
    (lambda one: one.run(print, math.inf), "timeout"),
])
def test_the_calls(call, name):
    with pytest.raises(BadArgument, match=name) as refused:
        call(Elector(Client(), **PLACES, granted=4.0))
    assert str(refused.value).isprintable() and len(str(refused.value)) < 400


def test_what_is_lost_cannot_be_told_without_knowing_what_was_granted():
    with pytest.raises(BadArgument, match="granted=.*connect"):
        Elector(Client(), **PLACES, lost=print)
    with pytest.raises(BadArgument, match="granted=.*connect"):
        Elector(Client(), **PLACES).run(print)


def test_an_ack_among_the_proposals_is_refused():
    for ack in ("/o/election", "/o/election/ack"):
        with pytest.raises(BadArgument, match="only proposals"):
            Elector(Client(), "/o/election", "n", ack, election_state="/o/state")


@pytest.mark.parametrize("words", [
    {"election_prefix": "n1", "separator": "2"}, {"election_prefix": "0000000000"}, {"election_prefix": "n" * 200,
    "separator": ""},
    {"election_prefix": "ä", "separator": ""}, {"timeout": 3600}, {"timeout": 1}, {"data": b"\0\xff"},
    {"acl": tuple(OPEN_ACL_UNSAFE)},
    {"election_state": "/elsewhere"}, {"granted": 4}, {"lost": print, "granted": 4.0}, {"acl": None},
], ids=named)
def test_what_is_right(words):
    Elector(Client(), **{**PLACES, **words})


@pytest.mark.parametrize("servers, hosts, chroot", [
    ("h:1", "h:1", ""), (["h:1", "g:2"], "h:1,g:2", ""), (("h", "[::1]:3"), "h:2181,[::1]:3", ""),
    (["h:1", "g:2/a/b"], "h:1,g:2", "/a/b"),
    ("h:1/a/", "h:1", "/a"), ("h:1/", "h:1", ""), (" h:1 , g:2 ", "h:1,g:2", ""),
])
def test_servers(servers, hosts, chroot):
    assert arguments.servers(servers) == (hosts, chroot)


def test_what_an_elector_shows_of_itself_has_no_secret_and_no_control_character():
    one = Elector(Client(), **PLACES)
    assert repr(one) == "<Elector of /o/election: no proposal>"
    one.close()
    one.close()
    assert repr(one) == "<Elector of /o/election: no proposal, closed>"
