"""The chain loader inside supervisord: what `zkelect run` does, in supervisord's fork, without a Python of its own.

supervisord forks and executes `zkelect run`, an interpreter that starts, looks around and executes the program: 15 to 20 ms
of every failover, and seconds where two processors start 300 programs. The fork is an interpreter that has started already,
so it looks around by itself.

It only takes the short way. Whatever speaks against the program, or takes longer than it should, is left to `zkelect run`,
which supervisord's fork executes then as if nothing had been tried: what is refused, how it is told, and what an upgrade
of the package changed under a supervisord that runs on, is decided in one place. So is what another program does that
is called zkelect and is not this installation's.
"""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
from typing import Any, Dict, List, Set, Tuple

from supervisor_zkelect.core import lease
from supervisor_zkelect.guard import record
from supervisor_zkelect.loader import lean, run
from supervisor_zkelect.system import clock

PATIENCE = 0.1
"""Seconds that the guard has to answer, before `zkelect run` asks it. Until it has registered nobody can tell whose a fork of
supervisord is, and no group is proven dead meanwhile."""


def _written() -> List[Tuple[int, ...]]:
    """The identities of the files that decide here. Raises OSError."""
    return [_identity(str(module.__file__)) for module in (sys.modules[__name__], clock, lean, lease, record, run)]


def _identity(path: str) -> Tuple[int, ...]:
    """Values that change when the file is written again, and that no other file has. Raises OSError."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


try:
    _WRITTEN = _written()
except OSError:
    # Modules that are no files; an exception here would keep supervisord from starting.
    _WRITTEN = []


def _scripts() -> Set[Tuple[int, ...]]:
    """This installation's `zkelect`, wherever it has one."""
    schemes = (sysconfig.get_path("scripts"), sysconfig.get_path("scripts", "posix_user"))
    found = set()
    for folder in (os.path.dirname(sys.executable), *schemes):
        try:
            found.add(_identity(os.path.join(folder, "zkelect")))
        except OSError:
            continue
    return found


def _is_one_of(scripts: Set[Tuple[int, ...]], filename: str) -> bool:
    try:
        return _identity(filename) in scripts
    except OSError:
        return False


def install(options: Any) -> None:
    """Make a supervisord's forks take the short way. options: its ServerOptions, whose setpgrp they call first and whose
    execve last.

    Raises AttributeError when it has none.
    """
    lean.preload()
    set_process_group, execute, descriptors, scripts = options.setpgrp, options.execve, options.minfds, _scripts()

    def setpgrp() -> None:
        # A fork closes all descriptors up to this number, one by one, which takes it a millisecond; execve does it at once.
        options.minfds = 3
        set_process_group()

    def execve(filename: str, argv: List[str], env: Dict[str, str]) -> None:
        os.closerange(3, descriptors)
        if argv[1:2] == ["run"] and _is_one_of(scripts, filename):
            attempt(argv[2:], env)
        execute(filename, argv, env)

    options.setpgrp, options.execve = setpgrp, execve


def attempt(words: List[str], env: Dict[str, str]) -> None:
    """Become the program of `zkelect run` with these words, or return. Called in a fork of supervisord, which ends or
    executes something afterwards."""
    try:
        command = run.command_of(words)
        if command and _written() == _WRITTEN:
            # supervisord's handlers would swallow a signal that stops the program.
            _default_signals()
            run.become(command, env, PATIENCE, _give_up)
    except Exception:
        # Whatever it is, `zkelect run` meets it as well, and tells.
        return


def _default_signals() -> None:
    """Reset the signals that supervisord handles to their defaults."""
    for number in range(1, signal.NSIG):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _give_up(trouble: str) -> None:
    raise run.Refused(trouble)
