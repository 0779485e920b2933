"""`socket` and `ctypes` for the chain loader, by the parts that CPython makes these modules of.

The modules themselves cost an executed `zkelect run` 5 of its 33 ms of processor time (measured), which is several for each
program of a failover, and seconds where hundreds start on two processors. With PLAIN on, and in an interpreter that is made of
other parts, they are used all the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from typing import Any

PLAIN = False
"""Whether to use the modules themselves."""


def socket_module() -> types.ModuleType:
    """A module with `socket` and its constants."""
    return _part("_socket", "socket", "socket")


def prctl(*arguments: int) -> int:
    """prctl(2). Raises ImportError, AttributeError or OSError where it cannot be called."""
    ctypes: Any = _part("_ctypes", "call_function", "ctypes")
    if hasattr(ctypes, "CDLL"):
        return int(ctypes.CDLL(None).prctl(*arguments))
    return int(ctypes.call_function(ctypes.dlsym(ctypes.dlopen(None, 0), "prctl"), arguments))


def preload() -> None:
    """Import beforehand what is imported here, for those that fork before they need it."""
    for part, needed, module in (("_socket", "socket", "socket"), ("_ctypes", "call_function", "ctypes")):
        try:
            _part(part, needed, module)
        except ImportError:
            continue


def _part(part: str, needed: str, module: str) -> types.ModuleType:
    """The part, where the interpreter has one with the function that is needed of it; else the module."""
    if not PLAIN:
        try:
            found = __import__(part)
            if hasattr(found, needed):
                return found
        except ImportError:
            pass
    return __import__(module)
