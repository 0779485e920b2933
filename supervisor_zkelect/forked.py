"""The chain loader inside supervisord: what `zkelect run` does, in supervisord's fork, without a Python of its own.

supervisord forks and executes `zkelect run`, an interpreter that starts, looks around and executes the program: 20 ms of
every failover, and most of the time in which two processors start 300 programs. The fork is an interpreter that has
started already, so it looks around by itself.

It only takes the short way. Whatever speaks against the program, or takes longer than it should, is left to `zkelect run`,
which supervisord's fork executes then as if nothing had been tried: what is refused, how it is told, and what an upgrade
of the package changed under a supervisord that runs on, is decided in one place.
"""

from __future__ import annotations

import os
import signal
from typing import Any, Dict, List

from supervisor_zkelect import runner

PATIENCE = 0.1
"""Seconds that the guard has to answer. Until its exec nobody can tell whose a fork of supervisord is, and no group is
proven dead meanwhile."""


def install(options: Any) -> None:
    """Have a supervisord's forks take the short way. options: its ServerOptions, whose execve they call last."""
    execute = getattr(options, "execve", None)
    if execute is None:
        options.logger.warn("zkelect: this supervisord starts programs in a way that is not known; they start slower")
        return
    runner.preload()

    def execve(filename: str, argv: List[str], env: Dict[str, str]) -> None:
        if loads(argv):
            attempt(argv, env)
        execute(filename, argv, env)

    options.execve = execve


def loads(argv: List[str]) -> bool:
    """Whether the arguments are those of `zkelect run`."""
    return len(argv) > 1 and os.path.basename(argv[0]) == "zkelect" and argv[1] == "run"


def attempt(argv: List[str], env: Dict[str, str]) -> None:
    """Become the program, or return. Called in a fork of supervisord, which ends or executes something afterwards."""
    command = runner.command_of(argv[2:])
    if not command:
        return
    _answer_signals()
    try:
        os.environ.clear()
        os.environ.update(env)
        runner.become(command, PATIENCE, _give_up)
    except Exception:
        # Whatever it is, `zkelect run` meets it as well, and tells.
        return


def _answer_signals() -> None:
    """supervisord's handlers would swallow a signal that stops the program."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _give_up(trouble: str) -> None:
    raise runner.Refused(trouble)
