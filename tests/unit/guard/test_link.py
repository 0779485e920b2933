"""The listener's side of the conversation with a guard."""

import os
import queue
import socket

from supervisor_zkelect.guard import link, process, protocol, record


def test_an_order_that_the_guard_refuses_does_not_end_the_conversation(tmp_path, monkeypatch):
    """Else one order that goes wrong in the guard would cost all groups their leases."""
    monkeypatch.chdir(tmp_path)
    posted = queue.SimpleQueue()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(record.SOCKET)
        listening.listen(1)
        terms = process.Terms(str(tmp_path), ("boot", "namespace", 1, 1), "unix:///none", "none", 2.0, 1)
        link.Link(terms, (None, None), posted.put).open({})
        connection, _ = listening.accept()
    echo = protocol.LeaseEcho(1, 2.0)
    with connection:
        welcome = protocol.Welcome(True, False, protocol.VERSION, {}, os.getpid(), "")
        connection.sendall(protocol.TO_LISTENER.encode(welcome))
        connection.sendall(b'{"ok":false,"error":"not understood"}\n' + protocol.TO_LISTENER.encode(echo))
        assert isinstance(posted.get(timeout=60), link.GuardUp)
        assert posted.get(timeout=60) == echo
    assert isinstance(posted.get(timeout=60), link.GuardDown)
