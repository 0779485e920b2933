"""Whether the commands of the configuration can be executed."""

import os
import shutil

import pytest

from supervisor_zkelect.diagnosis import commands
from supervisor_zkelect.diagnosis.commands import Runner

ME = Runner(os.geteuid(), os.environ["PATH"])


@pytest.fixture
def script(tmp_path):
    def make(text="#!/bin/sh\n", mode=0o755, name="script"):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    return make


def test_what_can_be_executed_is_fine(script, tmp_path):
    assert commands.trouble(script(), ME) == commands.trouble("sh", ME) == commands.trouble("/bin/sh", ME) == ""
    assert commands.trouble("script", Runner(ME.uid, f"/none::{tmp_path}")) == ""
    assert commands.trouble(script("#! /usr/bin/env  python3\n"), ME) == commands.trouble(script("#!/bin/sh\t-e\n"), ME) == ""


def test_of_what_depends_on_unknown_places_nothing_is_said():
    assert commands.trouble("./none", ME) == commands.trouble("none", Runner(ME.uid, None)) == ""


@pytest.mark.parametrize("text, mode, told", [
    ("#!/bin/sh\n", 0o644, "cannot be executed by"),
    ("#!/none/python\n", 0o755, "names the interpreter /none/python, which cannot be executed; correct"),
    ("#!/bin/sh\r\n", 0o755, "the interpreter /bin/sh\\r, which cannot be executed; correct that line, and end it with LF, not CR LF"),
    ("echo hello\n", 0o755, "is no program: its first line is not such as #!/bin/sh"),
    ("", 0o755, "is no program"),
    ("#!\x1b[2J\n", 0o755, "names the interpreter \\x1b[2J"),
])
def test_what_cannot_be_executed_is_told(script, text, mode, told):
    line = commands.trouble(script(text, mode), ME)
    assert told in line and line.isprintable()


def test_what_does_not_exist_is_told_and_where_it_was_looked_for(tmp_path):
    assert commands.trouble("/none/such", ME) == "/none/such does not exist; correct its path"
    assert f"nosuch does not exist in any folder of PATH ({tmp_path})" in commands.trouble("nosuch", Runner(ME.uid, str(tmp_path)))
    assert "\\n" in commands.trouble("/none\n", ME) and len(commands.trouble("/" + "x" * 5000, ME)) < 1000
    assert "cannot be executed" in commands.trouble(str(tmp_path), ME)


def test_what_is_no_file_is_not_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo")
    assert "cannot be executed" in commands.trouble(str(tmp_path / "fifo"), ME)
    # As where another user's right to execute it cannot be told.
    monkeypatch.setattr(commands, "_may", lambda path, uid: None)
    assert commands.trouble(str(tmp_path / "fifo"), ME) == ""


def test_a_link_to_nothing_is_told(tmp_path):
    (tmp_path / "link").symlink_to("/none/such")
    assert "cannot be executed" in commands.trouble(str(tmp_path / "link"), ME)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_the_user_that_runs_it_counts(tmp_path_factory, script):
    nobody = Runner(65534, "/usr/bin:/bin")
    assert commands.trouble("sh", nobody) == commands.trouble("/bin/sh", nobody) == ""
    # The test's folder is its user's alone.
    assert "cannot be executed by nobody, who runs it" in commands.trouble(script(), nobody)
    folder = tmp_path_factory.getbasetemp()
    assert folder.stat().st_mode & 0o7 == 0 and commands.trouble(script(), ME) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_a_user_without_a_name_is_asked_for_too(script):
    assert commands.trouble("/bin/sh", Runner(54321, None)) == ""
    assert "by uid 54321" in commands.trouble(script(), Runner(54321, None))


@pytest.mark.parametrize("head, cut", [(b"#!/bin/" + b"x" * 300, True), (b"\x7fELF", True), (b"PK\x03\x04\0", True), (b"", True)])
def test_of_what_is_not_understood_nothing_is_said(head, cut):
    assert (commands.interpreter_trouble("/x", head[:256]) == "") == cut


def test_a_program_of_this_machine_is_no_script():
    assert commands.interpreter_trouble("/bin/sh", open(shutil.which("sh"), "rb").read(256)) == ""
