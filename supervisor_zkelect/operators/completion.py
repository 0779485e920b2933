"""`zkelect __complete elections|nodes [ELECTION]`: the names that a shell completes, one a line. For shells: no help names it.

Somebody waits with a finger on a key: it answers within LIMIT, and where anything is wrong it says nothing at all.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from typing import Any, List, Mapping, Sequence

from supervisor_zkelect.operators import streams

WHAT = ("elections", "nodes")

LIMIT = 0.6
"""Seconds until it ends, whoever does not answer."""

_SHOWN = re.compile(r"[\w.:@%+=-]+")
"""Names that a shell takes as they stand; others are not completed."""


def main(argv: Sequence[str]) -> int:
    """argv: what follows `__complete`. The exit status is 0 whatever happens."""
    signal.signal(signal.SIGALRM, _out_of_time)
    # More than once, as a handler of errors that the first one meets may go on.
    signal.setitimer(signal.ITIMER_REAL, LIMIT, 0.05)
    try:
        found = names(argv)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("".join(f"{name}\n" for name in found if _SHOWN.fullmatch(name)), end="")
        sys.stdout.flush()
    except (Exception, SystemExit, KeyboardInterrupt):
        # Nor when it ends, where nobody reads any more.
        signal.setitimer(signal.ITIMER_REAL, 0)
        streams.hush(sys.stdout)
    return 0


def _out_of_time(*_: Any) -> Any:
    raise TimeoutError


def names(argv: Sequence[str]) -> List[str]:
    """Raises what goes wrong."""
    import argparse

    from supervisor_zkelect.operators import ask, cli, connection
    from supervisor_zkelect.operators.view import judge

    words = argparse.ArgumentParser(parents=[cli.connection_words()], add_help=False, usage=argparse.SUPPRESS)
    words.error = _give_up  # type: ignore[method-assign]
    words.add_argument("what", choices=WHAT)
    words.add_argument("election", nargs="?", default="")
    given = words.parse_args(argv)
    deadline = time.monotonic() + LIMIT
    login = connection.found(given)
    call = ask.caller(login.url or "", login.username, login.password, LIMIT)
    report = judge(call("zkelect.getReport"))
    elections = [name for name in report.names if given.election in ("", name)]
    if given.what == "elections":
        return elections
    return sorted({node for name in elections for node in _nodes(ask, call, name, deadline)})


def _nodes(ask: Any, call: Any, election: str, deadline: float) -> List[str]:
    ticket = call("zkelect.request", "list", election, "{}")
    answer: Mapping[str, Any] = ask.poll(call, ticket, deadline) or {}
    return [one["node"] for one in answer.get("nodes", [])]


def _give_up(message: str) -> Any:
    raise ValueError(message)
