"""Address and token that a client is told belong together, whatever happened between its readings."""

import itertools
import json

import pytest

from supervisor_zkelect.core import sighting
from supervisor_zkelect.core.sighting import Known, Znode
from tests.unit.zookeeper.cluster import ROOT, STATE, Cluster

ACK, HOLDER, ELECTION = f"{ROOT}/ack", f"{STATE}/holder", f"{ROOT}/election"


def read(ensemble, path):
    found = ensemble.znodes.get(path)
    return found and Znode(found.data, found.mzxid)


class Told:
    """What an election goes through. states: ack and holder after each change, and by which term the ack was written."""

    def __init__(self):
        self.cluster, self.states = Cluster(), []
        self.cluster.join("none").withdraw()
        self.note(None)

    def note(self, writer):
        ensemble = self.cluster.ensemble
        self.states.append((read(ensemble, ACK), read(ensemble, HOLDER), writer))

    def begin(self, node, fencing=False):
        one = self.cluster.join(node)
        assert one.try_be_leader()
        if fencing:
            one.predecessor()
            self.note(None)
        one.claim(node, f"{node}:1")
        self.note(None)
        one.ack_leader(f"{node}:1")
        self.note(one.token)

    def release(self, node):
        self.cluster.nodes[node].release()
        self.note(None)

    def lose(self, node):
        """Its session ends, and its ack stays."""
        self.cluster.end(node)

    def other(self, data):
        """A program that notes no holder, or a hand, writes the ack."""
        self.cluster.ensemble.set(ACK, data)
        self.note(None)


@pytest.fixture(scope="module")
def states():
    told = Told()
    told.begin("a")
    told.release("a")
    told.begin("b")
    told.lose("b")
    told.begin("a")
    told.lose("a")
    told.begin("b", fencing=True)
    told.other(b"go:1")
    told.lose("b")
    told.begin("a")
    # The holder is deleted by hand, and the primary notes it again.
    told.cluster.ensemble.delete(HOLDER)
    told.note(told.cluster.nodes["a"].token)
    told.cluster.nodes["a"].repair("a:1")
    told.note(told.cluster.nodes["a"].token)
    told.release("a")
    return told.states


def told(moments, states):
    """What a client knows that reads ack and holder by turns at these moments; None where it would read on."""
    before = None
    for at in range(0, len(moments) - 1, 2):
        ack, holder = states[moments[at]][0], states[moments[at + 1]][1]
        known = sighting.told(ack, holder, ELECTION, before)
        if known is not None:
            return known, moments[at]
        before = ack.changed
    return None


def test_a_token_is_that_of_the_term_which_wrote_the_address(states):
    """Each schedule of up to six readings, over all that the election goes through."""
    decided = with_token = 0
    for moments in itertools.combinations_with_replacement(range(len(states)), 6):
        found = told(moments, states)
        if found is not None:
            known, at = found
            ack, _, writer = states[at]
            decided += 1
            assert known.address == (ack.data.decode() if ack else "")
            if known.token is not None:
                with_token += 1
                assert known.token == writer and known.node == known.address[:1], (moments, known)
    assert decided > with_token > 1000


def test_what_stands_still_is_known_at_the_second_reading(states):
    for index, (ack, holder, writer) in enumerate(states):
        known, _ = told([index] * 4, states)
        # Between a hand that deletes the holder and the primary that notes it again nobody can know.
        assert known.token == (writer if holder else None), (ack, holder)


def told_by(ack=b"h:1", holder=None, changed=(5, 4), before=None):
    noted = {"node": "h", "token": 3, "address": "h:1", "election": ELECTION, **(holder or {})}
    return sighting.told(Znode(ack, changed[0]), Znode(json.dumps(noted).encode(), changed[1]), ELECTION, before)


def test_an_ack_with_its_holder():
    assert told_by() == Known("h:1", 3, "h")
    # A transaction may write both.
    assert told_by(changed=(5, 5)) == Known("h:1", 3, "h")
    # One of an older version, that names no election.
    assert sighting.told(Znode(b"h:1", 2), Znode(b'{"node": "h", "token": 1, "address": "h:1"}', 1), ELECTION) == Known("h:1", 1, "h")


@pytest.mark.parametrize("holder", [
    {"address": "h:2"}, {"election": "/another"}, {"token": 0}, {"token": "3"}, {"node": ""}, {"node": "a b"}, {"address": None},
])
def test_a_holder_of_something_else_tells_no_token(holder):
    assert told_by(holder=holder) is None
    assert told_by(holder=holder, before=5) == Known("h:1")


def test_a_holder_that_is_newer_than_the_ack():
    assert told_by(changed=(5, 6)) is None
    assert told_by(changed=(5, 6), before=4) is None
    assert told_by(changed=(5, 6), before=5) == Known("h:1")


def test_an_ack_without_a_holder():
    assert sighting.told(Znode(b"go:1", 5), None, ELECTION) is None
    assert sighting.told(Znode(b"go:1", 5), None, ELECTION, 5) == Known("go:1")
    assert sighting.told(Znode(b"go:1", 5), Znode(b"[" * 100, 4), ELECTION, 5) == Known("go:1")


def test_nobody():
    for ack in (None, Znode(b"", 5)):
        assert sighting.told(ack, Znode(b"{}", 6), ELECTION) == Known("", None, "")


def test_what_is_written_there_is_printable():
    known = sighting.told(Znode(b"\xff\x1b[2J\n" + b"x" * 5000, 5), None, ELECTION, 5)
    assert known.address.startswith("\\xff\\x1b[2J\\nx") and len(known.address) < 1100 and known.address.isprintable()
