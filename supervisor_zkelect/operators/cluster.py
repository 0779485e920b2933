"""`check --cluster`: what is wrong with any node of the elections, by what each says of itself. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from supervisor_zkelect.core import outlook
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import overview, unread
from supervisor_zkelect.operators.outcome import DONE, ERROR, VERSION, CommandOutcome
from supervisor_zkelect.operators.view import as_dicts


def check(answers: Mapping[str, Dict[str, Any]]) -> CommandOutcome:
    """A line for each problem: nodes that are missing, that differ, or that could not lead. answers: by election."""
    refused = unread.refusal(answers)
    if refused:
        return refused
    problems: List[str] = []
    notes: List[str] = []
    for name, answer in unread.readable(answers).items():
        seen = outlook.cluster(answer)
        wrong = [] if seen.primary else [outlook.standing(seen, "")]
        wrong += outlook.hindrances(seen, "")
        # What an operator has ordered is no fault.
        aside = [one for one in seen.peers if one.ordered]
        ordered = [f"{one.name} is {one.ordered}" for one in aside]
        ordered += [f"{one.name} {outlook.GONE}" for one in aside if not one.live]
        kept = [line for line in wrong if line not in ordered]
        problems += [f"[election:{printable(name)}] {printable(line)}" for line in kept]
        notes += [f"[election:{printable(name)}] {printable(line)}" for line in [*ordered, *_versions(answer)]]
        notes += overview.left_out(name, answer)
    status, fine = ERROR if problems else DONE, not problems and len(unread.readable(answers)) == len(answers)
    lines = [*problems, *(f"note: {note}" for note in notes), *["no problem found"] * fine]
    document = {"v": VERSION, "exit": status, "ok": fine, "problems": problems, "notes": notes}
    return unread.beside(CommandOutcome(status, tuple(lines), document), answers)


def _versions(answer: Dict[str, Any]) -> List[str]:
    """That nodes have several versions of this program."""
    found: Dict[str, List[str]] = {}
    for one in as_dicts(answer.get("nodes")):
        if one.get("live") is not False and one.get("version"):
            found.setdefault(str(one["version"]), []).append(str(one.get("node")))
    parts = [f"{version} on {', '.join(nodes)}" for version, nodes in sorted(found.items())]
    return [f"the nodes have several versions: {'; '.join(parts)}"] if len(parts) > 1 else []
