"""Rows 11 to 14, 20 and 22 of the design's list of faults: ZooKeeper is out of reach, changes, or refuses."""

import contextlib

import pytest

from lab import netns
from lab.certificates import certificates
from lab.cluster import CANNOT
from lab.node import service_command
from lab.relay import Relay
from lab.zookeeper import Ensemble, ZooKeeper
from supervisor_zkelect.core.lease import drop_after
from supervisor_zkelect.system.clock import now
from tests.faults.conftest import CHOSEN, TICK, TIMEOUT, as_root, only_clean, rows_only


def test_11_cut_off_from_zookeeper(make, network, folder, passes):
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), place=network["zk"]) as zookeeper:
        case = make(zookeeper, network=network)
        pid, token = case.primary("a"), case.token("a")
        network.cut("a")
        passes(0.3 * TIMEOUT)
        network.heal()
        case.same_term(pid, token)
        since = now()
        network.cut("a")
        case.primary("b")
        assert not case["a"].service_pids()
        passes(3 * TIMEOUT, since)
        network.heal()
        case.settled("b")
        case.finish()


def test_12_zookeeper_restarted_at_once(make, folder):
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000)) as zookeeper:
        case = make(zookeeper)
        pid, token, since = case.primary("a"), case.token("a"), now()
        zookeeper.restart()
        took = now() - since
        if took > 0.3 * TIMEOUT:
            case.leader()
            case.finish()
            pytest.skip(f"clean, but the restart took {took:.1f} s here, which is more than 0.3 T")
        case.same_term(pid, token)
        case.finish()


def test_12_zookeeper_gone_for_03T(make, folder, passes):
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000)) as zookeeper:
        case = make(zookeeper)
        pid, token = case.primary("a"), case.token("a")
        zookeeper.freeze()
        passes(0.3 * TIMEOUT)
        zookeeper.thaw()
        case.same_term(pid, token)
        case.finish()


@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_12_zookeeper_gone_for_3T(make, folder, passes, how):
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000)) as zookeeper:
        case = make(zookeeper)
        since = now()
        zookeeper.freeze() if how == "frozen" else zookeeper.kill()
        passes(3 * TIMEOUT, since)
        assert not case["a"].service_pids() and not case["b"].service_pids()
        zookeeper.thaw() if how == "frozen" else zookeeper.start()
        case.leader()
        case.finish()


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_13_leader_of_an_ensemble(make, folder, how):
    with Ensemble(folder / "zk", size=3, tick_ms=int(TICK * 1000)) as ensemble:
        leader = ensemble.leader()
        # This test's own client must not hang on the server that stands still.
        case = make(ensemble, reached=",".join(server.reached for server in ensemble.servers if server is not leader))
        pid, token = case.primary("a"), case.token("a")
        if how == "killed":
            since = now()
            leader.kill()
            case.until(lambda: ensemble.leader() not in (None, leader), "another leader", pause=0.005)
            only_clean(case, now() - since, 0.3 * TIMEOUT, "the election of another leader")
            case.same_term(pid, token)
            leader.start()
        else:
            leader.freeze()
            others = [server for server in ensemble.servers if server is not leader]
            case.until(lambda: any(server.mode() == "leader" for server in others), "another leader")
            case.leader()
            leader.thaw()
            case.until(lambda: leader.mode() == "follower", "the old leader to follow")
        case.leader()
        case.finish()


PAIRS = [(TIMEOUT, TICK)] if CHOSEN else [(4.0, 0.5), (10.0, 2.0)]


def rarely(cut, link, number):
    """script/test has all links but one of a follower with the first pair, those of a leader that were not held up, and one with
    the second pair. A stall before a cut is in the simulation, too."""
    return link == "dropped" or (cut == "leader" and "held" in link) or (number > 0 and (cut, link) != ("follower", "plain"))


CUTS = [
    pytest.param(*pair, link, cut, id=f"{cut}-{link}-T{pair[0]:g}", marks=rows_only if rarely(cut, link, number) else ())
    for cut in ("follower", "leader") for link in ("plain", "held", "held_briefly", "dropped", "others")
    for number, pair in enumerate(PAIRS)
]


@pytest.mark.skipif(netns.available() is not None, reason=str(netns.available()))
@pytest.mark.every_variant
@pytest.mark.parametrize("timeout, tick, link, cut", CUTS)
def test_14_server_cut_off_with_its_client(make, folder, passes, timeout, tick, link, cut):
    """The primary's own server loses its quorum and goes on answering the primary.

    link: "plain": the primary's link to it has no trouble. "held" and "dropped": it stalled before, for as long as
    the lease allows, and is let go, or heals, just before the cut. "held_briefly": almost as long as makes the
    listener give up the connection, so that what was held up arrives at the server in the old session. In all these
    the primary has only this server; in "others" it has all three, and it was driven to this one, so that it may save
    its term by changing over.

    The service ignores SIGTERM, so that it lives as long as the lease allows.
    """
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(netns.Network(["z1", "z2", "z3", "a", "b"]))
        places = {name: network[name] for name in ("z1", "z2", "z3")}
        ensemble = stack.enter_context(Ensemble(folder / "zk", tick_ms=int(tick * 1000), places=list(places.values())))
        lost = ensemble.leader() if cut == "leader" else ensemble.followers()[0]
        majority = [server for server in ensemble.servers if server is not lost]
        place = {server.hosts: name for server, name in zip(ensemble.servers, places)}
        reached = ",".join(server.reached for server in majority)
        case = make(ensemble, network=network, timeout=timeout, tick=tick, reached=reached, start=False)
        case["b"].environment["ZKELECT_SERVERS"] = ",".join(server.hosts for server in majority)
        for node in case.nodes.values():
            service = service_command(node.addresses["orders"], "--ignore-term")
            node.overrides["program:orders"] = {"command": f"zkelect run -- {service}"}
        relay = stack.enter_context(Relay(lost.hosts, network["a"]))
        if link == "others":
            for server in majority:
                network.cut("a", place[server.hosts])
        else:
            case["a"].environment["ZKELECT_SERVERS"] = relay.address if "held" in link else lost.hosts
        case.start()
        network.heal()
        assert f"/{network['a'].inner}:" in lost.four_letters("cons")
        pid = case.primary("a")
        if link in ("held", "held_briefly", "dropped"):
            relay.hold() if "held" in link else network.cut("a", place[lost.hosts])
            if link == "held_briefly":
                passes(0.9 * drop_after(timeout))
            else:
                nearly = "the lease to be nearly used up"
                case.until(lambda: now() >= case.lease().stop_at - 0.3, nearly, timeout, pause=0.005)
            relay.release() if "held" in link else network.heal("a", place[lost.hosts])
        for server in majority:
            network.cut(place[lost.hosts], place[server.hosts])
        if link == "others":
            case.until(lambda: any(server.mode() == "leader" for server in majority), "the majority to have a leader")
            case.until(lambda: case.pid("a") != pid or f"/{network['a'].inner}:" in "".join(
                server.four_letters("cons") for server in majority), "the primary to change over, or to end")
            case.leader()
        else:
            case.primary("b")
            assert not case["a"].service_pids()
        network.heal()
        case.leader()
        case.finish()


def test_20_proposal_deleted(make, zookeeper, hand):
    """The hand takes the protection away; what it costs is the time until the node notices, and kills."""
    case = make(zookeeper)
    election = f"{case.chroot}/zkelect/orders/election"
    hand.delete(f"{election}/{min(hand.get_children(election))}")
    case.settled("b")
    case.finish(overlap=0.3)


def test_20_election_deleted(make, zookeeper, hand):
    """Made anew, the znode counts from zero: a stranger's proposal now has the name of the primary's."""
    case = make(zookeeper)
    election = f"{case.chroot}/zkelect/orders/election"
    anew = hand.transaction()
    for name in hand.get_children(election):
        anew.delete(f"{election}/{name}")
    anew.delete(election)
    anew.create(election)
    anew.create(f"{election}/n-0000000000", ephemeral=True)
    assert not [result for result in anew.commit() if isinstance(result, Exception)]
    case.until(lambda: not case.pid("a") and not case.pid("b"), "the old term to end")
    hand.delete(f"{election}/n-0000000000")
    case.leader()
    case.finish(overlap=0.3)


@pytest.mark.parametrize("znode", ["ack-state/holder", "ack"], ids=["holder", "ack"])
def test_20_znode_deleted(make, zookeeper, hand, znode):
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    path = f"{case.chroot}/zkelect/orders/{znode}"
    hand.delete(path)
    case.until(lambda: hand.exists(path), f"{znode} to be there again")
    case.same_term(pid, token)


def test_20_ack_overwritten(make, zookeeper, hand):
    case = make(zookeeper)
    pid, token = case.primary("a"), case.token("a")
    path = f"{case.chroot}/zkelect/orders/ack"
    hand.set(path, b"somebody:1")
    case.until(lambda: hand.get(path)[0] != b"somebody:1", "the ack to be repaired")
    case.same_term(pid, token)


def test_22_wrong_credentials(make, zookeeper, hand):
    """Refused by the ACL; when somebody opens that, the node joins by itself."""
    overrides = {"zkelect": {"digest": "%(ENV_ZK_DIGEST)s", "acl": "creator"}}
    case = make(zookeeper, ("b", "a"), overrides=overrides, env={"ZK_DIGEST": "zk:r1ght"}, start=False)
    case["a"].environment["ZK_DIGEST"] = "zk:wr0ng"
    hand.add_auth("digest", "zk:r1ght")
    case.until(lambda: case.client().connected, "this test's own client to be connected")
    case.client().add_auth("digest", "zk:r1ght")

    def admit():
        from kazoo.security import OPEN_ACL_UNSAFE

        paths = [case.chroot]
        while paths:
            path = paths.pop()
            hand.set_acls(path, OPEN_ACL_UNSAFE)
            paths += [f"{path}/{name}" for name in hand.get_children(path)]

    refused(case, "correct the credentials or the ACL", admit)
    assert "wr0ng" not in case["a"].logs()


def test_22_tls_refused(make, folder):
    """The server knows the authority of the certificate not; with one that it knows, the node joins by itself."""
    files, own = certificates(folder / "certificates"), folder / "own.pem"
    own.write_text(open(files.stranger_cert).read() + open(files.stranger_key).read())
    with ZooKeeper(folder / "zk", tick_ms=int(TICK * 1000), tls=files) as zookeeper:
        overrides = {"zkelect": {"tls_ca": files.ca, "tls_cert": files.client_cert, "tls_key": files.client_key}}
        case = make(zookeeper, ("b", "a"), overrides=overrides, reached=None, start=False)
        case["a"].overrides["zkelect"].update(tls_cert=str(own), tls_key=str(own))

        def admit():
            own.write_text(open(files.client_cert).read() + open(files.client_key).read())

        refused(case, "trying again", admit)
        case.finish()


#: Runs the rest with a file of its own in the place of /etc/hosts.
OWN_HOSTS = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"')


@as_root
def test_22_name_that_does_not_resolve(make, folder, zookeeper):
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    case = make(zookeeper, ("b", "a"), start=False)
    case["a"].wrapper = [*OWN_HOSTS, str(hosts)]
    case["a"].environment["ZKELECT_SERVERS"] = zookeeper.hosts.replace("127.0.0.1", "zookeeper.invalid")

    def admit():
        with hosts.open("a") as file:
            file.write("127.0.0.1 zookeeper.invalid\n")

    refused(case, "zookeeper.invalid", admit)


def refused(case, line, admit):
    """Node b is primary and a is refused: it says so, tries on, never runs the group, and joins when it may."""
    case["b"].start()
    for watcher in case.observers.values():
        case.stack.enter_context(watcher)
    case.primary("b")
    case["a"].start()
    case.until(lambda: line in listener_log(case["a"]), f"a to say {line!r}")
    listener = case["a"].listener_pid()
    assert listener and case["a"].part("orders").get("role") in (None, "detached")
    case.role("a", CANNOT)
    # b goes as well: a does not become primary for want of another one.
    assert case["b"].ctl("restart", "zkelect").returncode == 0
    case.primary("b")
    lines = [one for one in listener_log(case["a"]).splitlines() if line in one]
    # Each refusal is told once, however often it is met.
    assert len({one.partition(" WARNING ")[2] for one in lines}) == len(lines) and "Traceback" not in listener_log(case["a"]), lines
    status = case["a"].rpc.call("supervisor.getProcessInfo", "zkelect")
    assert status["statename"] == "RUNNING" and status["pid"] == listener
    assert case.starts("a") == 0
    admit()
    case.settled("b")


def listener_log(node):
    return "".join(path.read_text(errors="replace") for path in (node.folder / "logs").glob("zkelect-stderr*"))
