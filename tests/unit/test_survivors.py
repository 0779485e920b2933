"""The list of the mutants that survive: each has a reason, and is a change to a line that there still is."""

import ast

import pytest

from tests.mutants import survivors

PACKAGE = survivors.FOLDER / "supervisor_zkelect"


def lines_of(where):
    """The lines of a function, by "core.lease Lease.until"."""
    module, _, name = where.partition(" ")
    text = (PACKAGE / f"{module.replace('.', '/')}.py").read_text()
    node = ast.parse(text)
    for part in name.split("."):
        node = next(one for one in node.body if isinstance(one, (ast.ClassDef, ast.FunctionDef)) and one.name == part)
    return [line.strip() for line in text.splitlines()[node.lineno - 1:node.end_lineno]]


def test_each_survivor_has_a_reason():
    for mutant, reason in survivors.listed().items():
        assert len(reason.split()) > 3 and (mutant.old or mutant.new), mutant


@pytest.mark.parametrize("mutant", survivors.listed(), ids=lambda mutant: mutant.where)
def test_what_a_survivor_changes_stands_in_the_product(mutant):
    there = lines_of(mutant.where)
    assert all(line in there or line.startswith("def(") for line in mutant.old)


def test_each_function_that_is_not_judged_yet_stands_in_the_product():
    for where in survivors.unjudged():
        assert lines_of(where), where


@pytest.mark.parametrize("text, told", [
    ("    core.lease f\n        - a\n        + b\n", "line 1"), ("why\n  core.lease f\n", "line 2"), ("why\n        - a\n", "line 2"),
])
def test_what_is_no_part_of_a_list_is_refused(tmp_path, monkeypatch, text, told):
    monkeypatch.setattr(survivors, "FOLDER", tmp_path)
    monkeypatch.setattr(survivors, "FILE", "list.txt")
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ValueError, match=told):
        survivors.listed()


def test_a_reason_stands_above_the_mutants_that_it_is_for(tmp_path, monkeypatch):
    monkeypatch.setattr(survivors, "FOLDER", tmp_path)
    monkeypatch.setattr(survivors, "FILE", "list.txt")
    (tmp_path / "list.txt").write_text("""
one reason
that goes on
    core.lease f
        - a
        + b
    core.lease g
        - c
another reason
    core.lease f
        - a
        + c
""")
    assert survivors.listed() == {
        survivors.Mutant("core.lease f", ("a",), ("b",)): "one reason that goes on",
        survivors.Mutant("core.lease g", ("c",), ()): "one reason that goes on",
        survivors.Mutant("core.lease f", ("a",), ("c",)): "another reason",
    }
