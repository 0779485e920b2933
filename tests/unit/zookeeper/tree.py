"""A client of a ZooKeeper in memory, as much of kazoo's as reading, writing and transactions take. One session; watches are ignored."""

import itertools
from types import SimpleNamespace

from kazoo import exceptions as errors

from supervisor_zkelect.elector import Elector


class Answer:
    def __init__(self, work):
        try:
            self.value, self.error = work(), None
        except errors.KazooException as error:
            self.value, self.error = None, error

    def get(self, timeout=None):
        if self.error is not None:
            raise self.error
        return self.value


class Tree:
    """znodes: path -> [data, stat]. refused: paths that nobody may read. asked: how often anything was asked."""

    def __init__(self, session=0x1F):
        self.znodes, self.refused, self.asked = {"": [b"", self._stat(0, 1)]}, set(), 0
        self._zxid = itertools.count(2)
        self.client_id, self.chroot, self.connected = (session, b""), "", True
        self.handler = SimpleNamespace(timeout_exception=TimeoutError)

    def _stat(self, owner, zxid):
        return SimpleNamespace(version=0, ephemeralOwner=owner, czxid=zxid, mzxid=zxid, mtime=1_700_000_000_000, ctime=0, cversion=0)

    def add_listener(self, listener):
        pass

    remove_listener = add_listener

    def put(self, path, data=b"", owner=0):
        """Make a znode and what stands above it, or overwrite it."""
        above = path.rpartition("/")[0]
        if above not in self.znodes:
            self.put(above)
        if path in self.znodes:
            self._set(path, data, -1)
        else:
            self.znodes[path] = [data, self._stat(owner, next(self._zxid))]

    def _there(self, path):
        if path in self.refused:
            raise errors.NoAuthError
        if path not in self.znodes:
            raise errors.NoNodeError
        return self.znodes[path]

    def _stat_of(self, path):
        data, stat = self._there(path)
        stat.dataLength = len(data)
        return SimpleNamespace(**vars(stat))

    def _get(self, path):
        return self._there(path)[0], self._stat_of(path)

    def _exists(self, path):
        return self._stat_of(path) if path in self.znodes or path in self.refused else None

    def _children(self, path):
        self._there(path)
        return [one.rpartition("/")[2] for one in self.znodes if one.rpartition("/")[0] == path and one]

    def _create(self, path, data=b"", acl=None, ephemeral=False, makepath=False):
        if path in self.znodes:
            raise errors.NodeExistsError
        if path.rpartition("/")[0] not in self.znodes and not makepath:
            raise errors.NoNodeError
        self.put(path, data, self.client_id[0] if ephemeral else 0)
        return path

    def _set(self, path, data, version=-1):
        found = self._there(path)
        if version not in (-1, found[1].version):
            raise errors.BadVersionError
        found[0] = data
        found[1].version += 1
        found[1].mzxid = next(self._zxid)
        return self._stat_of(path)

    def _delete(self, path, version=-1):
        self._there(path)
        del self.znodes[path]

    def _ask(self, work, *arguments, **more):
        self.asked += 1
        return Answer(lambda: work(*arguments, **more))

    def exists_async(self, path, watch=None):
        return self._ask(self._exists, path)

    def get_async(self, path, watch=None):
        return self._ask(self._get, path)

    def get_children_async(self, path):
        return self._ask(self._children, path)

    def create_async(self, path, data=b"", **more):
        return self._ask(self._create, path, data, **more)

    def set_async(self, path, data, version=-1):
        return self._ask(self._set, path, data, version)

    def delete_async(self, path, version=-1):
        return self._ask(self._delete, path, version)

    def sync_async(self, path):
        return self._ask(lambda: path)

    def transaction(self):
        return Transaction(self)


class Transaction:
    """Done whole, or not at all."""

    def __init__(self, tree):
        self._tree, self._operations = tree, []

    def check(self, path, version):
        self._operations.append((self._tree._there, (path,), {}))

    def create(self, path, data, acl=None):
        self._operations.append((self._tree._create, (path, data), {}))

    def set_data(self, path, data, version=-1):
        self._operations.append((self._tree._set, (path, data, version), {}))

    def commit_async(self):
        tree = self._tree
        before = {path: [data, SimpleNamespace(**vars(stat))] for path, (data, stat) in tree.znodes.items()}
        results = []
        for work, arguments, more in self._operations:
            try:
                results.append(work(*arguments, **more))
            except errors.KazooException as error:
                tree.znodes = before
                results = [errors.RolledBackError()] * len(results) + [error]
                break
        return Answer(lambda: results)


def an_election():
    """One with what stands there before anybody has come."""
    tree = Tree()
    for path in ("election", "ack", "ack-state/history", "ack-state/control", "ack-state/nodes"):
        tree.put(f"/zkelect/orders/{path}")
    return tree


def elector_of(tree):
    return Elector(tree, "/zkelect/orders/election", "n", "/zkelect/orders/ack")
