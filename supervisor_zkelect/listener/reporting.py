"""A listener's report to supervisord: of itself, of its session, and of each of its elections.

What came from ZooKeeper goes with the moment at which that last confirmed it, as it may be away by the time somebody reads.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any, Dict, List, Optional, Tuple

from supervisor_zkelect import __version__
from supervisor_zkelect.config import agreement
from supervisor_zkelect.core import ability, figures, nodes, roles, tally_words, untrusted
from supervisor_zkelect.core.state import lease_of
from supervisor_zkelect.listener.candidacy import Candidacy
from supervisor_zkelect.listener.http_watch import HttpWatch
from supervisor_zkelect.listener.keepers import Decider, Keepers
from supervisor_zkelect.listener.part import Means
from supervisor_zkelect.listener.session_keeper import UNREACHED

#: Characters of a text in a report.
LONGEST_TEXT = 2000

#: Characters of what is counted of elections, in a report; some hundreds of them have room. supervisord takes four times that for
#: the whole report (mailbox.LONGEST_REPORT).
LONGEST_COUNTERS = 1 << 18


class Reports(Decider):
    """Makes reports."""

    def __init__(self, means: Means, keepers: Keepers, obstacle: str, http: HttpWatch) -> None:
        """obstacle: why no election is begun, and none will be as long as this process lives; else ""."""
        super().__init__(means, keepers)
        self._obstacle = obstacle
        self._http = http

    def report(self, moment: float) -> Dict[str, Any]:
        settings, granted, sessions = self._host.settings, self._leases.granted, self._sessions
        return {
            "v": 1, "node": settings.node_name, "pid": self._host.pid, "version": __version__, "config": settings.file,
            "config_trouble": self._programs.config_trouble(), "boottime": moment, "time": self._host.wall(),
            "session": {
                "state": sessions.link, "id": f"0x{granted.session:x}" if granted else None,
                "timeout": granted.timeout if granted else None, "since": sessions.link_since,
                "ride_through": settings.ride_through_at(granted.timeout) if granted else None,
                "trouble": sessions.doubt(),
            },
            "http": self._http.report(),
            "guard": self._guard.up, "counters": self._counters(),
            "elections": {one.name: self._part(one, moment) for one in self._candidacies} or self._unbegun(),
        }

    def _counters(self) -> Dict[str, Any]:
        """What was counted since this listener began, by `tally.py`. bounds: the upper ends of the ranges of its histograms."""
        counted: List[Dict[str, Any]] = []
        left = LONGEST_COUNTERS
        for one in self._candidacies:
            document = {"election": one.name, **one.tally.document()}
            left -= len(json.dumps(document)) + 2
            if left < 0:
                break
            counted.append(document)
        session = self._leases.tally.document(one.tally for one in self._candidacies)
        return {"bounds": tally_words.BOUNDS, "session": session, "elections": counted}

    def _unbegun(self) -> Dict[str, Any]:
        """The report on the elections while none has begun."""
        root, reason = self._host.settings.chroot, self.unbegun_reason()
        kind, cannot = self._prevented()
        return {
            one.name: {
                "role": roles.DETACHED, "step": "beginning", "since": self._sessions.link_since, "token": None, "proposal": None,
                "group": one.group, "address": one.address, "ack": None, "primary_node": None, "primary_gone": False,
                "ack_at": None, "place": None,
                "candidates": None, "place_at": None, "deadline": None, "until": None, "reason": reason, "trouble": cannot,
                "cannot": {"kind": kind, "why": cannot} if cannot else None, "differs": "", "failed": None,
                "znode": root + one.election_znode,
                "ack_znode": root + one.election_ack, "unguarded": not self._guard.up,
                "unguarded_why": self._unguarded(None), "paused": None, "priority": one.priority, "aside": None, "unfit": None,
            }
            for one in self._host.settings.elections
        }

    def _prevented(self) -> Tuple[str, str]:
        """What kind of thing keeps every election from being begun, and what; "" where nothing is known to."""
        if self._obstacle:
            return ability.KERNEL, self._obstacle
        if self._folder.trouble:
            return ability.FOLDER, f"runtime folder: {self._folder.trouble}"
        return ability.GUARD, self._guard.trouble

    def unbegun_reason(self) -> str:
        """Why no election is begun, as a predicate of this node."""
        cannot = self._prevented()[1]
        if cannot:
            return f"cannot: {cannot}"
        if not self._folder.locked:
            return "waits for the guard to stop and release what an earlier listener left"
        return "waits for its guard" if not self._guard.up else "waits for supervisord to tell of its programs"

    def _part(self, one: Candidacy, moment: float) -> Dict[str, Any]:
        """The report on an election. Texts that others have a say in are cut: a report that is too long is not delivered."""
        state, settings, facts, root = one.state, one.settings, one.facts, self._host.settings.chroot
        hindrance = ability.hindrance(state, self._hindrances(one, moment))
        return {
            "role": state.role, "step": state.step, "since": state.since, "token": state.token,
            "proposal": state.proposal, "group": settings.group, "address": settings.address,
            "ack": facts.ack or None, "primary_node": facts.primary_node or None if facts.ack else None,
            "primary_gone": bool(facts.ack) and facts.gone, "ack_at": facts.at,
            "place": facts.place, "candidates": facts.candidates, "place_at": facts.place_at,
            "deadline": state.deadline if one.leads and state.deadline > -math.inf and not state.held(moment) else None,
            "until": ability.until(state, min(one.group.kill_at, lease_of(one.rules, state).kills_at), moment),
            "reason": untrusted.cut(state.reason, LONGEST_TEXT), "znode": root + settings.election_znode,
            "ack_znode": root + settings.election_ack,
            "unguarded": not self._guard.up or one.group.unguarded, "unguarded_why": self._unguarded(one),
            "paused": self._paused(one, moment),
            "trouble": untrusted.cut(self._trouble_of(one, moment), LONGEST_TEXT),
            "cannot": {"kind": hindrance.kind, "why": untrusted.cut(hindrance.why, LONGEST_TEXT)} if hindrance else None,
            "differs": untrusted.cut(one.entry.differs, LONGEST_TEXT),
            "failed": {"why": untrusted.cut(state.failed, LONGEST_TEXT), "at": state.failed_at} if state.failed else None,
            "priority": settings.priority, "aside": untrusted.cut(state.aside, LONGEST_TEXT) or None,
            "unfit": untrusted.cut(state.fit_trouble or state.unfit, LONGEST_TEXT) or None,
        }

    def entry(self, one: Candidacy) -> nodes.NodeEntry:
        """What this node says of itself in an election, for other hosts to see."""
        state, moment = one.state, self._host.now()
        since, acked = round(1000 * (self._host.wall() - (moment - state.since))), one.timeline.begun.get("acked")
        if state.role == roles.PRIMARY and acked:
            # A restart in the same term ends none.
            since = round(1000 * acked)
        guarded = self._guard.up and not one.group.unguarded
        options = agreement.options(self._host.settings, one.settings)
        return nodes.NodeEntry(
            "", state.role, state.step, since, one.settings.address, guarded, one.control.stamp, __version__,
            self._trouble_of(one, moment), state.failed, agreement.digest(options), self._tags(one), options,
            self._figures(one), one.settings.priority, state.fit_trouble or state.unfit,
            state.pausing.order if state.consented and state.pausing is not None else "",
            untrusted.printable(os.uname().nodename, LONGEST_TEXT), self._host.life.instance,
            self._http.trouble, one.rules.fit, state.checked,
        )

    def _tags(self, one: Candidacy) -> Dict[str, str]:
        pairs = (tag.partition(":") for tag in (*self._host.settings.tags, *one.settings.tags))
        return {key: value for key, _, value in pairs}

    def _figures(self, one: Candidacy) -> Dict[str, float]:
        """The times by which this node acts, as `figures.Figures` has them: in the session that it has, or would ask for."""
        settings, rules, granted = self._host.settings, one.rules, self._leases.granted
        timeout = granted.timeout if granted else settings.session_timeout
        return figures.Figures(
            timeout=timeout, tick=settings.tick_time, interval=settings.interval_at(timeout),
            ride_through=settings.ride_through_at(timeout), kill_time=rules.kill_time, stopwaitsecs=rules.stopwaitsecs,
            rise=rules.rise, fall=rules.fall, health_interval=rules.health_interval, promote_timeout=rules.promote_timeout,
            backoff_min=rules.backoff_min, backoff_max=rules.backoff_max, told=float(rules.told),
            fences=float(bool(one.settings.fence)),
        )._asdict()

    def _paused(self, one: Candidacy, moment: float) -> Optional[Dict[str, Any]]:
        """A pause as this node knows it: why, whether it runs here by that, and until when in seconds of CLOCK_BOOTTIME; None for
        no end, or where nothing runs by it."""
        state = one.state
        pause, held = state.orders.pause if state.orders is not None else None, state.held(moment)
        if pause is None and not held:
            return None
        return {
            "why": untrusted.cut(pause.why, LONGEST_TEXT) if pause is not None else "paused",
            "stands": pause is None or pause.stands, "held": held, "confirmed": held and state.consented,
            "until": state.paused_until if held and state.paused_until < math.inf else None,
        }

    def _hindrances(self, one: Candidacy, moment: float) -> ability.NodeHindrances:
        folder = f"runtime folder: {self._folder.trouble}" if self._folder.trouble else ""
        leased = one.leads or one.state.role == roles.DEMOTING
        guard = self._guard.unenforced() if leased else self._guard.missing()
        return ability.NodeHindrances(self._obstacle, guard, folder, self._away(one, moment))

    def _away(self, one: Candidacy, moment: float) -> str:
        """Why ZooKeeper cannot be asked; "" when it can, as far as is known, or when this listener has yet to ask."""
        sessions = self._sessions
        if sessions.connected:
            silent = moment - one.term.asking_since if one.term.asking else 0.0
            return f"no answer for {silent:.0f} s" if silent >= UNREACHED else ""
        if sessions.session is None or sessions.attach_at < math.inf:
            return ""
        if sessions.link == "connecting" and moment - sessions.link_since < UNREACHED and not sessions.doubt():
            return ""
        return sessions.doubt() or "no answer"

    def _unguarded(self, one: Optional[Candidacy]) -> str:
        """Why nobody would end the group's lease if this listener could not; "" when somebody would."""
        if not self._guard.up:
            why = self._guard.trouble
            return "there is no guard" + (f": {why}" if why else "")
        if one is not None and one.group.unguarded:
            return "a program of the group is started without `zkelect run --` before its command"
        return ""

    def _trouble_of(self, one: Candidacy, moment: float) -> str:
        state = one.state
        if self._folder.trouble:
            return f"runtime folder: {self._folder.trouble}"
        contested = ""
        if state.contested(moment):
            ack = self._host.settings.chroot + one.settings.election_ack
            contested = (
                f"{ack} is written by somebody else, too; give each election an election_ack and election_state of its own"
            )
        told = state.trouble or state.leads_on or (self._guard.unenforced() if state.may_run else "")
        # Whoever does not lead stays away for that, and tells so as its reason.
        orders = state.orders
        unusable = orders.bar if orders is not None and one.leads and not orders.bar_id else ""
        return told or contested or one.queue.foreign or unusable or self._sessions.unsaved
