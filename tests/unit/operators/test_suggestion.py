"""What is said to somebody who mistyped a verb."""

import io
from types import SimpleNamespace

import pytest

from supervisor_zkelect.controllerplugin import ZkelectControllerPlugin
from supervisor_zkelect.operators import cli
from supervisor_zkelect.operators.outcome import USAGE
from supervisor_zkelect.operators.suggestion import suggestion
from supervisor_zkelect.operators.verbs import VERBS

WORDS = [("swichover", " did you mean switchover?"), ("maintainance", " did you mean maintenance?"), ("ROLE", " did you mean role?")]


@pytest.mark.parametrize("word, told", [*WORDS, ("", ""), ("xyzzy", ""), ("x" * 1000000, "")])
def test_what_may_have_been_meant(word, told):
    assert suggestion(word, VERBS) == told


def test_where_two_are_alike_both_are_named():
    assert suggestion("restar", ["role", "restart", "restarts"]) == " did you mean restart or restarts?"


@pytest.mark.parametrize("word, told", [*WORDS, ("primry", " did you mean primary?"), ("lsten", " did you mean listen or list?")])
def test_the_program_says_it(word, told, capsys):
    assert cli.main([word]) == USAGE
    assert capsys.readouterr().err == f"zkelect: there is no command {word}:{told} See zkelect --help\n"


def test_the_program_says_nothing_of_what_is_like_none(capsys):
    assert cli.main(["xyzzy"]) == USAGE
    assert capsys.readouterr().err == "zkelect: there is no command xyzzy; see zkelect --help\n"


def test_another_word_that_is_none_is_no_command(capsys):
    assert cli.main(["maintenance", "onn"]) == USAGE
    assert "there is no command" not in capsys.readouterr().err


@pytest.mark.parametrize("word, told", [*WORDS, ("xyzzy", "")])
def test_supervisorctl_says_it(word, told):
    out = io.StringIO()
    ctl = SimpleNamespace(stdout=out, exitstatus=0)
    ZkelectControllerPlugin(ctl).do_zkelect(word)
    assert ctl.exitstatus == USAGE and f"there is no command {word}{':' + told + ' Use' if told else '; use'} one of: " in out.getvalue()
