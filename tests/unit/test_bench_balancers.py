"""The parts of the bench of load balancers that compute and write: nothing is started."""

import contextlib
import json
import math
import re

import pytest

from bench import balancers
from bench.balancers import AGENT, BARE, HTTP, KILL, PATRONI, RESIGN, Answer, Handover


def answers(begin, end, status=200, took=0.002):
    return [Answer(begin + n * 0.002, begin + n * 0.002 + took, status, "a") for n in range(round((end - begin) / 0.002))]


def test_what_clients_see_of_a_handover():
    """Requests that come while nobody serves are held until somebody does."""
    held = [Answer(10.0 + n * 0.002, 10.075, 200, "b") for n in range(35)]
    found = balancers.judged(answers(9.5, 9.998) + held + answers(10.07, 11.0), 10.0)
    assert found.silence == pytest.approx(0.072, abs=0.003)
    assert (found.failed, found.asked) == (0, 35 + 465)
    assert found.slowest == pytest.approx(0.075)


def test_failures_are_counted_and_are_no_answers():
    found = balancers.judged(answers(9.5, 10.0) + answers(10.0, 10.3, 503) + answers(10.3, 10.4, 0) + answers(10.4, 11.0), 10.0)
    assert found.silence == pytest.approx(0.402, abs=0.003) and found.failed == 200


def test_a_gap_before_it_is_not_its_own():
    found = balancers.judged(answers(9.5, 9.6) + answers(9.9, 10.0) + answers(10.05, 11.0), 10.0)
    assert found.silence == pytest.approx(0.052, abs=0.003)


def test_nobody_answered_any_more():
    assert balancers.judged(answers(10.0, 11.0, 0), 10.0) == Handover(math.inf, 500, 500, math.inf)


@pytest.mark.parametrize("share, value", [(0.5, 5), (0.95, 10), (0.05, 1), (1.0, 10), (0.91, 10), (0.9, 9)])
def test_percentiles(share, value):
    assert balancers.percentile([10, 1, 9, 2, 8, 3, 7, 4, 6, 5], share) == value


def test_the_floor_is_behind_the_sample_with_the_service_itself_as_the_probe(tmp_path):
    with contextlib.closing(balancers.Floor(tmp_path)) as floor:
        text = floor.configuration(balancers.FLOOR, 4321)
    assert "bind 127.0.0.1:4321" in text and "meth GET uri /\n" in text and "inter 20ms" in text
    assert re.findall(r"^ +server (?:a|b) (\S+)$", text, re.M) == list(floor.addresses.values())


def document(silence=0.07, failed=0, setting=HTTP, event=RESIGN):
    return {
        "command": "script/bench --balancers", "date": "2026-11-30", "machine": {"text": "a machine", "load": 0.5}, "rate": 500.0,
        "rows": [{"setting": setting, "event": event, "probing": 1.25, "handovers": [Handover(silence, 700, failed, 0.1, 0.06)._asdict()] * 10}],
    }


def test_the_table_and_its_place_in_the_page():
    text = f"before\n{balancers.BEGIN}old\n{balancers.END}after\n"
    page = balancers.page(text, document(failed=2))
    assert f"| {HTTP} | resign | 10 | 20 of 7000 | 70 / 70 / 70 | 60 / 60 / 60 | 100 | 1.25 |" in page
    assert page.startswith("before\n") and page.endswith("after\n") and "old" not in page
    assert balancers.page(page, document(failed=2)) == page
    with pytest.raises(ValueError):
        balancers.page("no marks\n", document())


@pytest.mark.parametrize("given, lines", [
    ({}, 0), ({"silence": 0.081}, 1), ({"silence": 0.081, "failed": 1}, 2), ({"silence": 0.19, "event": KILL, "setting": AGENT}, 0),
    ({"silence": 0.21, "event": KILL}, 1), ({"silence": 6.0, "failed": 3000, "setting": PATRONI}, 0), ({"failed": 1, "setting": BARE}, 0),
])
def test_the_targets_are_those_of_the_samples(given, lines):
    assert len(balancers.missed(document(**given))) == lines


def test_the_page_has_what_was_measured():
    """Where nothing was, it says so."""
    text = balancers.PAGE.read_text()
    if balancers.RESULTS.exists():
        assert balancers.page(text, json.loads(balancers.RESULTS.read_text())) == text, "script/bench --balancers --write-docs"
    else:
        assert balancers.BEGIN in text and balancers.END in text and "| HAProxy with |" not in text
