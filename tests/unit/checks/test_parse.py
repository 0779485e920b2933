"""Which health options are understood."""

import base64

import pytest

from supervisor_zkelect.checks.command import Exec
from supervisor_zkelect.checks.http import BODY_LIMIT, Http, Trust
from supervisor_zkelect.checks.parse import parse
from supervisor_zkelect.checks.tcp import Tcp


@pytest.mark.parametrize("text", [None, "", "  ", "none", "None"])
def test_no_check(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    "text, expected",
    [
        ("tcp://127.0.0.1:80", Tcp("127.0.0.1", 80)),
        ("TCP://db.example:65535", Tcp("db.example", 65535)),
        ("tcp://[::1]:80", Tcp("::1", 80)),
        ("tcp://[fe80::1%25eth0]:80", Tcp("fe80::1%eth0", 80)),
        ("tcp://[fe80::1%eth0]:80", Tcp("fe80::1%eth0", 80)),
        ("tcp://münchen.example:80", Tcp("xn--mnchen-3ya.example", 80)),
        ("exec:/bin/check --name 'a b' \"c\" $X;", Exec(("/bin/check", "--name", "a b", "c", "$X;"))),
        ("http://h", Http("h", 80, "/")),
        ("http://h:8080/a/b?c=d&e", Http("h", 8080, "/a/b?c=d&e")),
        ("http://h?c", Http("h", 80, "/?c")),
        ("http://h/ü%20", Http("h", 80, "/%C3%BC%20")),
        ("https://h", Http("h", 443, "/", trust=Trust(""))),
    ],
)
def test_each_form_is_understood(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text, ranges",
    [
        (None, ((200, 299),)),
        ("", ((200, 299),)),
        ("204", ((204, 204),)),
        ("200-399", ((200, 399),)),
        (" 200 - 204 ,301,500", ((200, 204), (301, 301), (500, 500))),
    ],
)
def test_statuses(text, ranges):
    assert parse("http://h/", status=text).statuses == ranges


@pytest.mark.parametrize("text", ["20", "2xx", "600", "299-200", "200,", "200;204", "-200"])
def test_statuses_that_are_none(text):
    with pytest.raises(ValueError, match="^status .* use 200, 200-299 or"):
        parse("http://h/", status=text)


@pytest.mark.parametrize(
    "text, part",
    [
        ("ftp://h/", "not a known kind"),
        ("localhost:80", "not a known kind"),
        ("localhost", "not a known kind"),
        ("http:/h", "not a known kind"),
        ("exec", "not a known kind"),
        ("tcp:h:80", "not a known kind"),
        ("tcp://h", "has no port"),
        ("tcp://:80", "has no host"),
        ("http:///path", "has no host"),
        ("http://h:0/", "from 1 to 65535"),
        ("http://h:65536/", "from 1 to 65535"),
        ("http://h:http/", "from 1 to 65535"),
        ("http://h:/", "from 1 to 65535"),
        ("tcp://::1:80", r"write an IPv6 address as \[::1\]"),
        ("tcp://[::1:80", r"write an IPv6 address as \[::1\]"),
        ("tcp://[::1]80", "IPv6|host"),
        ("http://[zz]/", "IPv6"),
        ("tcp://h:80/", "more than a host and a port"),
        ("tcp://u@h:80", "more than a host and a port"),
        ("http://a..b/", "no valid host name"),
        ("http://h/#x", "fragment"),
        ("http://h/a@b", "percent-encode"),
        ("http://h/a b", "blanks"),
        ("http://h/\r\nX: y", "blanks"),
        ("http://h/\x00", "blanks"),
        ("exec:", "is empty"),
        ("exec:''", "is empty"),
        ("exec:a 'b", "quotation mark"),
        ("exec:a\0b", "NUL"),
        ("exec:PASSWORD=x check", "exec:env NAME=value"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(text, part):
    with pytest.raises(ValueError, match=part) as caught:
        parse(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("extra", ["status", "body", "ca"])
@pytest.mark.parametrize("text", ["", "tcp://h:1", "exec:true"])
def test_http_options_mean_nothing_elsewhere(text, extra):
    with pytest.raises(ValueError, match=f"^{extra} has no effect"):
        parse(text, **{extra: "200"})


def test_ca_means_nothing_without_tls():
    with pytest.raises(ValueError, match="^ca has no effect .* not https"):
        parse("http://h/", ca="file")


def test_a_text_longer_than_what_is_searched_is_refused():
    parse("http://h/", body="x" * BODY_LIMIT)
    with pytest.raises(ValueError, match="^body is longer"):
        parse("http://h/", body="x" * BODY_LIMIT + "x")


def test_a_ca_file_that_is_not_usable_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read: No such file.*ca must name"):
        parse("https://h/", ca=str(tmp_path / "missing.pem"))
    (tmp_path / "bad.pem").write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no usable PEM certificate.*ca must name"):
        parse("https://h/", ca=str(tmp_path / "bad.pem"))


def test_user_and_password_become_a_header():
    check = parse("http://us%40er:s%3Acret%2F@h/")
    assert check.authorization == "Basic " + base64.b64encode(b"us@er:s:cret/").decode()
    assert (check.host, check.target) == ("h", "/")


@pytest.mark.parametrize(
    "text",
    [
        "http://user:hunter2@h/x?token=hunter2",
        "https://user:hunter2@h:8443/",
        "exec:check --password hunter2",
    ],
)
def test_a_check_does_not_show_its_secrets(text):
    check = parse(text)
    assert "hunter2" not in f"{check} {check!r}"


@pytest.mark.parametrize(
    "text",
    [
        "ftp://user:hunter2@h/",
        "user:hunter2@h",
        "tcp://user:hunter2@h:80",
        "http://user:hunter2@h:port/",
        "http://user:hunter2@[h/",
        "http://user:hunter2@a..b/",
        "http://user:x/hunter2@h/",
        "http://user:1/hunter2@h/",
        "http://user:1?hunter2@h/",
        "http://user:1#hunter2@h/",
        "http://user:hunter2 @h/",
        "http://user:a@hunter2@:80/",
        "http://h:port/?token=hunter2",
        "exec:check --password 'hunter2",
        "exec:PASSWORD=hunter2 check",
    ],
)
def test_a_refusal_does_not_show_secrets(text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None and (caught.value.__suppress_context__ or not caught.value.__context__)
