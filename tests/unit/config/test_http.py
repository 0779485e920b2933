"""The options of `zkelect http`."""

import pytest

from supervisor_zkelect.config import values
from supervisor_zkelect.config.load import from_text
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.diagnosis import exposure
from tests.unit.config.files import text


def load(*lines):
    return from_text(text(main="\n".join(lines)), "f.conf")


def test_without_any_it_is_at_its_usual_place_and_nobody_expects_it():
    settings = load()
    assert (settings.http, settings.http_at, settings.http_names) == (None, "127.0.0.1:8787", ())
    assert load("http = [::1]:80").http_at == "[::1]:80"


@pytest.mark.parametrize("given", ["8787", "host", "host:0", "host:65536", "::1:80", "a b:80", "http://a:80", "[::1]", ":80", "ä:80"])
def test_an_address_that_is_none(given):
    with pytest.raises(ValueError, match="is not host:port"):
        values.listen(given)


def test_names_are_host_names():
    assert load("http_names = A.example, b-1,a.example.").http_names == ("a.example", "b-1")
    for wrong in ("a b", "a/b", "-a", "a.example:80", "ä"):
        with pytest.raises(ValueError, match="is not a host name"):
            values.names(wrong)


@pytest.mark.parametrize("http, agent", [
    ("127.0.0.1:8787", "127.0.0.1:8787"), ("127.0.0.1:8787", "0.0.0.0:08787"), ("0.0.0.0:1", "10.0.0.5:1"), (None, "127.0.0.1:8787"),
    ("[::]:1", "[::1]:1"), ("[::1]:1", "[0:0::1]:1"), ("A.example:1", "a.example.:1"), ("localhost:1", "0.0.0.0:1"),
])
def test_one_place_for_both_ports_is_refused(http, agent):
    with pytest.raises(ConfigError) as refused:
        load(*([f"http = {http}"] if http else []), f"http_agent = {agent}")
    [line] = refused.value.problems
    assert line.startswith(f"f.conf: [zkelect] http_agent = {agent}: ") and f"http = {http or '127.0.0.1:8787'}" in line
    assert "give each a port of its own" in line


@pytest.mark.parametrize("http, agent", [
    ("127.0.0.1:1", "127.0.0.1:2"), ("127.0.0.1:1", "127.0.0.2:1"), ("127.0.0.1:1", "[::1]:1"), ("0.0.0.0:1", "[::]:1"),
    ("a.example:1", "b.example:1"), ("10.0.0.5:8787", "127.0.0.1:8787"),
])
def test_two_places_of_which_each_can_be_had_are_taken(http, agent):
    assert load(f"http = {http}", f"http_agent = {agent}").http_agent == agent


@pytest.mark.parametrize("lines, doubts", [
    (["http = a:1", "http_tls_cert = /c", "http_tls_key = /k", "http_password_file = /p"], []),
    (["http = a:1", "http_tls_key = /k"], ["http_tls_key"]), (["http_names = a"], ["http_names"]), (["http_agent = a:1"], ["http_agent"]),
    (["http = a:1", "http_agent = a:2"], []),
    (["http_password_file = /nowhere", "http_tls_cert = /nowhere"], ["http_tls_cert", "http_password_file"]),
])
def test_what_it_cannot_use_keeps_no_listener_from_anything(lines, doubts):
    found = load(*lines).doubts
    assert [line.partition("[zkelect] ")[2].partition(" = ")[0] for line in found] == doubts


@pytest.mark.parametrize("lines, told", [
    ([], ""), (["http = 127.0.0.1:1"], ""), (["http = [::1]:1"], ""), (["http = localhost:1"], ""),
    (["http = 0.0.0.0:1"], "is told of all nodes"), (["http = a.example:1", "http_tls_cert = /c"], "is told of all nodes"),
    (["http = a.example:1", "http_password_file = /p"], "passwords as plain text"),
    (["http = a.example:1", "http_password_file = /p", "http_tls_cert = /c"], ""),
])
def test_what_lets_strangers_in_is_told(lines, told):
    found = [line for line in exposure.of_file(load(*lines)) if "] http = " in line]
    assert len(found) == bool(told) and told in "".join(found)
