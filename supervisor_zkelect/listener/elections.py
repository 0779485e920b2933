"""An election from the settings of a file: its elector, its rules, and its entry in the saved session."""

from __future__ import annotations

import json
from typing import Any, List

from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.core import control, places, ranks
from supervisor_zkelect.core.state import Rules
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.guard import saved_session
from supervisor_zkelect.zookeeper import connect


def make_elector(client: Any, settings: Settings, election: ElectionSettings) -> Elector:
    """An elector of one of the elections of `settings`. client: of the session that it is to work in."""
    root = settings.chroot
    return Elector(
        client, root + election.election_znode, election.election_prefix, root + election.election_ack,
        separator=election.sequence_separator, election_state=root + election.election_state,
        data=proposal_data(settings, election), acl=connect.acl_of(settings.acl), timeout=settings.session_timeout,
    )


def proposal_data(settings: Settings, election: ElectionSettings) -> bytes:
    """The data of a proposal of this node. orders: the format of the control that it obeys. priority: where it is not the
    default, which those have that know no priorities."""
    data = {"v": 1, "node": settings.node_name, "address": election.address, "orders": control.VERSION}
    if election.priority != ranks.DEFAULT:
        data["priority"] = election.priority
    return json.dumps(data).encode("utf-8")


def to_save(settings: Settings) -> List[saved_session.SavedElection]:
    """The elections of a configuration, as they are saved with the session."""
    root = settings.chroot
    return [
        saved_session.SavedElection(one.name, one.group, root + one.election_znode, one.election_prefix + one.sequence_separator,
                       root + one.election_ack,
                       "" if one.election_state == places.state_of(one.election_ack) else root + one.election_state)
        for one in settings.elections
    ]


def rules(settings: Settings, election: ElectionSettings, stopwaitsecs: float) -> Rules:
    """The settings of an election's role machine. stopwaitsecs: the longest of its programs, in seconds."""
    return Rules(
        name=election.name, address=election.address, kill_time=settings.kill_time,
        stopwaitsecs=stopwaitsecs, rise=election.rise, fall=election.fall,
        health_interval=election.health_interval, promote_timeout=election.promote_timeout,
        backoff_min=settings.backoff_min, backoff_max=settings.backoff_max,
        fence_failed_continues=election.fence_failed == "continue", told=not election.health_check(),
        node=settings.node_name, priority=election.priority, failback=election.failback, fit=election.fit_check() is not None,
        fit_interval=election.fit_interval, health_timeout=election.health_timeout,
    )
