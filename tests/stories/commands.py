"""The commands of a cluster, each a function of the cluster and of the words behind the command. Its docstring says which."""

from __future__ import annotations

import math
from typing import List

from supervisor_zkelect.core import control, pauses
from tests.stories.cluster import Cluster, Commands
from tests.stories.script import Wrong

ELECTED = 0.5
"""Seconds in which the ensemble has another leader."""


# Time


def wait(cluster: Cluster, words: List[str]) -> None:
    """wait SECONDS"""
    until = cluster.world.now + float(words[0])
    cluster.world.run(until)
    cluster.world.now = until


def until(cluster: Cluster, words: List[str]) -> None:
    """until NODE ROLE [STEP], until NODE runs|idle, until NODE listener|guard gone|here"""
    name, wanted = words[0], words[1:]
    node = cluster.node(name)

    def come() -> bool:
        if wanted[0] in ("runs", "idle"):
            return bool(node.machine.services) == (wanted[0] == "runs")
        if wanted[0] in ("listener", "guard"):
            one = getattr(node, wanted[0])
            return (one is not None and one.alive) == (wanted[1] == "here")
        return node.state is not None and [node.state.role, node.state.step][:len(wanted)] == wanted

    cluster.run_until(come, " ".join(words))


def settle(cluster: Cluster, words: List[str]) -> None:
    """settle: a node leads, all others stand by, and nothing is told of how it came"""

    def settled() -> bool:
        states = [node.state for node in cluster.nodes.values()]
        steps = [(one.role, one.step) for one in states if one is not None]
        well = not any(one.well() for one in cluster.journals)
        return well and len(steps) == len(states) and all(one in (("primary", ""), ("standby", "watching")) for one in steps)

    cluster.run_until(settled, "settled")
    wait(cluster, [str(math.ceil(cluster.world.now + 1.5) - cluster.world.now)])
    cluster.pass_over()
    show(cluster, [])


def show(cluster: Cluster, words: List[str]) -> None:
    """show: what every node is, and what the ack says"""
    for one in cluster.journals:
        cluster.world.tell("", one.standing())


# The network and ZooKeeper


def cut(cluster: Cluster, words: List[str]) -> None:
    """cut NODE: its network; cut server of NODE, cut leader: a server of the ensemble, off from the others"""
    if words[0] == "leader":
        cluster.ensemble.cut(cluster.ensemble.leader)
    elif words[0] == "server":
        cluster.ensemble.cut(cluster.node(words[2]).server())
    else:
        cluster.node(words[0]).stall(True)


def heal(cluster: Cluster, words: List[str]) -> None:
    """heal NODE; heal server: the one that was cut"""
    if words[0] == "server":
        for server in cluster.ensemble.servers:
            cluster.ensemble.heal(server)
    else:
        cluster.node(words[0]).stall(False)


def pin(cluster: Cluster, words: List[str]) -> None:
    """pin NODE [leader]: it reaches no other server than its own, or than the leader of the ensemble"""
    node = cluster.node(words[0])
    own = node.server()
    cluster.pinned[node.name] = server = cluster.ensemble.leader if words[1:] == ["leader"] else own
    if server is not own:
        for client in [one for one in own.clients if one.process.name == node.name]:
            client.dropped()


def refuse(cluster: Cluster, words: List[str]) -> None:
    """refuse NODE: the ACL forbids it every change"""
    cluster.ensemble.refused.add(cluster.node(words[0]).name)


def allow(cluster: Cluster, words: List[str]) -> None:
    """allow NODE"""
    cluster.ensemble.refused.discard(cluster.node(words[0]).name)


def delete(cluster: Cluster, words: List[str]) -> None:
    """delete NODE proposal; delete election, holder, ack or control"""
    if words[0] == "election":
        cluster.journal.excuse(cluster.timeout + 0.6)
        cluster.journal.anew = True
        cluster.ensemble.election_anew(cluster.journal.paths)
    elif words[0] == "control":
        cluster.ensemble.multi([("delete", cluster.journal.paths.control, -1)], 0)
    elif words[0] in ("holder", "ack"):
        cluster.by_hand(("delete", cluster.journal.paths.ack if words[0] == "ack" else cluster.journal.paths.holder, -1))
    else:
        # The hand takes the protection away until the node notices, and a frozen one does only when its lease ends.
        cluster.journal.excuse(cluster.timeout + 0.6)
        proposals = cluster.journal.paths.queue(cluster.ensemble.tree)
        own = [path for path, one in proposals if cluster.ensemble.owners[one.ephemeralOwner] == words[0]]
        cluster.ensemble.multi([("delete", own[0], -1)], 0)


def write(cluster: Cluster, words: List[str]) -> None:
    """write ack|control TEXT: by hand"""
    path = cluster.journal.paths.ack if words[0] == "ack" else cluster.journal.paths.control
    cluster.by_hand(("set", path, words[1].encode() if words[1:] else b"", -1))


# Processes


def kill(cluster: Cluster, words: List[str]) -> None:
    """kill NODE listener|guard|keeper|supervisord|service|all ...: all of them at once; kill leader: that of the ensemble"""
    if words == ["leader"]:
        stop(cluster, ["zookeeper"])
        cluster.world.after(ELECTED, start, cluster, ["zookeeper"])
        return
    node = cluster.node(words[0])
    for what in words[1:]:
        if what == "service":
            node.kill_service()
        elif what == "guard":
            for process in cluster.processes(node, what):
                process.end()
        elif what == "supervisord":
            node.kill_supervisord()
        else:
            for process in cluster.processes(node, what):
                process.kill()


def freeze(cluster: Cluster, words: List[str]) -> None:
    """freeze NODE listener|guard|keeper|supervisord|service|all ..."""
    if "all" in words:
        cluster.journal.excused = math.inf
    for what in words[1:]:
        for process in cluster.processes(cluster.node(words[0]), what):
            process.freeze()


def thaw(cluster: Cluster, words: List[str]) -> None:
    """thaw NODE ...: as freeze"""
    if "all" in words:
        cluster.journal.excuse(0.1)
    for what in words[1:]:
        for process in cluster.processes(cluster.node(words[0]), what):
            process.thaw()


def lose(cluster: Cluster, words: List[str]) -> None:
    """lose NODE: the host, with everything on it"""
    node = cluster.node(words[0])
    node.leaving = True
    node.stall(True)
    for process in cluster.processes(node, "all"):
        process.kill()
    node.machine.services.clear()


def boot(cluster: Cluster, words: List[str]) -> None:
    """boot NODE: a host that was lost; or supervisord again, which ended"""
    node = cluster.node(words[0])
    node.leaving = False
    node.stall(False)
    node.start_supervisord()


def fence(cluster: Cluster, words: List[str]) -> None:
    """fence fails|works: the fence command"""
    cluster.journal.fence_fails = words[0] == "fails"


# supervisorctl


def stop(cluster: Cluster, words: List[str]) -> None:
    """stop NODE zkelect|group; stop zookeeper"""
    if words[0] == "zookeeper":
        cluster.ensemble.refusing = True
        cluster.ensemble.stop()
    elif words[1] == "zkelect":
        cluster.node(words[0]).stop_listener()
    else:
        cluster.node(words[0]).stop_group()


def start(cluster: Cluster, words: List[str]) -> None:
    """start NODE zkelect|group; start zookeeper"""
    if words[0] == "zookeeper":
        cluster.ensemble.refusing = False
        cluster.ensemble.go_on()
    elif words[1] == "zkelect":
        cluster.node(words[0]).start_listener()
    else:
        cluster.node(words[0]).start_group()


def restart(cluster: Cluster, words: List[str]) -> None:
    """restart NODE: the listener, with SIGTERM; restart service [in SECONDS]: whoever leads; restart off: it is taken back"""
    if words == ["off"]:
        cluster.order(control.end_restart)
    elif words[0] == "service":
        now = cluster.ensemble.milliseconds()
        due = now + round(1000 * float(words[2])) if words[1:] else None
        cluster.order(control.order_restart(control.Restart(control.Order(f"r {now}", "operator", at=now), due)))
    else:
        cluster.node(words[0]).terminate_listener()


def shutdown(cluster: Cluster, words: List[str]) -> None:
    """shutdown NODE"""
    cluster.node(words[0]).shutdown()


def resign(cluster: Cluster, words: List[str]) -> None:
    """resign NODE"""
    cluster.node(words[0]).order("resign")


def maintenance(cluster: Cluster, words: List[str]) -> None:
    """maintenance NODE [off [cleared]] [force] [for SECONDS]; cleared: as the tool does it, that its terms failed is forgiven"""
    name = cluster.node(words[0]).name
    if "off" in words:
        noted = cluster.journal.paths.held(cluster.ensemble.tree)
        cluster.order(control.end_maintenance(name, noted[0] if "cleared" in words else 0))
        return
    until = cluster.ensemble.milliseconds() + round(1000 * float(words[words.index("for") + 1])) if "for" in words else None
    cluster.order(control.begin_maintenance(name, control.Order("m", "operator", "disk", until=until, force="force" in words)))


def switchover(cluster: Cluster, words: List[str]) -> None:
    """switchover NODE [in SECONDS]: it is to lead; switchover off: it is taken back"""
    if words == ["off"]:
        cluster.order(control.end_switchover)
        return
    due = cluster.ensemble.milliseconds() + round(1000 * float(words[2])) if words[1:] else None
    now = cluster.ensemble.milliseconds()
    # Each has an id of its own: what became of one is known by that.
    order = control.Order(f"s {now}", "operator", at=now)
    cluster.order(control.order_switchover(control.Switchover(order, cluster.node(words[0]).name, due)))


def pause(cluster: Cluster, words: List[str]) -> None:
    """pause [for SECONDS] [force]: whoever leads is asked; force: nobody leads"""
    lasts = round(1000 * float(words[words.index("for") + 1])) if "for" in words else None
    wanted = control.Pause(control.Order("p", "operator", at=cluster.ensemble.milliseconds()), lasts)
    cluster.order((pauses.force if "force" in words else pauses.ask)(wanted))


def resume(cluster: Cluster, words: List[str]) -> None:
    """resume [force]: who has consented to the pause is asked to end it; force: his node is dead"""
    paused = cluster.journal.ordered(cluster.ensemble.tree).paused
    if "force" in words:
        cluster.journal.forced = True
        for path in list(cluster.ensemble.tree):
            if cluster.journal.paths.barred(path):
                cluster.ensemble.multi([("delete", path, -1)], 0)
    asked = paused is not None and paused.token and "force" not in words
    cluster.order(pauses.ask_to_resume("r") if asked else pauses.end)


# The service and the machine


def service(cluster: Cluster, words: List[str]) -> None:
    """service NODE sick|crashing|obstinate|lingering|undying|forking|well"""
    machine = cluster.node(words[0]).machine
    traits = ("sick", "crashing", "obstinate", "lingering", "undying", "forking")
    if words[1] not in (*traits, "well"):
        raise Wrong(f"a service is well or {', '.join(traits)}")
    if words[1] == "well":
        for trait in traits:
            setattr(machine, trait, False)
    else:
        setattr(machine, words[1], True)


def fit(cluster: Cluster, words: List[str]) -> None:
    """fit NODE passes|fails: its check whether it is fit to lead"""
    cluster.node(words[0]).machine.unfit = words[1] == "fails"


def disk(cluster: Cluster, words: List[str]) -> None:
    """disk NODE broken|well: whether the shared record can be written"""
    cluster.node(words[0]).machine.disk.broken = words[1] == "broken"


def starve(cluster: Cluster, words: List[str]) -> None:
    """starve NODE: no process and no thread is to be had for a guard"""
    cluster.node(words[0]).starved = True


def feed(cluster: Cluster, words: List[str]) -> None:
    """feed NODE: starved no more"""
    cluster.node(words[0]).starved = False


COMMANDS: Commands = {
    "wait": wait, "until": until, "settle": settle, "show": show,
    "cut": cut, "heal": heal, "pin": pin, "refuse": refuse, "allow": allow, "delete": delete,
    "write": write, "kill": kill, "freeze": freeze, "thaw": thaw, "lose": lose,
    "boot": boot, "fence": fence, "stop": stop, "start": start, "restart": restart,
    "shutdown": shutdown, "resign": resign, "maintenance": maintenance, "switchover": switchover, "pause": pause,
    "resume": resume, "service": service, "disk": disk, "fit": fit,
    "starve": starve, "feed": feed,
}
