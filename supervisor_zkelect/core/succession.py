"""Who of a queue is to lead after the primary: one rule, for who begins a handover and for who tells beforehand. Pure.

A node that an operator wants leads wherever it stands: the proposals before it are deleted with the release. Without that it is
the best by priority of those that are fit, who stands before others with the same; one that says it is not fit only where no
other says of itself that it is and can be reached. Nobody leads who is in maintenance, or behind a znode that goes with nobody's
session; and nobody is let pass by candidates that know no orders, and would propose anew by rules of their own.
"""

from __future__ import annotations

from typing import Any, Collection, List, Mapping, NamedTuple, Optional, Sequence

from supervisor_zkelect.core import ranks, untrusted
from supervisor_zkelect.core.control import Control

ABSENT, ASIDE, STRANGE, NOBODY, STAYS, UNUSABLE = "absent", "aside", "strange", "nobody", "stays", "unusable"
"""Kinds of what is against it: the node that is wanted does not stand in the queue, or is in maintenance; it, or one before it,
knows no orders, which takes force; nobody is able; a znode before it goes with nobody's session; the control cannot be used."""


class Candidate(NamedTuple):
    """One that stands in the queue. name: of its proposal. session: that owns it. info: what it says."""

    name: str
    node: str
    session: int
    info: Mapping[str, Any]

    @property
    def knows_orders(self) -> bool:
        return knows_orders(self.info)

    @property
    def lasts(self) -> bool:
        """Whether it goes with nobody's session, so that it never leads."""
        return untrusted.lasting(self.session)

    @property
    def strange(self) -> bool:
        """Whether it takes force to delete its proposal."""
        return not self.knows_orders and not self.lasts


class Next(NamedTuple):
    """place: of who is to lead, among the others; None where nobody can, and then kind, one of those above, and why, a line."""

    place: Optional[int]
    kind: str = ""
    why: str = ""


def knows_orders(info: Mapping[str, Any]) -> bool:
    """Whether a candidate obeys the control: another program's, or an earlier version's, does not."""
    return "orders" in info


def of(
    others: Sequence[Candidate], found: Control, to: str, force: bool, shown: Optional[int], unfit: Collection[str] = ()
) -> Next:
    """Who is to lead next. others: all but the primary, in the order of the queue. to: the node that is wanted; "" for whoever is
    next. force: even past a candidate that knows no orders. shown: what ZooKeeper's clock shows. unfit: names of proposals whose
    nodes say that they are not fit."""
    aside = [_is_aside(one, found, shown) for one in others]
    if to:
        place = next((number for number, one in enumerate(others) if one.node == to), None)
        if place is None:
            return Next(None, ABSENT, f"{to} does not stand in the queue")
        if aside[place]:
            return Next(None, UNUSABLE, found.trouble) if found.trouble else Next(None, ASIDE, f"{to} is in maintenance")
        strange = [one for one in others[:place + 1] if one.strange]
        if strange and not force:
            return Next(None, STRANGE, f"{strange[0].name} stands before {to}, or is its own, and knows no orders")
    else:
        able = [number for number, one in enumerate(others) if not aside[number] and not one.lasts]
        if not able:
            return _nobody(others, found)
        place = _best(others, _instead(others, able, unfit) or able)
    chosen, stays = others[place], next((one.name for one in others[:place + 1] if one.lasts), "")
    if stays:
        before = f" stands before {chosen.node or chosen.name} and" if stays != chosen.name else ""
        return Next(None, STAYS, f"{stays}{before} goes with nobody's session; delete it")
    return Next(place)


def _is_aside(one: Candidate, found: Control, shown: Optional[int]) -> bool:
    # A control that cannot be used keeps all from leading that know it.
    return one.knows_orders if found.trouble else found.barred(one.node, shown) is not None


def _nobody(others: Sequence[Candidate], found: Control) -> Next:
    if found.trouble:
        return Next(None, UNUSABLE, found.trouble)
    real = [one for one in others if not one.lasts]
    return Next(None, NOBODY, "all other candidates are in maintenance" if real else "no other candidate stands in the queue")


def _instead(others: Sequence[Candidate], able: List[int], unfit: Collection[str]) -> List[int]:
    """Of those who can take over, who leads instead of the unfit: before whatever would have to be deleted by hand or by force. A
    candidate that knows no orders never says whether it is fit."""
    reached = next((number for number, one in enumerate(others) if one.lasts or not one.knows_orders), len(others))
    return [number for number in able if number < reached and others[number].name not in unfit] if unfit else []


def _best(others: Sequence[Candidate], able: List[int]) -> int:
    """Of those who can take over, who has the highest priority, and stands before others with the same."""
    best = max(able, key=lambda number: ranks.of(others[number].info))
    return best if all(one.knows_orders or one.lasts for one in others[:best]) else able[0]
