"""The parts of Python's modules that the chain loader makes do with, and the modules themselves where they are switched on."""

import _socket
import ctypes
import os
import socket
import sys
import threading
import types

import pytest

from supervisor_zkelect.guard import record
from supervisor_zkelect.loader import lean, run
from supervisor_zkelect.system.clock import now

PR_GET_DUMPABLE = 3


@pytest.fixture(params=[False, True], ids=["parts", "plain"])
def plain(request, monkeypatch):
    monkeypatch.setattr(lean, "PLAIN", request.param)
    return request.param


@pytest.mark.parametrize("part", [sys.modules["_ctypes"], types.ModuleType("_ctypes"), None], ids=["whole", "other", "none"])
def test_the_kernel_is_asked_whatever_the_interpreter_is_made_of(monkeypatch, plain, part):
    monkeypatch.setitem(sys.modules, "_ctypes", part)
    assert lean.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)


def test_the_switch_takes_the_modules_themselves(plain):
    assert lean.socket_module() is (socket if plain else _socket)
    lean.preload()


def test_the_guard_is_heard_either_way(plain, tmp_path):
    with socket.socket(socket.AF_UNIX) as door:
        record.at_socket(str(tmp_path), door.bind)
        door.listen()

        def answer():
            with door.accept()[0] as peer:
                peer.sendall(b"heard " + peer.recv(100))

        guard = threading.Thread(target=answer)
        guard.start()
        assert run._converse(str(tmp_path), b"me", now() + 60) == b"heard me"
        guard.join()
    os.unlink(tmp_path / record.SOCKET)
    with pytest.raises(OSError):
        run._converse(str(tmp_path), b"me", now() + 60)
