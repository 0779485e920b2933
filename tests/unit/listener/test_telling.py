"""What a node tells, what it is asked, and its copy of the history."""

import json
import os
import stat

import pytest

from supervisor_zkelect.core import history, journal, nodes
from supervisor_zkelect.elector import NotConnected, NotLeader, ProposalGone, TimedOut
from supervisor_zkelect.listener import election_worker, telling
from supervisor_zkelect.listener.history_copy import HistoryCopy
from supervisor_zkelect.zookeeper import following
from supervisor_zkelect.zookeeper.given import Given
from tests.unit.core.test_history import long_term
from tests.unit.listener.parts import Disk
from tests.unit.zookeeper.cluster import Cluster
from tests.unit.zookeeper.test_past import STATE, pair, tell, write
from tests.unit.zookeeper.tree import an_election, elector_of


@pytest.fixture
def tree():
    return an_election()


@pytest.fixture
def elector(tree):
    return elector_of(tree)


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "history-orders")


@pytest.fixture
def copy(path, disk):
    return HistoryCopy(path, disk)


class Away:
    """An elector whose ZooKeeper does not answer."""

    def terms(self, most):
        raise NotConnected("the connection was lost")

    def overview(self, exact=False):
        raise TimedOut("no answer")

    def tell_of_node(self, node, entry):
        raise NotConnected("the connection was lost")


def asked(work, elector, *arguments):
    answers = []
    work(elector, "t", lambda ticket, document: answers.append(json.loads(json.dumps(document))), *arguments)
    (answer,) = answers
    return answer


def test_a_disk_that_hangs_holds_up_nothing_but_the_copy(elector, copy, disk):
    """A release waits for what the election's executor does before it."""
    disk.hangs = True
    assert telling.write_history(elector, "orders", [long_term(7)], copy).error == ""
    assert telling.write_entry(elector, "orders", "b", nodes.NodeEntry(), telling.More(copy)).error == ""
    assert [one["token"] for one in asked(telling.answer_history, elector, {}, copy)["terms"]] == [7]
    answers = []
    telling.answer_history(Away(), "t", lambda ticket, document: answers.append(document), {}, copy)
    assert answers == []
    disk.hangs = False
    disk.submit(int)
    assert [one["token"] for one in answers[0]["terms"]] == [7]


def test_while_zookeeper_is_away_the_copy_answers_and_says_so(elector, copy, path):
    for token in range(1, 31):
        write(elector, token)
    told = asked(telling.answer_history, elector, {}, copy)
    assert [one["token"] for one in told["terms"]] == list(range(30, 10, -1)) and "copied" not in told
    away = asked(telling.answer_history, Away(), {"limit": "3"}, copy)
    assert [one["token"] for one in away["terms"]] == [30, 29, 28] and away["copied"] > 1e9 and away["why"] == "the connection was lost"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize("data", [None, b"", b"garbage", b"[]", b'{"time": "x", "terms": []}', b"x" * (1 << 19)])
def test_without_a_copy_that_can_be_read_there_is_none(copy, path, data):
    if data is not None:
        with open(path, "wb") as file:
            file.write(data)
    assert asked(telling.answer_history, Away(), {}, copy) == {"ok": False, "exit": 4, "text": "there is no connection to ZooKeeper"}


def test_a_copy_is_no_way_to_another_file(tmp_path, copy, path):
    target = tmp_path / "secret"
    target.write_text('{"time": 1, "terms": []}')
    os.symlink(target, path)
    assert asked(telling.answer_history, Away(), {}, copy)["ok"] is False


def test_the_copy_is_bounded_and_keeps_what_it_knew(elector, copy, path):
    for first in range(1, 1200, 50):
        telling.write_history(elector, "orders", [{**long_term(token), "address": "a" * 250} for token in range(first, min(first + 50, 1200))], copy)
        assert os.path.getsize(path) <= 1 << 18
    kept = asked(telling.answer_history, Away(), {"limit": "1000"}, copy)["terms"]
    assert [one["token"] for one in kept] == list(range(1199, 1199 - len(kept), -1)) and len(kept) > 300


def test_writing_a_term_moves_older_ones_where_the_znode_is_full(elector, tree, copy):
    for token in range(1, 200):
        event = telling.write_history(elector, "orders", [long_term(token)], copy)
        assert event.error == "" and event.terms == [long_term(token)]
    assert [path for path in tree.znodes if "/history/p-" in path] and len(elector.terms(1000)) == 199


def test_what_cannot_be_written_is_told(copy):
    assert telling.write_entry(Away(), "orders", "b", nodes.NodeEntry(), telling.More(copy)).error == "the connection was lost"


def test_an_entry_is_written_and_compared_and_the_history_copied(elector, tree, copy):
    pair(tree)
    write(elector, 7)
    event = telling.write_entry(elector, "orders", "b", nodes.NodeEntry(digest="b", options={"tick_time": "b"}), telling.More(copy))
    assert event == ("orders", "", "differs from a in tick_time (b, not a)")
    assert nodes.read(tree.znodes[f"{STATE}/nodes/b"][0]).options == {"tick_time": "b"}
    assert asked(telling.answer_history, Away(), {}, copy)["terms"][0]["token"] == 7


OFF, RESET = Given("maintenance off", "c", "ann@desk", "mended"), Given("reset", "", "bob@desk")


@pytest.mark.parametrize("orders, told", [
    ([OFF], ["maintenance is taken back by ann@desk: mended"]),
    # That of another node is ended since, by somebody else.
    ([OFF, Given("maintenance off", "b", "bob@desk")], ["maintenance is taken back by ann@desk: mended"]),
    # Its own is over by itself.
    ([Given("maintenance off", "b", "bob@desk")], []),
    ([RESET], ["maintenance is taken back by bob@desk"]), ([OFF, RESET], ["maintenance is taken back by bob@desk"]),
    ([RESET, Given("maintenance off", "b", "x@y")], ["maintenance is taken back by bob@desk"]),
])
def test_who_took_a_maintenance_back_is_told_by_the_order_about_this_node(orders, told):
    cluster = Cluster("a", "b", "c")
    for given in orders:
        for node in "bc":
            following.attempt(cluster.tool(), Given("maintenance on", node, "root@h", force=True))
        assert following.attempt(cluster.tool(), given).ok
    one = cluster.nodes["c"]
    news = [journal.News(5.0, journal.ORDER, "maintenance is taken back", ("maintenance off", "reset"))]
    assert telling.write_entry(one, "orders", "c", nodes.NodeEntry(), telling.More(news=news)).error == ""
    assert [event["text"] for event in one.events()["events"]] == told


@pytest.mark.parametrize("work, arguments", [(telling.answer_list, ()), (telling.answer_outlook, ("b", {}))], ids=["list", "outlook"])
def test_how_many_nodes_an_answer_has_no_room_for_is_told(elector, tree, work, arguments):
    pair(tree)
    for number in range(800):
        tell(tree, f"n{number}", 0, unfit="x" * 150, options={"tick_time": "x" * 150})
    told = asked(work, elector, *arguments)
    assert told["nodes"] and told["left_out"] == len(elector.known_nodes()) - len(told["nodes"]) > 0


def test_who_asks_why_is_given_all_that_it_takes(elector, tree):
    pair(tree)
    for token in range(1, 31):
        write(elector, token)
    told = asked(telling.answer_outlook, elector, "b", {})
    assert told["here"] == "b" and len(told["nodes"]) == 2 and len(told["terms"]) == history.LATELY and told["nodes"][0]["told"]
    past = asked(telling.answer_outlook, elector, "b", {"term": "17"})
    assert [one["token"] for one in past["terms"]] == [18, 17]
    assert asked(telling.answer_outlook, elector, "b", {"term": "x"})["terms"][0]["token"] == 1
    assert asked(telling.answer_outlook, Away(), "b", {}) == {"ok": False, "exit": 4, "text": "ZooKeeper did not answer in time"}
    assert "figures" not in asked(telling.answer_list, elector)["nodes"][0]


@pytest.mark.parametrize("error, text", [
    (ProposalGone("the proposal n-1 is gone; stop what ran by it, then create_proposal()"), "the proposal n-1 is gone"),
    (NotLeader("this node has no proposal; create_proposal() makes one"), "this node has no proposal"),
    (ProposalGone("gone; delete it by hand"), "gone; delete it by hand"),
])
def test_operators_are_told_nothing_for_programs(error, text):
    def work():
        raise error

    assert election_worker.attempt("orders", 1, work).event.reason == text
