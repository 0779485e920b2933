"""Nodes of one election at a ZooKeeper in memory, by hand: they do what a test says, and nothing by themselves."""

import json

from supervisor_zkelect.core import nodes
from supervisor_zkelect.elector import Elector
from tests.unit.zookeeper.memory import Client, Ensemble

ROOT = "/zkelect/orders"
STATE = f"{ROOT}/ack-state"
CONTROL, OUTCOMES = f"{STATE}/control", f"{STATE}/outcomes"


class Cluster:
    """Nodes that stand in one election, and tools that give orders."""

    def __init__(self, *names, leads=True):
        """names: of the nodes, in the order of the queue, of which the first leads."""
        self.ensemble, self.nodes, self.clients = Ensemble(), {}, {}
        for name in names:
            self.join(name)
        if names and leads:
            self.lead(names[0])

    def _elector(self, client, data=b""):
        return Elector(client, f"{ROOT}/election", "n", f"{ROOT}/ack", data=data)

    def join(self, node, knows=True, data=b""):
        """data: of its proposal, if that is to say something else."""
        said = {"v": 1, "node": node, "address": f"{node}:1", **({"orders": 1} if knows else {})}
        self.clients[node] = Client(self.ensemble)
        self.nodes[node] = one = self._elector(self.clients[node], data or json.dumps(said).encode())
        one.prepare()
        one.create_proposal()
        if knows:
            self.tell(node)
        return one

    def tell(self, node, **changes):
        """The node says of itself that it has read the control as it stands."""
        one = self.nodes[node]
        stamp = tuple(one.read_control().stamp)
        one.tell_of_node(node, nodes.NodeEntry(**{"state": "standby", "guarded": True, "confirmed": stamp, **changes}))

    def lead(self, node):
        one = self.nodes[node]
        assert one.try_be_leader()
        one.claim(node, f"{node}:1")
        one.ack_leader(f"{node}:1")

    def end(self, node):
        self.ensemble.end(self.nodes[node].session_id)

    def switch(self, node, to):
        """The node that leads does what a switchover wants of it, and the other leads then."""
        order = self.control()["switchover"]["id"]
        one = self.nodes[node]
        one.release(successor=one.begin("switchover", order, node))
        self.lead(to)

    def tool(self):
        self.client = Client(self.ensemble)
        return self._elector(self.client)

    def control(self):
        return json.loads(self.ensemble.znodes[CONTROL].data or b"{}")
