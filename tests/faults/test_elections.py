"""Row 29 of the design's list of faults: two elections whose acks stand beside each other, as the Go program's own do."""

import json

import pytest

from tests.system.test_dirty_end import command, variables


@pytest.fixture
def beside(make, zookeeper):
    """Two clusters in one chroot, one with the nodes a and c, one with b and d, all with a fence command."""

    def beside(*acks):
        cases = []
        for names, number in (("ac", 1), ("bd", 2)):
            places = {"election_znode": f"/s/e{number}", "election_ack": acks[number - 1]}
            overrides = {"election:orders": places}
            if cases:
                overrides["zkelect"] = {"chroot": cases[0].chroot}
            case = make(zookeeper, tuple(names), start=False, reached=None, overrides=overrides)
            case.fenced = {name: command(node, "fence")[0] for name, node in case.nodes.items()}
            cases.append(case.start())
        return cases

    return beside


@pytest.mark.parametrize("acks", [("/s/ack1", "/s/ack2"), ("/s/ack", "/s/ack/ack")], ids=["in one folder", "nested"])
def test_29_two_elections_beside_each_other(beside, hand, acks):
    one, other = beside(*acks)
    root = one.chroot
    pid, token = one.primary("a"), one.token("a")
    written = [hand.exists(f"{root}{acks[0]}{end}").mzxid for end in ("", "-state/holder")]
    other["b"].crash()
    other.primary("d")
    given = variables(other.fenced["d"])
    assert (given["ZKELECT_OLD_NODE"], given["ZKELECT_OLD_ADDRESS"]) == ("b", other["b"].addresses["orders"])
    other["b"].start()
    other.settled("d")
    assert [hand.exists(f"{root}{acks[0]}{end}").mzxid for end in ("", "-state/holder")] == written
    one.same_term(pid, token)
    written = hand.exists(f"{root}{acks[1]}").mzxid
    one["a"].terminate()
    one.primary("c")
    assert hand.exists(f"{root}{acks[1]}").mzxid == written
    assert not one.fenced["a"].exists() and not one.fenced["c"].exists() and not other.fenced["b"].exists()
    record = json.loads(hand.get(f"{root}{acks[0]}-state/holder")[0])
    assert (record["node"], record["election"]) == ("c", f"{root}/s/e1")
    assert len(hand.get_children(f"{root}/s/e1")) == 1
    one.finish()
    other.finish()
