"""The verbs that `zkelect` and supervisorctl's commands `role` and `zkelect` share: one row each.

Parser, helps and the list in docs/operations.md (docs/list_verbs.py) are made of the rows. What a verb makes the listener do
stands in the listener.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

from supervisor_zkelect.operators import show
from supervisor_zkelect.operators.outcome import DONE, ERROR, NOT_PRIMARY, OF_A_ROLE, UNKNOWN, USAGE, USUAL, Outcome, told
from supervisor_zkelect.operators.view import View

ALL = "all elections"
ONE = "the only election"
NODE = ""
"""The elections that a verb means where none is named; with NODE none may be named."""


class Reply(NamedTuple):
    """All that a verb can show.

    view: of the node. election: the one that was named, or None. answers: the listener's, by election, "" where the whole node
    was asked; empty where it was not asked. width: columns of the terminal, None for as many as it takes. call: supervisord's
    methods, as `ask.Call`.
    """

    view: View
    election: Optional[str]
    answers: Mapping[str, Dict[str, Any]]
    width: Optional[int]
    call: Callable[..., Any]


class Flag(NamedTuple):
    """A word that orders what is refused without it. argument: its name in what the listener is asked. text: when it counts."""

    word: str
    argument: str
    text: str


class Verb(NamedTuple):
    """name, text: as the help has them. show: the outcome of a reply. means: ALL, ONE or NODE.

    wait: seconds that the listener has to answer; 0 where its report says all, and it is not asked.
    timed: whether --timeout of `zkelect` changes that. each: whether it is asked once for each election.
    doubted: whether there is something to show although the report may not be believed.
    acts: whether it changes anything. statuses: what the exit statuses mean, where that is not the usual.
    """

    name: str
    text: str
    show: Callable[[Reply], Outcome]
    means: str = ALL
    wait: float = 0.0
    timed: bool = False
    each: bool = False
    doubted: bool = False
    acts: bool = False
    flag: Optional[Flag] = None
    statuses: Mapping[int, str] = {}

    @property
    def words(self) -> str:
        """How it is written."""
        words = [self.name, "[ELECTION]" if self.means != NODE else "", f"[{self.flag.word}]" if self.flag else ""]
        return " ".join(filter(None, words))

    @property
    def help(self) -> str:
        """Its text, and when its flag is needed."""
        return f"{self.text}; {self.flag.word}: {self.flag.text}" if self.flag else self.text

    @property
    def exits(self) -> str:
        """The meanings of its exit statuses, in one line."""
        return told({**USUAL, **self.statuses})


def _check(reply: Reply) -> Outcome:
    """The problems by the listener's report and its answer, or by supervisord's word on it."""
    # Only `check` needs it, and `role` is to begin fast.
    from supervisor_zkelect.operators import check_listener

    known = check_listener.of_listener(reply.call, reply.view, reply.election)
    answer = next(iter(reply.answers.values()), {"ok": True, "problems": []})
    wrong = known.wrong or answer.get("ok") is not True
    return show.check(answer, known, check_listener.logs(reply.call, check_listener.groups_of(reply.view)) if wrong else ())


def _resign(reply: Reply) -> Outcome:
    [(election, answer)] = reply.answers.items()
    return show.resign(election, answer)


_ROWS = (
    Verb(
        "role", "show this node's role, what is wrong and what to do; exit 0 only if it is primary (in all elections)",
        lambda reply: show.role(reply.view, reply.election), statuses=OF_A_ROLE,
    ),
    Verb(
        "status", "show the node, its session with ZooKeeper and its elections",
        lambda reply: show.status(reply.view, reply.election), statuses=OF_A_ROLE,
    ),
    Verb(
        "members", "show the nodes in an election, in order",
        lambda reply: show.members(reply.answers), wait=15.0, timed=True, each=True,
    ),
    Verb(
        "history", "show the last terms: who led, why each ended, what each step took",
        lambda reply: show.history(reply.answers, reply.width), wait=15.0, timed=True, each=True,
    ),
    Verb(
        # It takes as long as the group takes to stop, and another one to start.
        "resign", "have another node lead, and wait until it does", _resign,
        means=ONE, wait=180.0, timed=True, each=True, acts=True,
        flag=Flag("--force", "force", "even if nobody is there to take over, or if the group cannot be proven dead"),
        statuses={
            DONE: "another node is primary", NOT_PRIMARY: "this node does not lead",
            ERROR: "refused, or nobody has taken over yet: the answer says why", UNKNOWN: "the outcome is unknown",
        },
    ),
    Verb(
        "check", "find what keeps this node from doing its part", _check, wait=30.0, doubted=True,
        statuses={
            DONE: "nothing wrong found", ERROR: "anything else is wrong", USAGE: "the configuration or the command is wrong",
        },
    ),
    Verb(
        "reload", "have the listener take its changed file, in the same term where that can be",
        lambda reply: show.reload(reply.answers[""]), means=NODE, wait=30.0, acts=True,
        flag=Flag("--yes", "yes", "even if terms or the session of this node end by it"),
        statuses={
            DONE: "the file is in use", ERROR: "refused: the answer says why", USAGE: "the file cannot be used",
            UNKNOWN: "the outcome is unknown",
        },
    ),
)

VERBS = {verb.name: verb for verb in _ROWS}
