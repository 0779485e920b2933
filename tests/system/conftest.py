"""Clusters of nodes for the tests of whole systems, and sessions that another process is to take over."""

import pytest
from kazoo.client import KazooClient

from lab.cluster import Cluster
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.guard import record, saved_session

#: Seconds that ZooKeeper has for one thing.
TIME = 20.0

#: Of the session that `kept` saves.
OWNER = record.Owner("boot", "pid:[1]", 1, 2)


@pytest.fixture
def make_cluster(tmp_path, zk_server, turn):
    """Make a Cluster in the test's folder; it is ended, and nothing of it may be left, whatever happens."""
    made = []

    def make(servers, names=("a", "b"), **options):
        # A client of this process's own looks at the ack with a hundredth of the work that a `zkelect primary` takes.
        options.setdefault("reached", zk_server.hosts if servers == zk_server.hosts else None)
        made.append(Cluster(tmp_path, servers, names, **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.stack.close()
        left = [process for node in cluster.nodes.values() for process in node.processes()]
        assert not left, f"left behind: {left}"


@pytest.fixture
def join(zk_server, root):
    """Makes electors in one election, each with a session of its own."""
    made = []

    def make(servers=zk_server.hosts, **options):
        made.append(Elector.connect(servers, 4.0, f"{root}/e/election", options.pop("prefix", "n"), f"{root}/e/ack", **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def pair(make_cluster, zk_server):
    """Two nodes of which `a` is primary; in the end nobody may have heard two."""
    cluster = make_cluster(zk_server.hosts).start()
    yield cluster
    cluster.verdict()


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A server that grants timeouts in which a listener may take as long as a busy machine needs for its restart."""
    with ZooKeeper(tmp_path_factory.mktemp("patient"), tick_ms=1000) as server:
        yield server


def on(server):
    """What a cluster is made with on such a server."""
    return {"servers": server.hosts, "timeout": 20, "tick": 1, "reached": server.hosts}


@pytest.fixture
def steady(make_cluster, patient):
    """As `pair`, with a session that a busy machine does not let run out: for what is to stay in one term."""
    cluster = make_cluster(**on(patient)).start()
    yield cluster
    cluster.verdict()


def places(name):
    """Where an Elector has its znodes: of the election, of what proposals begin with, of the ack."""
    return f"/{name}/election", "n", f"/{name}/ack"


@pytest.fixture
def kazoo(zk_server):
    """A client whose session another is to take over: it does not come back for it."""
    client = KazooClient(hosts=zk_server.hosts, timeout=10)
    client.start(timeout=TIME)
    client.identity = client.client_id

    def refuse(*arguments, **options):
        raise OSError("stays away")

    client.handler.create_connection = refuse
    yield client
    client.stop()
    client.close()


@pytest.fixture
def kept(kazoo, zk_server, tmp_path):
    """The session of a node that leads, saved in a folder."""
    elector = Elector(kazoo, *places(tmp_path.name))
    elector.prepare()
    elector.create_proposal()
    assert elector.try_be_leader().leads
    elector.claim("a", "x:1")
    elector.ack_leader("x:1")
    one = saved_session.SavedElection("orders", "primary", *(f"/{tmp_path.name}/election", "n-", f"/{tmp_path.name}/ack"))

    def keep(servers):
        saved_session.Store(str(tmp_path)).save(
            saved_session.Saved(kazoo.identity[0], kazoo.identity[1].hex(), 10.0, OWNER, "a", servers, [one])
        )
        return str(tmp_path)

    keep.elector, keep.token = elector, elector.token
    return keep


@pytest.fixture
def pythons():
    """Have every Python that the program `orders` of a node is started by leave its command line in a file; gives the file."""

    def trace(node):
        folder = node.folder / "pythons"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(
            f"with open({str(folder / 'lines')!r}, 'a') as file:\n"
            "    print(open('/proc/self/cmdline').read().replace('\\0', ' '), file=file)\n"
        )
        node.overrides["program:orders"] = {"environment": f'PYTHONPATH="{folder}"'}
        return folder / "lines"

    return trace
