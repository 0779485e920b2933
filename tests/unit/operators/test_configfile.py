"""What `zkelect init` writes is read by supervisord and by `config` as it was meant, whatever was given."""

import random
import shlex

import pytest
from supervisor import options

from supervisor_zkelect.config import load, samples
from supervisor_zkelect.config.programs import check_groups
from supervisor_zkelect.operators import configfile
from supervisor_zkelect.operators.configfile import Election
from supervisor_zkelect.supervisord import program_info

PLAIN = dict(name="orders", program="true", address="h:1", servers="h:1", node="a", health="none")

ODD = [
    "100%", "%", "%%", "%s", "%(here)s", "%%(here)s", "%(ENV_HOME)s", "%(x", "a ;b", "a #b", ";", "#", "a  ; ; b", "'", '"',
    "a'b", "it's ;", '"; ', "\\", "a\\ b", "", " ", "ö", "日本", "[x]", "=", "a = b", "a: b", "$HOME", "`x`", "* ?", "a'' ;b",
]


def by_supervisord(text, section, option, folder="/etc/x"):
    """The value as supervisord has it."""
    parser = options.UnhosedConfigParser()
    parser.read_string(text)
    parser.expand_here(folder)
    return parser.saneget(section, option, expansions={"here": folder, "host_node_name": "host", "ENV_HOME": "/root"})


def command_of(words):
    text = configfile.text(Election(**{**PLAIN, "program": configfile.command(words)}))
    return shlex.split(by_supervisord(text, "program:orders", "command"))


@pytest.mark.parametrize("word", ODD)
def test_supervisord_reads_the_words_of_the_command(word):
    assert command_of(["app", word]) == ["zkelect", "run", "--", "app", word]
    assert command_of([word]) == ["zkelect", "run", "--", word]


def test_supervisord_reads_any_words_of_a_command():
    dice = random.Random(1)
    letters = "ab %;#'\"\\()s[]=:hereö"
    for _ in range(3000):
        words = ["".join(dice.choices(letters, k=dice.randrange(12))) for _ in range(3)]
        if all(word.isprintable() for word in words):
            assert command_of(words)[3:] == words


def test_a_path_of_the_program_with_anything_in_it():
    for path in ("/tmp/a b/zkelect", "/tmp/a ;b/100%/zkelect", "/tmp/it's/zkelect"):
        text = configfile.text(Election(**PLAIN, zkelect=configfile.command([path])))
        for section in ("program:orders", "eventlistener:zkelect"):
            words = shlex.split(by_supervisord(text, section, "command"))
            assert words[0] == path
            assert not program_info.unguarded({"command": shlex.join(words)}) or section.startswith("event")
        assert words[1:] == ["listen", "-c", "/etc/x/zkelect.conf"]


@pytest.mark.parametrize("word", [word for word in ODD if word.strip()])
def test_a_value_is_read_as_it_was_given_or_refused(word):
    word = word.strip()
    try:
        text = configfile.text(Election(**{**PLAIN, "address": configfile.value(word)}))
    except ValueError as refusal:
        assert ";" in str(refusal) and any(mark in word for mark in ";#")
    else:
        assert load.from_text(text, "/etc/x.conf").elections[0].address == word


@pytest.mark.parametrize("text", ["a\nb", "a\0", "a\x1b[2J", "a\x85b", "\udcff", "a\u2028b", "a\u202eb"])
def test_control_characters_are_refused(text):
    for rule in (configfile.value, configfile.file_path, configfile.program_words, lambda text: configfile.command([text])):
        with pytest.raises(ValueError, match="control character"):
            rule(text)


@pytest.mark.parametrize("text, words", [
    ("app -x 'a b'", ["app", "-x", "a b"]), ("zkelect run -- app -x", ["app", "-x"]), ("'/a b/zkelect' run -- app", ["app"]),
    ("zkelect run app", ["app"]), ("  app  ", ["app"]),
])
def test_the_words_of_a_program(text, words):
    assert configfile.program_words(text) == words


@pytest.mark.parametrize("text, why", [
    ("", "names no program"), ("-x", "names no program"), ("'' a", "names no program"), ("zkelect run --", "names no program"),
    ("a 'b", "close the quotation"), ("a \\", "close the quotation"),
])
def test_no_program(text, why):
    with pytest.raises(ValueError, match=why):
        configfile.program_words(text)


@pytest.mark.parametrize("path", ["/zkelect.conf", "/a b/a b.conf", "/it's/a'b.conf", "/ö/ü.conf", "/a;b/c#d.conf"])
def test_the_listener_is_given_its_file(path):
    assert configfile.file_path(path) == path
    folder, _, name = path.rpartition("/")
    text = configfile.text(Election(**PLAIN, conf=name))
    words = shlex.split(by_supervisord(text, "eventlistener:zkelect", "command", folder))
    assert words == ["zkelect", "listen", "-c", path]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a ;b", "a #b", "100%"])
def test_places_that_its_command_cannot_have(name):
    for path in (f"/x/{name}", f"/{name}/x"):
        with pytest.raises(ValueError, match="choose another place"):
            configfile.file_path(path)


def test_the_sample_is_what_is_written():
    """Its texts are supervisord's variables, so that tests run it as it is."""
    address = "%(ENV_ORDERS_ADDRESS)s"
    election = Election(
        "orders", f"python3 -m supervisor_zkelect.demo.service --listen {address}", address, "%(ENV_ZKELECT_SERVERS)s",
        "%(ENV_ZKELECT_NODE)s", f"http://{address}/health", stopwaitsecs=3,
    )
    assert samples.path("zkelect.conf").read_text() == configfile.text(election)


def test_the_listener_has_time_for_the_programs():
    for seconds in (3, 10, 100):
        text = configfile.text(Election(**PLAIN, stopwaitsecs=seconds))
        settings = load.from_text(text, "f")
        infos = [
            {"group": "primary", "name": "orders", "command": "zkelect run -- x", "stopwaitsecs": seconds, "startsecs": 1},
            {"group": "zkelect", "name": "zkelect", "command": "zkelect listen",
             "stopwaitsecs": int(by_supervisord(text, "eventlistener:zkelect", "stopwaitsecs"))},
        ]
        assert not [note for note in check_groups(settings, infos, 0, 0, "zkelect").notes if "hands over" in note]
