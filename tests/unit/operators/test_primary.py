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


@pytest.mark.parametrize("watch", [True, False])
def test_looks_leave_one_callback(monkeypatch, capsys, watch):
    monkeypatch.setattr(primary, "_LOOK_AGAIN", 0)
    client, election = Client(20), SimpleNamespace(name="orders", election_ack="/ack")
    arguments = SimpleNamespace(watch=watch, json=False)
    if watch:
        with pytest.raises(Trouble):
            primary._read_ack(client, SimpleNamespace(chroot="", hosts="h"), election, arguments)
        assert len(capsys.readouterr().out.splitlines()) == 20
    else:
        assert primary._read_ack(client, SimpleNamespace(chroot="", hosts="h"), election, arguments) == 0
        assert client.given == [None]
    assert len(set(client.given)) == 1
