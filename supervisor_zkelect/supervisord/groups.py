"""Calls to supervisord about whole groups: by the RPC interface of this package, or without it by more calls."""

from __future__ import annotations

import json
from typing import Any, Callable, Collection, Dict, List, NamedTuple, Optional, Sequence

from supervisor_zkelect.supervisord.client import BAD_NAME, UNKNOWN_METHOD, Fault, Supervisord, Unreachable


class Started(NamedTuple):
    """The outcome of the start of a group.

    items: of each process that did not run before, {"name", "status", "description"}. states: what
    `GroupCalls.infos` says of all of them right after that; None where supervisord does not tell.
    """

    items: List[Dict[str, Any]]
    states: Optional[List[Dict[str, Any]]]


class GroupCalls:
    """The calls of one process about groups. All methods may be used from several threads at once."""

    def __init__(self, supervisord: Supervisord) -> None:
        self._supervisord = supervisord
        self.has_interface = True
        """Whether the RPC interface of this package is there, as far as is known."""

    def infos(self, groups: Collection[str]) -> Dict[str, Any]:
        """The state of each process of some groups, as {group: list of {"name", "statename", "pid",
        "spawnerr"}}, each group's all at the same moment. Instead of a list there is a Fault, BAD_NAME where there is no
        such group. Raises as `call` does.

        Where supervisord has not the RPC interface of this package it takes the list of all processes, which is slow with many
        programs (1.3 s at 1,000).
        """
        answer = self._all_at_once("getProcessStates", groups, self._supervisord.timeout, _states)
        if answer is not None:
            if None in answer.values():
                raise Unreachable("zkelect.getProcessStates does not answer as it should: it leaves groups out")
            return answer
        try:
            infos = self._supervisord.call("supervisor.getAllProcessInfo")
        except Fault as fault:
            return dict.fromkeys(groups, fault)
        found = {group: [info for info in infos if info["group"] == group] for group in groups}
        return {
            group: listed or Fault(BAD_NAME, f"BAD_NAME: supervisord has no group {group}") for group, listed in found.items()
        }

    def start(self, groups: Sequence[str], timeout: float) -> Dict[str, Any]:
        """Start some groups, of which nothing waits until they run, as {group: Started}. Instead of that there is a Fault,
        or None for a group that was not started yet and nothing is wrong with: ask again.

        timeout: seconds. Raises as `call` does. More than one group are for a supervisord with the RPC interface of this
        package (`has_interface`); where it turns out to have none, no group has been started.
        """
        answer = self._all_at_once("startProcessGroups", groups, timeout, _started)
        if answer is not None or len(groups) > 1:
            return answer or dict.fromkeys(groups)
        try:
            return {
                group: Started(self._supervisord.call("supervisor.startProcessGroup", group, False, timeout=timeout), None)
                for group in groups
            }
        except Fault as fault:
            return dict.fromkeys(groups, fault)

    def _all_at_once(
        self, method: str, groups: Collection[str], timeout: float, read: Callable[[Any], Any]
    ) -> Optional[Dict[str, Any]]:
        """The answers of this package's RPC interface for each group: what `read` makes of it, a Fault, or None. None
        where supervisord has not the interface, or one without the method. Raises as `call` does."""
        if not self.has_interface:
            return None
        try:
            answers = json.loads(self._supervisord.call(f"zkelect.{method}", list(groups), timeout=timeout))
            if len(answers) != len(groups):
                raise ValueError(f"{len(answers)} items for {len(groups)} groups")
            return {group: _unless_fault(answer, read) for group, answer in zip(groups, answers)}
        except Fault as fault:
            if fault.code != UNKNOWN_METHOD:
                raise
            self.has_interface = False
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise Unreachable(f"zkelect.{method} does not answer as it should: {error}") from error


def _unless_fault(answer: Any, read: Callable[[Any], Any]) -> Any:
    """A group's answer as `read` returns it, a Fault, or None. Raises ValueError, TypeError and KeyError, as `read` does."""
    if isinstance(answer, dict) and "faultCode" in answer:
        return Fault(answer["faultCode"], answer["faultString"])
    return None if answer is None else read(answer)


def _started(answer: Any) -> Started:
    # A supervisord that has run since before an upgrade of this package may answer with the items alone.
    items, states = (answer["started"], answer["states"]) if isinstance(answer, dict) else (answer, None)
    return Started(_items(items, ("name", "status", "description")), None if states is None else _states(states))


def _states(answer: Any) -> List[Dict[str, Any]]:
    return _items(answer, ("name", "statename", "pid", "spawnerr"))


def _items(answer: Any, fields: Sequence[str]) -> List[Dict[str, Any]]:
    if any(len(item) != len(fields) for item in answer):
        raise ValueError(f"an item has not {len(fields)} fields")
    return [dict(zip(fields, item)) for item in answer]
