"""Which Host headers are answered."""

import pytest

from supervisor_zkelect.web.hosts import named, trusted


@pytest.mark.parametrize("header, host", [
    ("a.example:80", "a.example"), ("A.Example.", "a.example"), ("[::1]:8787", "::1"), ("127.0.0.1", "127.0.0.1"), ("", ""),
    ("a b", ""), ("a:b:c", ""), ("[::1", ""),
])
def test_the_host_in_a_header(header, host):
    assert named(header) == host


@pytest.mark.parametrize("header, told", [
    (None, True), ("localhost:8787", True), ("10.0.0.5:8787", True), ("[fe80::1]", True), ("node-a", True), ("NODE-A:1", True),
    ("evil.example", False), ("", False), ("node-a.evil.example", False), ("127.0.0.1.evil.example", False), ("2130706433", False),
])
def test_a_name_that_is_not_known_is_a_strangers(header, told):
    assert trusted(header, ["node-a"]) is told
