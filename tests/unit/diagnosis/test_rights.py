"""Who may give orders."""

from types import SimpleNamespace

import pytest
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

from supervisor_zkelect.diagnosis import rights
from tests.unit.zookeeper.memory import Client, Ensemble


def settings(*names):
    return SimpleNamespace(chroot="/app", elections=[SimpleNamespace(name=one, election_state=f"/zkelect/{one}/ack-state") for one in names])


@pytest.mark.parametrize("acl, told", [
    (OPEN_ACL_UNSAFE, ("anyone who reaches ZooKeeper",)), ([make_digest_acl("nodes", "secret", all=True)], ("digest:nodes",)),
    ([make_digest_acl("nodes", "secret", all=True), make_digest_acl("operators", "x", write=True), make_acl("world", "anyone", read=True)],
     ("digest:nodes", "digest:operators")),
    ([make_acl("sasl", "zkelect\n", all=True), make_acl("ip", "10.0.0.0/8", write=True)], ("sasl:zkelect\\n", "ip:10.0.0.0/8")), ([], ()),
])
def test_who_may_write(acl, told):
    assert rights.writers(acl) == told


def test_elections_in_which_the_same_may_stand_in_one_line():
    ensemble = Ensemble()
    for name in ("orders", "stock", "mail"):
        ensemble.create(f"/app/zkelect/{name}/ack-state/control", makepath=True)
    ensemble.znodes["/app/zkelect/mail/ack-state/control"].acl = [make_digest_acl("nodes", "secret", all=True)]
    found = rights.of_orders(Client(ensemble), settings("orders", "stock", "mail", "new"), 1.0)
    assert [line.partition(":")[0] for line in found] == [
        "orders in orders, stock may be given by anyone who reaches ZooKeeper", "orders in mail may be given by digest",
    ]
    assert "nodes: whoever may write …/control" in found[1]


def test_without_an_answer_nothing_is_told():
    client = Client(Ensemble())
    client.away = True
    assert rights.of_orders(client, settings("orders"), 1.0) == []


def test_many_are_counted():
    acl = [make_digest_acl(f"u{number}", "x", write=True) for number in range(13)]
    ensemble = Ensemble()
    ensemble.create("/app/zkelect/orders/ack-state/control", makepath=True)
    ensemble.znodes["/app/zkelect/orders/ack-state/control"].acl = acl
    [line] = rights.of_orders(Client(ensemble), settings("orders"), 1.0)
    assert "digest:u9 and 3 more" in line and "u10" not in line
