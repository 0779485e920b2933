"""What others have written is a name, an address, a number, a document, or nothing; and it is shown in one printable line."""

import json
import logging
import unicodedata
from types import SimpleNamespace

import pytest

from supervisor_zkelect import elector
from supervisor_zkelect.config.options import OPTIONS
from supervisor_zkelect.core import messages, role, roles, untrusted
from supervisor_zkelect.core.state import Rules, State, lasting_trouble
from supervisor_zkelect.listener import candidacy, election_worker, events, paced_log, telling, workers
from supervisor_zkelect.operators import mailbox
from supervisor_zkelect.processes import execution
from supervisor_zkelect.system import logs
from supervisor_zkelect.system.clock import now
from tests.unit.listener.parts import Host
from tests.unit.listener.parts import candidacy as a_candidacy

#: Control characters, those that format text or turn its direction, lone surrogates, other separators than a blank.
EVIL = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")]

#: What no node is called.
NO_NAMES = ["", "-oProxyCommand=touch /tmp/x", "a b", "ä", "a/b", "a\n", "a\x00", "a$(x)", "n" * 256, "n" * (1 << 20), ".x"]

OTHERS = [None, True, 7, 7.5, ["a"], {"node": "a"}, b"a\xff"]


def test_no_character_that_acts_is_part_of_a_name_or_an_address():
    assert {"\n", "\x1b", "\x00", "\x7f", "\x85", "\u202e", "\u2028", "\ud800"} <= set(EVIL)
    for character in EVIL:
        for text in (character, f"a{character}", f"{character}a", f"a{character}b"):
            assert untrusted.known_name(text) == untrusted.known_address(text) == ""


def test_no_character_that_acts_is_printed():
    for character in EVIL:
        shown = untrusted.printable(f"a{character}b")
        assert shown.isprintable() and shown.startswith("a\\") and shown.endswith("b")


def test_what_is_no_name_is_nobodys():
    assert {untrusted.known_name(value) for value in NO_NAMES + OTHERS} == {""}


def test_what_is_no_address_is_none():
    values = ["", "-oProxyCommand=x", " a", "a ", "a\n", "ä" * 513, "x" * (100 << 20), *OTHERS]
    assert {untrusted.known_address(value) for value in values} == {""}


def test_an_address_is_what_the_configuration_takes():
    for value in ("10.0.0.5:8080", "[::1]:80", "größe.example:1", "a b", "x" * 1024):
        assert untrusted.known_address(value) == untrusted.known_address(value.encode()) == value


def test_the_configuration_has_the_same_rules():
    rules = {option.name: option.read for option in OPTIONS if option.name in ("node_name", "address")}
    assert rules == {"node_name": untrusted.node_name, "address": untrusted.address}


def test_what_is_no_number_is_none():
    assert {untrusted.number(value) for value in (0, -1, 1 << 63, 10**5000, True, 7.0, "7", None, [7])} == {0}
    assert untrusted.number(7) == 7 and untrusted.number((1 << 63) - 1) == (1 << 63) - 1


def test_what_is_no_document_is_an_empty_one():
    for data in (None, b"", b"\xff\xfe", b"{", b"[]", b"7", b"null", b"[" * 60000, b'{"a":' * 10000, b"7" * 60000,
                 json.dumps({"node": "x" * (1 << 20)}).encode(), b" " * (100 << 20) + b"{}"):
        assert untrusted.document(data) == {}, data[:10]


def test_a_long_text_is_cut():
    assert untrusted.printable("x" * 11, 10) == "x" * 10 + "…" and untrusted.printable("x" * 10, 10) == "x" * 10


def test_a_command_is_given_nothing_that_acts(tmp_path):
    """Nor anything that keeps it from being run: a NUL, or more than an environment has room for."""
    given = {"NODE": "a\n\x1b[2J\x00\ud800\u202e", "ADDRESS": "ä" * (1 << 20)}
    command = ["/bin/sh", "-c", f'printf "%s|" "$NODE" >{tmp_path}/told; printf %s "$ADDRESS" | wc -m >>{tmp_path}/told']
    assert execution.run(command, now() + 30, given).ok
    told = (tmp_path / "told").read_text()
    assert told.startswith("a\\n\\x1b[2J\\x00\\ud800\\u202e|") and told.endswith("\n") and told.count("\n") == 1


@pytest.fixture
def written():
    """What a message comes to in a log of ours."""

    def written(*message, error=None):
        record = logging.LogRecord("x", logging.WARNING, "f", 1, message[0], message[1:], error and (type(error), error, None))
        return logs.formatter("guard").format(record)

    return written


def test_a_message_is_one_line_of_a_log(written):
    for character in EVIL:
        line = written("the node %s leads", f"a{character}2026-11-29 INFO forged")
        assert line.isprintable() and "WARNING guard: the node a\\" in line


def test_nothing_of_a_traceback_looks_like_a_message(written):
    first, *more = written("a defect", error=ValueError("x\n2026-11-29 02:00:00.000 INFO forged\x1b[2J")).split("\n")
    assert more and all(line.startswith("    ") and line.isprintable() for line in more)


def test_a_list_is_cut_where_supervisord_would_take_no_more():
    items = [{"node": "x" * 90}] * 5000
    kept = telling.fitting(items, workers.LONGEST_LIST)
    assert 0 < len(kept) < len(items) and len(json.dumps({"members": kept})) < mailbox.LONGEST_ANSWER
    assert telling.fitting(items[:5], workers.LONGEST_LIST) == items[:5]


def test_of_many_candidates_some_are_shown_and_all_counted():
    """Also where each is as short as one can be, the answer is as long as it may be."""
    replies = []
    many = (elector.Member(f"n-{number:010}", number, 1, 1, False, b"") for number in range(50_000))
    one = SimpleNamespace(holder=lambda: None, each_member=lambda: many)
    telling.answer_members(one, "t", lambda ticket, document: replies.append(document))
    shown = replies[0]["members"]
    assert len(shown) + replies[0]["left_out"] == 50_000 and len(shown) < telling.MOST_MEMBERS
    assert len(json.dumps(shown)) > workers.LONGEST_LIST - 500


def test_an_ack_is_the_own_one_only_if_it_is_the_same():
    longest = "x" * untrusted.LONGEST_ADDRESS

    def shown(ack):
        one = SimpleNamespace(holder=lambda: None, read_ack=lambda: ack)
        return election_worker.see_term(one, "e", None, print).address

    assert shown(longest.encode()) == longest != shown(longest.encode() + b"y" * (1 << 20))
    assert len(shown(b"\xff" * (1 << 20))) <= untrusted.LONGEST_ADDRESS + 1


@pytest.mark.parametrize("owner, lasting", [
    (0, True), (-1 << 63, True), (0xff << 56 | 1, True), ((0xff << 56) + (1 << 40) - 1, True), (1, False),
    (0x0100000b_0a0b0000, False), (0x7f00_0000_0000_0001, False), ((0x80 << 56) + 5, False),
    # Of a server with the id 255.
    (0xff9a_0b0c_0d0e_0001, False), ((0xff01 << 48) + 5, False),
])
def test_who_goes_with_nobodys_session(owner, lasting):
    """ZooKeeper's clients have the number with its sign."""
    signed = owner - (1 << 64) if owner >= 1 << 63 else owner
    assert untrusted.lasting(signed) is lasting


def test_names_of_strangers_that_are_ever_new_do_not_fill_the_log(caplog):
    caplog.set_level(logging.INFO)
    host = Host()
    one = a_candidacy(host, log=paced_log.PacedLog(host.now))
    for number in range(100):
        one.queue_seen(events.QueueSeen("orders", "", f"/e: {'x' * number} and {number} more"))
    assert len(caplog.records) == 1 and one.queue.foreign.endswith(" 99 more")


@pytest.mark.parametrize("told", [
    lambda word: [messages.Queried(5, False, 1, 2, rival=word)], lambda word: [messages.Claimed(6, word)],
    lambda word: [messages.Rivalled(f"by another program's rule {word} leads")],
], ids=["rival", "dirty end", "transition"])
def test_steps_that_repeat_what_others_wrote_do_not_fill_the_log(told, caplog):
    caplog.set_level(logging.INFO)
    log = paced_log.PacedLog(lambda: 100.0)
    settings = Rules("e", "a:1", 0.3, 10, 1, 1, 5, 60, 1, 60)
    one_of = dict(proposal="n-0000000001", token=4, up=True, alive=True)
    asking = State(role=roles.STANDBY, step="asking", waiting=5, **one_of)
    claiming = State(role=roles.PROMOTING, step="claiming", waiting=6, **one_of)
    for number in range(paced_log.STEPS * 4):
        event = told("abcdefghij"[number % 10] * (number + 1))[0]
        state = asking if isinstance(event, messages.Queried) else claiming
        for action in role.step(settings, state, event, 100.0)[1]:
            if isinstance(action, messages.Log):
                log.step("e", action.text, action.kind)
    assert 0 < len(caplog.records) <= 2 * paced_log.STEPS


def test_candidates_that_never_go_and_have_ever_new_names_are_one_kind_of_trouble():
    for path in ("/e/a0000000000", "/e/b0000000000"):
        state = State(lasting=path, trouble=lasting_trouble(path))
        assert candidacy.foreign_kind("e", state) == "candidate e"
    assert candidacy.foreign_kind("e", State(duplicate_since=5.0, trouble="waiting until x is gone")) == "candidate e"
    for state in (State(), State(lasting="/e/a", trouble="another")):
        assert candidacy.foreign_kind("e", state) == ""


@pytest.mark.parametrize("rule, text, told", [
    (untrusted.node_name, "a b",
     "is not a valid node name; use letters, digits and . _ : @ -, at most 255, beginning with a letter or digit"),
    (untrusted.address, "a\n", "contains a line break or another control character; write it in one line of plain text"),
    (untrusted.address, "ä" * 513, "is too long; 1024 bytes at most"),
    (untrusted.address, "-a", "begins with a dash, which a command would take for an option; begin it with the host"),
    (untrusted.address, "a ", "begins or ends with a blank; leave that out"),
    (untrusted.address, " a", "begins or ends with a blank; leave that out"),
])
def test_what_is_wrong_is_told_with_what_would_be_right(rule, text, told):
    with pytest.raises(ValueError) as refused:
        rule(text)
    assert str(refused.value) == told


def test_what_is_believed_is_believed_to_its_limits():
    assert untrusted.known_name("n" * 255) == "n" * 255 and untrusted.known_address("x" * 1025) == ""
    assert untrusted.known_address(b"x" * 1025) == untrusted.known_address(b"x" * (1 << 20)) == ""
    assert untrusted.number(1) == 1
    assert untrusted.document(b'{"a":1}') == {"a": 1}
    for length, parsed in ((64 << 10, "x" * ((64 << 10) - 2)), ((64 << 10) + 1, None)):
        assert untrusted.parsed(b'"' + b"x" * (length - 2) + b'"') == parsed
    assert untrusted.parsed(b"77", 2) == 77 and untrusted.parsed(b"777", 2) is None


def test_what_can_be_printed_stays_as_it_is_beside_what_cannot():
    assert untrusted.printable("größe\n\ud800") == "größe\\n\\ud800" and untrusted.printable(7) == "7"


@pytest.mark.parametrize("owner, is_one", [
    (0, True), (-1 << 63, True), (-(1 << 56) + 5, True), (-(1 << 56), True), (1, False), (-1, False), (-(1 << 56) - 1, False), (0x1000_0000_0000, False),
    (-(1 << 56) | 0x0000_8000_0000_0000, False),
])
def test_what_goes_with_nobodys_session(owner, is_one):
    assert untrusted.lasting(owner) is is_one
