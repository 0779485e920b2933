"""Bad input: one clear line each, naming file, section, option, value and remedy; and what good input means."""

import functools
import os
import platform
import re
import sys

import pytest

from supervisor_zkelect.config import load as loading
from supervisor_zkelect.config import samples
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.core import room
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import record
from supervisor_zkelect.listener import elections
from tests.unit.config.files import second, text

BAD = {
    "unknown option": (text(main="colour = red"), "[zkelect] colour = red", "remove it"),
    "misspelt option": (text(main="sesion_timeout = 3"), "[zkelect] sesion_timeout = 3", "did you mean session_timeout"),
    "unknown option of an election": (text(election="adress = x"), "[election:orders] adress = x", "address"),
    "unknown section": (text(more="[elections:b]\naddress = b:1"), "[elections:b]", "[election:b]"),
    "no section": ("[election:orders]\naddress = a:1\n", "[zkelect]", "add it"),
    "no election": ("[zkelect]\nservers = zk1:2181\nnode_name = a\n", "[election:NAME]", "add this section"),
    "empty servers": ("[zkelect]\nservers =\nnode_name = a\n[election:o]\naddress = a:1\n", "[zkelect] servers = ", "set it"),
    "host that no resolver takes": (
        "[zkelect]\nservers = zk..example:2181\nnode_name = a\n[election:o]\naddress = a:1\n",
        "[zkelect] servers = zk..example:2181", "1 to 63 characters"),
    "server twice": (
        "[zkelect]\nservers = zk1,zk1:2181\nnode_name = a\n[election:o]\naddress = a:1\n",
        "[zkelect] servers = zk1,zk1:2181", "once"),
    "path behind the servers": (
        "[zkelect]\nservers = zk1:2181/app\nnode_name = a\n[election:o]\naddress = a:1\n",
        "[zkelect] servers = zk1:2181/app", "chroot"),
    "kill_time does not fit": (text(main="session_timeout = 4\nkill_time = 3"), "session_timeout = 4", "use 6.4 or more"),
    "T of less than two ticks": (text(main="session_timeout = 3"), "session_timeout = 3", "use"),
    "relative znode": (text(election="election_znode = zkelect"), "election_znode = zkelect", "/zkelect"),
    **{f"long {name}": (text(election=f"{name} = /{'a' * 1024}"), f"[election:orders] {name} = /a", "shorten it to 1024")
       for name in ("election_znode", "election_ack", "election_state")},
    **{f"long {name} with a chroot": (
        text(main=f"chroot = /{'a' * 511}", election=f"{name} = /{'a' * 512}"), f"[election:orders] {name} = /a", "shorten one of them",
    ) for name in ("election_znode", "election_ack", "election_state")},
    "long state by default": (text(election=f"election_ack = /{'a' * 1020}"), "[election:orders] election_ack = /a", "the state has more"),
    "paths that do not fit together": (
        text(election=f"election_znode = /{'a' * 500}\nelection_ack = /{'b' * 510}"),
        "[election:orders] election_ack = /b", "shorten them, or the chroot"),
    "chroot that does not fit thrice": (
        text(main=f"chroot = /{'c' * 480}"), "[election:orders] election_znode = /zkelect/orders/election", "shorten them, or the chroot"),
    "paths that do not fit in bytes": (
        text(election=f"election_znode = /{'é' * 400}\nelection_ack = /{'é' * 100}"), "[election:orders] election_znode", "shorten"),
    "address that the record has no room for": (
        text(election="health = none").replace("10.0.0.5:80", "a" * 900), "[election:orders] address = aaa", "shorten it, or"),
    "long chroot": (text(main=f"chroot = /{'a' * 1024}"), "[zkelect] chroot = /a", "shorten it to 1024"),
    "same znode": (
        text(more=second("election_znode = /zkelect/orders/election")),
        "[election:billing] election_znode = /zkelect/orders/election", "choose another path"),
    "same ack": (
        text(more=second("election_ack = /zkelect/orders/ack")), "[election:billing] election_ack", "choose another path"),
    "same state": (
        text(election="election_state = /s", more=second("election_state = /s")),
        "[election:billing] election_state = /s", "choose another path"),
    "state of another": (
        text(election="election_state = /s", more=second("election_state = /s/deeper")),
        "[election:billing] election_state = /s/deeper", "choose another path"),
    "ack in another's state": (
        text(more=second("election_ack = /zkelect/orders/ack-state/holder")),
        "[election:billing] election_ack = /zkelect/orders/ack-state/holder", "choose another path"),
    "ack at another's state": (
        text(more=second("election_ack = /zkelect/orders/ack-state")),
        "[election:billing] election_ack = /zkelect/orders/ack-state", "choose another path"),
    "relative state": (text(election="election_state = s"), "[election:orders] election_state = s", "begin it with a slash"),
    "state at the election znode": (
        text(election="election_state = /zkelect/orders/election"), "[election:orders] election_state", "choose another path"),
    "state inside the election znode": (
        text(election="election_state = /zkelect/orders/election/s"), "[election:orders] election_state", "nothing but"),
    "state above both": (text(election="election_state = /zkelect/orders"), "[election:orders] election_state", "choose"),
    "state above the ack": (
        text(election="election_ack = /a/b/ack\nelection_state = /a"), "[election:orders] election_state = /a", "choose"),
    "state at the ack": (
        text(election="election_state = /zkelect/orders/ack"), "[election:orders] election_state", "choose another path"),
    "state inside the ack": (
        text(election="election_state = /zkelect/orders/ack/s"), "[election:orders] election_state", "choose another path"),
    "state of ZooKeeper's own": (
        text(election="election_state = /zookeeper/s"), "[election:orders] election_state = /zookeeper/s", "choose another"),
    "same group": (text(more=second("").replace("group = billing", "group = primary")), "group = primary", "of its own"),
    "address with a line break": (text(more="[election:b]\ngroup = g\naddress = b:1\n  two"), "address", "one line"),
    "fence that does not exist": (
        text(election="fence = /nonexistent/fence s3cret"), "[election:orders] fence = /nonexistent/fence …", "executable"),
    "quotation that does not end": (
        text(election="stop_failed = /bin/sh -c 's3cret"), "[election:orders] stop_failed = /bin/sh …", "quotation"),
    "unknown fence_failed": (text(election="fence_failed = maybe"), "fence_failed = maybe", "wait, continue"),
    "unknown health": (text(election="health = ftp://x"), "[election:orders] health = ftp://x", "tcp://host:port"),
    "unknown fit": (text(election="fit = ftp://x"), "[election:orders] fit = ftp://x", "kind of check; use tcp://host:port"),
    "fit without a command": (text(election="fit = exec:"), "[election:orders] fit = exec:", "the command is empty"),
    "fit asked all the time": (text(election="fit_interval = 0"), "[election:orders] fit_interval = 0", "use 0.1 to 3600 seconds"),
    "priority that is too high": (text(election="priority = 1001"), "[election:orders] priority = 1001", "use 0 to 1000"),
    "priority that is no number": (text(election="priority = high"), "[election:orders] priority = high", "whole number"),
    "negative priority": (text(election="priority = -1"), "[election:orders] priority = -1", "use 0 to 1000"),
    "failback that is no time": (text(election="failback = yes"), "[election:orders] failback = yes", "number of seconds"),
    "health_body without http": (
        text(election="health = tcp://h:1\nhealth_body = ok"), "[election:orders] health_body = ok", "http"),
    "group in another script": (text(election="group = größe"), "[election:orders] group = größe", "plain letters"),
    "ack inside the election znode": (
        text(election="election_ack = /zkelect/orders/election/x/ack"), "[election:orders] election_ack", "choose another"),
    "znode of ZooKeeper's own": (
        text(election="election_znode = /zookeeper/e"), "election_znode = /zookeeper/e", "choose another path"),
    "bare percent sign": (text(election="election_prefix = 5%"), "election_prefix = 5%", "double"),
    "acl that names nobody": (text(main="acl = creator"), "[zkelect] acl = creator", "set digest"),
    "user without password": (text(main="username = u"), "[zkelect] username = u", "set both or neither"),
    "key without certificate": (text(main="tls = true\ntls_key_password = x"), "[zkelect] tls_key_password = ***", "tls_cert"),
    "PEM file without certificate": (text(main=f"tls_ca = {__file__}"), "[zkelect] tls_ca", "PEM"),
    "secret in two places": (
        text(main=f"digest = u:p\ndigest_file = {__file__}"), "[zkelect] digest_file", "keep one of the two"),
    "secret file that is missing": (text(main="digest_file = /nonexistent/d"), "[zkelect] digest_file", "does not exist"),
    "secret file of two lines": (text(main=f"password_file = {__file__}\nusername = u"), "[zkelect] password_file", "one line"),
    "secret file that is a folder": (text(main="digest_file = /"), "[zkelect] digest_file = /", "regular file"),
    "not a number": (text(main="session_timeout = ten"), "[zkelect] session_timeout = ten", "such as 10"),
    "missing variable": (text(main="acl = %(ENV_NOPE)s"), "[zkelect] acl = %(ENV_NOPE)s", "set it"),
    "missing file": (text(main="tls_ca = /nonexistent/ca.pem"), "[zkelect] tls_ca", "does not exist"),
    "option twice": (text(main="acl = open\nacl = creator"), "[zkelect] acl = creator", "keep one"),
    "no header": (b"[zkelect\nservers = zk1:2181\n", "line 1", "section"),
    "byte order mark": (b"\xef\xbb\xbf[zkelect]\n", "byte order mark", "save it without"),
    "not UTF-8": (b"[zkelect]\nservers = \xff\n", "line 2", "save it as UTF-8"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line_with_a_remedy(load, tmp_path, what):
    content, where, remedy = BAD[what]
    with pytest.raises(ConfigError) as caught:
        load(content)
    problems = [line for line in caught.value.problems if where in line]
    assert len(problems) == 1, caught.value.problems
    assert problems[0].startswith(f"{tmp_path}/zkelect.conf: ") and remedy in problems[0] and "\n" not in problems[0]
    # Only a file without its sections has more to be told of.
    assert len(caught.value.problems) == 1 or what in ("no header", "no section", "empty servers")


def test_a_package_that_is_missing_is_installed_by_the_pip_of_this_python(load, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=re.escape(f"run {sys.prefix}/bin/pip install pure-sasl")):
        load(text(main="sasl_mechanism = GSSAPI"))


@pytest.mark.parametrize("more, fits", [(0, True), (1, False)])
def test_what_the_configuration_takes_fits_into_the_blocks(load, more, fits):
    """By one byte: of the paths, where state_of the ack has no room of its own; of the address."""
    fixed = len("orders\0primary\0\0n-\0\0")
    paths = f"election_znode = /{'a' * 499}\nelection_ack = /{'b' * (record.ROOM - fixed - 501 + more)}"
    address = "a" * (record.ROOM - room.NUMBERS - len("orders\0primary\0\0") + more)
    for written in (text(election=paths), text().replace("10.0.0.5:80", address)):
        try:
            settings = load(written)
        except ConfigError as error:
            assert not fits and len(error.problems) == 1 and "too long by 1 " in error.problems[0]
        else:
            (one,) = settings.elections
            assert fits and record.unpack(record.pack(list(elections.to_save(settings)[0])))
            worst = Lease(*[-1.7976931348623157e308] * 4)
            assert record.pack(record.Entry("orders", one.group, one.address, (1 << 63) - 1, True, 10 ** 19, worst, True).strings())


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError) as caught:
        loading.from_file(str(tmp_path / "none.conf"))
    assert caught.value.problems == [f"{tmp_path}/none.conf: does not exist; create it, or correct the path"]


def test_all_problems_are_told_at_once(load):
    with pytest.raises(ConfigError) as caught:
        load(text(main="colour = red\nsession_timeout = ten", election="health = ftp://x"))
    assert len(caught.value.problems) == 3


def test_secrets_come_from_variables_and_files_and_are_never_shown(load, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("user:geheim\n")
    secret.chmod(0o600)
    for line in (f"digest_file = {secret}", "digest = %(ENV_DIGEST)s"):
        settings = load(text(main=line), {"DIGEST": "user:geheim"})
        assert settings.digest.reveal() == "user:geheim"
        assert "geheim" not in repr(settings) + str(settings) + "".join(settings.notes)
    with pytest.raises(ConfigError) as caught:
        load(text(main="digest = geheim"))
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("main, election", [
    ("digest = u:geheim\nchroot = relative", ""),
    ("digest = geheim", ""),
    ("digset = u:geheim", ""),
    ("db_password = geheim", ""),
    ("password = geheim", ""),
    ("serverurl = http://u:geheim@127.0.0.1:9001", ""),
    ("sasl_password = geheim", ""),
    ("tls_key_password = geheim", ""),
    ("digest = %(ENV_DIGEST)s\ndigest_file = /nonexistent/d", ""),
    ("digest = u:geheim\ndigest = v:geheim", ""),
    ("digest = u:p\n  geheim", ""),
    ("geheim", ""),
    ("", "health = ftp://u:geheim@h/"),
    ("", "health = http://h:x/?token=geheim"),
    ("", "fit = http://h:x/?token=geheim"),
    ("", "fit = ftp://u:geheim@h/"),
    ("", "fti = http://h:99999/?key=geheim"),
    ("", "fit = exec:"  "check geheim 'x"),
])
def test_no_problem_shows_a_secret(load, main, election):
    with pytest.raises(ConfigError) as caught:
        load(text(main, election), {"DIGEST": "u:geheim"})
    assert "geheim" not in str(caught.value) and caught.value.problems


def test_every_secret_is_hidden_in_what_good_settings_show(load):
    main = "digest = u:geheim\nusername = u\npassword = geheim"
    settings = load(text(main, "health = http://u:geheim@h:1/?token=geheim\nhealth_body = geheim"))
    assert "geheim" not in repr(settings) + str(settings) + "".join(settings.notes)
    assert settings.password.reveal() == "geheim" and settings.digest.reveal() == "u:geheim"


def test_a_secret_that_every_user_may_read_is_noted(load, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("u:geheim\n")
    for mode, notes in ((0o600, 0), (0o644, 1)):
        secret.chmod(mode)
        assert len(load(text(main=f"digest_file = {secret}")).notes) == notes


def test_expansions_are_those_of_supervisord(load, tmp_path):
    election = "address = %(ENV_HOST)s:80\nelection_prefix = 5%%\nhealth = exec:%(here)s/check"
    settings = load(text(election=election).replace("address = 10.0.0.5:80\n", ""), {"HOST": "h"})
    one = settings.elections[0]
    assert (one.address, one.election_prefix, one.health) == ("h:80", "5%", f"exec:{tmp_path}/check")
    assert load("[zkelect]\nservers = zk\n[election:o]\naddress = a:1\n").node_name == platform.node()


def test_defaults_are_those_of_the_reference(load):
    settings = load(text())
    election = settings.elections[0]
    assert (settings.session_timeout, settings.tick_time, settings.heartbeat_interval) == (10, 2, 1)
    assert (election.group, election.election_znode, election.election_ack) == (
        "primary", "/zkelect/orders/election", "/zkelect/orders/ack")
    assert election.election_state == "/zkelect/orders/ack-state"
    assert settings.stop_grace(100) == pytest.approx(9.9 - 2 - 2 - 4 - 0.3)
    assert settings.stop_grace(1) == 1


@pytest.mark.parametrize("acks", [("/s/ack1", "/s/ack2"), ("/a/ack", "/a/ack/ack"), ("/a/ack/ack", "/a/ack")])
def test_acks_may_be_neighbours(load, acks):
    """The Go program's own layout, among others."""
    settings = load(text(election=f"election_ack = {acks[0]}", more=second(f"election_ack = {acks[1]}")))
    assert [one.election_state for one in settings.elections] == [f"{ack}-state" for ack in acks]


@pytest.mark.parametrize("name, elections", [("zkelect.conf", ["orders"]), ("two-elections.conf", ["orders", "billing"])])
def test_the_samples_load(name, elections):
    environ = {"ZKELECT_SERVERS": "zk:2181", "ZKELECT_NODE": "a", "ORDERS_ADDRESS": "h:1", "BILLING_ADDRESS": "h:2"}
    settings = loading.from_file(str(samples.path(name)), environ={**os.environ, **environ})
    assert [one.name for one in settings.elections] == elections


def test_what_the_sample_of_http_says_of_the_other_one_is_so():
    """It names a line to be added, which stands there in no form, and may."""
    texts = [samples.path(name).read_text() for name in ("zkelect-http.conf", "zkelect.conf")]
    [line] = re.findall(r"^;     (http = .*)$", texts[0], re.MULTILINE)
    assert "http" not in [one.partition("=")[0].strip(" ;") for one in texts[1].splitlines()]
    environ = {"ENV_ZKELECT_SERVERS": "zk:2181", "ENV_ZKELECT_NODE": "a", "ENV_ORDERS_ADDRESS": "h:1"}
    filled = functools.reduce(lambda text, one: text.replace(f"%({one})s", environ[one]), environ, texts[1])
    settings = loading.from_text(filled.replace("[zkelect]\n", f"[zkelect]\n{line}\n"), "zkelect.conf")
    assert line == f"http = {settings.http}" and settings.doubts == ()
    # Where it listens without the line, as the sample says.
    assert loading.from_text(filled, "zkelect.conf").http_at in texts[0]


@pytest.mark.parametrize("option, value, word", [
    ("health", "exec:redis-cli ping | grep PONG", "|"), ("health", "EXEC:sh $HOME/x", "$"), ("fit", "exec:sh x | y", "|"), ("fence", "sh >/dev/null", ">"),
    ("stop_failed", "sh x; sh y", ";"), ("health", "exec:sh ~/x", "~"),
    ("health", "exec:sh -c 'a | b'", ""), ("health", "http://h/?a=*", ""), ("fence", "sh -c 'a > b'", ""), ("health", "http://h/$x", ""),
])
def test_what_is_for_a_shell_is_told_and_kept_from_nobody(load, option, value, word):
    doubts = load(text(election=f"{option} = {value}")).doubts
    assert len(doubts) == bool(word)
    if word:
        assert f"[election:orders] {option} = " in doubts[0] and f": {word} needs a shell" in doubts[0] and "sh -c" in doubts[0]


def test_a_secret_in_a_command_for_a_shell_is_not_shown(load):
    [line] = load(text(election="fence = sh --password se$cret > /dev/null")).doubts
    assert "se$cret" not in line and ": > needs a shell" in line


@pytest.mark.parametrize("health", ["tcp://h:1", "exec:sh", "none"])
def test_a_status_for_another_kind_of_check_is_told(load, health):
    with pytest.raises(ConfigError) as caught:
        load(text(election=f"health = {health}\nhealth_status = 2xx"))
    [line] = caught.value.problems
    assert "[election:orders] health_status = 2xx: has no effect because " in line
    assert line.endswith("; remove it, or use an http or https check")
