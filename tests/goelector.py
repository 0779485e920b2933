"""A stand-in for the Go elector: it orders the whole names of all children, watches its predecessor, and writes its ack without
any check. It notes no holder, never looks at its session, and leaves the ack when it goes."""

from kazoo.client import KazooClient


class GoElector:
    """A candidate whose session ends with `close`. prefix: what its proposal's name begins with, up to the digits."""

    def __init__(self, hosts, znode, prefix, ack):
        self._znode, self._prefix, self._ack = znode, prefix, ack
        self.client = KazooClient(hosts=hosts, timeout=4)
        self.client.start(timeout=30)
        for path in (znode, ack):
            self.client.ensure_path(path)
        self.proposal = ""

    def propose(self):
        path = self.client.create(f"{self._znode}/{self._prefix}", ephemeral=True, sequence=True)
        self.proposal = path.rpartition("/")[2]
        return self

    def leads(self):
        return sorted(self.client.get_children(self._znode))[0] == self.proposal

    def acknowledge(self, address):
        self.client.set(self._ack, address.encode())

    def close(self):
        """Gone without a word, as far as the others can tell."""
        self.client.stop()
        self.client.close()
