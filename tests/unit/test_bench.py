"""The parts of the bench that compute and write: no process is started, and nothing is drawn."""

import argparse
import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import faults, floors, measure, report, results
from lab.cluster import Cluster
from supervisor_zkelect.demo import child, observer


def answers(name, pid, begin, end):
    """An observer's lines of a process that answers every 5 ms."""
    count = round((end - begin) / 0.005)
    return [{"name": name, "pid": pid, "asked": begin + n * 0.005, "received": begin + n * 0.005 + 0.001}
            for n in range(count)]


def refusals(name, begin, end):
    return [{**line, "pid": None} for line in answers(name, 0, begin, end)]


def judged(lines, struck=10.0, ended=20.0, endless=False):
    for line in lines:
        if line["pid"] is None:
            del line["pid"]
    asked = [line for line in lines if line["asked"] >= struck]
    return measure.judged(observer.judge(asked), struck, ended, ("a", 1), endless)


def test_a_service_that_comes_back_elsewhere():
    run = judged(answers("a", 1, 9.9, 10.0) + refusals("a", 10.0, 20.0) + answers("b", 2, 10.2, 20.0))
    assert run.back == pytest.approx(0.201)
    assert run.silence == pytest.approx(0.201)
    assert (run.node, run.overlap, run.endless) == ("b", 0.0, False)


def test_a_service_that_is_started_again_on_its_node():
    run = judged(answers("a", 1, 9.9, 10.0) + refusals("a", 10.0, 10.05) + answers("a", 3, 10.05, 20.0))
    assert run.back == pytest.approx(0.051) and run.node == "a"


def test_a_service_that_goes_on():
    run = judged(answers("a", 1, 9.9, 20.0) + refusals("b", 9.9, 20.0))
    assert (run.back, run.node) == (None, "") and run.silence < 0.01


def test_a_service_that_never_comes_back():
    run = judged(answers("a", 1, 9.9, 10.0) + refusals("a", 10.0, 20.0))
    assert run.back is None and run.silence is None


def test_two_that_serve_at_once():
    run = judged(answers("a", 1, 9.9, 20.0) + answers("b", 2, 12.0, 20.0), endless=True)
    assert run.back == pytest.approx(2.001) and run.overlap == pytest.approx(8.0, abs=0.1) and run.endless


@pytest.mark.parametrize("values, shown", [
    ([], "–"),
    ([0.02], "20"),
    ([0.03, 0.01, 0.02], "10/20/30"),
    ([0.04, 0.01, 0.02, 0.03], "10/20/40"),
    ([0.01, None, 0.02], "10/20/never"),
    ([None, None], "never"),
])
def test_the_spread_of_values(values, shown):
    assert results.spread(values) == shown


def test_the_median_counts_never_as_longest():
    assert results.median([0.3, 0.1, None]) == 0.3
    assert results.median([None, None, 0.1]) is None
    assert results.median([]) is None


@pytest.mark.parametrize("overlaps, endless, shown", [
    ([0.0], False, "0"), ([0.05, 0.0], False, "0.05 s"), ([18.61], False, "18.6 s"), ([1.0], True, "∞"),
])
def test_the_overlap_of_runs(overlaps, endless, shown):
    assert results.overlapped([{"overlap": overlap, "endless": endless} for overlap in overlaps]) == shown


def run(back=0.1, silence=0.105, overlap=0.0, endless=False, node="b", deleted=None, away=None):
    return dataclasses.asdict(measure.Run(back, silence, overlap, endless, node, deleted, away))


@pytest.fixture
def document():
    needs = dataclasses.asdict(measure.Needs(48.25, 30.5, 0.21, 2))
    moments = {"struck": 1000.0, "answered": 1000.12}
    return {
        "v": results.VERSION, "command": "script/bench --runs 1", "date": "2026-11-25T12:00:00+00:00",
        "machine": {"cores": 2, "processor": "a processor", "kernel": "6.1", "python": "3.11",
                    "cgroups": "no cgroup v2", "load_before": 0.1},
        "floors": {"start": [0.03, 0.04, 0.05]},
        "peers": [
            {"name": "supervisor-zkelect", "setting": "T=10", "timeout": 10.0,
             "idle": {"primary": needs, "standby": {**needs, "cpu": 0.08}},
             "faults": {"A": [run(), run(back=0.2, silence=0.205)],
                        "B-guard": [run(back=11.0, silence=11.002, deleted=10.9)],
                        "F": [run(back=None, silence=0.006, node="")]}},
            {"name": "kazoo", "setting": "T=10", "timeout": 10.0, "idle": {},
             "faults": {"A": [run()], "F": [run(overlap=9.5, endless=True)], "B": []}},
        ],
        "left_out": ["etcd: etcd not found"], "failures": [],
        "timelines": [
            {"fault": "B", "setting": "T=10", **moments,
             "ended": {"noticed": 1000.003, "dead": 1000.01, "released": 1000.05, "why": "supervisord is dead"},
             "begun": {"noticed": 1000.051, "elected": 1000.06, "started": 1000.07, "executed": 1000.09,
                       "acked": 1000.13}},
            {"fault": "B", "setting": "T=2", **moments, "ended": {"noticed": 1000.1}, "begun": {}},
        ],
    }


def test_results_are_read_as_they_were_written(document, tmp_path):
    results.save(document, tmp_path / "new" / "results.json")
    assert results.load(tmp_path / "new" / "results.json") == document


@pytest.mark.parametrize("text", ["[]", json.dumps({"v": 2}), "{"])
def test_other_files_are_refused(text, tmp_path):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError):
        results.load(tmp_path / "other.json")


def test_the_table(document):
    lines = results.table(results.HEADER, results.rows(document)).splitlines()
    assert [line.split() for line in lines[2:]] == [
        ["supervisor-zkelect", "T=10", "A", "100/100/200", "105/105/205", "2", "0", "48", "30", "0.21/0.08"],
        ["B-guard", "11000", "11002", "1", "0"],
        ["F", "goes", "on", "6", "1", "0"],
        ["kazoo", "T=10", "A", "100", "105", "1", "0"],
        ["F", "100", "105", "1", "∞"],
        ["B", "–", "–", "0", "0"],
    ]
    # All columns begin below their headings.
    column = lines[0].index("silence")
    assert [line[column:].split()[0] for line in lines[2:5]] == ["105/105/205", "11002", "6"]


def test_the_steps_of_a_failover(document):
    found = report.steps(document["timelines"][0])
    assert [(step.name, round(1000 * (step.end - step.begin))) for step in found] == [
        ("fault to notice", 3), ("notice to group dead", 7), ("dead to released", 40), ("released to elected", 10),
        ("elected to started", 10), ("started to exec", 20), ("exec to healthy … healthy to acked", 40),
    ]


def test_a_release_is_over_when_the_next_node_has_seen_it(document):
    document["timelines"][0]["ended"]["released"] = 1000.08
    found = {step.name: round(1000 * (step.end - step.begin)) for step in report.steps(document["timelines"][0])}
    assert (found["dead to released"], found["released to elected"]) == (41, 9)


def test_the_failover_that_is_drawn(document):
    assert report.shown(document["timelines"]) is document["timelines"][0]
    assert report.shown([]) is None
    three = [{**document["timelines"][0], "answered": 1000 + after} for after in (0.3, 0.1, 0.2)]
    assert report.shown(three) is three[2]


def test_the_docs_carry_what_was_measured(document):
    text = report.document(document)
    for part in (
        "script/bench --runs 1", "2026-11-25", "a processor",
        "| supervisor-zkelect, T=10 | 105/105/205 (2) |  | 11002 (1) | 6 (1) |",
        "| kazoo, T=10 | 105 (1) |  |  | **∞** (1) |",
        "| B-guard | T=10 | 0 | 10900 | 100 |",
        "| supervisor-zkelect | T=10 | 48.2 | 30.5 | 0.21 | 0.08 |",
        "| supervisord: start(wait=False) until the first answer | 30/40/50 | 3 |",
        "| dead to released | 40.0 |",
        "answered after 120 ms",
        "- etcd: etcd not found",
    ):
        assert part in text
    assert "Not as promised" not in text


def test_the_docs_do_not_hide_what_went_wrong(document):
    document["failures"] = ["supervisor-zkelect T=10: given up: TimeoutError: no leader\nlogs"]
    document["peers"][0]["faults"]["D"] = [run(overlap=0.02)]
    text = report.document(document)
    assert "**Not as promised:** supervisor-zkelect T=10: given up: TimeoutError: no leader\n" in text
    assert "**Not as promised:** supervisor-zkelect, T=10, fault D: two served at once for 0.020 s\n" in text


@pytest.mark.parametrize("fault, seen, problem", [
    ("A", run(), ""),
    ("A", run(overlap=0.001), "two served at once for 0.001 s"),
    ("E", run(endless=True), "two served at once for 0.000 s"),
    ("D", run(back=None, silence=None), "the service did not come back"),
    ("F", run(back=None, silence=0.1, node=""), ""),
    ("F", run(back=None, silence=0.3, node=""), "a silence of 0.300 s, where none was to be"),
    ("F", run(back=2.0, node="b"), "another process served after 2.000 s, where the same was to go on"),
    ("Z-leader", run(back=12.0, node="b"), "another process served after 12.000 s, where the same was to go on"),
    ("Z", run(back=12.0, node="b", away=2.9), "another process served after 12.000 s, where the same was to go on"),
    # More than 0.3 T.
    ("Z", run(back=12.0, node="b", away=3.1), ""),
])
def test_what_the_plugin_promises(document, fault, seen, problem):
    for peer in document["peers"]:
        peer["faults"] = {fault: [seen]}
    found = results.broken(document)
    assert found == ([f"supervisor-zkelect, T=10, fault {fault}: {problem}"] if problem else [])


def test_docs_of_a_run_with_nothing_in_it(document):
    document.update(floors={}, peers=[], timelines=[], left_out=[])
    text = report.document(document)
    assert "## Floors" not in text and report.TIMELINE not in text


def test_a_letter_means_its_variants_too():
    assert faults.chosen("E,B-guard") == ["B-guard", "E", "E-supervisord"]
    for text in ("", "X", "A,B-listener"):
        with pytest.raises(argparse.ArgumentTypeError):
            faults.chosen(text)


@pytest.mark.parametrize("part", [[], ["--scale"]], ids=["faults", "scale"])
def test_the_package_of_a_tree_is_not_measured(part, tmp_path, monkeypatch, capsys):
    tree = Path(measure.__file__).resolve().parents[1]
    output = tmp_path / "results.json"
    monkeypatch.setattr(sys, "argv", ["bench", *part, "--output", str(output)])
    monkeypatch.setattr(child, "ROOT", str(tree))
    assert command.main() == 2 and "run script/bench" in capsys.readouterr().err and not output.exists()
    monkeypatch.setattr(child, "ROOT", str(tree / ".venv-bench" / "lib" / "site-packages"))
    assert measure.not_installed() is None


def test_the_chain_loader_is_stamped_in_the_configuration_of_each_node(tmp_path):
    with Cluster(tmp_path, "127.0.0.1:1", ("a", "b")) as cluster:
        stage = floors.Stamped(10.0, True)
        stage.cluster = cluster
        stage.prepare()
        for node in cluster.nodes.values():
            node.write()
            text = node.zkelect_conf.read_text()
            [command] = re.findall(r"^\[program:orders\]$(?:.*\n)*?^command = (.*)$", text, re.MULTILINE)
            assert command.startswith(f"zkelect run -- {node.folder}/stamping/stamped ") and "service.py" in command
