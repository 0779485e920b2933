"""Looking on: drawn in place on a terminal, told once elsewhere, through an absence of ZooKeeper, until Ctrl-C."""

import io
import json
from types import MappingProxyType

import pytest

from supervisor_zkelect.operators import ask, cli, live, table, terms
from supervisor_zkelect.operators.outcome import DONE, UNKNOWN, USAGE, CommandOutcome, Trouble, failure
from tests.unit.core.test_history import long_term
from tests.unit.operators.test_happenings import answer as events
from tests.unit.operators.test_show_and_ask import STANDBY, Peer
from tests.unit.operators.test_show_and_ask import answer as report


class Terminal(io.StringIO):
    def isatty(self):
        return True


def outcomes(*found):
    """What is answered, one after the other; then Ctrl-C."""
    left = list(found)

    def ask(reader):
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    def pause(seconds):
        if not left:
            raise KeyboardInterrupt

    return ask, pause


def run(stream, given, *found, as_json=False):
    ask, pause = outcomes(*found)
    return live.run(ask, given, as_json, stream, pause)


ONE, TWO = CommandOutcome(DONE, ("NODE", "a"), {"x": 1}), CommandOutcome(DONE, ("NODE", "b"), {"x": 2})
WATCH, FOLLOW = {"watch": True}, {"follow": True}


def test_a_terminal_is_drawn_anew_from_the_top_without_being_cleared(monkeypatch):
    monkeypatch.setenv("LINES", "50")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    assert run(stream, WATCH, ONE, TWO).exit == DONE
    pictures = stream.getvalue().split("\x1b[H")[1:]
    assert len(pictures) == 2 and all(picture.startswith("20") and "\x1b[J" in picture for picture in pictures)
    assert "a\x1b[K" in pictures[0] and "b\x1b[K" in pictures[1] and "\x1b[2J" not in stream.getvalue()


def test_what_does_not_fit_is_counted(monkeypatch):
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    run(stream, WATCH, CommandOutcome(DONE, tuple(f"line {number}" for number in range(30)), {}))
    lines = stream.getvalue().splitlines()
    assert len(lines) <= 10 and "line 6" in lines[7] and "… 23 more lines" in lines[8]


@pytest.mark.parametrize("away", [failure(UNKNOWN, "ZooKeeper does not answer"), Trouble(UNKNOWN, "ZooKeeper does not answer")])
def test_while_zookeeper_is_away_the_last_picture_stays_with_a_line(away):
    stream = Terminal()
    assert run(stream, WATCH, ONE, away, away, TWO).exit == DONE
    first, second, third, fourth = stream.getvalue().split("\x1b[H")[1:]
    assert "this picture is of 20" in second and second.index("this picture") == 0 and "this picture" not in first + fourth
    assert "ZooKeeper does not answer; trying again" in second and "a\x1b[K" in second and "since 20" in third
    assert "does not answer" not in first + fourth


def test_what_is_past_is_shown_without_colour():
    stream, green = Terminal(), CommandOutcome(DONE, ("\x1b[32mprimary\x1b[0m",), {})
    run(stream, WATCH, green, failure(UNKNOWN, "silent"))
    first, second = stream.getvalue().split("\x1b[H")[1:]
    assert "\x1b[32m" in first and "\x1b[32m" not in second and "primary" in second


def test_elsewhere_each_change_is_printed_once():
    stream = io.StringIO()
    run(stream, WATCH, ONE, ONE, TWO)
    assert stream.getvalue() == "NODE\na\n\nNODE\nb\n\n\n"
    stream = io.StringIO()
    run(stream, WATCH, ONE, ONE, TWO, as_json=True)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [{"x": 1}, {"x": 2}]


def test_a_wrong_command_ends_at_once():
    stream = io.StringIO()
    assert run(stream, WATCH, failure(USAGE, "there is no election x")).exit == USAGE and stream.getvalue() == ""


def test_whoever_reads_no_more_ends_it():
    stream = io.StringIO()
    stream.close()
    assert run(stream, WATCH, ONE, ONE, ONE).exit == DONE


@pytest.mark.parametrize("given", [WATCH, FOLLOW])
def test_a_terminal_that_cannot_show_a_character_goes_on_being_told(given):
    """As that of supervisorctl, whose stream refuses what it has no letter for."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="iso-8859-1")
    found = [CommandOutcome(DONE, (f"{name} für …",), {}) for name in "ab"]
    assert run(stream, given, *found).exit == DONE
    told = stream.buffer.getvalue().decode("iso-8859-1")
    assert "a für \\u2026\n" in told and "b für \\u2026\n" in told


def history(*tokens):
    found = [long_term(token) for token in tokens]
    return terms.history({"orders": {"ok": True, "terms": found}}, given=FOLLOW, now=2e9)


def followed(*answers, screen=None, **more):
    """What is told to who follows a history, of which each answer is a list of terms, or what is wrong; a second passes
    between two."""
    left, given, stream, now = list(answers), MappingProxyType({"follow": True, **more}), io.StringIO(), [5000.0]

    def ask(reader):
        found = left.pop(0)
        now[0] += 1
        if isinstance(found, CommandOutcome):
            return found
        found = found if isinstance(found, dict) else {"ok": True, "terms": found}
        return terms.history({"orders": found}, screen or table.PLAIN, given, now[0], reader)

    def pause(seconds):
        if not left:
            raise KeyboardInterrupt

    live.run(ask, given, False, stream, pause)
    return [line for line in stream.getvalue().splitlines() if line]


def test_terms_come_one_after_the_other_each_once():
    found, silent = [long_term(token) for token in (123456789, 8, 7)], failure(UNKNOWN, "silent")
    lines = [line.split() for line in followed(found[1:], found[1:], silent, silent, found)]
    assert [words[1] for words in lines] == ["TOKEN", "7", "8", lines[3][1], "123456789"] and "silent;" in lines[3]


@pytest.mark.parametrize("screen", [table.PLAIN, table.Screen(80), table.Screen(40)])
def test_a_term_that_goes_on_is_told_once_and_its_end_once(screen):
    running = {"token": 7, "node": "a", "begun": {"elected": 999.0, "acked": 1000.0}}
    over = {**running, "ended": {"noticed": 2000.0, "dead": 2001.0, "why": "resigned"}}
    lines = followed([running], [running], [running], [over], [over], screen=screen)
    assert len([line for line in lines if "goes on" in line]) == 1 and len([line for line in lines if "resigned" in line]) == 1
    assert len([line for line in lines if "SERVED" in line]) == 1 and len(lines) <= 4


@pytest.mark.parametrize("before", [[], [long_term(4), long_term(3)]])
def test_who_follows_with_a_limit_is_shown_all_that_is_new(before):
    """Also the end of a term behind the last ones."""
    running = {"token": 7, "node": "a", "begun": {"elected": 999.0, "acked": 1000.0}}
    over = {**running, "ended": {"noticed": 2000.0, "dead": 2001.0, "why": "resigned"}}
    lines = followed([running, *before], [long_term(9), long_term(8), over, *before], limit="1")
    assert [line.split()[1] for line in lines] == ["TOKEN", "7", "7", "8", "9"] and lines[2].endswith("resigned")


def test_who_waits_for_the_first_term_is_shown_all():
    lines = followed([], [long_term(9), long_term(8)], limit="1")
    assert [line.split()[1] for line in lines] == ["TOKEN", "-", "8", "9"]


def test_a_term_whose_proposal_is_gone_serves_no_longer_and_is_told_once_more():
    running = {"token": 7, "node": "a", "begun": {"elected": 999.0, "acked": 1000.0}}
    gone = {"ok": True, "terms": [running], "abandoned": True}
    lines = followed([running], gone, gone)
    assert len(lines) == 3 and "goes on" in lines[1] and "  unknown  " in lines[2]
    assert lines[2].endswith("its proposal is gone, and no end is told")


def test_a_copy_is_told_once():
    copy = {"ok": True, "terms": [long_term(7)], "copied": 4000.0, "why": "no answer"}
    lines = followed([long_term(7)], copy, copy, copy)
    assert len([line for line in lines if "this node's copy" in line]) == 1


@pytest.mark.parametrize("verb, told", [
    ("history", lambda token: {"ok": True, "terms": [long_term(one) for one in range(token, 0, -1)]}),
    ("events", lambda count: events(count)),
])
def test_what_was_shown_is_no_part_of_what_is_asked(verb, told):
    """With it the question would be too long for supervisord after some hundred terms, and nothing would be shown again."""
    left, given, stream = [60, 60, 61], {"follow": True, "limit": "1000"}, io.StringIO()
    peer = Peer(report({"orders": STANDBY}), {})

    def ask_again(reader):
        peer.answers[verb] = told(left.pop(0))
        return ask.run(verb, peer, given=given, reader=reader)

    def pause(seconds):
        if not left:
            raise KeyboardInterrupt

    live.run(ask_again, given, False, stream, pause)
    assert {args[-1] for method, *args in peer.asked if args[:1] == [verb] and method == "zkelect.request"} == {json.dumps(given)}
    assert len(stream.getvalue().splitlines()) == 1 + 61 + 1, "the heading, each once, and Ctrl-C"


def test_terms_as_json_come_a_line_each():
    stream = io.StringIO()
    run(stream, FOLLOW, history(8, 7), history(9, 8, 7), as_json=True)
    assert [json.loads(line)["token"] for line in stream.getvalue().splitlines()] == [7, 8, 9]
    assert json.loads(stream.getvalue().splitlines()[0])["election"] == "orders"


def test_the_program_looks_on_where_that_is_said(monkeypatch, capsys):
    monkeypatch.setattr(live, "run", lambda run, given, as_json, stream: given and failure(USAGE, str(given)))
    assert cli.main(["-s", "unix:///nowhere", "list", "--watch"]) == USAGE
    assert "{'watch': True}" in capsys.readouterr().err
