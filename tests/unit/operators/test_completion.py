"""What a shell is told when a key is pressed: names, soon, or nothing at all."""

import json
import time

import pytest

from supervisor_zkelect import command
from supervisor_zkelect.operators import ask, completion, connection
from supervisor_zkelect.supervisord.client import Unreachable
from tests.unit.operators.test_show_and_ask import PRIMARY, Peer, answer

NODES = {"ok": True, "nodes": [{"node": "b"}, {"node": "a"}]}


@pytest.fixture
def asked(monkeypatch):
    """Has a peer asked in supervisord's place."""

    def ask_peer(peer):
        monkeypatch.setattr(connection, "found", lambda given: connection.Login("unix:///x"))
        monkeypatch.setattr(ask, "caller", lambda *login: peer)
        return peer

    return ask_peer


@pytest.mark.parametrize("words, told", [
    (["elections"], "orders\nother\n"), (["elections", "other"], "other\n"), (["nodes"], "a\nb\n"), (["nodes", "orders"], "a\nb\n"),
    (["-s", "unix:///y", "elections"], "orders\nother\n"),
])
def test_names(asked, words, told, capsys):
    asked(Peer(answer({"orders": PRIMARY, "other": PRIMARY}), {"list": NODES}))
    assert completion.main(words) == 0
    assert capsys.readouterr() == (told, "")


def test_only_the_election_that_is_named_is_looked_at(asked):
    peer = asked(Peer(answer({"orders": PRIMARY, "other": PRIMARY}), {"list": NODES}))
    completion.main(["nodes", "orders"])
    assert [one for one in peer.asked if one[0] == "zkelect.request"] == [("zkelect.request", "list", "orders", "{}")]


@pytest.mark.parametrize("name", ["$(reboot)", "`reboot`", "a b", "a;b", "a\x1b[2J", "a\nb", "~", ""])
def test_a_name_that_a_shell_would_take_for_something_else_is_none(asked, name, capsys):
    asked(Peer(answer({name: PRIMARY, "orders": PRIMARY}), {"list": {"ok": True, "nodes": [{"node": name}, {"node": "a"}]}}))
    completion.main(["elections"])
    completion.main(["nodes"])
    assert capsys.readouterr() == ("orders\na\n", "")


@pytest.mark.parametrize("peer", [
    Peer(Unreachable("it hangs", True), getReport=Unreachable("it hangs", True)), Peer("garbage"),
    Peer(answer({"orders": PRIMARY}), request=Unreachable("gone", True)), Peer(answer({"orders": PRIMARY}), {"list": {"ok": False}}),
    Peer(answer({"orders": PRIMARY}), {"list": {"ok": True, "nodes": [7]}}), Peer(json.dumps({"v": 1})),
])
def test_where_anything_is_wrong_nothing_is_said(asked, peer, capfd):
    asked(peer)
    assert completion.main(["nodes"]) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--help"], ["elections", "one", "two"], ["-c", "/nowhere", "nodes"]])
def test_words_that_are_wrong_say_nothing_either(words, capfd):
    assert completion.main(words) == 0
    assert capfd.readouterr() == ("", "")


def test_it_ends_in_time_whoever_does_not_answer(monkeypatch, capfd):
    monkeypatch.setattr(completion, "LIMIT", 0.05)
    monkeypatch.setattr(completion, "names", lambda argv: time.sleep(60))
    begun = time.monotonic()
    assert completion.main(["nodes"]) == 0 and time.monotonic() - begun < 30
    assert capfd.readouterr() == ("", "")


def test_the_program_takes_it_and_no_help_names_it(monkeypatch, asked, capsys):
    asked(Peer(answer({"orders": PRIMARY})))
    monkeypatch.setattr("sys.argv", ["zkelect", "__complete", "elections"])
    assert command.main() == 0 and capsys.readouterr().out == "orders\n"
    monkeypatch.setattr("sys.argv", ["zkelect", "--help"])
    assert command.main() == 0 and "__complete" not in capsys.readouterr().out
