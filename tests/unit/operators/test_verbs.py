"""The table of verbs, and what is made of it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from docs.list_verbs import reference
from supervisor_zkelect import rpcinterface
from supervisor_zkelect.controllerplugin import ZkelectControllerPlugin
from supervisor_zkelect.controllerplugin import parsed as words_parsed
from supervisor_zkelect.operators import cli, monitor
from supervisor_zkelect.operators.outcome import DONE, ERROR, INTERRUPTED, UNKNOWN, USAGE, failure
from supervisor_zkelect.operators.verbs import NODE, VERBS
from supervisor_zkelect.zookeeper import asked

DOCS = Path(__file__).parents[3]


def test_the_docs_have_the_list():
    text = (DOCS / "docs" / "operations.md").read_text()
    assert reference() in text, reference()
    assert "`--wait SECONDS`" in text and all(f"`{verb.name}`" in text for verb in VERBS.values() if verb.timed)
    lines = [line.split() for line in (DOCS / "README.md").read_text().splitlines() if line.startswith("    supervisorctl zkelect ")]
    assert {"role"}.union(*(words[2].split("|") for words in lines)) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_the_program_takes_the_words_of_each_verb(verb):
    def parsed(*words):
        return cli.parser().parse_args([verb.name, *verb.what[:1], *["c"] * bool(verb.operand), *words])

    assert parsed("--json").json and parsed().election is None
    for option in verb.options:
        assert not getattr(parsed(), option.argument)
        assert getattr(parsed(option.word, *["2026-11-30T03:00Z" if option.moment else "7"] * bool(option.value)), option.argument)
    if verb.means == NODE:
        with pytest.raises(cli.Trouble):
            parsed("orders")
    else:
        assert parsed("orders").election == "orders"
    if verb.timed:
        assert parsed("--wait", "7").timeout == parsed("--timeout", "7").timeout == 7.0


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_helps_tell_words_and_exit_statuses_of_each_verb(verb, capsys):
    assert cli.main([verb.name, "--help"]) == DONE
    told = " ".join(capsys.readouterr().out.split())
    assert f"exit status: {verb.exits}" in told and all(option.text in told for option in verb.options)
    for status in (DONE, ERROR, USAGE, UNKNOWN):
        assert f"{status} " in verb.exits
    out = io.StringIO()
    ZkelectControllerPlugin(SimpleNamespace(stdout=out, exitstatus=0)).help_zkelect()
    told = " ".join(out.getvalue().split())
    assert f"zkelect {verb.words} " in told and verb.help in told


def test_the_rpc_interface_names_what_the_listener_is_asked():
    text = rpcinterface.ZkelectRPCInterface.request.__doc__
    assert all(verb.name in text for verb in VERBS.values() if verb.wait)


def test_a_role_is_told_without_what_other_verbs_take_to_import():
    program = "import sys; from supervisor_zkelect.operators import ask, cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = ("core.role", "core.rehearsal", "core.outlook", "operators.live", "operators.listing", "zookeeper.session")
    assert not {f"supervisor_zkelect.{name}" for name in heavy} & set(done.stdout.split())


def test_what_only_looks_is_not_ordered():
    assert all(verb.acts for verb in VERBS.values() if verb.ordered)


@pytest.mark.parametrize("words, names, given", [
    ("", [], {}), ("orders", ["orders"], {}), ("--to b orders", ["orders"], {"to": "b"}), ("--in 7 --force", [], {"in": 7.0, "force": True}),
    ("--reason - --cancel", [], {"reason": "-", "cancel": True}), ("--json --to b", [], {"to": "b"}),
])
def test_supervisorctl_takes_the_words_behind_a_verb(words, names, given):
    assert words_parsed(VERBS["switchover"], words.split()) == (names, given)


@pytest.mark.parametrize("words", [
    ["--reason", "--dry-run"], ["orders", "--to", "b", "--reason", "--cancel"], ["--reason", "--json", "orders"], ["--to", "-x"],
    ["--reason", "--unknown"], ["--reason", "--"], ["--reason", "-"], ["--reason", "-5"], ["--reason", "-2 degrees"], ["--reason", "a-b"],
])
def test_what_looks_like_an_option_is_no_value_as_the_program_has_it(words):
    """As behind an empty variable that was not quoted: the order would be given without what was said."""
    try:
        reason = cli.parser().parse_args(["switchover", *words]).reason
    except cli.Trouble:
        with pytest.raises(ValueError, match="--(reason|to) wants a value: .*looks like an option"):
            words_parsed(VERBS["switchover"], words)
    else:
        assert words_parsed(VERBS["switchover"], words) == ([], {"reason": reason})


@pytest.mark.parametrize("verb, words, told", [
    ("switchover", "--to", "--to wants a value: NODE"), ("switchover", "--in -1", "not a number of seconds"),
    ("switchover", "--in nan", "not a number of seconds"), ("switchover", "one two", "one election at most"),
    ("switchover", "--node b", "there is no option --node"), ("maintenance", "", "say first on or off"),
    ("maintenance", "orders on", "say first on or off"), ("role", "--force", "there is no option --force"),
    ("resume", "--node b", "there is no option --node"), ("switchover", "--in 2x", "2x is not a number of seconds"),
])
def test_supervisorctl_refuses_what_it_does_not_know(verb, words, told):
    with pytest.raises(ValueError, match=told):
        words_parsed(VERBS[verb], words.split())


def test_supervisorctl_takes_times_waits_and_nodes_as_the_program_does():
    assert words_parsed(VERBS["switchover"], ["--at", "2026-11-30T03:00Z", "--wait", "7"]) == ([], {"at": 1796007600000, "timeout": 7.0})
    assert words_parsed(VERBS["forget"], ["c", "orders"]) == (["orders"], {"node": "c"})
    assert words_parsed(VERBS["list"], ["--wait", "7"]) == ([], {"timeout": 7.0})
    for verb, words, told in (
        ("forget", [], "name the NODE"), ("switchover", ["--at", "noon"], "is no time"), ("role", ["--wait", "7"], "there is no option"),
        ("forget", ["c", "orders", "stock"], "one election at most"),
    ):
        with pytest.raises(ValueError, match=told):
            words_parsed(VERBS[verb], words)


@pytest.mark.parametrize("text, seconds", [("90", 90.0), ("1.5", 1.5), ("90s", 90.0), ("30m", 1800.0), ("2h", 7200.0), ("3d", 259200.0)])
def test_a_length_of_time_is_written_in_seconds_or_with_its_unit(text, seconds):
    assert words_parsed(VERBS["pause"], ["--for", text]) == ([], {"for": seconds})
    assert cli.parser().parse_args(["pause", "--for", text]).__dict__["for"] == seconds


@pytest.mark.parametrize("words", [
    ["maintenance", "on", "--node", ""], ["switchover", "--to", " "], ["resume", "--force", "--node-is-dead", ""], ["forget", ""],
    ["switchover", ""], ["list", "--tag", ""], ["history", "--since", ""], ["events", "--limit", ""], ["pause", "--for", ""],
    ["restart", "--at", ""], ["why", "--servers", ""], ["primary", ""], ["monitor", ""],
])
def test_an_empty_word_is_not_taken_for_one_that_was_left_out(words, capsys):
    assert cli.main(words) in (USAGE, monitor.UNKNOWN)
    assert re.search("give|is no time|not a number", capsys.readouterr().err)
    if words[0] in VERBS and "--servers" not in words:
        with pytest.raises(ValueError, match="give"):
            words_parsed(VERBS[words[0]], words[1:])


@pytest.mark.parametrize("words", [["resume", "--force", "--node", "b"], ["resume", "--forc"], ["list", "--serv", "zk1"], ["maintenance", "on", "--rea", "x"]])
def test_the_beginning_of_an_option_is_not_the_option(words, capsys):
    assert cli.main(words) == USAGE and "unrecognized arguments" in capsys.readouterr().err


def test_a_time_is_kept_that_is_the_first_of_all():
    arguments = cli.parser().parse_args(["switchover", "--at", "1970-01-01T00:00Z"])
    assert cli._given(VERBS["switchover"], arguments) == {"at": 0}


@pytest.mark.parametrize("verb, given", [("maintenance", {"what": "on", "node": ""}), ("switchover", {"to": ""}), ("resume", {"dead": ""})])
def test_an_empty_name_is_no_order(verb, given):
    with pytest.raises(asked.NoOrder, match="empty"):
        asked.given(verb, given, "a")


def test_supervisorctl_waits_for_so_long_and_asks_at_a_terminal(monkeypatch):
    ran, said = [], []
    monkeypatch.setattr("supervisor_zkelect.controllerplugin.ask.run", lambda *words, **more: ran.append((words, more)) or failure(ERROR, "x"))
    monkeypatch.setattr("supervisor_zkelect.controllerplugin.confirm.agreed", lambda text, *streams: said.append(text) or not text)
    options = SimpleNamespace(serverurl="unix:///none", username="", password="", interactive=False)
    plugin = ZkelectControllerPlugin(SimpleNamespace(stdout=io.StringIO(), exitstatus=0, options=options))
    plugin.do_zkelect("orders --reset")
    assert not ran and "taken back" in said[-1] and plugin.ctl.exitstatus == ERROR and "--yes" in plugin.ctl.stdout.getvalue()
    plugin.do_zkelect("orders --reset --yes --wait 3")
    [(words, more)] = ran
    assert words[0] == "orders" and more["timeout"] == 3.0 and more["given"] == {"reset": True, "yes": True}


class _Supervisorctl:
    """supervisorctl as a shell starts it with these words, and what the verbs are asked with."""

    def __init__(self, monkeypatch, *words, interactive=False):
        self.ran = []
        monkeypatch.setattr("supervisor_zkelect.controllerplugin.ask.run", self._run)
        options = SimpleNamespace(serverurl="unix:///none", username="", password="", interactive=interactive, args=list(words))
        self.ctl = SimpleNamespace(stdout=io.StringIO(), exitstatus=0, options=options)
        self.plugin = ZkelectControllerPlugin(self.ctl)
        command, _, line = " ".join(words).strip().partition(" ")
        getattr(self.plugin, f"do_{command}")(line.strip())

    def _run(self, verb, call, election, **more):
        self.ran.append((verb, election, more["given"]))
        return failure(ERROR, "x")


@pytest.mark.parametrize("words, given", [
    (["maintenance", "on", "--reason", "disk full"], {"what": "on", "reason": "disk full"}),
    (["restart", "--reason", " it's \"odd\" "], {"reason": " it's \"odd\" "}),
    (["switchover", "--at", "2026-11-30 03:00Z"], {"at": 1796007600000}),
])
def test_supervisorctl_takes_words_as_the_shell_gave_them(monkeypatch, words, given):
    assert _Supervisorctl(monkeypatch, "zkelect", *words).ran == [(words[0], None, given)]


def test_supervisorctl_takes_an_election_with_a_blank_as_the_shell_gave_it(monkeypatch):
    assert _Supervisorctl(monkeypatch, "role", "my orders").ran == [("role", "my orders", {})]


@pytest.mark.parametrize("words, interactive", [
    # The whole command as one word, and a line that it has read itself, also with `-i`.
    (["zkelect restart --reason 'disk full'"], False), (["zkelect", "restart", "--reason", "'disk full'"], True),
])
def test_supervisorctl_reads_a_line_as_a_shell_would(monkeypatch, words, interactive):
    assert _Supervisorctl(monkeypatch, *words, interactive=interactive).ran == [("restart", None, {"reason": "disk full"})]


def test_an_interrupt_at_the_question_of_supervisorctl_orders_nothing(monkeypatch):
    def interrupted(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr("supervisor_zkelect.controllerplugin.confirm.agreed", interrupted)
    there = _Supervisorctl(monkeypatch, "zkelect", "orders", "--reset")
    assert not there.ran and there.ctl.exitstatus == INTERRUPTED
    assert there.ctl.stdout.getvalue() == "error: interrupted; nothing was ordered\n"
