"""Options that must agree among the nodes, and tags."""

import pytest

from supervisor_zkelect.config import agreement, load, values
from supervisor_zkelect.config.options import ELECTION_OPTIONS, MAIN_OPTIONS

FILE = """[zkelect]
servers = zk:2181
node_name = a
digest = user:password
{main}
[election:orders]
address = a:1
{election}
"""


def of(main="", election=""):
    settings = load.from_text(FILE.format(main=main, election=election), "f")
    return agreement.options(settings, settings.elections[0])


@pytest.mark.parametrize("main, election, differs", [
    ("session_timeout = 20", "", {"session_timeout", "heartbeat_interval", "ride_through"}), ("tick_time = 1", "", {"tick_time"}),
    ("kill_time = 0.5", "", {"kill_time"}), ("acl = creator", "", {"acl"}),
    ("chroot = /app", "", {"election_znode", "election_ack", "election_state"}), ("", "election_prefix = m", {"election_prefix"}),
    ("", "fence = /bin/true", {"fence"}), ("", "fence_failed = continue", {"fence_failed"}), ("", "sequence_separator =", {"sequence_separator"}),
    # What is each node's own.
    ("backoff_max = 30", "health = tcp://a:1", set()),
])
def test_what_must_agree_is_compared(main, election, differs):
    here, there = of(), of(main, election)
    assert {name for name in here if here[name] != there[name]} == differs
    assert (agreement.digest(here) == agreement.digest(there)) == (not differs)


def test_no_secret_is_in_it():
    assert "password" not in str(of()) and agreement.digest(of()) == agreement.digest(
        {**of()}), "nor does the digest change with one"
    other = load.from_text(FILE.format(main="", election="").replace("user:password", "user:another"), "f")
    assert agreement.options(other, other.elections[0]) == of()
    for name in (*agreement.MAIN, *agreement.ELECTION):
        option = MAIN_OPTIONS.get(name) or ELECTION_OPTIONS[name]
        assert not option.secret and not option.private


@pytest.mark.parametrize("text, tags", [
    ("", ()), ("rack:a", ("rack:a",)), (" rack : a , zone:2,", ("rack:a", "zone:2")), ("url:http://x:1", ("url:http://x:1",)),
])
def test_tags_are_pairs(text, tags):
    assert values.tags(text) == tags


@pytest.mark.parametrize("text, told", [
    ("rack", "is not KEY:VALUE"), (":a", "is not KEY:VALUE"), ("rack:", "is not KEY:VALUE"), ("a:1, a:2", "names a twice"),
    ("a:" + "x" * 65, "is too long"), (",".join(f"k{number}:1" for number in range(17)), "has 17 tags"), ("a:\x1b", "control character"),
])
def test_tags_that_are_none_are_refused(text, told):
    with pytest.raises(ValueError, match=told):
        values.tags(text)
