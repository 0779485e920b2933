"""What a listener reports to supervisord: of itself, of its session, and of each of its elections.

What came from ZooKeeper goes with the moment at which that last confirmed it, as it may be away by the time somebody reads.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Dict, Optional

from supervisor_zkelect import __version__
from supervisor_zkelect.core import ability, role, untrusted

#: Characters of a text in a report.
LONGEST_TEXT = 2000
#: Characters of a list in an answer to an operator; supervisord takes some more (rpcinterface.LONGEST_ANSWER).
LONGEST_LIST = 200_000
#: Seconds without a connection to ZooKeeper after which one that begins is told to have none.
UNREACHED = 2.0


@dataclass
class Facts:
    """What ZooKeeper has told of an election. at, place_at: when it was asked for what is known of ack and holder, and of the
    queue; seconds of CLOCK_BOOTTIME, None for never."""

    ack: str = ""
    primary_node: str = ""
    at: Optional[float] = None
    place: Optional[int] = None
    candidates: Optional[int] = None
    place_at: Optional[float] = None

    def leave_queue(self) -> None:
        """There is another proposal, or none, from now on."""
        self.place = self.candidates = self.place_at = None

    def stand(self, place: Optional[int], candidates: Optional[int], at: float) -> None:
        if place is not None:
            self.place, self.candidates, self.place_at = place, candidates, at


class Reports:
    """Of one listener (`listener.Listener`), on its deciding thread."""

    def __init__(self, listener: Any) -> None:
        self.listener = listener

    def report(self, moment: float) -> Dict[str, Any]:
        listener = self.listener
        granted = listener.granted
        return {
            "v": 1, "node": listener.settings.node_name, "pid": listener.host.pid, "version": __version__,
            "config": listener.settings.file, "config_trouble": listener.config_trouble(), "boottime": moment,
            "time": time.time(),
            "session": {
                "state": listener.link, "id": f"0x{granted.session:x}" if granted else None,
                "timeout": granted.timeout if granted else None, "since": listener.link_since,
                "trouble": listener.link_doubt(),
            },
            "elections": {name: self.part(contest, moment) for name, contest in listener.contests.items()} or self.unbegun(),
        }

    def unbegun(self) -> Dict[str, Any]:
        """What is reported of the elections while none is begun."""
        listener = self.listener
        root, reason = listener.settings.chroot, self.unbegun_reason()
        kind = ability.KERNEL if listener.obstacle else ability.GUARD
        cannot = listener.obstacle or listener.guard_trouble
        return {
            one.name: {
                "role": role.DETACHED, "step": "beginning", "since": listener.link_since, "token": None, "proposal": None,
                "group": one.group, "address": one.address, "ack": None, "primary_node": None, "ack_at": None, "place": None,
                "candidates": None, "place_at": None, "deadline": None, "until": None, "reason": reason, "trouble": cannot,
                "cannot": {"kind": kind, "why": cannot} if cannot else None, "failed": None, "znode": root + one.election_znode,
                "ack_znode": root + one.election_ack, "unguarded": not listener.guard_up,
                "unguarded_why": self.unguarded(None),
            }
            for one in listener.settings.elections
        }

    def unbegun_reason(self) -> str:
        """Why no election is begun, as a predicate of this node."""
        listener = self.listener
        if listener.obstacle or listener.guard_trouble:
            return f"cannot: {listener.obstacle or listener.guard_trouble}"
        if not listener.locked:
            return "waits for the guard, which stops and releases what an earlier listener left"
        return "waits for its guard" if not listener.guard_up else "waits for supervisord to tell of its programs"

    def part(self, contest: Any, moment: float) -> Dict[str, Any]:
        """What is reported of an election. What others have a say in is cut: a report that is too long is none."""
        listener, state, settings, facts = self.listener, contest.state, contest.settings, contest.facts
        running = state.role in (role.PROMOTING, role.PRIMARY)
        hindrance = ability.hindrance(state, self.hindrances(contest, moment))
        return {
            "role": state.role, "step": state.step, "since": state.since, "token": state.token,
            "proposal": state.proposal, "group": settings.group, "address": settings.address,
            "ack": facts.ack or None, "primary_node": facts.primary_node or None if facts.ack else None, "ack_at": facts.at,
            "place": facts.place, "candidates": facts.candidates, "place_at": facts.place_at,
            "deadline": state.deadline if running and state.deadline > -math.inf else None,
            "until": ability.until(state, min(contest.kill_at, role.lease_of(contest.rules, state).kill_at), moment),
            "reason": untrusted.cut(state.reason, LONGEST_TEXT), "znode": listener.settings.chroot + settings.election_znode,
            "ack_znode": listener.settings.chroot + settings.election_ack,
            "unguarded": not listener.guard_up or contest.bare, "unguarded_why": self.unguarded(contest),
            "trouble": untrusted.cut(self.trouble_of(contest, moment), LONGEST_TEXT),
            "cannot": {"kind": hindrance.kind, "why": untrusted.cut(hindrance.why, LONGEST_TEXT)} if hindrance else None,
            "failed": {"why": untrusted.cut(state.failed, LONGEST_TEXT), "at": state.failed_at} if state.failed else None,
        }

    def hindrances(self, contest: Any, moment: float) -> ability.Node:
        listener = self.listener
        folder = f"runtime folder: {listener.folder_trouble}" if listener.folder_trouble else ""
        leased = contest.state.role in (role.PROMOTING, role.PRIMARY, role.DEMOTING)
        guard = listener.unenforced() if leased else listener.guardless()
        return ability.Node(listener.obstacle, guard, folder, self.away(contest, moment))

    def away(self, contest: Any, moment: float) -> str:
        """Why ZooKeeper cannot be asked; "" when it can, as far as is known, or when this listener has yet to ask."""
        listener = self.listener
        if listener.link == "connected":
            silent = moment - contest.seeing_since if contest.seeing else 0.0
            return f"no answer for {silent:.0f} s" if silent >= UNREACHED else ""
        if listener.session is None or listener.attach_at < math.inf:
            return ""
        if listener.link == "connecting" and moment - listener.link_since < UNREACHED and not listener.link_doubt():
            return ""
        return listener.link_doubt() or "no answer"

    def unguarded(self, contest: Any) -> str:
        """Why nobody would end the group's lease if this listener could not; "" when somebody would."""
        if not self.listener.guard_up:
            why = self.listener.guard_trouble
            return "no guard is there" + (f": {why}" if why else "")
        if contest is not None and contest.bare:
            return "a program of the group is started without `zkelect run --` before its command"
        return ""

    def trouble_of(self, contest: Any, moment: float) -> str:
        listener, state = self.listener, contest.state
        if listener.folder_trouble:
            return f"runtime folder: {listener.folder_trouble}"
        contested = ""
        if role.contested(state, moment):
            ack = listener.settings.chroot + contest.settings.election_ack
            contested = f"{ack} is written by somebody else, too; give each election an election_ack and election_state of its own"
        return state.trouble or (listener.unenforced() if state.may_run else "") or contested or contest.foreign
