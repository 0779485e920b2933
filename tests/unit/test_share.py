"""Man pages and completions, which pip installs below share/: made from the tables, well formed, and in a wheel."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from docs import command_line, write_completions, write_manual
from supervisor_zkelect.config import options
from supervisor_zkelect.operators import cli
from supervisor_zkelect.operators.verbs import VERBS

ROOT = Path(__file__).parents[2]
SHARE = write_manual.SHARE
BASH = SHARE / "bash-completion/completions/zkelect"
PAGES = sorted(write_manual.pages())


def done(*words, **more):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60, **more)


def test_the_files_are_what_their_generators_make():
    """Else: python -m docs.make"""
    made = {**write_manual.pages(), **write_completions.pages()}
    assert {str(path.relative_to(SHARE)): path.read_text() for path in SHARE.rglob("*") if path.is_file()} == made


def test_what_no_help_names_is_in_none_of_them():
    made = {**write_manual.pages(), **write_completions.pages()}
    assert not [name for name, text in made.items() if "SUPPRESS" in text]
    words = {one.name: {word for option in one.options for word in option.words} for one in command_line.commands()}
    assert "--timeout" not in words["switchover"] and {"--wait", "--to"} <= words["switchover"] and "--timeout" in words["monitor"]


# Man pages


def test_the_page_of_the_program_has_each_command_and_each_of_its_options():
    page = write_manual.zkelect()
    for one in command_line.commands():
        assert f".SS {one.name}\n" in page
        for option in one.options:
            assert write_manual._bold(option.words[-1]) in page
    assert "__complete" not in page and {one.name for one in command_line.commands()} >= {*VERBS}


def test_the_page_of_the_file_has_each_option():
    page = write_manual.conf()
    for table in (options.MAIN_OPTIONS, options.ELECTION_OPTIONS):
        for name in table:
            assert f".TP\n\\fB{name}\\fR\n" in page


@pytest.mark.parametrize("words, roff", [
    (".so /etc/passwd", "\\&.so /etc/passwd"), ("'tis", "\\&'tis"), ("a\\b", "a\\eb"), ("say --force", "say \\-\\-force"),
    ("`a-b` and c-d", "\\fBa\\-b\\fR and c-d"), ("…", "\\[u2026]"),
])
def test_what_is_written_in_a_page_is_what_is_read(words, roff):
    assert write_manual.text(words) == roff


@pytest.mark.parametrize("words, sentence", [
    ("host:port; default: nowhere", "host:port; default: nowhere."), ("unix:///path, or none.", "unix:///path, or none."),
    ("names: one", "Names: one."), ("the file", "The file."),
])
def test_what_is_to_be_typed_keeps_its_case(words, sentence):
    assert write_manual._sentence(words) == sentence


def test_a_line_that_begins_like_a_request_by_being_cut_is_none():
    page = write_manual._page(["x " * 38 + ".so /etc/passwd " * 9])
    assert not [line for line in page.splitlines() if line.startswith(".")]


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff")
@pytest.mark.parametrize("page", PAGES)
def test_groff_finds_nothing_wrong(page):
    found = done("groff", "-man", "-ww", "-Kutf8", "-Tutf8", "-z", SHARE / page)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@pytest.mark.skipif(not shutil.which("mandoc"), reason="there is no mandoc")
@pytest.mark.parametrize("page", PAGES)
def test_mandoc_finds_nothing_wrong(page):
    found = done("mandoc", "-Tlint", SHARE / page)
    # The pages have none, so that the same tables make the same files.
    assert [line for line in found.stdout.splitlines() if "missing date" not in line] == []


# Completions


@pytest.mark.parametrize("shell, file", [
    ("bash", BASH), ("zsh", SHARE / "zsh/site-functions/_zkelect"), ("fish", SHARE / "fish/vendor_completions.d/zkelect.fish"),
])
def test_each_shell_can_read_its_own(shell, file):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    found = done(shell, "-n", file)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(write_completions.pages()))
def test_each_has_all_commands_and_options(name):
    page = write_completions.pages()[name]
    for one in command_line.commands():
        assert one.name in page
        for option in one.options:
            for word in option.words:
                written = f"-l {word[2:]}" if "fish" in name and word.startswith("--") else word[1:] if "fish" in name else word
                assert written in page, (one.name, word)


#: Answers as the program does, and writes down what it was asked.
STUB = """#!/bin/sh
echo "$*" >> "$0.asked"
case "$*" in
    *elections) printf 'orders\\nother\\n' ;;
    *"nodes orders") printf 'a\\nb\\n' ;;
    *"nodes hosts") printf 'db:1\\nweb:7\\n' ;;
    *nodes) printf 'a\\nb\\nc\\n' ;;
esac
"""


@pytest.fixture
def stub(tmp_path):
    stub = tmp_path / "zkelect"
    stub.write_text(STUB)
    stub.chmod(0o755)
    return stub


@pytest.fixture
def completed(stub):
    """Completes a line in a real bash: the last word is what has been typed of it. asked: what the program was asked."""

    def complete(*words):
        line = " ".join(words)
        # As readline parts it: what stands between blanks, and each run of these within, is a word.
        parted = re.findall("[:=]+|[^ :=]+", line) + [""] * line.endswith(" ")
        script = (
            'source "$1"; COMP_LINE=$2 COMP_POINT=${#2} typed=$3; shift 3; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            '_zkelect zkelect "$typed" "${COMP_WORDS[COMP_CWORD - 1]}"; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        found = done("bash", "-c", script, "bash", BASH, line, parted[-1].strip(":="), *parted, cwd=stub.parent,
                     env={**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"})
        assert not found.stderr, found.stderr
        return found.stdout.split()

    complete.asked = lambda: Path(f"{stub}.asked").read_text().splitlines()
    return complete


@pytest.mark.parametrize("line, words", [
    ("zkelect swi", ["switchover"]), ("zkelect role o", ["orders", "other"]), ("zkelect restart ord", ["orders"]),
    ("zkelect switchover --to ", ["a", "b", "c"]), ("zkelect switchover orders --to ", ["a", "b"]),
    ("zkelect maintenance o", ["on", "off"]), ("zkelect maintenance on o", ["orders", "other"]),
    ("zkelect maintenance on --node ", ["a", "b", "c"]), ("zkelect maintenance on orders --node ", ["a", "b"]),
    ("zkelect switchover --ca", ["--cancel"]), ("zkelect --vers", ["--version"]), ("zkelect reload ", []),
    ("zkelect switchover --reason ", []), ("zkelect -c zkel", ["zkelect"]), ("zkelect -c conf switchover --reason x orders --fo", ["--force"]),
    ("zkelect role orders ", []), ("zkelect no-such-command ", []),
    ("zkelect role -s unix:///x o", ["orders", "other"]), ("zkelect role -s unix:///x orders ", []), ("zkelect -s unix:", []),
    ("zkelect switchover --servers zk1:2181,zk2:2181 --fo", ["--force"]), ("zkelect switchover --wait=30 orders --to ", ["a", "b"]),
    ("zkelect switchover --at 2026-11-30T03:00Z ot", ["other"]), ("zkelect switchover --wait=", []),
    ("zkelect switchover hosts --to d", ["db:1"]), ("zkelect switchover hosts --to db:", ["1"]), ("zkelect switchover hosts --to db:1", ["1"]),
    ("zkelect switchover hosts --to=", ["db:1", "web:7"]), ("zkelect switchover hosts --to=db:", ["1"]), ("zkelect init --output=zk", ["zkelect"]),
    ("zkelect monitor -c zkel", []), ("zkelect monitor --configuration zkel", ["zkelect"]), ("zkelect monitor -c 1 ot", ["other"]),
])
def test_in_a_real_bash(completed, line, words):
    assert completed(*line.split(" ")) == words


def test_all_commands_are_offered_and_none_that_is_for_shells(completed):
    assert completed("zkelect", "") == list(cli.parser().commands)


@pytest.mark.parametrize("line, asked", [
    ("-c /etc/z.conf role -s unix:///x ", "-c /etc/z.conf -s unix:///x "), ("role --serverurl=http://h:1 ", "--serverurl=http://h:1 "),
    ("-c /etc/z.conf monitor -c 1 ", "-c /etc/z.conf "),
])
def test_names_are_asked_for_where_the_line_says_that_supervisord_is(completed, line, asked):
    completed("zkelect", line)
    assert completed.asked() == [f"__complete {asked}elections"]


def test_what_a_person_types_is_completed_and_run(stub):
    """In a bash with a terminal, which parts the words itself."""
    screen, end = pty.openpty()
    words = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "ready> ",
             "INPUTRC": os.devnull}
    bash = subprocess.Popen(["bash", "--norc", "-i"], stdin=end, stdout=end, stderr=end, env=words, start_new_session=True)
    os.close(end)
    try:
        for line in (b"", b". %s\n" % bytes(BASH), b"zkelect switchover -s unix:///x hosts --wait=30 --to db:\t\n"):
            os.write(screen, line)
            shown = b""
            while not shown.endswith(b"ready> "):
                assert select.select([screen], [], [], 30)[0], shown
                shown += os.read(screen, 1000)
    finally:
        bash.kill()
        bash.wait()
        os.close(screen)
    asked, ran = Path(f"{stub}.asked").read_text().splitlines()
    assert asked == "__complete -s unix:///x nodes hosts" and ran == "switchover -s unix:///x hosts --wait=30 --to db:1"


def test_words_that_name_no_election_ask_for_no_election_of_that_name(completed):
    completed("zkelect", "maintenance", "on", "--node", "")
    assert completed.asked() == ["__complete nodes"]


# What pip installs


def test_a_wheel_has_them(tmp_path):
    tree, files = tmp_path / "tree", done("git", "-C", ROOT, "ls-files").stdout.splitlines() or pytest.skip("this is no clone")
    for name in files:
        if name.split("/")[0] in ("supervisor_zkelect", "share", "conf.d") or "/" not in name:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    built = done(sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation", "-w", tmp_path, tree)
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    prefix = f"{'-'.join(wheel.name.split('-')[:2])}.data/data/share/"
    with zipfile.ZipFile(wheel) as archive:
        held = {name[len(prefix):]: archive.read(name).decode() for name in archive.namelist() if name.startswith(prefix)}
    assert held == {**write_manual.pages(), **write_completions.pages()}
