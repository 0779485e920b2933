"""The parts of Python's modules that the chain loader makes do with."""

import ctypes
import sys
import types

import pytest

from supervisor_zkelect.loader import lean

PR_GET_DUMPABLE = 3


@pytest.mark.parametrize("part", [sys.modules["_ctypes"], types.ModuleType("_ctypes"), None], ids=["whole", "other", "none"])
def test_the_kernel_is_asked_whatever_the_interpreter_is_made_of(monkeypatch, part):
    monkeypatch.setitem(sys.modules, "_ctypes", part)
    assert lean.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
