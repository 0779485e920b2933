"""Faults that the simulation must find, each put into the product by one line.

`plant` has a module of the product run with the line replaced; it comes before anything imports that module.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Dict, NamedTuple, Tuple


class Fault(NamedTuple):
    """module: of the product, in its package. line: as it stands there, once. replaced: by this. kinds: of what befalls the nodes in the
    schedules in which it is looked for, where few of all would show it; else ()."""

    module: str
    line: str
    replaced: str
    kinds: Tuple[str, ...] = ()


FAULTS: Dict[str, Fault] = {
    "the tick is left out of the lease rule": Fault(
        "core.lease",
        "[sent for sent, answered in self.exchanges if answered <= newest - tick]",
        "[sent for sent, answered in self.exchanges if answered <= newest]",
    ),
    "the sending time is taken for the answer's": Fault(
        "core.lease",
        "[sent for sent, answered in self.exchanges if answered <= newest - tick]",
        "[sent for sent, answered in self.exchanges if sent <= newest - tick]",
    ),
    "T as asked": Fault(
        "listener.session_keeper",
        "        timeout = event.timeout\n",
        "        timeout = self._host.settings.session_timeout\n",
    ),
    "a read counts as a quorum write": Fault(
        "zookeeper.session",
        "        transaction.commit_async().rawlink(answered)",
        "        self.client.exists_async(checked[0]).rawlink(lambda answer: self._post(Beaten(generation, sent, now(), checked,"
        " () if answer.value else checked, _text(answer.exception), replies.is_answer(answer.exception), False)))",
    ),
    "release before the proof of death": Fault(
        "core.demotion",
        '    turn.request("waiting", *((messages.KillGroup,) if kill else (messages.StopGroup, kill_at)))',
        '    turn.request("waiting", *((messages.KillGroup,) if kill else (messages.StopGroup, kill_at))); release(turn, reason)',
    ),
    "ack without the proposal check": Fault(
        "zookeeper.term",
        '            if self._commit("write the ack", limit, operations):',
        '            if self._zk.ask("write the ack", limit, self._client.set_async, self.election_ack, data):',
        ("delete proposal",),
    ),
    "all who stand by watch who leads": Fault(
        "zookeeper.proposal", "{max(ahead, key=order) if ahead else rival}", "{min(ahead, key=order) if ahead else rival}",
    ),
    "an answer of an older session counts": Fault(
        "listener.lease_keeper",
        "if self.clock is None or self.granted is None or event.generation != self.granted.generation:",
        "if self.clock is None or self.granted is None:",
        ("freeze listener",),
    ),
    "the holder is written after the group's start": Fault(
        "core.standby",
        '        turn.go(PROMOTING, "claiming", "leads the queue")',
        '        from supervisor_zkelect.core.promotion import claimed; claimed(turn, messages.Claimed(0, ""))',
    ),
    "a failed multi counts": Fault(
        "zookeeper.session",
        "            gone: Tuple[str, ...] = ()\n            if error is None:",
        "            gone: Tuple[str, ...] = ()\n            if False:",
        ("delete proposal", "freeze listener"),
    ),
    "a fence that fails is passed over": Fault(
        "core.promotion",
        "    if not event.ok and not turn.rules.fence_failed_continues:",
        "    if False:",
    ),
    "the grant is not revoked before the kill": Fault(
        "guard.groups",
        "            self._put(one, **one.entry.revoke()._asdict())",
        "            one.entry = one.entry.revoke()",
        ("start by hand", "freeze guard"),
    ),
    "that a revocation could not be written is not shown": Fault(
        "guard.groups",
        "            self._book.doubt(True)\n            self._write_at = min(self._write_at, self._now() + WRITE_PACE)",
        "            self._write_at = NEVER",
        ("broken disk",),
    ),
    "without a guard nobody ends a lease": Fault(
        "listener.listener",
        "self.enforcement = Enforcement(means, self.candidacies)",
        "self.enforcement = Enforcement(means, ())",
        ("no guard to be had",),
    ),
    "a guard that hangs is trusted with the kill": Fault(
        "listener.enforcement",
        "again = self.last_resort.kill(one.settings.group)",
        "again = moment + PACE if guarded else self.last_resort.kill(one.settings.group)",
        ("hang guard",),
    ),
    "the claim does not check the control": Fault(
        "zookeeper.claim",
        '            return [("check", (self.control_znode, found.stamp.version), {})]',
        "            return []",
        ("maintenance", "kill supervisord"),
    ),
    "who claims takes the version of the control for its znode": Fault(
        "zookeeper.claim",
        "    return found == control.Stamp() or stat is not None and stat.czxid == found.czxid",
        "    return True",
        ("control gone", "resign"),
    ),
    "the order stands after the claim that it led to": Fault(
        "core.control",
        "        return order if order.begun != token else None",
        "        return None",
        ("switchover",),
    ),
    "who never leads stands in the queue": Fault(
        "core.fitness",
        "    aside = ranks.NEVER if rules.priority == 0 else",
        "    aside =",
        ("kill listener", "stall", "resign"),
    ),
    "a node steps again and again": Fault(
        "core.priority",
        "    return not state.stepped or term > state.stepped_in or state.stepped_first and acked",
        "    return True",
        ("kill listener", "resign", "stay away"),
    ),
    "a step does not check what is ordered": Fault(
        "zookeeper.stepping",
        "        return operations + heeded",
        "        return operations",
        ("switchover while it steps", "kill supervisord", "restart listener"),
    ),
    "a step does not check who is better": Fault(
        "zookeeper.stepping",
        '            operations.append(("check", (path, -1), {}))',
        "            pass",
        ("gone while it is stepped behind", "kill supervisord", "restart listener"),
    ),
    "priorities compare by the file": Fault(
        "listener.actions",
        "    return ranks.DEFAULT if one.state.priority is None else one.state.priority",
        "    return one.settings.priority",
        ("another priority",),
    ),
    "a primary hands back out of an order": Fault(
        "zookeeper.stepping",
        "        if not better or found is None or found.order:",
        "        if not better or found is None:",
        ("switchover", "restart listener"),
    ),
    "a primary hands back to one whose term failed": Fault(
        "zookeeper.stepping",
        "            failed = history.failed_last(terms, one.node, orders.cleared.get(one.node, 0), healthy)",
        "            failed = False",
        ("sick", "kill service"),
    ),
    "a switchover is begun without a look whether its target stands": Fault(
        "zookeeper.orders",
        '            operations: List[Operation] = [("check", (f"{self.election_znode}/{target.name}", -1), {})]',
        "            operations: List[Operation] = []",
        ("switchover and delete",),
    ),
    "in a pause a predecessor is fenced and its ack emptied": Fault(
        "zookeeper.claim",
        '        halted = "" if mine else found.halted(token)',
        '        halted = "" if mine or not token else found.halted(token)',
        ("pause when led", "kill supervisord", "stall", "deaf supervisord"),
    ),
    "a pause is consented to without the proposal": Fault(
        "zookeeper.pausing",
        '            if self._check("consent to the pause", limit, operations):',
        '            if self._zk.committed("consent", limit, self._zk.transact(self.election_znode, operations)):',
        ("pause and delete",),
    ),
    "a consent makes no barrier": Fault(
        "zookeeper.pausing",
        '                operations.append(("create", (path, barrier.data(node, mine.token, life)), {"acl": self._zk.acl}))',
        '                operations.append(("check", (self.election_znode, -1), {}))',
        ("pause", "control gone", "stall", "stall"),
    ),
    "resume is sent before the guard has dropped the flag": Fault(
        "core.pausing",
        "    elif turn.now < lease_of(turn.rules, state).ordinary.stop_at:\n        _bound(turn)",
        "    elif turn.now < lease_of(turn.rules, state).ordinary.stop_at:\n"
        "        turn.set(paused_until=-INFINITY)\n        _end(turn, order)",
        ("pause",),
    ),
    "a lease has no end as soon as the consent is sent": Fault(
        "core.pausing",
        '        _request(turn, Pausing(pause.order, "consenting"), pause_messages.Consent, pause.order)',
        '        _request(turn, Pausing(pause.order, "consenting"), pause_messages.Consent, pause.order)\n'
        "        turn.set(paused_until=INFINITY); turn.act(pause_messages.TellPause())",
        ("pause", "stall"),
    ),
    "a consent is taken back before its term is proven dead": Fault(
        "core.pausing",
        "    return proven and bool(pause.consent) and (pause.over or pause.consent == state.buried or former)",
        "    return bool(pause.consent) and pause.consent == (state.token or state.buried)",
        ("pause", "shutdown", "stop by hand", "stay away", "stall"),
    ),
    "a pause that ends by itself is relied on for longer than it is respected": Fault(
        "core.lease",
        "PAUSE_RELIED_ON, PAUSE_RESPECTED = 1 - DRIFT, 1 + DRIFT",
        "PAUSE_RELIED_ON, PAUSE_RESPECTED = 1 + DRIFT, 1 - DRIFT",
        ("pause for a while", "stall"),
    ),
    "a standby ends a newer pause by an older one's clock": Fault(
        "core.pausing",
        "    if pause is not None and turn.state.pause_stamp != pause.stamp:",
        "    if pause is not None and turn.state.pause_stamp is None:",
        ("pause for a while", "pause for a while", "resign", "stall"),
    ),
    "a check that fails takes a node out of the queue at once": Fault(
        "core.fitness",
        "    elif turn.now - state.failing_since >= patience(turn) and _has_fallen(turn) and not priority.is_ordered(turn):",
        "    elif not priority.is_ordered(turn):",
        ("unfit", "unfit", "stall", "kill listener"),
    ),
    "a check that fails counts while nobody serves": Fault(
        "core.fitness",
        "    if not event.term or not state.fit_trouble:\n        turn.set(failing_since=None)",
        "    if not state.fit_trouble:\n        turn.set(failing_since=None)",
        ("unfit and sick",),
    ),
    "attach without the lock": Fault(
        "listener.folder",
        "            if self.locked:\n                self._taken()",
        "            if True:\n                self._taken()",
        ("stay away", "leader gone"),
    ),
}


def source_of(fault: Fault) -> str:
    """The module with the fault in it. Raises ValueError when its line does not stand there once."""
    source = Path(_spec(fault).origin).read_text()
    if source.count(fault.line) != 1:
        raise ValueError(f"{fault.module}.py has this line {source.count(fault.line)} times and not once: {fault.line!r}")
    return source.replace(fault.line, fault.replaced)


def plant(fault: Fault) -> None:
    """Raises ValueError as `source_of` does."""
    spec = _spec(fault)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    exec(compile(source_of(fault), spec.origin, "exec"), vars(module))
    package, _, name = spec.name.rpartition(".")
    setattr(sys.modules[package], name, module)


def _spec(fault: Fault) -> ModuleSpec:
    return importlib.util.find_spec(f"supervisor_zkelect.{fault.module}")
