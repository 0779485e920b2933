"""The file of users, and the headers that are held against it."""

import base64
import os

import pytest

from supervisor_zkelect.config import http_users
from supervisor_zkelect.web import passwords
from supervisor_zkelect.web.passwords import Passwords


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(passwords, "ROUNDS", 10)


def header(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "users"
    path.write_text(f"# people\n\n{passwords.line('ann', 's3:cret')}\n{passwords.line('bob', 'ünï')}\n")
    return path


def test_a_line_is_made_for_a_password_and_never_twice_the_same():
    first, second = passwords.line("ann", "x"), passwords.line("ann", "x")
    assert first != second and first.startswith("ann:pbkdf2-sha256$10$")
    for name in ("", "a b", "a:b", "a\x1b"):
        with pytest.raises(ValueError, match="is not a user's name"):
            passwords.line(name, "x")


def test_only_the_right_password_is_taken(file):
    users = Passwords(str(file))
    assert users.wanted and users.trouble == ""
    assert users.prove(header("ann", "s3:cret")) and users.prove(header("bob", "ünï"))
    for wrong in (None, "", "Basic", "Basic !", "Bearer x", header("ann", "s3"), header("ann", ""), header("eve", ""), header("", ""),
                  "Basic " + base64.b64encode(b"\xff").decode()):
        assert not users.prove(wrong)


def test_what_was_proven_is_remembered_until_the_file_changes(file):
    users, mine = Passwords(str(file)), header("ann", "s3:cret")
    assert not users.known(mine) and users.prove(mine) and users.known(mine)
    users.refresh()
    assert users.known(mine) and not users.known(header("ann", "other"))
    file.write_text(passwords.line("ann", "new") + "\n")
    users.refresh()
    assert not users.known(mine) and not users.prove(mine) and users.prove(header("ann", "new"))


def test_what_is_proven_while_the_file_is_read_again_is_proven_by_the_former_one(file, monkeypatch):
    users, mine, load = Passwords(str(file)), header("ann", "s3:cret"), http_users.load
    monkeypatch.setattr(http_users, "load", lambda path: users.prove(mine) and load(path))
    file.write_text(passwords.line("ann", "new") + "\n")
    users.refresh()
    assert users.prove(header("ann", "new")) and not users.known(mine)


def test_what_is_remembered_is_limited(file, monkeypatch):
    monkeypatch.setattr(passwords, "_REMEMBERED", 1)
    users = Passwords(str(file))
    assert users.prove(header("ann", "s3:cret")) and users.prove(header("bob", "ünï"))
    assert users.known(header("bob", "ünï")) and not users.known(header("ann", "s3:cret"))


def test_a_file_that_cannot_be_used_lets_nobody_in(file):
    users, mine = Passwords(str(file)), header("ann", "s3:cret")
    assert users.prove(mine)
    for text, told in (("ann:plain", "line 1 is not USER:HASH"), ("", "names no user")):
        file.write_text(text)
        users.refresh()
        assert users.wanted and not users.known(mine) and not users.prove(mine) and told in users.trouble
    os.unlink(file)
    users.refresh()
    assert not users.prove(mine) and "does not exist" in users.trouble
    assert not Passwords(None).wanted


@pytest.mark.parametrize("text, told", [
    ("ann:pbkdf2-sha256$0$" + "0" * 32 + "$" + "0" * 64, "line 1 is not"), ("ann:pbkdf2-sha256$99999999$" + "0" * 32 + "$" + "0" * 64, "line 1"),
    ("\n".join(["ann:pbkdf2-sha256$10$" + "0" * 32 + "$" + "0" * 64] * 2), "names ann again"),
])
def test_lines_that_are_none(text, told):
    with pytest.raises(ValueError, match=told):
        http_users.parse(text)
