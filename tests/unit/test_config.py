"""Bad input: one clear line each, naming file, section, option, value and remedy; and what good input means."""

import os

import pytest

from supervisor_zkelect import config, samples

FILE = """[zkelect]
servers = zk1:2181,zk2:2181
node_name = a
{main}
[election:orders]
address = 10.0.0.5:80
{election}
{more}
"""


@pytest.fixture
def load(tmp_path):
    def load(text, environ=None):
        path = tmp_path / "zkelect.conf"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return config.load(str(path), environ={} if environ is None else environ)

    return load


def text(main="", election="", more=""):
    return FILE.format(main=main, election=election, more=more)


def second(lines):
    return f"[election:billing]\naddress = b:1\ngroup = billing\n{lines}"


BAD = {
    "unknown option": (text(main="colour = red"), "[zkelect] colour = red", "remove it"),
    "misspelt option": (text(main="sesion_timeout = 3"), "[zkelect] sesion_timeout = 3", "did you mean session_timeout"),
    "unknown option of an election": (text(election="adress = x"), "[election:orders] adress = x", "address"),
    "unknown section": (text(more="[elections:b]\naddress = b:1"), "[elections:b]", "[election:b]"),
    "no section": ("[election:orders]\naddress = a:1\n", "[zkelect]", "add it"),
    "no election": ("[zkelect]\nservers = zk1:2181\nnode_name = a\n", "[election:NAME]", "add this section"),
    "empty servers": ("[zkelect]\nservers =\nnode_name = a\n[election:o]\naddress = a:1\n", "[zkelect] servers = ", "set it"),
    "kill_time does not fit": (text(main="session_timeout = 4\nkill_time = 3"), "session_timeout = 4", "use 6.4 or more"),
    "T of less than two ticks": (text(main="session_timeout = 3"), "session_timeout = 3", "use"),
    "relative znode": (text(election="election_znode = zkelect"), "election_znode = zkelect", "/zkelect"),
    "same znode": (
        text(more=second("election_znode = /zkelect/orders/election")),
        "[election:billing] election_znode = /zkelect/orders/election", "choose another path"),
    "same ack": (
        text(more=second("election_ack = /zkelect/orders/ack")), "[election:billing] election_ack", "choose another path"),
    "same group": (text(more=second("").replace("group = billing", "group = primary")), "group = primary", "of its own"),
    "address with a line break": (text(more="[election:b]\ngroup = g\naddress = b:1\n  two"), "address", "one line"),
    "unknown health": (text(election="health = ftp://x"), "[election:orders] health = ftp://x", "tcp://host:port"),
    "not a number": (text(main="session_timeout = ten"), "[zkelect] session_timeout = ten", "such as 10"),
    "missing variable": (text(main="acl = %(ENV_NOPE)s"), "[zkelect] acl = %(ENV_NOPE)s", "set it"),
    "missing file": (text(main="tls_ca = /nonexistent/ca.pem"), "[zkelect] tls_ca", "does not exist"),
    "option twice": (text(main="acl = open\nacl = creator"), "[zkelect] acl = creator", "keep one"),
    "no header": (b"[zkelect\nservers = zk1:2181\n", "line 1", "section"),
    "not UTF-8": (b"[zkelect]\nservers = \xff\n", "line 2", "save it as UTF-8"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line_with_a_remedy(load, tmp_path, what):
    content, where, remedy = BAD[what]
    with pytest.raises(config.ConfigError) as caught:
        load(content)
    problems = [line for line in caught.value.problems if where in line]
    assert len(problems) == 1, caught.value.problems
    assert problems[0].startswith(f"{tmp_path}/zkelect.conf: ") and remedy in problems[0] and "\n" not in problems[0]
    # Only a file without its sections has more to be told of.
    assert len(caught.value.problems) == 1 or what in ("no header", "no section", "empty servers")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(config.ConfigError) as caught:
        config.load(str(tmp_path / "none.conf"))
    assert caught.value.problems == [f"{tmp_path}/none.conf: does not exist; make it, or correct the path"]


def test_all_problems_are_told_at_once(load):
    with pytest.raises(config.ConfigError) as caught:
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
    with pytest.raises(config.ConfigError) as caught:
        load(text(main="digest = geheim"))
    assert "geheim" not in str(caught.value)


def test_defaults_are_those_of_the_reference(load):
    settings = load(text())
    election = settings.elections[0]
    assert (settings.session_timeout, settings.tick_time, settings.heartbeat_interval) == (10, 2, 1)
    assert (election.group, election.election_znode, election.election_ack) == (
        "primary", "/zkelect/orders/election", "/zkelect/orders/ack")
    assert settings.stop_grace(100) == pytest.approx(9.9 - 2 - 2 - 4 - 0.3)
    assert settings.stop_grace(1) == 1


@pytest.mark.parametrize("name, elections", [("zkelect.conf", ["orders"]), ("two-elections.conf", ["orders", "billing"])])
def test_the_samples_load(name, elections):
    environ = {"ZKELECT_SERVERS": "zk:2181", "ZKELECT_NODE": "a", "ORDERS_ADDRESS": "h:1", "BILLING_ADDRESS": "h:2"}
    settings = config.load(str(samples.path(name)), environ={**os.environ, **environ})
    assert [one.name for one in settings.elections] == elections


PROGRAM = {"group": "primary", "name": "orders", "autostart": False, "inuse": True, "stopwaitsecs": 1, "uid": None}


@pytest.mark.parametrize("programs, uid, told, remedy", [
    ([], 0, "primary", "add [group:primary]"),
    ([{**PROGRAM, "group": "primar"}], 0, "primary", "did you mean primar"),
    ([{**PROGRAM, "autostart": True}], 0, "autostart = true", "set autostart = false"),
    ([{**PROGRAM, "uid": 33}], 1000, "uid 33", "run the listener as root"),
    ([{**PROGRAM, "inuse": False}], 0, "not active", "supervisorctl update"),
])
def test_a_group_that_is_not_fit_is_one_line(load, programs, uid, told, remedy):
    settings = load(text())
    problems = config.check_group(settings, programs, uid).problems
    assert len(problems) == 1 and "[election:orders] group = primary" in problems[0]
    assert told in problems[0] and remedy in problems[0] and "\n" not in problems[0]


def test_a_fit_group_is_fit(load):
    assert config.check_group(load(text()), [PROGRAM], 0) == config.GroupCheck([], [])


def test_a_shortened_grace_is_told(load):
    notes = config.check_group(load(text()), [{**PROGRAM, "stopwaitsecs": 30}], 0).notes
    assert len(notes) == 1 and "1.6 s" in notes[0] and "30 s" in notes[0]
