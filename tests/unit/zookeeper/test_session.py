"""What a server that takes no session is asked."""

import pytest
from kazoo import exceptions as kazoo_errors
from kazoo.protocol.connection import ConnectionHandler
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState

from supervisor_zkelect.config import load
from supervisor_zkelect.zookeeper import connect, kazoo_internals, replies, session


@pytest.fixture(params=["a listener's", "another's"])
def refused(request, monkeypatch, tmp_path):
    """A session of 4 s, with a tick of 0.5 s, at two servers that close every connection. Has the requests that they saw, and
    the time by its own clock."""
    for module in (session, kazoo_internals):
        monkeypatch.setattr(module, "now", lambda: refused.now)

    def invoke(connection, timeout, request, xid=None):
        if request.session_id:
            refused.seen.append(request.last_zxid_seen)
            raise kazoo_errors.ConnectionDropped("socket connection broken")
        return Connect(0, 0, 4000, 7, b"password", False), None

    def refused(seconds, times=1):
        refused.now += seconds
        for _ in range(times):
            with pytest.raises(kazoo_errors.ConnectionDropped):
                client._connection._invoke(4.0, Connect(0, client.last_zxid, 4000, 7, b"password", False))
        return refused.seen

    refused.now, refused.seen = 100.0, []
    monkeypatch.setattr(ConnectionHandler, "_invoke", invoke)
    path = tmp_path / "zkelect.conf"
    path.write_text(
        "[zkelect]\nservers = h:1,h:2\nsession_timeout = 4\ntick_time = 0.5\nnode_name = n\n"
        "[election:orders]\naddress = h:3\nhealth = none\n"
    )
    refused.told = []
    one = session.Session(load.from_file(str(path)), refused.told.append)
    refused.client, refused.session = one.client, one
    client = one.client
    if request.param == "another's":
        # As discovery and Elector.connect have it.
        client = connect.make_client("h:1,h:2", 4.0, limits=lambda: (replies.LONGEST, 0.5))
    client._connection._invoke(4.0, Connect(0, 0, 4000, 0, b"", False))
    client._make_state_change(KazooState.CONNECTED)
    client.last_zxid = 99
    client._make_state_change(KazooState.SUSPENDED)
    return refused


@pytest.mark.parametrize("refused", ["a listener's"], indirect=True)
def test_what_is_told_of_a_session_has_its_password_though_kazoo_has_forgotten_it(refused):
    (told,) = [event for event in refused.told if isinstance(event, session.Connected)]
    assert refused.client.client_id is None and told[2:] == (4.0, 100.0, b"password")


@pytest.mark.parametrize("refused", ["a listener's"], indirect=True)
def test_a_client_that_cannot_be_started_leaves_nothing_behind(monkeypatch, refused):
    client, undone = refused.session.client, []
    monkeypatch.setattr(kazoo_internals, "undo_start", undone.append)
    client.start_async = no_thread
    with pytest.raises(RuntimeError):
        refused.session.start()
    assert undone == [client]


def no_thread():
    raise RuntimeError("can't start new thread")


def test_a_session_that_no_server_takes_is_asked_for_anew_once_it_must_be_over(refused, caplog):
    assert set(refused(0.0, 5)) == {99}
    assert refused(4.4)[-1] == 99
    assert refused(0.2, 3)[-3:] == [0, 0, 0]
    assert len([one for one in caplog.records if "seen nothing" in one.getMessage()]) == 1


def test_a_session_is_not_asked_for_anew_before_every_server_had_its_turn(refused):
    assert refused(60.0, 2)[-2:] == [99, 99]
    assert refused(0.1)[-1] == 0
