"""`zkelect init` writes a file that `check` has nothing against, or one clear line, and then nothing is written."""

import io
import os
import pty
import stat
import subprocess
import sys
from dataclasses import replace

import pytest

from supervisor_zkelect.config import load
from supervisor_zkelect.operators import cli, init, mainfile
from supervisor_zkelect.operators.outcome import Trouble
from supervisor_zkelect.system import files

GIVEN = init.InitWords("orders", "gunicorn app", "10.0.0.1:8080", "zk1:2181,zk2:2181")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(init.SERVERS, raising=False)
    monkeypatch.setattr(mainfile, "PLACES", ())
    return tmp_path


def run(given=GIVEN, ask=None, said=None):
    return "\n".join(init.run(given, "/opt/zkelect/bin/zkelect", ask, (said if said is not None else []).append))


def refused(*words, **changes):
    """The lines with which it is refused; nothing may have been written."""
    before = {name: open(name, "rb").read() for name in os.listdir(".") if os.path.isfile(name)}
    with pytest.raises(Trouble) as refusal:
        run(replace(GIVEN, **changes))
    assert {name: open(name, "rb").read() for name in os.listdir(".") if os.path.isfile(name)} == before
    text = "\n".join(refusal.value.lines)
    assert all(word in text for word in words), text
    return refusal.value.lines


def test_the_file_is_what_was_asked_for():
    assert "zkelect.conf: written" in run()
    settings = load.from_file("zkelect.conf", {}, "hostA")
    [election] = settings.elections
    assert (settings.servers, settings.node_name) == (("zk1:2181", "zk2:2181"), "hostA")
    assert (election.name, election.group, election.address) == ("orders", "primary", "10.0.0.1:8080")
    assert election.health == "tcp://10.0.0.1:8080"


def test_every_word_has_its_place():
    run(replace(GIVEN, health="exec:/bin/true 100%", node="b", group="orders-group", address="[fe80::1%eth0]:80", output="x y.conf"))
    settings = load.from_file("x y.conf", {})
    [election] = settings.elections
    assert (settings.node_name, election.group, election.address) == ("b", "orders-group", "[fe80::1%eth0]:80")
    assert election.health == "exec:/bin/true 100%"


@pytest.mark.parametrize("address", ["[::1]:80", "db.example.com:5432", "[fe80::1%eth0]:80", "localhost:1"])
def test_the_check_is_made_of_the_address(address):
    run(replace(GIVEN, address=address))
    assert load.from_file("zkelect.conf", {}, "a").elections[0].health == f"tcp://{address}"


@pytest.mark.parametrize("changes, words", [
    ({"name": "a b"}, ["NAME 'a b'", "letters, digits"]), ({"name": "a]b"}, ["NAME", "letters"]), ({"name": ""}, ["NAME ''", "letters"]),
    ({"name": "a\n[x]"}, ["NAME", "letters"]), ({"name": "x" * 101}, ["NAME", "at most 100"]),
    ({"name": "zkelect"}, ["NAME 'zkelect'", "event listener"]),
    ({"program": ""}, ["--program", "names no program"]), ({"program": "a 'b"}, ["--program", "close the quotation"]),
    ({"program": "a\nb"}, ["--program", "line break"]), ({"program": "a\x1b[2J"}, ["--program", "\\x1b"]),
    ({"program": "\udcff"}, ["--program", "control character"]),
    ({"address": ""}, ["--address", "empty"]), ({"address": "a ;b", "health": "none"}, ["--address", "comment"]),
    ({"address": "-x", "health": "none"}, ["[election:orders] address = -x", "dash"]),
    ({"address": "x" * 1025, "health": "none"}, ["address", "too long"]),
    ({"address": "10.0.0.1"}, ["health = tcp://10.0.0.1", "no port", "--address"]),
    ({"address": "::1:80"}, ["health = tcp://::1:80", "--address"]),
    ({"address": "h:99999"}, ["health = tcp://h:99999", "--address"]),
    ({"servers": "zk1:x"}, ["servers = zk1:x", "host:port"]), ({"servers": ""}, ["--servers", "empty"]),
    ({"servers": "zk1,zk1"}, ["servers", "twice"]), ({"servers": "zk1:2181/app"}, ["servers", "chroot"]),
    ({"health": "ftp://x"}, ["health = ftp://x"]), ({"health": "exec:"}, ["health = exec:"]),
    ({"node": "a b"}, ["node_name = a b", "letters"]), ({"node": "ö"}, ["node_name"]),
    ({"group": "a b"}, ["group = a b"]), ({"group": "a:b"}, ["group"]), ({"group": "ö"}, ["ASCII"]),
    ({"group": "zkelect"}, ["--group 'zkelect'", "event listener"]), ({"group": "a]b"}, ["--group", "contains one of"]),
    ({"group": "a,b"}, ["--group"]), ({"group": "a%b"}, ["--group"]),
    ({"output": 'a"b'}, ["--output", "quotation mark"]), ({"output": "100%/x.conf"}, ["--output", "percent sign"]), ({"output": "none/x.conf"}, ["none/x.conf", "No such file"]),
    ({"health": "exec:/bin/true > /dev/null"}, ["health", "needs a shell"]),
    ({"output": "."}, ["exists"]), ({"output": "/dev/null", "force": True}, ["not a regular file"]),
    ({"output": "x" * 300}, ["too long"]),
])
def test_what_cannot_be_is_refused_in_clear_lines(changes, words):
    lines = refused(*words, **changes)
    assert len(lines) == 1 and len(lines[0]) < 600


def test_all_problems_are_told_at_once():
    assert len(refused(name="a b", program="", address="\n", group="zkelect")) == 4


def test_a_file_that_exists_stays():
    with open("zkelect.conf", "w") as file:
        file.write("mine")
    refused("zkelect.conf exists", "--force")
    os.chmod("zkelect.conf", 0o640)
    run(replace(GIVEN, force=True))
    assert load.from_file("zkelect.conf", {}, "a") and stat.S_IMODE(os.stat("zkelect.conf").st_mode) == 0o640
    assert os.listdir(".") == ["zkelect.conf"]


def test_a_link_stays_a_link():
    os.mkdir("there")
    os.symlink("there/x.conf", "zkelect.conf")
    run()
    assert os.path.islink("zkelect.conf") and os.listdir("there") == ["x.conf"]
    refused("exists")


def test_whoever_is_quicker_is_not_overwritten(monkeypatch):
    """Between the look at the file and its appearance."""
    link = os.link

    def slow(source, target):
        with open(target, "w") as file:
            file.write("another's")
        link(source, target)

    monkeypatch.setattr(os, "link", slow)
    with pytest.raises(FileExistsError):
        files.publish("f", b"mine")
    assert open("f").read() == "another's" and os.listdir(".") == ["f"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_umask_says_who_may_read(umask):
    former = os.umask(umask)
    try:
        run()
    finally:
        os.umask(former)
    assert stat.S_IMODE(os.stat("zkelect.conf").st_mode) == 0o666 & ~umask


def test_a_folder_that_is_gone(tmp_path):
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir(tmp_path / "gone")
    with pytest.raises(Trouble, match="current folder"):
        run()


# What is missing


def test_without_a_terminal_what_is_missing_is_one_line():
    [line] = refused("missing: NAME, --program COMMAND, --address HOST:PORT, --servers", name=None, program=None, address=None, servers=None)
    assert "terminal" in line
    assert refused(address=None) == ("missing: --address HOST:PORT; give it on the command line, or run this at a terminal, where it"
                                     " is asked for",)


def test_servers_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv(init.SERVERS, "zk7:2181")
    run(replace(GIVEN, servers=None))
    assert load.from_file("zkelect.conf", {}, "a").servers == ("zk7:2181",)


def test_a_person_is_asked_until_the_answer_will_do():
    answers = iter(["a b", "", "orders\n", "-x", "gunicorn app", "a ;b", "h:1", "zk1:x", "zk1"])
    asked, said = [], []

    def ask(question):
        asked.append(question)
        return next(answers)

    run(init.InitWords(), ask, said)
    assert [line.split()[0] for line in said] == ["NAME", "NAME", "--program", "--address", "zkelect.conf:"]
    assert len(asked) == 9
    assert load.from_file("zkelect.conf", {}, "a").elections[0].address == "h:1"


def test_only_what_is_missing_is_asked_for():
    asked = []
    run(replace(GIVEN, address=None), lambda question: asked.append(question) or "h:1")
    assert len(asked) == 1 and "host:port" in asked[0]


@pytest.mark.parametrize("changes, word", [
    ({"name": "a b"}, "NAME"), ({"program": "'"}, "--program"), ({"health": "ftp://x"}, "health"), ({"address": "h"}, "no port"),
    ({"output": "there.conf"}, "exists"), ({"output": 'a"b'}, "--output"), ({"group": "zkelect"}, "--group"),
])
def test_nobody_is_asked_where_what_is_given_cannot_be(changes, word):
    with open("there.conf", "w"):
        pass
    with pytest.raises(Trouble, match=word):
        run(replace(init.InitWords(), **changes), lambda question: pytest.fail("asked"))


def test_an_address_without_a_port_is_asked_for_again_where_the_check_is_made_of_it():
    answers, said = iter(["h", "h:1"]), []
    run(replace(GIVEN, address=None), lambda question: next(answers), said)
    assert len(said) == 1 and "no port" in said[0]
    os.remove("zkelect.conf")
    run(replace(GIVEN, address=None, health="none"), lambda question: "h")
    assert load.from_file("zkelect.conf", {}, "a").elections[0].address == "h"


def test_a_person_who_goes_away():
    def gone(question):
        raise EOFError

    with pytest.raises(Trouble, match="missing: NAME"):
        run(init.InitWords(), gone)
    assert os.listdir(".") == []


def started(words, **streams):
    command = [sys.executable, "-m", "supervisor_zkelect.command", "init", *words]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, env=env, **streams)


def test_at_a_terminal_it_asks():
    terminal, line = pty.openpty()
    with started(["orders", "--program", "x", "--address", "h:1"], stdin=line, stdout=subprocess.PIPE, stderr=line) as process:
        os.close(line)
        seen = b""
        while b"servers" not in seen:
            seen += os.read(terminal, 1000)
        os.write(terminal, b"zk1\n")
        assert b"written" in process.stdout.read()
    os.close(terminal)
    assert process.returncode == 0 and load.from_file("zkelect.conf", {}, "a").servers == ("zk1:2181",)


@pytest.mark.parametrize("stream", ["stdin", "stderr"])
def test_it_asks_nobody_who_is_not_there(stream):
    terminal, line = pty.openpty()
    streams = {"stdin": line, "stdout": line, "stderr": line, stream: subprocess.PIPE}
    with started(["orders"], **streams) as process:
        os.close(line)
        assert process.wait(60) == 2
    os.close(terminal)


def test_the_command_line(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    words = ["init", "orders", "--program", "app", "--address", "h:1", "--servers", "zk1"]
    assert cli.main(words) == 0
    assert "Left to do:" in capsys.readouterr().out
    assert cli.main(words) == 2
    assert capsys.readouterr().err == "zkelect: zkelect.conf exists; overwrite it with --force\n"
    assert cli.main([*words, "--output", "b\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err


# Beside what is there


def main_file(text, **included):
    os.makedirs("conf.d", exist_ok=True)
    for name, content in included.items():
        with open(f"conf.d/{name}.conf", "w") as file:
            file.write(content)
    with open("main.conf", "w") as file:
        file.write("[supervisord]\n" + text)


INCLUDE = "[include]\nfiles = conf.d/*.conf\n"


@pytest.mark.parametrize("content, words", [
    ("[program:orders]\ncommand = x\n", ["NAME orders is taken", "other.conf has [program:orders]"]),
    ("[fcgi-program:orders]\ncommand = x\n", ["[fcgi-program:orders]"]),
    ("[eventlistener:orders]\ncommand = x\n", ["[eventlistener:orders]"]),
    ("[election:orders]\n", ["[election:orders]"]),
    ("[group:primary]\nprograms = x\n", ["--group primary is taken", "[group:primary]"]),
    ("[program:primary]\ncommand = x\n", ["--group primary is taken", "[program:primary]"]),
    ("[group:x]\nprograms = y, orders\n", ["NAME orders is taken", "[group:...]"]),
    ("[zkelect]\nservers = x\n", ["has [zkelect] already", "add [election:orders]"]),
    ("[eventlistener:zkelect]\ncommand = x\n", ["has [eventlistener:zkelect] already"]),
])
def test_names_that_are_taken(content, words):
    main_file(INCLUDE, other=content)
    refused(*words, main="main.conf", output="conf.d/mine.conf")
    main_file(content)
    refused(words[0].replace("other.conf", "main.conf"), main="main.conf", output="conf.d/mine.conf")


def test_the_file_that_is_overwritten_takes_no_name():
    main_file(INCLUDE)
    run(replace(GIVEN, main="main.conf", output="conf.d/mine.conf"))
    run(replace(GIVEN, main="main.conf", output="conf.d/mine.conf", force=True))
    refused("has [zkelect] already", main="main.conf", output="conf.d/second.conf", name="billing", group="billing")


def test_what_is_left_to_do():
    main_file(INCLUDE)
    told = run(replace(GIVEN, main="main.conf", output="mine.conf"))
    assert "main.conf does not include" in told and f"move it to {os.getcwd()}/conf.d" in told
    assert "[ctlplugin:zkelect]" in told and "restart supervisord" in told and f"check -c {os.getcwd()}/mine.conf" in told
    os.remove("mine.conf")
    main_file(INCLUDE + "[ctlplugin:zkelect]\nsupervisor.ctl_factory = x\n")
    told = run(replace(GIVEN, main="main.conf", output="conf.d/mine.conf"))
    assert "include" not in told.replace("[include]", "include ") and "ctlplugin" not in told


def test_what_is_to_be_included_is_written_as_supervisord_reads_it():
    os.mkdir("a b [c]")
    main_file("")
    output = os.path.abspath("a b [c]/mine.conf")
    told = run(replace(GIVEN, main="main.conf", output=output))
    listed = told.partition(": add ")[2].partition(" to files = under [include]")[0]
    assert " " not in listed
    main_file(f"[include]\nfiles = {listed}\n")
    assert mainfile.read("main.conf", {}).includes(output)


def test_a_plugin_in_an_included_file_does_not_count():
    main_file(INCLUDE, other="[ctlplugin:zkelect]\nsupervisor.ctl_factory = x\n")
    assert "[ctlplugin:zkelect]" in run(replace(GIVEN, main="main.conf", output="conf.d/mine.conf"))


@pytest.mark.parametrize("text, included", [
    ("[include]\nfiles = %(here)s/conf.d/*.conf\n", True), ("[include]\nfiles = *.ini  conf.d/mi*\n", True),
    ("[include]\nfiles = %(ENV_PLACE)s/*.conf\n", True), ("[include]\nfiles = conf.d/*.ini\n", False), ("", False),
])
def test_whether_the_main_file_includes_it(text, included, monkeypatch):
    monkeypatch.setenv("PLACE", os.path.abspath("conf.d"))
    main_file(text)
    told = run(replace(GIVEN, main="main.conf", output="conf.d/mine.conf"))
    assert ("does not include" not in told) is included


@pytest.mark.parametrize("text, why", [("x", "no section headers"), ("\xff", "UTF-8"), (None, "No such file")])
def test_a_main_file_that_cannot_be_read(text, why):
    if text is not None:
        with open("main.conf", "w", encoding="latin-1") as file:
            file.write(text)
    refused("main.conf: ", why, main="main.conf")


def test_an_included_file_that_cannot_be_read_is_told():
    main_file(INCLUDE, other="no section")
    assert "note: " in run(replace(GIVEN, main="main.conf")) and os.path.exists("zkelect.conf")
    main_file("[include]\nfiles = %(nothing)s %\n")
    assert "cannot be expanded" in run(replace(GIVEN, main="main.conf", force=True))


def test_a_pipe_among_the_included_files_holds_nothing_up():
    main_file(INCLUDE)
    os.mkfifo("conf.d/pipe.conf")
    assert "pipe.conf: is not a regular file" in run(replace(GIVEN, main="main.conf"))
    refused("is not a regular file", main="conf.d/pipe.conf", output="x.conf")


def test_the_main_file_is_found_where_supervisord_finds_it(monkeypatch):
    monkeypatch.setattr(mainfile, "PLACES", ("supervisord.conf",))
    assert mainfile.find(os.getcwd(), "/none/bin/zkelect") is None
    os.mkdir("etc")
    for path in ("supervisord.conf", "etc/supervisord.conf"):
        with open(path, "w") as file:
            file.write("[supervisord]\n")
    assert mainfile.find(os.getcwd(), "/none/bin/zkelect") == os.path.abspath("supervisord.conf")
    assert mainfile.find("/none", os.path.abspath("bin/zkelect")) == os.path.abspath("etc/supervisord.conf")
