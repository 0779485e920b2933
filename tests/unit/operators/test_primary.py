"""`zkelect primary --watch` asks again and again, and leaves no more with the client than one thing to call."""

from types import SimpleNamespace

import pytest
from kazoo.exceptions import NoAuthError

from supervisor_zkelect.operators import primary
from supervisor_zkelect.operators.outcome import Trouble


class Client:
    """Answers some looks, and refuses the one after that. given: what it was to call at a change."""

    chroot = ""

    def __init__(self, looks):
        self.left, self.given = looks, []

    def get_async(self, path, watch):
        self.given.append(watch)
        self.left -= 1
        return self

    def get(self, timeout):
        if self.left < 0:
            raise NoAuthError
        return b"h:%d" % self.left, None


def ack(client):
    return primary.Ack(client, SimpleNamespace(chroot="", hosts="h"), SimpleNamespace(name="orders", election_ack="/ack"), False)


def test_looks_leave_one_callback(capsys):
    client = Client(20)
    with pytest.raises(Trouble):
        ack(client).watch(look_again=0)
    assert len(capsys.readouterr().out.splitlines()) == 20
    assert len(client.given) == 21 and len(set(client.given)) == 1


def test_one_look_leaves_none(capsys):
    client = Client(20)
    assert ack(client).once() == 0
    assert client.given == [None] and capsys.readouterr().out == "h:19\n"
