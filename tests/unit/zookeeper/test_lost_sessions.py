"""An elector forgets its proposal when its session is over, and neither it nor its client keeps the other alive."""

import gc

import pytest
from kazoo.protocol.states import KazooState

from supervisor_zkelect.zookeeper import lost_sessions


class Client:
    def __init__(self):
        self.listeners = []
        self.add_listener, self.remove_listener = self.listeners.append, self._remove

    def _remove(self, listener):
        self.listeners = [one for one in self.listeners if one is not listener]


class Forgetful:
    forgot = 0

    def forget(self):
        Forgetful.forgot += 1


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setattr(Forgetful, "forgot", 0)
    return Client()


@pytest.mark.parametrize("state, times", [(KazooState.LOST, 1), (KazooState.SUSPENDED, 0), (KazooState.CONNECTED, 0)])
def test_it_forgets_when_the_session_is_over_and_at_nothing_else(client, state, times):
    one = Forgetful()
    assert lost_sessions.tell(client, one, one.forget) in client.listeners
    assert [told(state) for told in client.listeners] == [None] and Forgetful.forgot == times


def test_one_that_nobody_has_any_more_is_told_nothing(client):
    one = Forgetful()
    told = lost_sessions.tell(client, one, one.forget)
    del one
    gc.collect()
    assert client.listeners == [] and told(KazooState.LOST) is True and Forgetful.forgot == 0
