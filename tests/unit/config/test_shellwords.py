"""What only a shell understands, in a command that no shell runs."""

import pytest

from supervisor_zkelect.config import shellwords


@pytest.mark.parametrize("command, what", [
    ("redis-cli ping | grep PONG", "|"), ("a || b", "||"), ("a && b", "&&"), ("a; b", ";"), ("a ; b", ";"), ("a b;", ";"),
    ("a &", "&"), ("a > /dev/null", ">"), ("a >/dev/null", ">"), ("a 2>&1", "2>"), ("a >>x", ">>"), ("a < x", "<"),
    ("kill $(cat /run/x.pid)", "$"), ("kill `cat x`", "`"), ("echo $HOME", "$"), ("echo ${HOME}", "$"), ("echo $1", "$"),
    ('curl "http://x/$(hostname)"', "$"), ('curl "$URL"', "$"), ("ls /var/lib/*.pid", "*"), ("rm *", "*"), ("rm *.pid", "*"),
    ("cat ~/x", "~"), ("cat ~nobody/x", "~"), ("ls ~", "~"), ("sh -c ls | wc", "|"), ("| a", "|"),
    ('sh -c "echo $HOME" > x', ">"),
])
def test_what_only_a_shell_understands_is_found(command, what):
    assert shellwords.first(command) == what


@pytest.mark.parametrize("command", [
    "", "redis-cli -p 6379 ping", "sh -c 'a | b > c; d'", 'sh -c "echo $HOME; kill $(cat x)"', "/bin/bash -c \"$X\"", "grep -E a|b",
    "curl http://x/?a=b&c=d;e", "find . -name '*.pid' -exec cat {} \\;", "expr 1 '>' 2", "gunicorn --bind=*:8080 a:b", "x *:80",
    "awk '{print $1}' x", "a~b", "psql -c 'select * from t'", "x --format=a>b", "x 100$", "echo \\$HOME", "x \\> y", "a '~' b",
    "env A=$ x", "x user@host;y",
])
def test_what_a_program_may_well_be_given_is_left_alone(command):
    assert shellwords.first(command) == ""


def test_nothing_of_a_secret_is_repeated():
    assert shellwords.first("x --password=se$cret") == "$" and shellwords.first("x >secret") == ">"
    assert shellwords.first("x /secret*") == "*"


def test_a_command_without_end_takes_no_time():
    assert shellwords.first("'" * 200_001 + "a " * 200_000) == ""
    assert shellwords.first('"\\' * 200_000) in ("", "$", "`")
