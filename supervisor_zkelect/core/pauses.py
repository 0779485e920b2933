"""Changes of the control for a pause, which are asked for, consented to, and taken back. Pure.

A pause begins with the consent of who leads: the asking stands as "pause", and the transaction that writes "paused" with the
term's token checks the proposal. Where nobody leads it is written without a token, and whoever has claimed already consents.
From the consent on the lease of that term has no end, so nobody but its own node ends it; see `core/pausing.py`.
"""

from __future__ import annotations

from typing import Optional

from supervisor_zkelect.core.control import LATE, Change, Control, Document, Life, Pause, end_asking

TOO_LATE = "nobody has consented to it within ten minutes"
"""What becomes of a pause that is asked for where whoever leads comes too late (`control.LATE`): it is dropped by the next write
of the control."""


def asked_in_time(found: Control, now: Optional[int]) -> Optional[Pause]:
    """The pause that is asked for, as long as it may be consented to. now: what ZooKeeper's clock shows, milliseconds; None where
    that is not known."""
    asked = found.asked
    return None if asked is not None and now is not None and now > asked.order.at + LATE else asked


def ask(pause: Pause) -> Change:
    """Ask whoever leads."""

    def change(document: Document) -> None:
        document["pause"] = pause.document()

    return change


def force(pause: Pause) -> Change:
    """Pause an election that nobody leads."""

    def change(document: Document) -> None:
        end_asking(document)
        document["paused"] = pause.document()

    return change


def wanted(found: Control, order: str, token: int) -> Optional[Pause]:
    """The pause that a term may consent to; None where it was taken back, or is another term's."""
    for pause in (found.paused, found.asked):
        if pause is not None and pause.order.id == order:
            return pause if pause.token in (0, token) else None
    return None


def consent(pause: Pause, node: str, token: int, life: Life) -> Change:
    def change(document: Document) -> None:
        # What a newer version has put into it, be it asked for or consented to before.
        known = (document.get(name) for name in ("paused", "pause"))
        kept = next((one for one in known if isinstance(one, dict) and one.get("id") == pause.order.id), {})
        agreed = pause._replace(node=node, token=token, life=life)
        end_asking(document)
        document["paused"] = {**kept, **agreed.document()}

    return change


def ask_to_resume(order: str) -> Change:
    """Ask the node that has consented to end the pause."""

    def change(document: Document) -> None:
        document["paused"]["resume"] = order

    return change


def end(document: Document) -> None:
    """End the pause, or take back that it was asked for."""
    end_asking(document)
    document.pop("paused", None)


def withdraw(found: Control, token: int) -> Optional[Change]:
    """Take the consent of a term that is over out of the pause, which goes on: nobody leads until `resume`. Where that was
    ordered already it ends. None where there is no consent of that term."""
    paused = found.paused
    if paused is None or not token or paused.token != token:
        return None
    if paused.resume:
        return end

    def change(document: Document) -> None:
        for name in ("node", "token", *Life._fields):
            document["paused"].pop(name, None)

    return change
