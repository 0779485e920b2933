"""What is answered to each path, by a real server."""

from urllib.parse import quote

import pytest

from supervisor_zkelect.web.encoder import LARGE
from supervisor_zkelect.web.site import Request, Site
from tests.unit.web.parts import OTHER, PRIMARY, Node, Served


@pytest.fixture(scope="module")
def served():
    with Served(Node("orders")) as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(served):
    served.node.__init__("orders")


def test_primary_is_200_or_503_by_the_verdict_at_that_moment(served):
    status, headers, body = served.ask("/primary/orders")
    assert status == 200 and headers["Cache-Control"] == "no-store" and headers["Content-Type"] == "application/json"
    assert body == {"v": 1, "election": "orders", "node": "a", **PRIMARY.document()}
    served.node.verdicts["orders"] = OTHER
    status, _, body = served.ask("/primary/orders")
    assert (status, body["primary"], body["why"]) == (503, False, "this node does not lead")


def test_standby_is_200_where_it_could_take_over_and_never_on_the_primary(served):
    assert served.ask("/standby/orders")[0] == 503
    served.node.verdicts["orders"] = OTHER
    status, _, body = served.ask("/standby/orders")
    assert (status, body["standby"]) == (200, True)
    served.node.standbys["orders"] = "maintenance"
    status, _, body = served.ask("/standby/orders")
    assert (status, body["why"]) == (503, "maintenance")


def test_the_only_election_need_not_be_named(served):
    assert served.ask("/primary")[0] == 200 and served.ask("/primary/")[0] == 404


def test_of_several_elections_one_must_be_named():
    with Served(Node("billing", "orders")) as served:
        status, _, body = served.ask("/primary")
        assert (status, body["error"]) == (404, "name the election in the path; there are: billing, orders")
        assert served.ask("/primary/billing")[0] == 200
        served.node.verdicts["billing"] = OTHER
        assert served.ask("/primary/billing")[0] == 503 and served.ask("/primary/orders")[0] == 200


@pytest.mark.parametrize("path", ["/primary/other", "/primary/orders/x", "/standby/%00", "/primary/%ff"])
def test_an_election_that_there_is_not(served, path):
    status, _, body = served.ask(path)
    assert status == 404 and "orders" in body["error"] and body["elections"] == ["orders"]


def test_live_asks_nobody(served):
    served.node.verdicts["orders"] = RuntimeError("never asked")
    assert served.ask("/live")[0] == 200


def test_ready_wants_each_election_led_or_stood_by_in(served):
    assert served.ask("/ready")[2] == {"v": 1, "ready": True, "elections": {"orders": {"ready": True, "why": ""}}}
    served.node.verdicts["orders"], served.node.standbys["orders"] = OTHER, "detached"
    status, _, body = served.ask("/ready")
    assert (status, body["elections"]["orders"]["why"]) == (503, "detached")


def test_status_and_history_tell_the_picture(served):
    status, _, body = served.ask("/status")
    assert status == 200 and body["v"] == 1 and body["elections"]["orders"]["here"]["primary"] is True
    assert [one["token"] for one in served.ask("/history")[2]["elections"]["orders"]] == [7, 6]
    assert [one["token"] for one in served.ask("/history/orders?limit=1")[2]["elections"]["orders"]] == [7]
    assert served.ask("/history/other")[0] == 404


@pytest.mark.parametrize("path", ["/status", "/history"])
def test_a_large_document_is_encoded_aside(path):
    """No probe is to wait for it."""
    with Served(Node(*map(str, range(LARGE)))) as served:
        site = Site(served.node, lambda: [])
        route, asked, _ = site.find(Request("GET", path))
        answer = route.answer(asked)
        assert answer.body == b"" and answer.made is not None and len(served.ask(path)[2]["elections"]) == LARGE
        served.node.elections.pop()
        assert route.answer(asked).made is None and len(served.ask(path)[2]["elections"]) == LARGE - 1


def test_status_tells_of_the_nodes_that_have_a_tag(served):
    def names(query):
        return [one["node"] for one in served.ask(f"/status{query}")[2]["elections"]["orders"]["nodes"]]

    served.node.nodes = [{"node": "a", "tags": {"zone": "1"}}, {"node": "b", "tags": {"zone": "2"}}, {"node": "c", "tags": None}]
    assert [names(one) for one in ("", "?tag=zone:2", "?tag=zone", "?tag=rack")] == [["a", "b", "c"], ["b"], ["a", "b"], []]
    status, _, body = served.ask("/status?tag=:2")
    assert status == 400 and "KEY:VALUE" in body["error"]


@pytest.mark.parametrize("target, told", [
    ("/status?tag=zone:2&x=" + "x" * 2000, "longer than 2000 characters"), ("/history?limt=5", "/history takes no limt; it takes: limit"),
    ("/history?tag=zone:2", "/history takes no tag; it takes: limit"), ("/status?limit=1", "/status takes no limit; it takes: tag"),
    ("/status?=5", "/status takes no ''"), ("/status?x", "/status takes no x; it takes: tag"), ("/events?tag=zone:2", "/events takes no tag; it takes none"),
    ("/status?tag=", "KEY:VALUE"), ("/history?limit=", "is not a number of terms"), ("/history?limit=1&limit=2", "limit stands there twice"),
    # A load balancer would be told of the only election, whichever it means.
    ("/primary?election=stock", "/primary takes no election; it takes none"), ("/status?" + "&".join(f"x{n}=1" for n in range(30)), "more than 20 fields"),
    ("/history?" + quote("\u202e\x1b") + "=1", "takes no \\u202e\\x1b"),
])
def test_a_query_that_would_count_for_nothing_is_refused(served, target, told):
    status, _, body = served.ask(target)
    assert status == 400 and told in body["error"], body


def test_an_empty_query_is_none(served):
    for target in ("/status?", "/primary/orders?", "/history?&"):
        assert served.ask(target)[0] == 200


@pytest.mark.parametrize("limit", ["x", "-1", "1e3", "\u0661", "9" * 20])
def test_a_limit_that_is_none_is_refused(served, limit):
    status, _, body = served.ask("/history?limit=" + quote(limit))
    assert status == 400 and "is not a number of terms" in body["error"]


def test_head_has_the_headers_of_get_and_no_body(served):
    _, got, _ = served.ask("/primary/orders")
    status, headers, body = served.ask("/primary/orders", "HEAD")
    assert (status, body) == (200, b"") and headers["Content-Length"] == got["Content-Length"]
    served.node.verdicts["orders"] = OTHER
    assert served.ask("/primary/orders", "HEAD")[0] == 503


def test_options_tells_what_may_be_asked(served):
    status, headers, body = served.ask("/status", "OPTIONS")
    assert (status, headers["Allow"], body) == (204, "GET, HEAD, OPTIONS", b"")


def test_a_probe_is_judged_by_options_too(served):
    """By which HAProxy asks unless it is told otherwise: an answer of 204 would make every node primary."""
    status, headers, body = served.ask("/primary/orders", "OPTIONS")
    assert (status, headers["Allow"], body["primary"]) == (200, "GET, HEAD, OPTIONS", True)
    served.node.verdicts["orders"] = OTHER
    assert served.ask("/primary/orders", "OPTIONS")[0] == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "X"])
def test_nothing_is_changed_by_anybody(served, method):
    status, headers, body = served.ask("/primary/orders", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD, OPTIONS") and "only answers" in body["error"]


@pytest.mark.parametrize("path", ["/nothing", "/primary2", "//", "/live/x", "/status/orders", "*", "/%2e%2e/etc"])
def test_another_path_is_told_which_there_are(served, path):
    status, _, body = served.ask(path)
    assert status == 404 and "/primary/ELECTION" in body["routes"]


def test_a_stranger_of_a_name_is_told_nothing_but_probes(served):
    """A browser that was lied to about a name's address asks under that name."""
    evil = {"Host": "evil.example"}
    assert served.ask("/status", headers=evil)[0] == 421 and served.ask("/nothing", headers=evil)[0] == 421
    assert served.ask("/primary/orders", headers=evil)[0] == 200
    assert served.ask("/status", headers={"Host": "node-a:80"})[0] == 200


@pytest.mark.parametrize("target, status", [
    ("http://127.0.0.1:8787/primary/orders", 200), ("HTTPS://node-a/status?tag=k:v", 200), ("http://node-a", 404), ("http://node-a?x=1", 404),
    ("http://evil.example/status", 421), ("http:///status", 404), ("ftp://node-a/status", 404), ("http://evil.example/primary/orders", 200),
])
def test_a_target_may_have_its_host_before_the_path(served, target, status):
    """As a client writes it that takes this for a proxy. Its host counts in the place of the header's."""
    assert served.ask(target, headers={"Host": "evil.example" if status < 404 else "node-a"})[0] == status


def test_a_browser_is_judged_by_the_host_in_the_target(served):
    browser = {"Host": "node-a", "User-Agent": "Mozilla/5.0"}
    assert served.ask("http://node-a/primary/orders", headers=browser)[0] == 200
    assert served.ask("http://evil.example/primary/orders", headers=browser)[0] == 421


def test_no_other_origin_may_read(served):
    headers = served.ask("/status", headers={"Origin": "http://evil.example"})[1]
    assert "Access-Control-Allow-Origin" not in headers and headers["X-Content-Type-Options"] == "nosniff"


def test_a_defect_is_an_answer(served):
    served.node.verdicts["orders"] = RuntimeError("a mistake")
    status, _, body = served.ask("/primary/orders")
    assert status == 500 and "a mistake" not in body["error"]
    assert served.ask("/live")[0] == 200
