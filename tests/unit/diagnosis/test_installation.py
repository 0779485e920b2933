"""What keeps an installation from working is told, one line each, and nothing of what works."""

import importlib.util
import sys
from unittest import mock

import pytest

from supervisor_zkelect.diagnosis import installation
from supervisor_zkelect.operators import cli

LISTENER = {"group": "zkelect", "name": "zkelect", "command": "zkelect listen -c '/etc/z.conf'", "stderr_logfile": "/l"}
PROGRAM = {
    "group": "primary", "name": "orders", "command": "zkelect run -- gunicorn app", "stdout_logfile": "/o", "stderr_logfile": "/e",
}
STRANGER = {"group": "other", "name": "other", "command": "/none", "stdout_logfile": "auto", "stderr_logfile": "auto"}


def told(function, *infos, path="/bin:/opt/bin", there=("/bin/zkelect", "/opt/bin/gunicorn")):
    known = [path] if function is installation.notes else []
    with mock.patch.object(installation, "executable", lambda file: file in there):
        lines = function("f.conf", [*infos, STRANGER], ["primary"], *known)
    assert all(line.isprintable() and line.startswith("f.conf: [") for line in lines)
    return [line[len("f.conf: "):] for line in lines]


def test_nothing_is_said_of_what_works():
    assert told(installation.notes, LISTENER, PROGRAM) == told(installation.problems, LISTENER, PROGRAM) == []


@pytest.mark.parametrize("path, there, missing", [
    ("/bin", ("/opt/bin/gunicorn", "/bin/zkelect"), ["gunicorn"]),
    ("/opt/bin", ("/opt/bin/gunicorn",), ["zkelect"]),
    ("/bin", (), ["zkelect", "gunicorn"]),
    # supervisord's own, where its environment has none.
    ("", ("/usr/local/bin/zkelect", "/usr/bin/gunicorn"), []),
    ("", ("/opt/bin/zkelect", "/usr/bin/gunicorn"), ["zkelect"]),
    # Counted from a folder that is not known here; not to be read at all.
    ("bin", (), []), (None, (), []),
])
def test_a_command_that_supervisords_path_does_not_have(path, there, missing):
    lines = told(installation.notes, LISTENER, PROGRAM, path=path, there=there)
    assert [line.partition("has no ")[2].partition(";")[0] for line in lines] == missing
    assert all("full path" in line and f"({path})" in line for line in lines)
    assert not told(installation.problems, LISTENER, PROGRAM, path=path, there=there)


@pytest.mark.parametrize("command, named", [
    ("/opt/x/zkelect run -- gunicorn app", "/opt/x/zkelect"),
    ("'/a b/zkelect' run -- gunicorn", "/a b/zkelect"),
    ("zkelect run -- /srv/app --port 1", "/srv/app"),
    ("zkelect run /srv/app", "/srv/app"),
    ("/srv/app", "/srv/app"),
    ("zkelect run -- ./app", None), ("zkelect run --", None), ("zkelect run -- -x", None), ("", None), ("'", None),
])
def test_a_full_path_at_which_there_is_no_program(command, named):
    lines = told(installation.problems, {**PROGRAM, "command": command})
    assert [line.partition(" command: ")[2].partition(" does not exist or is not")[0] for line in lines] == ([named] if named else [])
    assert all(line.startswith("[program:orders] ") for line in lines)


@pytest.mark.parametrize("info, changes, options", [
    (LISTENER, {"stderr_logfile": "auto"}, ["[eventlistener:zkelect] stderr_logfile"]),
    # Its standard output is the protocol.
    (LISTENER, {"stdout_logfile": "auto"}, []),
    (PROGRAM, {"stdout_logfile": "auto"}, ["[program:orders] stdout_logfile"]),
    (PROGRAM, {"stdout_logfile": "auto", "stderr_logfile": "auto"},
     ["[program:orders] stdout_logfile", "[program:orders] stderr_logfile"]),
    (PROGRAM, {"stderr_logfile": "auto", "redirect_stderr": True}, []),
    # As supervisord names them once it has started.
    (LISTENER, {"stderr_logfile": "/tmp/zkelect-stderr---supervisor-x1y2z3ab.log"}, ["[eventlistener:zkelect] stderr_logfile"]),
    (PROGRAM, {"stdout_logfile": "/l/orders-stdout---a-b_c-x1y2z3ab.log"}, ["[program:orders] stdout_logfile"]),
    (PROGRAM, {"stdout_logfile": "/l/other-stdout---a-x1y2z3ab.log", "stderr_logfile": "/l/orders-stdout---a-x1.log"}, []),
    (PROGRAM, {"stdout_logfile": "none", "stderr_logfile": "none"}, []),
])
def test_a_log_that_supervisord_deletes(info, changes, options):
    lines = told(installation.notes, {**info, **changes})
    assert [line.partition(" = AUTO: ")[0] for line in lines] == options
    assert all("deletes this log at its next start" in line for line in lines)


def test_many_programs_are_told_in_one_line():
    infos = [{**PROGRAM, "name": f"orders_{number}", "stdout_logfile": "auto"} for number in range(300)]
    [line] = told(installation.notes, *infos)
    assert line.startswith("[program:orders_0], [program:orders_1], [program:orders_2] and 297 more stdout_logfile = AUTO: ")


def test_what_others_wrote_is_shown_in_one_line():
    hostile = {**PROGRAM, "command": "'/a\nb\x1b[2J'", "name": "x\x07"}
    [line] = told(installation.problems, hostile)
    assert "\\x1b" in line and "\\x07" in line
    assert len(told(installation.notes, PROGRAM, path="/\x1b" + "x" * 100_000, there=())[0]) < 1000


@pytest.mark.parametrize("supervisor, has_pkg_resources, told", [
    ("4.2.5", True, False), ("4.2.5", False, True), ("4.2.5.dev0", False, True), ("4.3.0", False, False), ("4.3", False, False),
    ("5.0", False, False), ("10.0.0", False, False), ("", False, True),
])
def test_a_supervisor_that_lacks_pkg_resources(supervisor, has_pkg_resources, told):
    said = installation.version_problem(supervisor, (3, 12, 1), has_pkg_resources)
    assert bool(said) is told
    assert not told or f"supervisor {supervisor}" in said and "Python 3.12" in said and "setuptools<82" in said


@pytest.fixture
def without_pkg_resources(tmp_path, monkeypatch):
    """A Python that has supervisor 4.2.5, and no pkg_resources."""
    (tmp_path / "supervisor-4.2.5.dist-info").mkdir()
    (tmp_path / "supervisor-4.2.5.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: supervisor\nVersion: 4.2.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in ("supervisor.options", "pkg_resources"):
        monkeypatch.setitem(sys.modules, name, None)


def test_the_pair_is_named_by_every_command_that_reads_supervisords_file(without_pkg_resources, monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("SUPERVISOR_SERVER_URL", raising=False)
    version = ".".join(map(str, sys.version_info[:2]))
    assert cli.main(["role"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"supervisor 4.2.5 needs pkg_resources, which this Python {version} does not have" in line
    (tmp_path / "f.conf").write_text("[zkelect]\nservers = 127.0.0.1:1\n[election:orders]\naddress = h:1\n")
    cli.main(["check", "-c", str(tmp_path / "f.conf")])
    assert "supervisor 4.2.5 needs pkg_resources" in capsys.readouterr().out


def test_this_python_is_all_right():
    assert installation.this_python() == ""


@pytest.mark.parametrize("words, told", [
    (["/usr/bin/python3", "/usr/bin/supervisord"], True), (["/opt/zkelect/bin/python", "/opt/zkelect/bin/supervisord"], False),
    (["/opt/zkelect/bin/python3.11", "-m", "supervisor.supervisord"], False), (["supervisord"], False), ([], False),
])
def test_a_supervisord_of_another_python(words, told):
    said = installation.other_python(words, "/opt/zkelect")
    assert bool(said) is told
    assert not told or "/usr/bin/python3" in said and "/opt/zkelect/bin/supervisord" in said


def test_a_link_is_the_environment_that_it_leads_to(tmp_path):
    (tmp_path / "one" / "bin").mkdir(parents=True)
    (tmp_path / "current").symlink_to("one")
    assert not installation.other_python([f"{tmp_path}/current/bin/python3"], f"{tmp_path}/one")
    assert not installation.other_python([f"{tmp_path}/one/bin/python3"], f"{tmp_path}/current")


def test_what_can_be_executed(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "program").write_text("")
    (tmp_path / "program").chmod(0o755)
    (tmp_path / "folder").mkdir()
    found = {name: installation.executable(str(tmp_path / name)) for name in ("file", "program", "folder", "none", "file/x", "a\0b")}
    assert found == {"file": False, "program": True, "folder": False, "none": False, "file/x": False, "a\0b": False}
    assert installation.executable("/" + "x" * 5000) is None


@pytest.mark.parametrize("environment, path", [
    (b"A=1\0PATH=/bin:/x\0B=2\0", "/bin:/x"), (b"PATH=\0", ""), (b"XPATH=/x\0A=PATH=/y\0", ""), (b"", None), (b"PATH=/\xff", "/\udcff"),
])
def test_the_path_of_a_process(environment, path):
    assert installation.path_of(environment) == path
