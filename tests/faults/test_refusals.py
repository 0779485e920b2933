"""Row 25 of the design's list of faults: ZooKeeper does not let a node release what it leads."""

import contextlib
import re

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl, make_digest_acl

from supervisor_zkelect.system.clock import now
from tests.faults.conftest import AT_ONCE

#: The ACL of what node b alone may change; a may read it.
OF_B = [make_digest_acl("b", "b", all=True), make_acl("world", "anyone", read=True)]

#: What a may not even read any more, as after its credentials were replaced.
CLOSED = OF_B[:1]

OPEN = [make_acl("world", "anyone", all=True)]


@pytest.fixture
def hand(zookeeper):
    """A client that changes ACLs behind everybody's back."""
    client = KazooClient(zookeeper.hosts, auth_data=[("digest", "b:b")])
    client.start(30)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def pair(make, zookeeper):
    """Two nodes with credentials of their own, of which `a` is primary."""

    def start(**options):
        case = make(
            zookeeper, start=False, overrides={"zkelect": {"digest": "%(ENV_ZK_DIGEST)s", "reattach_grace": "60"}},
            env={"ZK_DIGEST": "a:a"}, **options,
        )
        case["b"].environment["ZK_DIGEST"] = "b:b"
        case.start()
        case.client().add_auth("digest", "b:b")
        return case

    return start


@contextlib.contextmanager
def taken_away(case, hand, what, acl=OF_B, election="orders"):
    """a may not change these of an election's znodes: "election", "ack", "holder", "proposals" or "parent"."""
    root = f"{case.chroot}/zkelect/{election}"
    paths = {"election": [f"{root}/election"], "ack": [f"{root}/ack"], "holder": [f"{root}/ack-state/holder"]}
    paths["parent"] = [root, f"{root}/ack-state"]
    paths["proposals"] = [f"{root}/election/{name}" for name in hand.get_children(f"{root}/election")]
    chosen = [path for one in what.split() for path in paths[one]]
    for path in chosen:
        hand.set_acls(path, acl)
    try:
        yield
    finally:
        for path in chosen:
            # A proposal may be gone, and so may the holder.
            if hand.exists(path):
                hand.set_acls(path, OPEN)


#: The znodes that a may not change: what a release deletes, empties and removes, one by one and together.
WHAT = ["election", "ack", "parent", "election ack holder parent"]


@pytest.mark.parametrize("what", WHAT)
def test_25_resign(pair, hand, what):
    case = pair()
    since = now()
    with taken_away(case, hand, what):
        done = case["a"].zkelect("resign", "orders")
        assert done.returncode == 0 and "b leads now" in done.stdout, (done, case.logs())
        case.primary("b")
        assert case.gap(since) < AT_ONCE
    case.settled("b")
    assert case["b"].zkelect("resign", "orders").returncode == 0
    case.settled("a")


@pytest.mark.parametrize("what", ["election", "election ack holder parent"])
def test_25_shutdown(pair, hand, what):
    case = pair()
    since = now()
    with taken_away(case, hand, what):
        case["a"].terminate()
        case.primary("b")
        assert case.gap(since) < AT_ONCE
        case["a"].reap()
    case["a"].start()
    case.settled("b")


def test_25_credentials_replaced(pair, hand):
    """a may not even read its proposal, so its lease is not extended: it stops in time, and b need not wait for the
    session's end."""
    case = pair()
    with taken_away(case, hand, "election ack holder parent proposals", CLOSED):
        case.primary("b")
        assert "lease" in case["a"].logs()
    case.settled("b")


def test_25_the_other_elections_are_handed_over_first(pair, hand):
    """One session has the proposals of both."""
    case = pair(sample="two-elections.conf", elections=("orders", "billing"))
    since = now()
    with taken_away(case, hand, "election"):
        assert case["a"].zkelect("resign", "orders").returncode == 0
        for election in case.elections:
            case.primary("b", election)
            assert case.observers[election].verdict(since).gap < AT_ONCE
    for election in case.elections:
        case.settled("b", election)
        case.verdict(election)
    assert "ended without releasing" not in "".join(
        line for line in case["b"].logs().splitlines() if "billing" in line), case.logs()


def test_25_an_election_taken_out_of_the_file(pair, hand):
    """Its release is refused as well, and the election that the file still names does not keep the session alive."""
    case = pair(sample="two-elections.conf", elections=("orders", "billing"))
    path = case["a"].zkelect_conf
    with taken_away(case, hand, "election"):
        text = path.read_text()
        path.write_text(re.sub(r"\[election:orders\]\n[^[]*", "", text))
        assert case["a"].ctl("restart", "zkelect").returncode == 0
        case.primary("b", "orders")
        case.until(lambda: case["a"].part("billing").get("role") in ("standby", "primary"), "a to stand for billing")
        path.write_text(text)
    assert case["a"].ctl("restart", "zkelect").returncode == 0
    case.leader("orders")
    case.leader("billing")
    case.verdict("billing")
