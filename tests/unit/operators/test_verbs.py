"""The table of verbs, and what is made of it."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from docs.list_verbs import reference
from supervisor_zkelect import rpcinterface
from supervisor_zkelect.controllerplugin import ZkelectControllerPlugin
from supervisor_zkelect.operators import cli
from supervisor_zkelect.operators.outcome import DONE, ERROR, UNKNOWN, USAGE
from supervisor_zkelect.operators.verbs import NODE, VERBS

DOCS = Path(__file__).parents[3]


def test_the_docs_have_the_list():
    text = (DOCS / "docs" / "operations.md").read_text()
    assert reference() in text, reference()
    assert "`--timeout SECONDS`" in text and all(f"`{verb.name}`" in text for verb in VERBS.values() if verb.timed)
    line = next(line for line in (DOCS / "README.md").read_text().splitlines() if line.startswith("    supervisorctl zkelect "))
    assert set(line.split()[2].split("|")) | {"role"} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_the_program_takes_the_words_of_each_verb(verb):
    def parsed(*words):
        return cli.parser().parse_args([verb.name, *words])

    assert parsed("--json").json and not parsed().insist and parsed().election is None
    if verb.flag:
        assert parsed(verb.flag.word).insist
    if verb.means == NODE:
        with pytest.raises(cli.Trouble):
            parsed("orders")
    else:
        assert parsed("orders").election == "orders"


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_helps_tell_words_and_exit_statuses_of_each_verb(verb, capsys):
    assert cli.main([verb.name, "--help"]) == DONE
    told = " ".join(capsys.readouterr().out.split())
    assert f"exit status: {verb.exits}" in told and (verb.flag is None or verb.flag.text in told)
    for status in (DONE, ERROR, USAGE, UNKNOWN):
        assert f"{status} " in verb.exits
    out = io.StringIO()
    ZkelectControllerPlugin(SimpleNamespace(stdout=out, exitstatus=0)).help_zkelect()
    assert f"zkelect {verb.words} " in out.getvalue() and verb.help in " ".join(out.getvalue().split())


def test_the_rpc_interface_names_what_the_listener_is_asked():
    text = rpcinterface.ZkelectRPCInterface.request.__doc__
    assert all(verb.name in text for verb in VERBS.values() if verb.wait)


def test_only_what_acts_may_be_insisted_on():
    assert all(verb.acts for verb in VERBS.values() if verb.flag)
