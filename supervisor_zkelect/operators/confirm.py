"""Asking at a terminal before an order that may cost a service. Scripts are not asked: what they say is meant."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from supervisor_zkelect.core.untrusted import printable

_QUESTIONS = {
    ("orders", "reset"): "all orders in {where} are taken back, whoever gave them, but those that have begun",
    ("maintenance", "force"): "where {node} leads in {where}, it stops its service, even if nobody can take over",
    ("switchover", "force"): "members of {where} that know no orders lose their proposals, if they stand before the target",
}


def question(verb: str, given: Mapping[str, Any], election: Optional[str]) -> str:
    """What is asked before such an order; "" where nothing is. given: what was said with it. election: None for what the verb
    means."""
    for (name, option), text in _QUESTIONS.items():
        asked = verb == name and given.get(option) is True
        if asked and given.get("yes") is not True and given.get("what") != "off" and given.get("dry") is not True:
            every = election is None and (verb != "switchover" or given.get("all") is True)
            where = "every election" if every else printable(election or "the election")
            return text.format(where=where, node=printable(given.get("node") or "this node")) + "; go on? [y/N] "
    return ""


def agreed(text: str, stdin: Any, stderr: Any) -> bool:
    """Whether somebody at a terminal says yes to the question. True without a question, and without a terminal."""
    return not text or not (_terminal(stdin) and _terminal(stderr)) or _said(text, stdin, stderr)


def _said(text: str, stdin: Any, stderr: Any) -> bool:
    stderr.write(text)
    stderr.flush()
    said: str = stdin.readline()
    return said.strip().lower() in ("y", "yes")


def _terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except ValueError:
        # It is closed.
        return False


REFUSED = "not ordered, as nobody agreed; --yes agrees beforehand"
"""What is told then."""

