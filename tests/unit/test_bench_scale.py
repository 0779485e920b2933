"""The pure parts of bench/: parsing, sums, tables, targets, and that the docs are what the results say."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench import counters, elections, programs, scale, sums  # noqa: E402

CONS = """\
 /127.0.0.1:52818[1](queued=0,recved=133,sent=134,sid=0x10000a1b2c30001,lop=PING,est=1764073,to=10000,lcxid=0x84,lzxid=0x1)
 /127.0.0.1:52820[0](queued=0,recved=1,sent=0)

"""


def test_sessions_are_read_from_cons():
    assert counters.sessions(CONS) == {0x10000a1b2c30001: counters.Session(133, 134)}


def test_numbers_are_read_from_mntr():
    text = "zk_version\t3.8.0-1\nzk_watch_count\t12\nzk_avg_latency\t0.5\n\n"
    assert counters.monitor(text) == {"zk_watch_count": 12, "zk_avg_latency": 0.5}


def test_this_process_is_measured():
    assert counters.memory(os.getpid()).rss > 1000
    assert counters.processor(os.getpid()) >= 0 and counters.threads(os.getpid()) >= 1


@pytest.mark.parametrize("values, wanted", [([3], 3), ([3, 1, 2], 2), ([4, 1, 2, 3], 2.5)])
def test_the_median(values, wanted):
    assert counters.median(values) == wanted


def test_there_is_no_median_of_nothing():
    with pytest.raises(ValueError):
        counters.median([])


def test_a_table_sets_numbers_to_the_right():
    assert scale.table(["what", "n"], [["a", 1], ["long", 12345.6]]) == (
        "| what |      n |\n|------|-------:|\n| a    |      1 |\n| long | 12,346 |"
    )


def test_the_load_of_many_nodes():
    two = sums.load(10_000, 2, 10.0, 1.0)
    assert (two.sessions, two.elections, two.reads, two.writes) == (10_000, 5_000, 2_500, 5_000)
    assert two.watches == 5_000 * (sums.STANDBY_WATCHES + sums.PRIMARY_WATCHES)
    one = sums.load(10_000, 10_000, 10.0, 1.0)
    assert one.writes == 1 and one.reads == 4_999.5 and one.storm == 49_995_000 and one.listing == 160_000
    assert sums.load(10_000, 2, 30.0, 1.0).writes == pytest.approx(5_000 / 3)


def row(count, rss, used, last, floor):
    idle = {"listener": used, "guard": 0.0, "supervisord": 0.1, "requests": 1.0, "listener_rss": rss, "guard_rss": 0,
            "listener_private": 0, "guard_private": 0, "listener_threads": 8, "guard_threads": 4}
    spent = {"listener_seconds": 0.1, "guard_seconds": 0.1, "supervisord_seconds": 0.1, "busy": 90.0}
    return {"elections": count, "deaths": [{**spent, "first": 0.1, "median": 0.2, "last": last}], "floors": [floor],
            "idle": {"a": idle, "b": idle}, "watches": 4 * count, "started": 1.0}


def candidates(count, woken=1, others=0, seconds=0.005):
    return {"candidates": count, "failovers": 1, "seconds": [seconds], "noticed": [seconds], "woken": woken,
            "requests_next": 3, "requests_others": others, "join_requests": count + 4, "join_seconds": 0.1,
            "watches": count, "data_bytes": 1000 + 130 * count}


def results():
    handover = {"dead": 0.01, "released": 0.02, "started": 0.05}
    return {
        "v": 1, "machine": {"text": "2 processors", "load": 1.0}, "runs": 1, "timeout": 10.0, "tick": 2.0,
        "candidates": [candidates(2), candidates(2000, seconds=0.009)],
        "elections": [row(1, 30_000, 0.3, 0.3, 0.3), row(300, 45_000, 1.9, 6.0, 4.0)],
        "programs": [{"programs": 1, "handovers": [handover], "floors": [{"start": 0.01, "stop": 0.01}], "margins": [0.3]}],
    }


def test_targets_that_are_met():
    assert {one.what: one.met for one in scale.targets(results()) if not one.met} == {}


@pytest.mark.parametrize("change, what", [
    (lambda r: r["candidates"].append(candidates(3000, woken=2)), "woken"),
    (lambda r: r["candidates"].append(candidates(3000, others=1)), "requests of all but"),
    (lambda r: r["candidates"].append(candidates(3000, seconds=0.011)), "to the next"),
    (lambda r: r["elections"].append(row(600, 100_000, 1.0, 6.0, 4.0)), "memory"),
    (lambda r: r["elections"].append(row(600, 50_000, 2.1, 6.0, 4.0)), "idle"),
    (lambda r: r["elections"].append(row(600, 50_000, 1.0, 6.1, 4.0)), "death"),
    (lambda r: r["programs"][0]["margins"].append(-0.01), "gone before"),
])
def test_targets_that_are_not_met(change, what):
    found = results()
    change(found)
    missed = [one.what for one in scale.targets(found) if one.met is False]
    assert missed and all(what in one for one in missed)


def test_the_document_has_every_table():
    found = results()
    text = scale.document(found)
    assert "$" not in text
    for part in (scale.candidates_table(found["candidates"]), scale.death_table(found["elections"]),
                 scale.idle_table(found["elections"]), scale.programs_table(found["programs"])):
        assert part in text


def test_the_docs_are_what_the_results_say():
    assert (ROOT / "docs" / "scale.md").read_text() == scale.document(json.loads(scale.RESULTS.read_text()))


def test_every_election_has_a_group_of_its_own():
    text = elections.configuration("a", "h:1", "/x", 3, 10, 2)
    assert text.count("[election:") == text.count("[group:") == text.count("command = zkelect run -- ") == 3
    assert programs.group(4, "sleep 1", "").count("[program:") == 4


def test_counts_go_with_one_part(capsys):
    assert scale.main(["--counts", "1"]) == 2
    assert "--only" in capsys.readouterr().err
