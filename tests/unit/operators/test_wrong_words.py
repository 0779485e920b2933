"""What is said of words that are wrong, and of helps, by the program and by supervisorctl."""

import io
import json
from types import SimpleNamespace

import pytest
from supervisor.supervisorctl import DefaultControllerPlugin

from supervisor_zkelect.controllerplugin import make_zkelect_controllerplugin
from supervisor_zkelect.operators import cli, connection, monitor
from supervisor_zkelect.operators.outcome import DONE, USAGE
from supervisor_zkelect.web import program
from tests.unit.operators.test_show_and_ask import STANDBY, Peer
from tests.unit.operators.test_show_and_ask import answer as report


def supervisorctl(*words):
    """What supervisorctl prints, and its exit status, with its own commands beside the plugin's, as it makes them."""
    out = io.StringIO()
    ctl = SimpleNamespace(stdout=out, exitstatus=0, nohelp="*** No help on %s", options=SimpleNamespace(plugins=[]))
    ctl.output = lambda text: print(text, file=out)
    ctl.print_topics = lambda *given: None
    for make in (DefaultControllerPlugin, make_zkelect_controllerplugin):
        ctl.options.plugins.append(make(ctl))
    if words[0] == "help":
        for plugin in ctl.options.plugins:
            plugin.do_help(" ".join(words[1:]))
    else:
        ctl.options.plugins[-1].do_zkelect(" ".join(words))
    return out.getvalue(), ctl.exitstatus


@pytest.mark.parametrize("command, told", [("zkelect", "zkelect list"), ("role", "role [ELECTION]"), ("start", "start <name>")])
def test_help_of_a_command_is_its_help_alone(command, told):
    out, _ = supervisorctl("help", command)
    assert told in out and "No help" not in out


def test_a_command_that_nobody_has_has_no_help_once():
    assert supervisorctl("help", "xyzzy")[0] == "*** No help on xyzzy\n"


def test_the_help_of_a_verb():
    out, status = supervisorctl("list", "--help")
    assert status == DONE and out.startswith("zkelect list [ELECTION]") and "switchover" not in out


def test_what_the_program_alone_has_is_said():
    out, status = supervisorctl("list", "--servers", "zk1:2181")
    assert status == USAGE and "--servers is of the program: zkelect list --servers" in out


@pytest.mark.parametrize("words", [["maintenance"], ["maintenance", "onn"], ["maintenance", "--json"]])
def test_maintenance_wants_on_or_off(words, capsys):
    assert cli.main(words) == USAGE
    assert "say first on or off; see zkelect maintenance --help" in capsys.readouterr().err
    assert "say first on or off; see zkelect maintenance --help" in supervisorctl(*words)[0]


@pytest.mark.parametrize("words", [
    ["maintenance", "on", "--reason", "disk", "orders"], ["maintenance", "on", "orders", "--reason", "disk"],
    ["maintenance", "--reason", "disk", "on", "orders"], ["forget", "c", "--reason", "disk", "orders"],
    ["restart", "--reason", "disk", "orders"],
])
def test_an_election_may_stand_before_the_options_and_behind_them(words):
    arguments = cli.parser().parse_args(words)
    assert (arguments.election, arguments.reason) == ("orders", "disk")


@pytest.mark.parametrize("words", [
    ["maintenance", "on", "orders", "--reason", "disk", "billing"], ["maintenance", "on", "--reason", "disk", "orders", "billing"],
    ["maintenance", "on", "--reason", "disk", " "], ["reload", "--yes", "orders"],
])
def test_two_elections_or_one_too_many_are_refused(words, capsys):
    assert cli.main(words) == USAGE and "unrecognized arguments" in capsys.readouterr().err


def test_what_a_verb_does_not_take_is_told_with_its_help(capsys):
    assert cli.main(["restart", "--dry-run"]) == USAGE
    assert capsys.readouterr().err == "zkelect: unrecognized arguments: --dry-run; see zkelect restart --help\n"
    assert cli.main(["--xyzzy"]) == USAGE


@pytest.mark.parametrize("words", [["restart", "--dry-run"], ["maintenance"], ["xyzzy"], ["history", "--in"], ["switchover", "--in", "x"]])
def test_wrong_words_are_one_document_with_json(words, capsys):
    assert cli.main([*words, "--json"]) == USAGE
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["v"] == 1 and document["exit"] == USAGE and captured.err == f"zkelect: {document['error']}\n"
    out, status = supervisorctl(*words, "--json")
    assert json.loads(out)["exit"] == status == USAGE


@pytest.mark.parametrize("words", [["--servers", "zk1"], ["--root", "/x"], ["--tls-key-password-file", "/x"], ["-c", "/x", "--servers", "zk1"]])
def test_from_any_host_there_is_no_node_to_check_but_a_cluster(words, capsys):
    assert cli.main(["check", *words]) == USAGE
    word = next(one for one in words if one.startswith("--"))
    assert capsys.readouterr().err == f"zkelect: {word} works only with --cluster\n"
    assert cli.main(["check", "--cluster", "--root", "/x"]) == USAGE
    assert "--root works only with --servers" in capsys.readouterr().err


@pytest.mark.parametrize("words, told", [
    (["simulate", "--term", "7", "--node", "c"], "--term and --node exclude each other"),
    (["check", "-c", "zkelect.conf", "--wait", "5"], "--wait counts without -c FILE only"),
    (["http", "-s", "http://h:1"], "unrecognized arguments: -s"), (["http", "--password-file", "f"], "unrecognized arguments"),
])
def test_an_option_that_would_count_for_nothing_is_refused(words, told, monkeypatch, capsys):
    monkeypatch.setattr(connection, "caller", lambda arguments: Peer(report({"orders": STANDBY}), {"simulate": {"ok": True}}))
    assert cli.main(words) == USAGE and told in capsys.readouterr().err


@pytest.mark.parametrize("words, told", [
    (["--json", "-c", "f"], "--json counts with --check only"), (["--hash", "ann", "--json"], "--json counts with --check only"),
    (["--hash", "ann", "-c", "f"], "-c FILE counts without --hash only"), (["-c", "f", "--hash", "ann"], "-c FILE counts without --hash only"),
])
def test_http_refuses_what_would_count_for_nothing(words, told, capsys):
    """Before it reads a password or the file."""
    assert cli.main(["http", *words], program.run) == USAGE
    assert told in capsys.readouterr().err


def test_http_takes_what_counts_for_it():
    arguments = cli.parser().parse_args(["http", "--check", "--json", "-c", "f"])
    assert arguments.json and arguments.asks and arguments.configuration == "f"


def test_a_plugin_says_in_its_line_what_is_wrong_with_its_words(capsys):
    for words in (["monitor", "-w", "x"], ["monitor", "--nonsense"], ["monitor", ""]):
        assert cli.main(words) == monitor.UNKNOWN
        out, err = capsys.readouterr()
        assert out.startswith("ZKELECT UNKNOWN - ") and len(out.splitlines()) == 1 and err.startswith("zkelect: ")
    assert cli.main(["role", "--nonsense"]) == USAGE and not capsys.readouterr().out
