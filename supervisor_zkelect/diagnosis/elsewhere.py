"""Commands whose work is done by processes that are not the program's own, so its death proves nothing. Notes for `check`."""

from __future__ import annotations

import os
from typing import Any, Iterable, List, Mapping, Sequence

from supervisor_zkelect.diagnosis import installation
from supervisor_zkelect.supervisord import program_info

_ASKED = frozenset((
    "docker", "podman", "nerdctl", "ctr", "kubectl", "systemctl", "systemd-run", "service", "machinectl", "virsh",
))
"""Programs that ask a daemon to start something."""

_LOGINS = frozenset(("su", "sudo", "runuser", "login"))
"""Programs that may begin a login session, whose processes systemd takes out of the group's cgroup (pam_systemd(8))."""

_SYSTEM = ("", "/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
"""Folders in which these names mean these programs."""


def notes(file: str, infos: Iterable[Mapping[str, Any]], groups: Sequence[str]) -> List[str]:
    """file: the configuration's. infos: items of getAllConfigInfo. groups: those of the elections."""
    said = installation.SharedLines(file)
    for info in installation.concerned(infos, groups):
        words = program_info.split(info)
        folder, name = os.path.split([*program_info.loaded_command(words), *words, ""][0])
        if program_info.is_listener(info) or folder not in _SYSTEM:
            continue
        if name in _ASKED:
            said.add(info, "command", (
                f"what {name} has started by a daemon is no process of this program, and may live on when the group is proven "
                "dead, beside the next primary; run the service itself"
            ))
        elif name in _LOGINS:
            said.add(info, "command", (
                f"{name} may begin a login session, whose processes leave the group's cgroup and may outlive it; use user= in "
                "this section, or setpriv"
            ))
    return said.lines()
