"""Is the service ready? What a check is, and one probe of it.

    tcp://HOST:PORT      a connection is accepted (`tcp`)
    http(s)://…          an answer with an expected status and, if asked for, a text in its body (`http`)
    exec:COMMAND         the command ends with exit status 0 (`command`)
    none                 nothing is asked beyond supervisord's own states: every member RUNNING

Two rules hold for every kind. A probe ends within its time limit, whatever the other side does: the limit is a point in time and
each step gets what is left until then, so a server that sends a byte now and then gains nothing. And what could not be found out
counts as unhealthy. A probe never raises; its result says in one line why, without user names, passwords, query strings or
command arguments, because that line is logged and shown.

`core/service.py` decides how probes count, and when the next one is due.
"""

from __future__ import annotations

import socket
from typing import NamedTuple, Optional, Tuple

from supervisor_zkelect.processes.execution import REASON_LENGTH, one_line
from supervisor_zkelect.system.clock import now


class Result(NamedTuple):
    """The outcome of one probe.

    ok: whether the service is healthy.
    reason: one printable line that says why, in either case, without secrets.
    seconds: how long the probe took.
    """

    ok: bool
    reason: str
    seconds: float


class Unhealthy(Exception):
    """Ends a probe; the text is its reason."""


class Limit:
    """The end of a probe. doing: what is being done, for its reason."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = now()
        self.end = self.started + seconds
        self.doing = "starting"

    def remaining(self) -> float:
        """Seconds until the end, 0.0 when it has passed."""
        return max(0.0, self.end - now())

    def left(self) -> float:
        """As `remaining`, but raises when nothing remains: a socket timeout of 0 would mean "do not wait at all"."""
        seconds = self.remaining()
        if seconds <= 0:
            raise self.reached()
        return seconds

    def reached(self) -> Unhealthy:
        return Unhealthy(f"time limit of {self.seconds:g} s reached while {self.doing}")


class Check:
    """A way to ask a service whether it is ready. Immutable; `parse` makes one."""

    @property
    def place(self) -> Optional[Tuple[str, int]]:
        """The host and port that it connects to; None where it connects to nothing."""
        return None

    def probe(self, timeout: float) -> Result:
        """Ask once. Blocks for `timeout` seconds at most; never raises; may be called from any thread.

        A command that is killed at the limit may add up to `execution.KILL_LIMIT` seconds if the kernel does not end it.
        """
        limit = Limit(timeout)
        try:
            ok, reason = True, self.ask(limit)
        except Unhealthy as error:
            ok, reason = False, str(error)
        except socket.timeout:
            ok, reason = False, str(limit.reached())
        except OSError as error:
            ok, reason = False, f"failed while {limit.doing}: {os_error(error)}"
        except Exception as error:
            # A defect of a check must look like an unhealthy service and not end the caller's thread. The exception's own
            # text stays out: it may quote a URL.
            traceback = error.__traceback__
            while traceback is not None and traceback.tb_next is not None:
                traceback = traceback.tb_next
            line = traceback.tb_lineno if traceback is not None else 0
            ok = False
            reason = f"the check itself failed while {limit.doing}: {type(error).__name__} at line {line}"
        return Result(ok, one_line(reason, REASON_LENGTH * 2), now() - limit.started)

    def ask(self, limit: Limit) -> str:
        """The reason for being healthy. Raises Unhealthy, OSError or socket.timeout otherwise."""
        raise TypeError(f"{type(self).__name__} does not say how to ask")


def os_error(error: OSError) -> str:
    """The text of an error, in one line."""
    return one_line(error.strerror or type(error).__name__, REASON_LENGTH)


def hostport(host: str, port: Optional[int]) -> str:
    """As in a URL, an IPv6 address in brackets."""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"
