"""What is kept of an election's terms, and what is made of it."""

import json
import re
import time

import pytest

from supervisor_zkelect.core import history, messages, roles, untrusted
from supervisor_zkelect.core.state import Resigning, State
from supervisor_zkelect.core.timeline import TermTimeline
from supervisor_zkelect.operators import terms as terms_shown
from supervisor_zkelect.operators.table import Screen
from supervisor_zkelect.operators.words import duration

BEGUN = {"noticed": 100.0, "elected": 100.25, "acked": 100.5}


def test_what_is_known_of_a_term_is_put_together():
    data = history.amended(b"", [{"v": 1, "token": 7, "node": "a", "begun": BEGUN}])
    data = history.amended(data, [{"v": 1, "token": 9, "node": "b", "begun": {"elected": 300.0}}])
    data = history.amended(data, [{"v": 1, "token": 7, "ended": {"noticed": 200.0, "dead": 200.5, "why": "gone"}}])
    assert history.read(data) == [
        {"v": 1, "token": 9, "node": "b", "begun": {"elected": 300.0}},
        {"v": 1, "token": 7, "node": "a", "begun": BEGUN, "ended": {"noticed": 200.0, "dead": 200.5, "why": "gone"}},
    ]


def test_moments_that_are_noted_later_are_put_beside_the_others():
    data = history.amended(b"", [{"token": 7, "begun": {"elected": 1.0}, "ended": {"noticed": 3.0, "why": "x"}}])
    data = history.amended(data, [{"token": 7, "begun": {"acked": 2.0}, "ended": {"dead": 4.0}}])
    assert history.read(data) == [
        {"v": 1, "token": 7, "begun": {"elected": 1.0, "acked": 2.0}, "ended": {"noticed": 3.0, "dead": 4.0, "why": "x"}},
    ]


def long_term(token):
    """As long as most are."""
    begun = {name: 1.7e9 + number for number, name in enumerate(history.BEGUN)}
    ended = {**{name: 1.8e9 + number for number, name in enumerate(history.ENDED)}, "why": "resigned by order of the operator"}
    return {"v": 1, "token": token, "node": "a.example", "address": "10.0.0.5:8080", "begun": begun, "ended": ended}


def test_the_latest_thousand_terms_are_kept_in_pages_that_have_room():
    data, kept = b"", {}
    for token in range(1, 2501):
        data = history.amended(data, [long_term(token)])
        assert len(data) <= history.LONGEST
        page = history.page(data)
        if page is not None:
            kept[page.name], data = page.data, page.left
            for name in history.superfluous(kept):
                del kept[name]
    assert all(len(page) <= history.LONGEST for page in kept.values()) and len(kept) < 20
    found = history.read(data)
    for name in history.pages(kept):
        found = history.noted(history.read(kept[name]), found)
    assert [one["token"] for one in found] == list(range(2500, 1500, -1)) and found[-1] == long_term(1501)


def test_what_may_be_told_of_still_stays_where_it_is():
    data = history.write([long_term(token) for token in range(200, 0, -1)])
    left = [one["token"] for one in history.read(history.page(data).left)]
    assert left == list(range(left[0], left[0] - 10, -1)) and history.page(history.page(data).left) is None
    assert history.page(b"") is None and history.page(b"x" * history.LONGEST) is None


def test_only_pages_are_taken_for_pages():
    names = ["p-00000000000000000009-5", "p-00000000000000000012-1000", "p-9-5", "q", "p-00000000000000000010-0x5", ""]
    assert history.pages(names) == [names[1], names[0]] and history.superfluous(names) == [names[0]]


@pytest.mark.parametrize("given, most", [
    ({}, history.USUAL), ({"limit": "5"}, 5), ({"limit": "0"}, history.KEPT), ({"limit": "x"}, history.KEPT),
    ({"limit": str(10**9)}, history.KEPT), ({"since": "2h"}, history.KEPT), ({"since": "2h", "limit": 7}, 7),
    ({"limit": "5", "follow": True}, history.USUAL), ({"limit": "50", "follow": True}, 50), ({"follow": True}, history.USUAL),
])
def test_as_many_terms_are_read_as_are_wanted(given, most):
    assert history.asked_for(given) == most


def test_the_pace_of_a_node_is_the_median_of_its_own_last_terms():
    def of(node, start):
        return {"token": 1, "node": node, "begun": {"elected": 1.0, "claimed": 1.5, "leased": 1.5, "started": 1.5 + start, "acked": 9.0}}

    terms = [of("a", 1.0), of("b", 7.0), of("a", 3.0), of("a", 2.0), {"token": 2, "node": "a", "begun": {"elected": 1.0}}]
    assert history.pace(terms, "a")[:2] == (0.5, 2.0) and history.pace(terms, "a").terms == 3
    assert history.pace(terms, "b").started == 7.0 and history.pace(terms, "c").terms == 4
    assert history.pace([], "a") == history.Pace() and history.pace([{"token": 1, "begun": 7}], "a").terms == 0


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"[1]", b'[{"token": true}]', b'[{"token": "7"}]', b"[" * 100000])
def test_what_is_no_history_is_none(data):
    assert history.read(data) == []
    assert history.read(history.amended(data, [{"token": 1}])) == [{"v": 1, "token": 1}]


def test_what_others_wrote_cannot_make_it_long():
    wild = [{"token": token, "node": "n" * 250, "address": "ä" * 400, "x": "y" * 99, "begun": {"acked": 1.0, "z": "z" * 9}}
            for token in range(1, 20)]
    written = json.dumps(wild, ensure_ascii=False).encode()
    assert len(written) <= untrusted.LONGEST_DOCUMENT
    data = history.amended(written, [{"token": 1000, "ended": {"why": "w" * 100000}}])
    assert len(data) <= history.LONGEST
    first, second = history.read(data)[:2]
    assert first["token"] == 1000 and len(first["ended"]["why"]) == history.LONGEST_TEXT
    assert second["node"] == "n" * 250 and len(second["address"]) == history.LONGEST_TEXT
    assert second["begun"] == {"acked": 1.0} and "x" not in second


@pytest.mark.parametrize("why", ["/" + "p" * 298, "/" + "p" * 299, "/" + "p" * 300, "/" * 9999, "\x1b" * 299, "\n" * 9999])
def test_a_reason_that_is_cut_says_so(why):
    data = history.amended(b"", [{"token": 7, "ended": {"why": why}}])
    told = history.read(data)[0]["ended"]["why"]
    assert len(told) <= history.LONGEST_TEXT and told.isprintable()
    assert json.loads(data)[0]["ended"]["why"] == told
    whole = len(why) < history.LONGEST_TEXT and why.isprintable()
    assert told == why if whole else told.endswith("…") and not told.endswith("……")
    assert history.read(history.amended(data, [{"token": 8}]))[1]["ended"]["why"] == told, "reading it again changes nothing"


WELL = {"token": 5, "node": "c", "begun": {"elected": 1.0, "acked": 2.0}, "ended": {"noticed": 3.0, "why": "resigned"}}
SICK = {"token": 7, "node": "c", "begun": {"elected": 1.0}, "ended": {"noticed": 3.0, "why": "svc is in FATAL"}}
ELSE = "c stood in the queue, and did not take over: see zkelect role there"


@pytest.mark.parametrize("terms, told", [
    ([SICK, WELL], "c stepped behind, since its last promotion failed: svc is in FATAL; see zkelect role there"),
    ([{**WELL, "token": 9}, SICK], ELSE), ([WELL], ELSE), ([], ELSE), ([{**SICK, "node": "b"}], ELSE), ([{"token": 7, "node": "c"}], ELSE),
    ([{**SICK, "ended": {"noticed": 3.0}}], "c stepped behind, since its last promotion failed; see zkelect role there"),
    ([{"token": 7, "node": "c", "begun": {"elected": 1.0}}], ELSE),
])
def test_of_those_who_did_not_take_over_the_reason_is_told_as_far_as_it_is_known(terms, told):
    assert history.passed(history.read(history.amended(b"", terms)), ["c"]) == [told]


def test_only_some_of_those_who_did_not_take_over_are_named():
    told = history.passed([SICK], [f"n{number}" for number in range(9)] + ["n1", ""])
    assert len(told) == history.NAMED + 1 and told[0].startswith("n0 stood") and told[-1] == "and 5 more stood there"
    assert history.passed([], []) == [] and history.passed([], ["", ""]) == []


def test_what_is_longer_than_any_history_is_not_parsed():
    assert history.read(json.dumps([{"token": 7, "x": "y" * untrusted.LONGEST_DOCUMENT}]).encode()) == []


@pytest.mark.parametrize("node", ["-oProxyCommand=x", "a\n", "a\x1b[2J", "", "ä", "n" * 256])
def test_a_name_that_is_none_is_not_known(node):
    (term,) = history.read(json.dumps([{"token": 7, "node": node, "ended": {"why": "x\n2026-11-29 forged"}}]).encode())
    assert term["node"] == "" and term["ended"]["why"] == "x\\n2026-11-29 forged"


def test_a_token_that_is_none_is_no_term():
    for token in (0, -1, 1 << 63, 10**4000, 1.5, True, None):
        assert history.read(json.dumps([{"token": token}, {"token": 7}]).encode()) == [{"v": 1, "token": 7}]


def test_steps_are_in_the_order_of_their_moments():
    (row,) = history.rows([{"token": 7, "begun": {"leased": 1.0, "executed": 1.25, "started": 1.5, "healthy": 1.5}}])
    assert row.begun == (("executed", 0.25), ("started", 0.25), ("healthy", 0.0))


def test_steps_are_the_times_between_the_moments_that_are_known():
    (row,) = history.rows([{"token": 7, "node": "a", "begun": BEGUN, "ended": {"noticed": 200.0, "dead": 200.5}}])
    assert row.begun == (("elected", 0.25), ("acked", 0.25)) and row.ended == (("dead", 0.5),)
    assert row.since == 100.5 and row.served == 100.0 and row.never == ""


def test_a_term_that_another_followed_and_nobody_ended_was_not_released():
    later, former = history.rows([{"token": 9}, {"token": 7}])
    assert later.why == "" and former.why == "ended without releasing"


@pytest.mark.parametrize("time", ["now", True, float("inf"), float("nan"), 1e300, -1.0, None, [], {}])
def test_what_is_no_time_is_shown_as_unknown(time):
    terms = [{"token": 7, "begun": {"acked": time, "elected": time}, "ended": {"noticed": time, "why": 5}}]
    outcome = terms_shown.history({"orders": {"ok": True, "terms": terms}})
    assert outcome.exit == 0 and outcome.lines[1].split()[3:5] == ["-", "-"]


def test_what_is_shown_is_a_line_for_each_term():
    terms = [{"token": 7, "node": "a\n", "begun": BEGUN, "ended": {"noticed": 200.0, "dead": 200.5, "why": "x\x1b[2J"}}]
    lines = terms_shown.history({"orders": {"ok": True, "terms": terms}}).lines
    assert len(lines) == 2 and "500 ms: elected 250 acked 250" in lines[1] and "\x1b" not in lines[1]
    json.dumps(terms_shown.history({"orders": {"ok": True, "terms": terms}}).document)


OVER = {"noticed": 200.0, "dead": 200.5, "released": 201.0, "why": "x"}


@pytest.mark.parametrize("begun, ended, served, never", [
    ({"elected": 100.0, "acked": 110.0}, OVER, 90.5, ""),
    ({"elected": 100.0, "acked": 110.0}, {"noticed": 200.0}, 90.0, ""),
    ({"elected": 100.0, "acked": 110.0}, {}, None, ""),
    ({"elected": 100.0}, OVER, None, "healthy"),
    ({"elected": 100.0, "healthy": 105.0}, OVER, None, "acked"),
    # It may be acked yet, or was by a listener that told nobody.
    ({"elected": 100.0}, {}, None, ""),
    ({}, OVER, None, ""),
    # The clock was put back.
    ({"elected": 900.0, "acked": 910.0}, OVER, None, ""),
])
def test_what_served_and_for_how_long_as_far_as_that_is_known(begun, ended, served, never):
    (row,) = history.rows([{"token": 7, "begun": begun, "ended": ended}])
    assert (row.served, row.never) == (served, never)
    line = terms_shown.history({"orders": {"ok": True, "terms": [{"token": 7, "begun": begun, "ended": ended}]}}).lines[1]
    assert ("never" in line) == bool(never) and (f"never {never}  " in line or not never)
    assert never or served is None or f"  {duration(served)}  " in line


@pytest.mark.parametrize("zone, shown", [("UTC0", "1970-01-01 00:01:50+0000"), ("XYZ-5:30", "1970-01-01 05:31:50+0530")])
def test_times_are_of_a_zone_that_is_told(zone, shown, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        terms = [{"token": 7, "begun": {"elected": 100.0, "acked": 110.0}}]
        assert shown in terms_shown.history({"orders": {"ok": True, "terms": terms}}).lines[1]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("width", [0, 1, 20, 60, 80, 100, 132, 160])
def test_it_fits_the_terminal_and_keeps_what_matters_whole(width):
    long = {"elected": 1e9, "claimed": 1e9 + 1, "leased": 1e9 + 2, "started": 1e9 + 3, "healthy": 1e9 + 4, "acked": 1e9 + 5}
    terms = [
        {"token": 1 << 40, "node": "node-b.example", "begun": long,
         "ended": {"noticed": 2e9, "dead": 2e9 + 1, "why": "because " * 20}},
        {"token": 7, "node": "a", "begun": {"elected": 1e9}, "ended": {"noticed": 1e9 + 1, "why": "sick"}},
    ]
    answers = {"orders": {"ok": True, "terms": terms}}
    whole, lines = terms_shown.history(answers).lines, terms_shown.history(answers, Screen(width)).lines
    assert len(whole) == 3 and "because " * 19 in whole[1] and max(map(len, whole)) > 160
    for node, served in (("node-b.example", f"  {duration(1e9 - 4)}"), ("a", "  never healthy")):
        line = next(line for line in lines if node in line.split())
        assert served in line and re.search(r"09-\d\d \d\d:\d\d:\d\d[+-]\d{4}", line)
    assert " ".join(lines).split().count("because") == 20 and "sick" in str(lines), "the cause is never cut"
    assert "…" not in str(lines) and all(len(line) <= max(width, 60) for line in lines)
    assert ("TOKEN" in lines[0]) == (width >= 80) and ("2001-09-" in str(lines)) == (width >= 60)
    assert "begun 5000 ms" not in str(lines)
    steps = terms_shown.history(answers, Screen(width), {"steps": True}).lines
    assert "begun 5000 ms" in " ".join(" ".join(steps).split()) and all(len(line) <= max(width, 60) for line in steps)


def test_where_all_has_room_a_width_changes_nothing():
    answers = {"orders": {"ok": True, "terms": [{"token": 7, "node": "a", "begun": BEGUN}]}}
    assert terms_shown.history(answers, Screen(500)) == terms_shown.history(answers)
    assert terms_shown.history({"orders": {"ok": True, "terms": []}}, Screen(10)).lines[1].startswith("nobody")


# The moments, from the states


def state(name, step="", **more):
    return State(role=name, step=step, **more)


def led(timeline, token=7):
    """A node that became primary."""
    steps = [state(roles.STANDBY, "asking"), *(
        state(roles.PROMOTING, step, token=token) for step in ("claiming", "leasing", "starting", "probing", "acking")
    ), state(roles.PRIMARY, token=token)]
    before = state(roles.DETACHED, "proposing")
    for moment, after in enumerate(steps, 1):
        timeline.moved(before, after, None, float(moment))
        before = after
    return before


def ended(timeline, before, release=True, start=10.0, sick=False, **more):
    stopping = state(roles.DEMOTING, "stopping", token=7, reason="resigned", sick=sick, **more)
    releasing = state(roles.DEMOTING, "releasing", token=7)
    timeline.moved(before, stopping, None, start)
    timeline.moved(stopping, releasing, messages.Dead(1, 0.1), start + 1)
    timeline.moved(releasing, state(roles.DETACHED, "waiting"), messages.Released(2) if release else None, start + 2)


def timeline():
    return TermTimeline("a", "x:1")


def test_each_step_is_a_moment():
    one = timeline()
    led(one)
    (term,) = one.news()
    assert term == {"v": 1, "node": "a", "address": "x:1", "token": 7, "begun": {
        "noticed": 1.0, "elected": 2.0, "claimed": 3.0, "leased": 4.0, "started": 5.0, "healthy": 6.0, "acked": 7.0,
    }}


def test_of_terms_that_cannot_be_written_the_latest_are_kept():
    one = timeline()
    for number in range(history.KEPT + 50):
        led(one, token=number + 1)
    assert [term["token"] for term in one.news()] == list(range(51, history.KEPT + 51))


def test_the_first_program_that_is_executed_counts():
    one = timeline()
    one.executed(1.0)
    led(one)
    one.executed(4.5)
    one.executed(9.0)
    assert one.begun["executed"] == 4.5


def test_an_end_has_its_reason_and_its_moments():
    one = timeline()
    ended(one, led(one))
    (term,) = one.news()
    assert term["ended"] == {"noticed": 10.0, "why": "resigned", "dead": 11.0, "released": 12.0}


def test_an_end_by_a_failure_says_so():
    one = timeline()
    ended(one, led(one), sick=True)
    assert one.news()[0]["ended"]["failed"] is True
    assert history.read(history.write(one.news()))[0]["ended"]["failed"] is True
    assert "failed" not in history.read(json.dumps([{"token": 7, "ended": {"failed": 1}}]).encode())[0]["ended"]


@pytest.mark.parametrize("more", [{"resigning": (Resigning("t", 0.0, 9),)}, {"by_hand": True}])
def test_an_end_by_an_operator_says_so(more):
    one = timeline()
    ended(one, led(one), **more)
    assert one.news()[0]["ended"]["resigned"] is True
    assert history.read(history.write(one.news()))[0]["ended"]["resigned"] is True


def resigned(token):
    return {"token": token, "node": "c", "begun": {"acked": 1.0}, "ended": {"resigned": True}}


@pytest.mark.parametrize("terms, token, given_up", [
    ([], 9, False), ([resigned(7)], 9, True), ([resigned(9)], 9, False), ([{"token": 9, "node": "b"}, resigned(7)], 9, True),
    ([{"token": 8, "node": "b", "ended": {"failed": True}}, resigned(7)], 9, True),
    ([{"token": 8, "node": "b", "begun": {"acked": 2.0}}, resigned(7)], 9, False),
])
def test_whether_a_term_followed_one_that_was_given_up(terms, token, given_up):
    assert history.given_up(terms, token) is given_up


def a_term(token, node="c", failed=False, served=0.0, released=True, begun=100.0):
    ended = {"noticed": begun + served, **({"failed": True} if failed else {}), **({"released": begun + served} if released else {})}
    return {"token": token, "node": node, "begun": {"noticed": begun, "acked": begun}, "ended": ended}


def lost_term(token):
    """Its host died."""
    return {"token": token, "node": "c", "begun": {"acked": 100.0}}


@pytest.mark.parametrize("terms, cleared, failed", [
    ([], 0, False), ([a_term(7)], 0, False), ([a_term(7, failed=True)], 0, True), ([a_term(7, "b", failed=True)], 0, False),
    ([a_term(7, failed=True)], 7, False), ([a_term(7, failed=True)], 6, True),
    ([a_term(9, served=59.0), a_term(7, failed=True)], 0, True), ([a_term(9, served=60.0), a_term(7, failed=True)], 0, False),
    ([a_term(9, failed=True, served=900.0), a_term(7, served=60.0)], 0, True),
    ([{"token": 9, "node": "c", "begun": {"acked": 100.0}}, a_term(7, failed=True)], 0, True),
    # It ended without a release, and another one followed it.
    ([a_term(9, "b"), lost_term(8)], 0, True), ([a_term(9, "b"), lost_term(8)], 8, False), ([lost_term(8)], 0, False),
    ([a_term(9, "b", begun=159.0), lost_term(8)], 0, True), ([a_term(9, "b", begun=160.0), lost_term(8)], 0, False),
    ([a_term(9, "b", begun=160.0), lost_term(8), a_term(7, failed=True)], 0, False),
    ([a_term(9, "b", begun=100.0), lost_term(8), a_term(7, served=900.0)], 0, True),
    ([a_term(9, "b"), a_term(8, released=False, served=3.0)], 0, True), ([a_term(9, "b"), a_term(8, served=3.0)], 0, False),
    ([a_term(9, "b"), {"token": 8, "node": "c"}], 0, True), ([{"token": 9, "node": "b"}, lost_term(8)], 0, True),
])
def test_a_failure_lasts_until_it_is_forgiven_or_another_term_was_healthy_for_long(terms, cleared, failed):
    assert history.failed_last(terms, "c", cleared, 60.0) is failed


def test_an_end_without_a_release_is_none():
    one = timeline()
    ended(one, led(one), release=False)
    assert "released" not in one.news()[0]["ended"]


def test_a_standby_that_leaves_has_no_term_that_ends():
    """Though it led before."""
    one = timeline()
    ended(one, led(one))
    before = one.news()
    releasing = state(roles.DEMOTING, "releasing", token=9, reason="the listener was told to end")
    for _ in range(2):
        one.moved(state(roles.STANDBY, "watching", token=9), releasing, None, 100.0)
        one.moved(releasing, state(roles.DETACHED, "waiting"), messages.Released(3), 101.0)
        assert one.news() == before and before[0]["ended"]["released"] == 12.0
        # A term that was lost before its group was started, and has no end that is told.
        one.moved(state(roles.STANDBY, "asking", token=9), state(roles.PROMOTING, "claiming", token=9), None, 102.0)
        one.moved(state(roles.PROMOTING, "claiming", token=9), state(roles.DETACHED, "waiting"), None, 103.0)


def test_a_term_that_was_taken_over_has_the_beginning_that_is_known():
    one = timeline()
    before = state(roles.PROMOTING, "claiming", token=7, inherited=7)
    one.moved(before, state(roles.PROMOTING, "probing", token=7), None, 1.0)
    primary = state(roles.PRIMARY, token=7)
    one.moved(state(roles.PROMOTING, "acking", token=7), primary, None, 2.0)
    assert not one.news()
    ended(one, primary)
    assert "begun" not in one.news()[0]


def test_what_is_not_written_yet_stays_news_through_other_terms():
    one = timeline()
    ended(one, led(one))
    led(one, token=8)
    former, latter = one.news()
    assert former["token"] == 7 and "ended" in former and latter["token"] == 8 and "ended" not in latter
    one.written([former])
    assert one.news() == [latter]


def test_what_is_noted_while_it_is_written_is_news():
    one = timeline()
    primary = led(one)
    writing = one.news()
    ended(one, primary)
    one.written(writing)
    assert "ended" in one.news()[0]


def test_what_the_guard_saw_of_an_end_before_the_listener_did_counts():
    """Its listener stood still, say."""
    one = timeline()
    one.guarded({"token": 7, "noticed": 8.0, "dead": 9.0, "why": "the lease ran out"})
    ended(one, led(one))
    assert one.news()[0]["ended"] == {"noticed": 8.0, "dead": 9.0, "released": 12.0, "why": "the lease ran out"}


@pytest.mark.parametrize("guarded", [
    {"token": 6, "noticed": 8.0, "dead": 9.0, "why": "another term's"}, {"token": 7, "noticed": 10.0, "dead": 11.5, "why": "later"}, {},
])
def test_what_the_guard_saw_later_or_of_another_term_does_not(guarded):
    one = timeline()
    one.guarded(guarded)
    ended(one, led(one))
    assert one.news()[0]["ended"] == {"noticed": 10.0, "why": "resigned", "dead": 11.0, "released": 12.0}


def test_of_a_primary_nothing_has_ended():
    one = timeline()
    one.guarded({"token": 7, "noticed": 8.0, "dead": 9.0, "why": "the lease ran out"})
    led(one)
    assert "ended" not in one.news()[0]


def test_another_address_is_that_of_the_terms_that_follow():
    one = timeline()
    one.readdress("x:2")
    led(one)
    assert one.news()[0]["address"] == "x:2" and one.news()[0]["node"] == "a"


def test_a_claim_that_is_the_lease_is_a_moment_of_both():
    one = timeline()
    one.moved(state(roles.STANDBY, "watching"), state(roles.STANDBY, "asking"), None, 1.0)
    one.moved(state(roles.STANDBY, "asking"), state(roles.PROMOTING, "claiming", token=7), None, 2.0)
    # What happens within a step is no moment.
    one.moved(state(roles.PROMOTING, "claiming", token=7), state(roles.PROMOTING, "claiming", token=7, trouble="x"), None, 2.5)
    one.moved(state(roles.PROMOTING, "claiming", token=7), state(roles.PROMOTING, "starting", token=7), None, 3.0)
    assert one.begun == {"noticed": 1.0, "elected": 2.0, "claimed": 3.0, "leased": 3.0}


def test_a_term_that_fails_before_its_ack_has_both_ends():
    one = timeline()
    before = state(roles.STANDBY, "asking")
    for moment, step in enumerate(("claiming", "leasing", "starting"), 1):
        after = state(roles.PROMOTING, step, token=7)
        one.moved(before, after, None, float(moment))
        before = after
    assert not one.news()
    ended(one, before)
    (term,) = one.news()
    assert term["begun"] == {"noticed": 0.0, "elected": 1.0, "claimed": 2.0, "leased": 3.0}
    assert term["ended"] == {"noticed": 10.0, "why": "resigned", "dead": 11.0, "released": 12.0}
    assert one.begun == {}


def test_a_death_that_is_proven_again_changes_nothing():
    one = timeline()
    primary = led(one)
    stopping = state(roles.DEMOTING, "stopping", token=7, reason="resigned")
    releasing = state(roles.DEMOTING, "releasing", token=7)
    one.moved(primary, stopping, None, 10.0)
    one.moved(stopping, releasing, messages.Dead(1, 0.1), 11.0)
    one.moved(releasing, state(roles.DEMOTING, "closing", token=7), messages.Dead(2, 0.1), 15.0)
    one.moved(state(roles.DEMOTING, "closing", token=7), state(roles.DETACHED, "waiting"), None, 16.0)
    assert one.news()[0]["ended"] == {"noticed": 10.0, "why": "resigned", "dead": 11.0}


FAILED = [
    {"token": 9, "node": "c", "ended": {"why": "svc is in FATAL"}}, {"token": 8, "node": "b", "ended": {"noticed": 1.0}},
    {"token": 7, "node": "b", "ended": {"why": "not healthy within 20 s"}}, {"token": 6, "ended": {"why": "nobody knows whose"}},
    {"token": 5, "node": "d", "ended": {"why": "before"}},
]


def test_what_became_of_later_terms_is_told_in_their_order():
    assert history.failures(FAILED, 5, ("b", "e")) == [
        " failed: nobody knows whose", "b failed: not healthy within 20 s", "c failed: svc is in FATAL", "e failed",
    ]
    assert history.failures(FAILED, 9, ("c", "b")) == ["c failed", "b failed"]
    assert history.failures([{"token": 9}], 5, ()) == []


def test_a_row_says_whose_term_it_was_and_why_it_ended():
    later, former = history.rows([
        {"token": 9, "node": "b", "address": "b:1", "begun": {"elected": 5.0}, "ended": {"why": "resigned"}}, {"token": 7},
    ])
    assert later == history.TermRow(9, "b", "b:1", 5.0, None, "healthy", "resigned", (), ())
    assert former == history.TermRow(7, "", "", None, None, "", "ended without releasing", (), ())


def test_the_end_of_a_service_is_its_death_as_far_as_it_is_known():
    def served(**ended):
        return history.rows([{"token": 7, "begun": {"acked": 10.0}, "ended": ended}])[0].served

    assert served(noticed=20.0, dead=21.0, released=22.0) == 11.0 and served(noticed=20.0, released=22.0) == 10.0
    assert served(released=22.0) == 12.0 and served(dead=10.0) == 0.0 and served(why="x") is None


def test_a_time_is_between_the_epoch_and_a_limit():
    def since(moment):
        return history.rows([{"token": 7, "begun": {"elected": moment}}])[0].since

    assert [since(moment) for moment in (0, 0.5, 1.0, untrusted.LATEST - 1)] == [0, 0.5, 1.0, untrusted.LATEST - 1]
    assert since(untrusted.LATEST) is None and since(-0.5) is None


def test_a_history_is_compact_and_as_long_as_it_may_be():
    assert history.write([{"token": 7, "node": "ä"}]) == b'[{"token":7,"node":"\\u00e4"}]'
    terms = [{"token": token, "x": "y" * 1000} for token in range(99)]
    data = history.write(terms)
    assert json.loads(data) == terms[:len(json.loads(data))] and b" " not in data
    assert len(data) <= history.LONGEST < len(data) + len(json.dumps(terms[0])) + 1
    fit = [{"token": 7, "x": "y" * (history.LONGEST - len('[{"token":7,"x":""}]'))}]
    assert history.write(fit) == json.dumps(fit, separators=(",", ":")).encode()
    assert history.write([{"token": 7, "x": "y" * history.LONGEST}]) == b"[]"


def test_the_last_that_stood_there_may_all_be_named():
    assert len(history.passed([], [f"n{number}" for number in range(history.NAMED)])) == history.NAMED


# Restarts

def restarted(timeline, before, *, acked=True, start=20.0):
    """A primary whose service is started again, or whose term ends before it is healthy."""
    steps = [state(roles.PROMOTING, step, token=7) for step in ("restarting", "starting", "probing", "acking")]
    steps = [*steps, state(roles.PRIMARY, token=7)] if acked else steps[:2]
    for moment, after in enumerate(steps):
        timeline.moved(before, after, None, start + moment)
        before = after
    return before


STEPS = {"ordered": 20.0, "dead": 21.0, "started": 22.0, "healthy": 23.0, "acked": 24.0}


def test_the_steps_of_a_restart_are_kept_beside_those_of_the_term():
    one = timeline()
    primary = led(one)
    begun = one.news()[0]["begun"]
    one.written(one.news())
    restarted(one, primary)
    (term,) = one.news()
    assert term["begun"] == begun and term["restarts"] == [STEPS] and "ended" not in term


def test_a_restart_in_a_term_that_was_taken_over_is_told():
    one = timeline()
    adopted = State(role=roles.PROMOTING, step="leasing", token=7)
    one.moved(State(role=roles.PROMOTING, step="claiming", token=7, inherited=7), adopted, None, 3.0)
    primary = state(roles.PRIMARY, token=7)
    one.moved(adopted, primary, None, 4.0)
    assert not one.news()
    restarted(one, primary)
    (term,) = one.news()
    assert term["restarts"] == [STEPS] and "begun" not in term


def test_a_restart_that_fails_is_told_with_the_end_of_the_term():
    one = timeline()
    ended(one, restarted(one, led(one), acked=False), start=30.0)
    (term,) = one.news()
    assert term["restarts"] == [{"ordered": 20.0, "dead": 21.0}] and term["ended"]["noticed"] == 30.0


def test_what_the_guard_saw_of_a_restart_is_no_end_of_the_term():
    one = timeline()
    primary = led(one)
    restarting = state(roles.PROMOTING, "restarting", token=7)
    one.moved(primary, restarting, None, 20.0)
    one.guarded({"token": 7, "why": "the listener had it stopped", "noticed": 20.5, "dead": 20.75})
    one.moved(restarting, state(roles.PROMOTING, "starting", token=7), None, 21.0)
    ended(one, state(roles.PRIMARY, token=7), start=30.0)
    assert one.news()[0]["ended"] == {"noticed": 30.0, "why": "resigned", "dead": 31.0, "released": 32.0}


def test_restarts_of_several_listeners_are_put_together_and_the_last_ones_kept():
    data = history.amended(b"", [{"token": 7, "restarts": [{"ordered": 1.0, "dead": 2.0}]}])
    data = history.amended(data, [{"token": 7, "restarts": [{"ordered": 5.0}, {"ordered": 5.0, "acked": 6.0}, {"dead": 7.0}, 3]}])
    assert history.read(data)[0]["restarts"] == [{"ordered": 1.0, "dead": 2.0}, {"ordered": 5.0, "acked": 6.0}]
    many = [{"ordered": float(number)} for number in range(1, 20)]
    assert history.read(history.amended(data, [{"token": 7, "restarts": many}]))[0]["restarts"] == many[-history.MOST_RESTARTS:]
    assert "restarts" not in history.read(b'[{"token": 7, "restarts": "x"}]')[0]


def test_a_restart_is_shown_below_its_term():
    terms = [{"token": 7, "node": "a", "begun": BEGUN, "restarts": [STEPS, {"ordered": 40.0, "dead": 40.5}]}]
    lines = terms_shown.history({"orders": {"ok": True, "terms": terms}}).lines
    assert len(lines) == 4 and "restarted" in lines[2] and "500 ms: dead 500" in lines[2]
    assert "4000 ms: dead 1000 started 1000 healthy 1000 acked 1000" in lines[3]


def test_what_is_cut_of_nothing_stands_once():
    term = {"token": 7, "node": "a", "begun": {"elected": 1e9, "acked": 1e9 + 1}, "ended": {"noticed": 2e9, "why": "switched over to b"}}
    lines = terms_shown.history({"orders": {"ok": True, "terms": [term]}}, Screen(40)).lines
    assert lines[0].split() == ["NODE", "SINCE", "SERVED"] and lines[2] == "    switched over to b" and len(lines) == 3


def test_a_copy_counts_no_time_behind_its_own():
    answer = {"ok": True, "terms": [{"token": 7, "node": "a", "begun": {"acked": 1000.0}}], "copied": 1060.0, "why": "no answer"}
    lines = terms_shown.history({"orders": answer}, now=9000.0).lines
    assert "1 m 0 s at the copy's time" in lines[1] and "2 h 12 m ago" in lines[2]


@pytest.mark.parametrize("limit", ["0", "x", "100001"])
def test_a_limit_that_is_none_says_what_may_be_said(limit):
    error = terms_shown.history({}, given={"limit": limit}).error
    assert error == f"--limit {limit} is not a number of terms from 1 to 100000"


def test_who_claims_after_a_crash_tells_how_the_former_term_ended():
    one = timeline()
    before = state(roles.PROMOTING, "claiming", token=9)
    one.moved(state(roles.STANDBY, "watching"), state(roles.STANDBY, "asking"), None, 150.0)
    one.moved(before, state(roles.PROMOTING, "leasing", token=9), messages.Claimed(1, "c", lost=7), 151.0)
    data = history.amended(history.write([{"token": 7, "node": "c", "begun": {"elected": 100.0, "acked": 110.0}}]), one.news())
    (row,) = history.rows(history.read(data))[-1:]
    assert (row.token, row.node, row.served, row.up_to) == (7, "c", 40.0, True)
    assert row.why == "not released: its session ended, as a noticed at 1970-01-01 00:02:30+0000"
    line = terms_shown.history({"orders": {"ok": True, "terms": history.read(data)}}).lines[-1]
    assert "up to 40 s" in line and "not released" in line


def test_what_the_node_itself_tells_of_its_end_counts():
    own = {"token": 7, "begun": {"acked": 110.0}, "ended": {"noticed": 120.0, "why": "sick"}}
    lost = {"token": 7, "lost": {"noticed": 150.0, "why": "not released"}}
    for terms in ([own, lost], [lost, own]):
        data = b""
        for term in terms:
            data = history.amended(data, [term])
        (row,) = history.rows(history.read(data))
        assert (row.served, row.why, row.up_to) == (10.0, "sick", False)


@pytest.mark.parametrize("lost", [3, [], {"noticed": "x", "why": "y"}, {"noticed": 1.0, "why": 7}, {"noticed": 5e9, "why": ""}])
def test_what_is_no_loss_is_none(lost):
    assert "lost" not in history.read(json.dumps([{"token": 7, "lost": lost}]).encode())[0]


def test_a_restart_says_who_ordered_it():
    one = timeline()
    before = led(one)
    one.moved(before, state(roles.PROMOTING, "restarting", token=7, reason="restarted by order of ann@desk: leak"), None, 20.0)
    one.moved(state(roles.PROMOTING, "restarting", token=7), state(roles.PROMOTING, "acking", token=7), None, 21.0)
    one.moved(state(roles.PROMOTING, "acking", token=7), state(roles.PRIMARY, token=7), None, 22.0)
    terms = history.read(history.amended(b"", one.news()))
    lines = terms_shown.history({"orders": {"ok": True, "terms": terms}}).lines
    assert "restarted" in lines[2] and lines[2].endswith("restarted by order of ann@desk: leak")


@pytest.mark.parametrize("crashed, following, tokens", [
    ({"lost": {"noticed": 6000.0, "why": "gone"}}, {"begun": {"elected": 100.0, "acked": 7000.0}}, [9, 8]),
    ({"lost": {"noticed": 4000.0, "why": "gone"}}, {"begun": {"elected": 6000.0, "acked": 7000.0}}, [9]),
    ({}, {"begun": {"elected": 6000.0, "acked": 7000.0}}, [9, 8]), ({}, {"begun": {"elected": 4000.0, "acked": 7000.0}}, [9]),
    ({}, {"ended": {"noticed": 6500.0, "dead": 6000.0, "why": "sick"}}, [9, 8]), ({"ended": {"why": "x"}}, {"begun": {"elected": 6000.0}}, [9, 8]),
    ({"ended": {"noticed": 4000.0}, "lost": {"noticed": 6000.0, "why": "gone"}}, {"begun": {"elected": 6000.0}}, [9]),
])
def test_a_term_that_crashed_went_on_until_that_was_noticed_or_another_began(crashed, following, tokens):
    terms = [{"token": 9, **following}, {"token": 8, "begun": {"acked": 1000.0}, **crashed}, {"token": 7, "ended": {"noticed": 900.0}}]
    outcome = terms_shown.history({"orders": {"ok": True, "terms": terms}}, given={"since": "5000s"}, now=10_000.0)
    assert [one["token"] for one in outcome.document["elections"]["orders"]] == tokens


def test_what_is_older_than_a_term_that_crashed_is_told_too():
    terms = [
        {"token": 9, "begun": {"acked": 9000.0}}, {"token": 8, "begun": {"acked": 1000.0}, "lost": {"noticed": 8900.0, "why": "gone"}},
        {"token": 7, "begun": {"acked": 500.0}, "ended": {"noticed": 5500.0}}, {"token": 6},
    ]
    outcome = terms_shown.history({"orders": {"ok": True, "terms": terms}}, given={"since": "5000s"}, now=10_000.0)
    assert [one["token"] for one in outcome.document["elections"]["orders"]] == [9, 8, 7]
