"""Faults that the simulation must find, each put into the product by one line.

`plant` has a module of the product run with the line replaced; it comes before anything imports that module.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Dict, NamedTuple


class Fault(NamedTuple):
    """module: of the product. line: as it stands there, once. replaced: by this."""

    module: str
    line: str
    replaced: str


FAULTS: Dict[str, Fault] = {
    "the tick is left out of the lease rule": Fault(
        "lease",
        "[sent for sent, answered in self.exchanges if answered <= newest - tick]",
        "[sent for sent, answered in self.exchanges if answered <= newest]",
    ),
    "the sending time is taken for the answer's": Fault(
        "lease",
        "[sent for sent, answered in self.exchanges if answered <= newest - tick]",
        "[sent for sent, answered in self.exchanges if sent <= newest - tick]",
    ),
    "T as asked": Fault(
        "listener",
        "tick, timeout = self.settings.tick_time, event.timeout",
        "tick, timeout = self.settings.tick_time, self.settings.session_timeout",
    ),
    "a read counts as a quorum write": Fault(
        "session",
        "        transaction.commit_async().rawlink(answered)",
        "        self.client.exists_async(checked[0]).rawlink(lambda answer: self._post(Beaten(generation, sent, now(), checked,"
        " () if answer.value else checked, _text(answer.exception), _was_answered(answer.exception))))",
    ),
    "release before the proof of death": Fault(
        "role",
        "        self.act(KillGroup(number) if kill else StopGroup(number, kill_at))",
        "        self.act(KillGroup(number) if kill else StopGroup(number, kill_at)); self.release(reason)",
    ),
    "ack without the proposal check": Fault(
        "elector",
        "        transaction.check(self.proposal_path, -1)",
        "        if doing != 'write the ack': transaction.check(self.proposal_path, -1)",
    ),
    "an answer of an older session counts": Fault(
        "listener",
        "if self.clock is None or self.granted is None or event.generation != self.granted.generation:",
        "if self.clock is None or self.granted is None:",
    ),
    "the holder is written after the group's start": Fault(
        "role",
        '            self.go(PROMOTING, "claiming", "leads the queue")',
        '            self.go(PROMOTING, "claiming", "leads the queue"); self.on_Claimed(Claimed(0, ""))',
    ),
    "a failed multi counts": Fault(
        "session",
        "            error, gone = answer.exception, ()\n            if error is None:",
        "            error, gone = answer.exception, ()\n            if False:",
    ),
    "a fence that fails is passed over": Fault(
        "role",
        "        if not event.ok and not self.settings.fence_failed_continues:",
        "        if False:",
    ),
    "the grant is not revoked before the kill": Fault(
        "guard",
        "            self.put(charge, granted=False, revoked=charge.entry.revoked + 1)",
        "            charge.entry = charge.entry._replace(granted=False, revoked=charge.entry.revoked + 1)",
    ),
    "attach without the lock": Fault(
        "listener",
        "        if not self.locked:\n            self.say(",
        "        if False:\n            self.say(",
    ),
}


def plant(name: str) -> None:
    """Raises KeyError for a fault that there is not, ValueError when its line does not stand there once."""
    fault = FAULTS[name]
    full = f"supervisor_zkelect.{fault.module}"
    spec = importlib.util.find_spec(full)
    source = Path(spec.origin).read_text()
    if source.count(fault.line) != 1:
        raise ValueError(f"{fault.module}.py has the line of {name!r} {source.count(fault.line)} times: {fault.line!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    exec(compile(source.replace(fault.line, fault.replaced), spec.origin, "exec"), vars(module))
    setattr(sys.modules["supervisor_zkelect"], fault.module, module)
