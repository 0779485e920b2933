"""The check that a command succeeds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Tuple

from supervisor_zkelect.checks.health import Check, Limit, Unhealthy, os_error
from supervisor_zkelect.processes import execution
from supervisor_zkelect.processes.execution import REASON_LENGTH, one_line


@dataclass(frozen=True)
class Exec(Check):
    """A command ends with exit status 0 within the limit. No shell is involved.

    It runs in a session of its own with /dev/null as its input and the environment of `execution.ENVIRONMENT`. What it
    started and left in that session when it ended is killed, and at the limit it is killed together with all its
    descendants. The last line of its output, of both streams, stands in the reason.
    """

    argv: Tuple[str, ...] = field(repr=False)

    def __str__(self) -> str:
        return f"exec:{shlex.quote(self.argv[0])}"

    def ask(self, limit: Limit) -> str:
        name = one_line(self.argv[0], REASON_LENGTH)
        limit.doing = f"running {name}"
        limit.left()
        try:
            ended = execution.run(self.argv, limit.end)
        except FileNotFoundError:
            raise Unhealthy(f"cannot run {name}: the command or its interpreter does not exist") from None
        except OSError as error:
            raise Unhealthy(f"cannot run {name}: {os_error(error)}") from None
        said = f": {ended.said}" if ended.said else ""
        pids = ", ".join(map(str, ended.unkillable))
        trouble = f"; not permitted to kill pid {pids}" if pids else ""
        if ended.status is None:
            raise Unhealthy(f"{limit.reached()}, killed{trouble}{said}")
        if ended.left_over:
            trouble = f" ({ended.left_over} left-over processes killed{trouble})"
        if not ended.ok:
            raise Unhealthy(f"{ended.status}{trouble}{said}")
        return f"{ended.status}{trouble}{said}"
