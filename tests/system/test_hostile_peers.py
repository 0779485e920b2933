"""Whoever may write to ZooKeeper writes what he likes: the node is unknown, the election goes on, and nothing of it acts."""

import json
from pathlib import Path

import pytest
from kazoo.protocol.serialization import Create, long_struct
from kazoo.security import OPEN_ACL_UNSAFE

from lab.cluster import CANNOT, NOT_PRIMARY
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.core import history, untrusted
from supervisor_zkelect.diagnosis import inspection
from supervisor_zkelect.elector import ElectionError, Elector, Holder
from supervisor_zkelect.system.clock import now
from supervisor_zkelect.zookeeper import connect, queue, requests
from tests.system.test_dirty_end import command, variables


def holder(**fields):
    return json.dumps({"v": 1, "node": "z", "token": 7, "address": "z:1", **fields}).encode()


UNKNOWN = Holder("", 0, "")

#: What stands in the holder znode, and what is made of it.
HOLDERS = {
    "no data": (None, UNKNOWN), "empty": (b"", UNKNOWN), "garbage": (b"\xff\x00\x1b[2J\n", UNKNOWN),
    "deep": (b"[" * 60000, UNKNOWN), "deep objects": (b'{"a":' * 10000, UNKNOWN), "large": (holder(node="x" * 1_000_000), UNKNOWN), "null": (b"null", UNKNOWN),
    "newline": (holder(node="z\n2026-11-29 02:00:00.000 INFO forged"), Holder("", 7, "z:1")),
    "ESC": (holder(node="z\x1b[2J"), Holder("", 7, "z:1")), "NUL": (holder(node="z\0"), Holder("", 7, "z:1")),
    "C1": (holder(node="z\x9b2J"), Holder("", 7, "z:1")), "bidi": (holder(node="z\u202e"), Holder("", 7, "z:1")),
    "surrogate": (holder(node="z\ud800"), Holder("", 7, "z:1")),
    "option": (holder(node="-oProxyCommand=touch x"), Holder("", 7, "z:1")),
    "no string": (holder(node=["z"]), Holder("", 7, "z:1")), "no name": (holder(node=""), Holder("", 7, "z:1")), "address of lines": (holder(address="z\n"), Holder("z", 7, "")),
    "address of options": (holder(address="-oProxyCommand=x"), Holder("z", 7, "")),
    "address of 2 KB": (holder(address="z" * 2000), Holder("z", 7, "")),
    "address of a list": (holder(address=[]), Holder("z", 7, "")),
    "huge token": (holder(token=10**4000), UNKNOWN), "longer token": (holder(token=1 << 63), UNKNOWN),
    "negative token": (holder(token=-7), UNKNOWN), "token of a kind": (holder(token=True), UNKNOWN),
    "token of a text": (holder(token="7"), UNKNOWN), "token of a fraction": (holder(token=7.5), UNKNOWN),
}


@pytest.fixture
def elect(zk, root):
    """An elector by a client that the test looks with as well."""
    elector = Elector(zk, f"{root}/e/election", "n", f"{root}/e/ack")
    elector.prepare()
    yield elector
    elector.close()


def write(zk, path, data):
    if zk.exists(path):
        zk.set(path, data)
    else:
        zk.create(path, data, makepath=True)


@pytest.mark.parametrize("name", HOLDERS)
def test_a_forged_holder_keeps_nobody_from_leading(zk, elect, name, caplog):
    data, known = HOLDERS[name]
    write(zk, elect.holder_znode, data)
    for _ in range(3):
        assert elect.holder() == known
    assert len(caplog.records) == (0 if known.node else 1)
    elect.create_proposal()
    assert elect.try_be_leader(claiming=True).leads
    assert elect.predecessor() == known
    assert elect.claim("a", "a:1") == known
    assert elect.holder() == Holder("a", elect.token, "a:1")
    elect.ack_leader("a:1")
    elect.release()
    assert elect.holder() is None and elect.read_ack() == b""


@pytest.mark.parametrize("data", [None, b"", b"\xff\x1b[2J\0\n", b"x" * 1_000_000], ids=["none", "empty", "garbage", "large"])
def test_a_forged_ack_and_history_keep_nobody_from_leading(zk, elect, data):
    write(zk, elect.election_ack, data)
    write(zk, elect.history_znode, data)
    assert elect.read_ack() == (data or b"") and history.read(elect.history()) == []
    elect.create_proposal()
    assert elect.try_be_leader(claiming=True).leads
    elect.claim("a", "a:1")
    assert elect.watch_term()[1] == b""
    elect.ack_leader("a:1")
    elect.amend_history(lambda old: history.amended(old, [{"v": 1, "token": 7, "node": "a"}]), 10)
    assert [term["node"] for term in history.read(elect.history())] == ["a"]
    elect.release()


@pytest.mark.parametrize("data", [
    None, b"", b"\xff", b"[" * 60000, holder(node="z\n\x1b[2J"), holder(node="-oProxyCommand=x"), holder(node="x" * 1_000_000),
    holder(node={}), holder(node="z\0"),
], ids=["none", "empty", "garbage", "deep", "lines", "option", "large", "no string", "NUL"])
def test_a_forged_proposal_is_a_member_without_a_name(zk, elect, data):
    zk.create(f"{elect.election_znode}/n-", data, ephemeral=True, sequence=True)
    mine = elect.create_proposal()
    first = elect.members()[0]
    assert first.node == "" and "\n" not in first.address
    # It is of the test's own session here, so it is taken for a proposal made twice.
    assert elect.members()[0].name == mine


def test_a_candidate_that_is_no_ephemeral_znode_is_named(zk, elect):
    path = zk.create(f"{elect.election_znode}/n-", b"", sequence=True)
    elect.create_proposal()
    standing = elect.try_be_leader(claiming=True)
    assert not standing.leads and standing.lasting == standing.watching == path
    zk.delete(path)
    assert standing.changed.result(20)
    standing = elect.try_be_leader()
    assert standing.leads and standing.lasting == ""


def longest_set(zk, path):
    """Write the most that a server takes there; how many bytes that is."""
    write(zk, path, b"")
    # Its jute.maxbuffer, 0xfffff bytes, less the request's header, the lengths of path and data, the path, and a version.
    data = b"x" * (0xfffff - 8 - 4 - 4 - len(path) - 4)
    zk.set(path, data)
    return len(data)


@pytest.mark.parametrize("longest", ["election_ack", "holder_znode", "history_znode", "candidate"])
def test_the_longest_that_a_server_takes_keeps_nobody_from_leading(zk_server, zk, root, longest):
    """What is read back is longer than what was written."""
    elector = Elector.connect(zk_server.hosts, 10.0, f"{root}/e/election", "n", f"{root}/e/ack")
    try:
        zk.retry(zk.ensure_path, f"{root}/e/election")
        path = f"{root}/e/election/n-9999999999" if longest == "candidate" else getattr(elector, longest)
        assert longest_set(zk, path) > (1 << 20) - 200
        elector.create_proposal()
        assert elector.try_be_leader(claiming=True).leads
        elector.predecessor()
        elector.claim("a", "a:1")
        elector.ack_leader("a:1")
        elector.amend_history(lambda old: history.amended(old, [{"v": 1, "token": 7, "node": "a"}]), 10)
        longest_set(zk, path)
        assert [one.node for one in elector.members()] in ([""], ["", ""]) and elector.others() == 0
        elector.holder(), elector.watch_term(), elector.history(), elector.look_at_queue()
        elector.repair("a:1")
        elector.release()
    finally:
        elector.close()


class CreateWithTtl(Create):
    """ZooKeeper's createTTL, and by `type` 19 createContainer, which kazoo does not have. flags: 5 and 4."""

    type = 21

    def serialize(self):
        return super().serialize() + (long_struct.pack(3_600_000) if self.type == 21 else b"")


class CreateContainer(CreateWithTtl):
    type = 19


def create_of(zk, kind, path, data=b""):
    answer = zk.handler.async_result()
    zk._call(kind(path, data, OPEN_ACL_UNSAFE, {21: 5, 19: 4}[kind.type]), answer)
    return answer.get(timeout=20)


@pytest.fixture
def extended(tmp_path):
    """A client of a server that has znodes with a TTL."""
    with ZooKeeper(tmp_path / "extended", tick_ms=200, extra={"extendedTypesEnabled": "true"}) as server:
        client = connect.make_client(server.hosts, 10.0)
        client.start(timeout=20)
        yield client
        connect.stop_client(client)


def test_what_goes_with_no_session_is_never_a_rival_and_always_named(extended):
    elect = Elector(extended, "/e/election", "n", "/e/ack")
    elect.prepare()
    for number, kind in enumerate((CreateWithTtl, CreateContainer)):
        elect.create_proposal()
        # By the Go elector's rule it leads, if a session owns it.
        create_of(extended, kind, f"/e/election/!999999999{number}")
        # Some releases answer 0 as their owner, others what the server itself has for it.
        assert untrusted.lasting(extended.exists(f"/e/election/!999999999{number}").ephemeralOwner)
        standing = elect.try_be_leader()
        assert standing.leads and not standing.rival and not elect.look_at_queue().rival and elect.others() == 0
        elect.withdraw()
        path = f"/e/election/n-000000000{number}"
        create_of(extended, kind, path)
        elect.create_proposal()
        assert elect.try_be_leader().lasting == path
        assert path in inspection._lasting(inspection._Asking(extended, now() + 20), "/e/election")
        extended.delete(path)
        elect.withdraw()
    elect.close()


class Counting:
    """A client that counts what is asked for by each kind of request."""

    def __init__(self, client):
        self._client, self.asked = client, []

    def __getattr__(self, name):
        value = getattr(self._client, name)
        if not name.endswith("_async"):
            return value

        def ask(path, *arguments, **options):
            self.asked.append((name, path))
            return value(path, *arguments, **options)

        return ask


def test_long_data_of_strangers_are_not_asked_for(zk, root):
    """A heartbeat is answered behind whatever is asked for before."""
    counting = Counting(zk)
    elect = Elector(counting, f"{root}/e/election", "n", f"{root}/e/ack")
    elect.prepare()
    elect.create_proposal()
    for number in range(20):
        zk.create(f"{root}/e/election/!{number:010}", b"x" * 100_000, ephemeral=True)
    counting.asked.clear()
    assert elect.look_at_queue().rival == "!0000000000"
    assert elect.others() == 20
    members = elect.members()
    assert len(members) == 21 and {one.data for one in members} == {b""}
    assert not [path for name, path in counting.asked if name == "get_async"]
    # Nor is this plugin's own candidate taken for a stranger's, up to the longest that one writes.
    own = holder(node="x" * 255, address="\"" * 1024)
    assert len(own) <= untrusted.LONGEST_PROPOSAL
    for number in range(20):
        zk.set(f"{root}/e/election/!{number:010}", own)
    elect.withdraw()
    elect.create_proposal()
    assert elect.look_at_queue().rival == ""
    elect.close()


def test_a_queue_that_is_too_long_to_be_listed_costs_a_leader_few_connections(zk_server, zk, root, monkeypatch):
    client = connect.make_client(zk_server.hosts, 10.0, limits=lambda: (1 << 16, 2.0))
    client.start(timeout=20)
    try:
        counting = Counting(client)
        elect = Elector(counting, f"{root}/e/election", "n", f"{root}/e/ack")
        elect.prepare()
        elect.create_proposal()
        assert elect.try_be_leader().leads and elect.look_at_queue()[:2] == ("", "")
        for number in range(300):
            zk.create(f"{root}/e/election/{'x' * 240}{number:010}", b"")
        counting.asked.clear()
        # A whole number, to which quarters of a second are added exactly.
        moment = float(int(now()))
        for module in (queue, requests):
            monkeypatch.setattr(module, "now", lambda: moment)

        def listings():
            return [name for name, _ in counting.asked].count("get_children_async")

        with pytest.raises(ElectionError):
            elect.look_at_queue()
        zk.create(f"{root}/e/election/changed", b"")
        for _ in range(5):
            client.retry(client.exists, root)
            seen = elect.look_at_queue()
            assert not seen.rival and "could not be listed" in seen.trouble and "remove what does not belong" in seen.trouble
        assert listings() == 1
        # A connection may have been lost for another reason, so it is tried again soon, and then ever later.
        pauses = []
        for _ in range(8):
            began, before = moment, listings()
            while listings() == before:
                moment += 0.25
                client.retry(client.exists, root)
                try:
                    elect.look_at_queue()
                except ElectionError:
                    continue
            pauses.append(moment - began)
        assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        zk.delete(f"{root}/e/election", recursive=True)
        zk.ensure_path(f"{root}/e/election/changed")
        moment += 60
        assert "changed" in elect.look_at_queue().trouble
        elect.close()
    finally:
        connect.stop_client(client)


FORGED = ["z\n2026-11-29 02:00:00.000 INFO forged", "z\x1b[2J\0", "-oProxyCommand=touch forged"]


def acts(text):
    """The lines of a text that act on a terminal, or look as if a log had them."""
    lines = text.split("\n")
    return [line for line in lines if not line.replace("\t", "").isprintable() or line.startswith("2026-11-29 02:00")]


@pytest.mark.parametrize("fences", [True, False], ids=["fence", "no fence"])
@pytest.mark.parametrize("name", FORGED, ids=["newline", "ESC and NUL", "option"])
def test_nothing_of_a_forged_name_gets_through(make_cluster, zk_server, zk, name, fences):
    """Not into the log, what commands print, or a hook's environment; and the node leads."""
    cluster = make_cluster(zk_server.hosts, ("b",))
    told, _ = command(cluster["b"], "fence") if fences else (None, None)
    root = f"{cluster.chroot}/zkelect/orders"
    elector = Elector(zk, f"{root}/election", "n", f"{root}/ack")
    forged = json.dumps({"v": 1, "node": name, "token": 7, "address": name}).encode()
    write(zk, elector.holder_znode, forged)
    write(zk, elector.history_znode, json.dumps([
        {"v": 1, "token": 5, "node": name, "address": name, "begun": {"acked": 1.0}, "ended": {"noticed": 2.0, "why": name}}
    ]).encode())
    write(zk, elector.election_ack, name.encode())
    node = cluster.start()["b"]
    zk.create(f"{root}/election/n-", forged, ephemeral=True, sequence=True)
    if fences:
        given = variables(told)
        assert (given["ZKELECT_OLD_NODE"], given["ZKELECT_OLD_ADDRESS"], given["ZKELECT_OLD_TOKEN"]) == ("", "", "7")
        assert not acts(told.read_text())
    verbs = ("status", "members", "history", "check")
    outputs = [node.ctl("role").stdout, *(node.ctl("zkelect", verb).stdout for verb in verbs)]
    # What is no name is left out, and the reason of a term's end is shown with escapes.
    assert len(outputs[2].splitlines()) == 3 and untrusted.printable(name) in outputs[3]
    shown = node.zkelect("members", "orders").stdout + node.zkelect("history", "orders").stdout
    logs = "".join(path.read_text() for path in Path(node.folder / "logs").glob("zkelect-stderr*"))
    assert "(unknown) ended without releasing" in logs
    for text in (*outputs, shown, logs):
        assert not acts(text), text
    cluster.verdict()


def test_an_ack_of_a_megabyte_does_not_hide_the_role(make_cluster, zk_server, zk):
    cluster = make_cluster(zk_server.hosts, ("a", "b")).start()
    ack = f"{cluster.chroot}/zkelect/orders/ack"
    zk.set(ack, b"\x1b" * 1_000_000)
    cluster.role("b", NOT_PRIMARY)
    # It is repaired by who leads.
    cluster.settled("a")
    assert zk.get(ack)[0].decode() == cluster["a"].addresses["orders"]


def test_a_candidate_that_never_goes_is_told_with_its_remedy(make_cluster, zk_server, zk):
    cluster = make_cluster(zk_server.hosts, ("a",))
    path = f"{cluster.chroot}/zkelect/orders/election/n-0000000000"
    zk.create(path, b"", makepath=True)
    node = cluster["a"].start()
    told = f"{path} stands in the queue and is no ephemeral znode"
    cluster.until(lambda: told in node.logs(), "the candidate to be told of")
    cluster.role("a", CANNOT)
    assert told in node.ctl("role").stdout and f"delete {path}" in node.ctl("role").stdout
    for checked in (node.ctl("zkelect", "check"), node.zkelect("check", "-c", str(node.zkelect_conf))):
        assert checked.returncode != 0 and told in checked.stdout, checked.stdout
    assert node.logs().count(told) == 1
    zk.delete(path)
    cluster.primary("a")
    assert told not in node.ctl("role").stdout
    cluster.until(lambda: node.ctl("zkelect", "check").returncode == 0, "check to find nothing wrong")


def test_znodes_that_strangers_may_change_are_told(make_cluster, zk_server, zk):
    """They were made before the configuration asked for less."""
    overrides = {"zkelect": {"digest": "%(ENV_ZK_DIGEST)s", "acl": "creator+read"}}
    cluster = make_cluster(zk_server.hosts, ("a",), overrides=overrides, env={"ZK_DIGEST": "zk:gehe1m"})
    ack = f"{cluster.chroot}/zkelect/orders/ack"
    zk.create(ack, b"", makepath=True)
    node = cluster.start()["a"]
    told = f"{ack}: its ACL is wider than acl = creator+read asks: world:anyone:cdrwa"
    cluster.until(lambda: told in node.logs(), "the ACL to be told of")
    inherited = "digest = ***: stands in the environment of supervisord, as ZK_DIGEST, and each program inherits it"
    for text in (node.logs(), node.ctl("zkelect", "check").stdout, node.zkelect("check", "-c", str(node.zkelect_conf)).stdout):
        assert told in text and inherited in text and "gehe1m" not in text, text
        assert "election: its ACL is wider" not in text
        assert "acl = creator+read: who reaches the servers can end this node's session" in text


@pytest.fixture
def strict(tmp_path):
    """A server that takes only sessions which have authenticated by a digest."""
    options = {"authProvider.1": "org.apache.zookeeper.server.auth.DigestAuthenticationProvider",
               "enforce.auth.enabled": "true", "enforce.auth.schemes": "digest"}
    with ZooKeeper(tmp_path / "strict", tick_ms=200, extra=options) as server:
        yield server


def test_a_server_that_wants_authentication_is_left_in_peace(make_cluster, strict):
    """The reason is told by the log, role and check; and with credentials it serves."""
    overrides = {"zkelect": {"digest": "%(ENV_ZK_DIGEST)s"}}
    cluster = make_cluster(strict.hosts, ("a", "b"), overrides=overrides, env={"ZK_DIGEST": "zk:gehe1m"})
    bare = cluster["b"]
    bare.overrides["zkelect"]["digest"] = None
    bare.start()
    cluster.until(lambda: "enforce.auth.enabled" in bare.logs(), "the reason to be told")
    cluster.role("b", CANNOT)
    cluster.until(lambda: "enforce.auth.enabled" in bare.ctl("role").stdout, "role to tell the reason")
    for checked in (bare.ctl("zkelect", "check"), bare.zkelect("check", "-c", str(bare.zkelect_conf))):
        assert checked.returncode != 0 and "enforce.auth.enabled" in checked.stdout, checked.stdout
    log = "".join(path.read_text() for path in Path(bare.folder / "logs").glob("zkelect-stderr*"))
    assert len(log.splitlines()) < 60, log
    cluster["a"].start()
    cluster.primary("a")
