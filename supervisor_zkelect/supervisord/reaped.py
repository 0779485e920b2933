"""Inside supervisord: how each process ended, as waitpid(2) gave it. supervisord itself forgets the status of a process that
ended before its startsecs, and the signal of every one."""

from __future__ import annotations

from typing import Any, Optional

_ATTRIBUTE = "zkelect_wait_status"


def install(options: Any) -> None:
    """Record wait statuses when supervisord collects them. options: its ServerOptions.

    Raises AttributeError when it collects them in another way.
    """
    collect = options.waitpid

    def waitpid() -> Any:
        pid, status = collect()
        process = options.pidhistory.get(pid) if pid else None
        if process is not None:
            setattr(process, _ATTRIBUTE, status)
        return pid, status

    options.waitpid = waitpid


def wait_status(process: Any) -> Optional[int]:
    """The wait status of the last process of one of supervisord's Subprocess objects; None when none was recorded."""
    return getattr(process, _ATTRIBUTE, None)
