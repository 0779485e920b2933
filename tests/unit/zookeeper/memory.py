"""A ZooKeeper in memory and its clients, for an Elector: znodes with versions and owners, rights, lost answers."""

import copy
from types import SimpleNamespace

from kazoo import exceptions as errors
from kazoo.security import OPEN_ACL_UNSAFE

#: What the servers' clock shows when a test begins, milliseconds.
NOON = 1_800_000_000_000


class Ensemble:
    """clock: what the servers' clock shows, milliseconds. denied: pairs of what is done ("read", "write", "create", "delete") and the
    path of the znode whose rights count."""

    def __init__(self):
        self.znodes, self.zxid, self.clock, self.sessions = {}, 0, NOON, 0
        self.denied = set()
        #: whether a transaction is done, which has one number for all that it changes
        self.at_once = False
        self._made("/", b"", 0)

    def _number(self):
        self.zxid += not self.at_once

    def _made(self, path, data, owner):
        self._number()
        self.znodes[path] = SimpleNamespace(
            data=data, czxid=self.zxid, version=0, cversion=0, ctime=self.clock, mtime=self.clock, mzxid=self.zxid, ephemeralOwner=owner, numbers=0,
            acl=OPEN_ACL_UNSAFE,
        )

    def stat(self, path):
        znode = self.znodes[path]
        return SimpleNamespace(
            **{name: getattr(znode, name) for name in ("czxid", "version", "cversion", "ctime", "mtime", "mzxid", "ephemeralOwner")},
            dataLength=len(znode.data), numChildren=len(self.children(path)),
        )

    def children(self, path):
        root = path.rstrip("/") + "/"
        return [one[len(root):] for one in self.znodes if one.startswith(root) and one != root and "/" not in one[len(root):]]

    def _may(self, doing, path):
        if (doing, path) in self.denied:
            raise errors.NoAuthError()

    def _found(self, path, version=-1):
        if path not in self.znodes:
            raise errors.NoNodeError()
        if version not in (-1, self.znodes[path].version):
            raise errors.BadVersionError()
        return self.znodes[path]

    def get(self, path):
        self._found(path)
        self._may("read", path)
        return self.znodes[path].data, self.stat(path)

    def check(self, path, version):
        self._found(path, version)

    def create(self, path, data=b"", owner=0, sequence=False, makepath=False):
        parent = path.rpartition("/")[0] or "/"
        if makepath and parent not in self.znodes:
            self.create(parent, makepath=True)
        self._found(parent)
        self._may("create", parent)
        if sequence:
            path = f"{path}{self.znodes[parent].numbers:010}"
            self.znodes[parent].numbers += 1
        if path in self.znodes:
            raise errors.NodeExistsError()
        self._made(path, data, owner)
        self.znodes[parent].cversion += 1
        return path

    def set(self, path, data, version=-1):
        znode = self._found(path, version)
        self._may("write", path)
        self._number()
        znode.data, znode.version, znode.mtime, znode.mzxid = data, znode.version + 1, self.clock, self.zxid
        return self.stat(path)

    def delete(self, path, version=-1):
        self._found(path, version)
        if self.children(path):
            raise errors.NotEmptyError()
        self._may("delete", path.rpartition("/")[0] or "/")
        del self.znodes[path]

    def end(self, session):
        for path in [path for path, znode in self.znodes.items() if znode.ephemeralOwner == session]:
            del self.znodes[path]


class Answer:
    def __init__(self, value=None, error=None):
        self.value, self.exception = value, error

    def get(self, timeout=None):
        if self.exception is not None:
            raise self.exception
        return self.value


class Transaction:
    def __init__(self, client):
        self._client, self._operations = client, []

    def check(self, path, version):
        self._operations.append((self._client.ensemble.check, (path, version)))

    def create(self, path, value=b"", acl=None, ephemeral=False, sequence=False):
        self._operations.append((self._client.ensemble.create, (path, value, self._client.client_id[0] if ephemeral else 0, sequence)))

    def set_data(self, path, value, version=-1):
        self._operations.append((self._client.ensemble.set, (path, value, version)))

    def delete(self, path, version=-1):
        self._operations.append((self._client.ensemble.delete, (path, version)))

    def commit_async(self):
        if "commit" in self._client.unsent:
            self._client.unsent.remove("commit")
            return Answer(error=errors.ConnectionLoss())
        answer = self._committed()
        if "commit" in self._client.lose:
            self._client.lose.remove("commit")
            return Answer(error=errors.ConnectionLoss())
        return answer

    def _committed(self):
        ensemble = self._client.ensemble
        before = copy.deepcopy(ensemble.znodes)
        results = []
        ensemble.zxid, ensemble.at_once = ensemble.zxid + 1, True
        try:
            for number, (do, arguments) in enumerate(self._operations):
                try:
                    results.append(do(*arguments))
                except errors.ZookeeperError as error:
                    ensemble.znodes = before
                    rest = [errors.RuntimeInconsistency() for _ in self._operations[number + 1:]]
                    return Answer([*[errors.RolledBackError() for _ in results], error, *rest])
        finally:
            ensemble.at_once = False
        return Answer(results)


class Client:
    """One client with a session. lose: requests by name whose answer is lost next; each is done all the same, but those in
    `unsent`. meddle: called before each write."""

    def __init__(self, ensemble):
        self.ensemble = ensemble
        ensemble.sessions += 1
        self.client_id = (0x100 + ensemble.sessions, b"password")
        self.connected, self.chroot = True, ""
        self.handler = SimpleNamespace(timeout_exception=TimeoutError, event_object=None)
        self.lose, self.unsent, self.away = [], [], False
        self.meddle = lambda path: None

    def add_listener(self, listener):
        pass

    remove_listener = add_listener

    def stop(self):
        self.ensemble.end(self.client_id[0])

    def close(self):
        pass

    def _do(self, name, do, *arguments):
        if self.away or name in self.unsent:
            self.unsent = [one for one in self.unsent if one != name]
            return Answer(error=errors.ConnectionLoss())
        try:
            value = do(*arguments)
        except errors.ZookeeperError as error:
            return Answer(error=error)
        if name in self.lose:
            self.lose.remove(name)
            return Answer(error=errors.ConnectionLoss())
        return Answer(value)

    def sync_async(self, path):
        return self._do("sync", lambda: path)

    def exists_async(self, path, watch=None):
        return self._do("exists", lambda: self.ensemble.stat(path) if path in self.ensemble.znodes else None)

    def get_async(self, path, watch=None):
        return self._do("get", self.ensemble.get, path)

    def get_acls_async(self, path):
        return self._do("acls", lambda: (self.ensemble._found(path).acl, self.ensemble.stat(path)))

    def get_children_async(self, path, watch=None):
        def listed():
            self.ensemble._found(path)
            return self.ensemble.children(path)

        return self._do("children", listed)

    def create_async(self, path, value=b"", acl=None, ephemeral=False, sequence=False, makepath=False, include_data=False):
        def made():
            name = self.ensemble.create(path, value, self.client_id[0] if ephemeral else 0, sequence, makepath)
            return (name, self.ensemble.stat(name)) if include_data else name

        return self._do("create", made)

    def set_async(self, path, value, version=-1):
        self.meddle(path)
        return self._do("set", self.ensemble.set, path, value, version)

    def delete_async(self, path, version=-1):
        return self._do("delete", self.ensemble.delete, path, version)

    def transaction(self):
        return Transaction(self)
