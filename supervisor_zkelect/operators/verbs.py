"""The verbs that `zkelect` and supervisorctl's commands `role` and `zkelect` share: one row each.

Parser, helps and the list in docs/operations.md (docs/list_verbs.py) are made of the rows. What a verb makes the listener do
stands in the listener.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from supervisor_zkelect.core import figures, history, journal
from supervisor_zkelect.operators import overview, show, terms
from supervisor_zkelect.operators.outcome import (
    DONE,
    ERROR,
    INTERRUPTED,
    NOT_PRIMARY,
    OF_A_ROLE,
    UNDER_WAY,
    UNKNOWN,
    USAGE,
    USUAL,
    CommandOutcome,
    told,
)
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.table import PLAIN, Screen, wrapped
from supervisor_zkelect.operators.view import View

ALL = "all elections"
ONE = "the only election"
NODE = ""
"""The elections that a verb means where none is named; with NODE none may be named. One that means ONE takes --all."""

ALL_OR_ONE = "--all and the name of an election exclude each other; give one of them"
"""What is told who gives both."""


def unnamed(verb: str, there: str) -> str:
    """What is told who gives neither where there is not exactly one election. there: the names of those that there are."""
    return f"{verb} needs an election: name one, or take --all; there are: {there}"

AFAR = ("--servers", "--root", "--digest-file", "--tls-ca", "--tls-cert", "--tls-key", "--tls-key-password-file")
"""Options of the program `zkelect` alone, of verbs that it can do from any host."""

LONGEST = 10 * 366 * 86400.0
"""Seconds that may be said at most."""


class Reply(NamedTuple):
    """All that a verb can show.

    view: of the node. election: the one that was named, or None. answers: the listener's, by election, "" where the whole node
    was asked; empty where it was not asked. screen: where it is shown. call: supervisord's methods, as `ask.Call`; None where
    ZooKeeper was asked, from any host. given: what was said with the verb. reader: who looks on; None for who looks once.
    """

    view: View
    election: Optional[str]
    answers: Mapping[str, Dict[str, Any]]
    screen: Screen = PLAIN
    call: Any = None
    given: Mapping[str, Any] = {}
    reader: Optional[Reader] = None


class Flag(NamedTuple):
    """A word behind a verb. argument: its name in what the listener is asked. text: when it counts, or what it means. value: what
    the word behind it is, as a help has it; "" for none. seconds: that is a length of time. moment: that is a time of day."""

    word: str
    argument: str
    text: str
    value: str = ""
    seconds: bool = False
    moment: bool = False

    @property
    def words(self) -> str:
        """How it is written."""
        return f"[{self.word} {self.value}]" if self.value else f"[{self.word}]"


class Verb(NamedTuple):
    """name, text: as the help has them. show: the outcome of a reply. means: ALL, ONE or NODE.

    wait: seconds that the listener has to answer; 0 where its report says all, and it is not asked.
    timed: whether --wait changes that. each: whether it is asked once for each election.
    doubted: whether there is something to show although the report may not be believed.
    what: the words one of which stands first, if there are such. operand: the node that stands before the election, as a help has
    it; "" where none does. acts: whether it changes anything; the listener is told who gives it then. options: what it takes.
    ordered: the listener is told for how long he waits, too. afar: `zkelect` can do it by ZooKeeper alone, from
    any host. statuses: what the exit statuses mean, where that is not the usual. instead: an option, and what is done in place of
    this where it is said.
    """

    name: str
    text: str
    show: Callable[[Reply], CommandOutcome]
    means: str = ALL
    wait: float = 0.0
    timed: bool = False
    each: bool = False
    doubted: bool = False
    acts: bool = False
    what: Tuple[str, ...] = ()
    operand: str = ""
    options: Tuple[Flag, ...] = ()
    ordered: bool = False
    afar: bool = False
    statuses: Mapping[int, str] = {}
    instead: Any = None

    def chosen(self, given: Mapping[str, Any]) -> Verb:
        """What is done, by what was said with it."""
        if self.instead is None or not given.get(self.instead[0]):
            return self
        other: Verb = self.instead[1]
        return other

    @property
    def words(self) -> str:
        """How it is written."""
        words = [self.name, "|".join(self.what), self.operand, "[ELECTION]" if self.means != NODE else ""]
        return " ".join(filter(None, [*words, *(option.words for option in self.options)]))

    @property
    def help(self) -> str:
        """Its text, and what its options mean."""
        return "; ".join([self.text, *(f"{option.word}: {option.text}" for option in self.options)])

    @property
    def exits(self) -> str:
        """The meanings of its exit statuses, in one line."""
        return told({**USUAL, **self.statuses})


def _fitted(reply: Reply, outcome: CommandOutcome) -> CommandOutcome:
    """The outcome with lines that fit the screen."""
    return outcome._replace(lines=tuple(part for line in outcome.lines for part in wrapped(line, reply.screen.width)))


def _check(reply: Reply) -> CommandOutcome:
    """The problems by the listener's report and its answer, or by supervisord's word on it."""
    # Only `check` needs it, and `role` is to begin fast.
    from supervisor_zkelect.operators import check_listener

    known = check_listener.of_listener(reply.call, reply.view, reply.election)
    answer = next(iter(reply.answers.values()), {"ok": True, "problems": []})
    wrong = known.wrong or answer.get("ok") is not True
    logs = check_listener.logs(reply.call, check_listener.groups_of(reply.view)) if wrong else ()
    return _fitted(reply, show.check(answer, known, logs))


def _cluster(reply: Reply) -> CommandOutcome:
    from supervisor_zkelect.operators import cluster

    return cluster.check(reply.answers)


def _why(reply: Reply) -> CommandOutcome:
    # The role machine takes longer to import than `role` takes to be answered.
    from supervisor_zkelect.operators import foresee

    return foresee.why(reply.answers, reply.view if reply.call else None, reply.screen, reply.given)


def _simulate(reply: Reply) -> CommandOutcome:
    from supervisor_zkelect.operators import foresee

    return foresee.simulate(reply.answers, reply.screen, reply.given)


def _events(reply: Reply) -> CommandOutcome:
    from supervisor_zkelect.operators import happenings

    return happenings.events(reply.answers, reply.screen, reply.given, reader=reply.reader)


def _orders(reply: Reply) -> CommandOutcome:
    return show.orders(reply.answers, reply.screen)


def _resign(reply: Reply) -> CommandOutcome:
    # Who gives up all that this node leads need not be told what others lead.
    resigned = {name: answer for name, answer in reply.answers.items() if answer.get("exit") != NOT_PRIMARY} or reply.answers
    if len(resigned) > 1:
        return show.orders(resigned, reply.screen)
    [(election, answer)] = resigned.items()
    return show.resign(election, answer)


_REASON = Flag("--reason", "reason", "kept with the order, and shown", "TEXT")
_WHY_RESET = _REASON._replace(text="why, with --reset")
_EACH = Flag("--all", "all", "in all elections, in place of a named one")
_WATCH = Flag("--watch", "watch", "go on, and show it again as it changes; Ctrl-C ends that")
_AT = Flag("--at", "at", "at that time, by ISO 8601; without a zone by this host's clocks", "TIME", moment=True)
_YES = Flag("--yes", "yes", "do not ask at a terminal whether that is meant")
_GIVEN = {
    ERROR: "refused, or it has failed: the answer says why", UNDER_WAY: "not done yet; the order stands",
    UNKNOWN: "the outcome is unknown", INTERRUPTED: "interrupted: taken back, or it stands, as the answer says",
}
_AT_ONCE = {INTERRUPTED: "interrupted: not written, or done, as the answer says"}
_GOES_ON = {INTERRUPTED: "interrupted: it may be carried out all the same"}

_CHECKED = {DONE: "nothing wrong found", ERROR: "anything else is wrong", USAGE: "the configuration or the command is wrong"}

_CLUSTER = Verb(
    "why", "find what is wrong with any node of the elections", _cluster, wait=30.0, timed=True, each=True, afar=True,
    statuses=_CHECKED,
)

_ROWS = (
    Verb(
        "role", "show this node's role, what is wrong and what to do; exit 0 only if it is primary (in all elections)",
        lambda reply: _fitted(reply, show.role(reply.view, reply.election)), statuses=OF_A_ROLE,
    ),
    Verb(
        "status", "show the node, its session with ZooKeeper and its elections",
        lambda reply: _fitted(reply, show.status(reply.view, reply.election)), statuses=OF_A_ROLE,
    ),
    Verb(
        "list", "show all nodes of the elections: who leads, who stands by, who is missing, what is ordered",
        lambda reply: overview.listed(reply.answers, reply.screen, reply.given), wait=15.0, timed=True, each=True, afar=True,
        options=(Flag("--tag", "tag", "only the nodes with that tag", "KEY:VALUE"), _WATCH),
    ),
    Verb(
        "why", "tell why this node is not primary, and what would follow if the primary failed now: who is next, how long it "
        "would take, what stands in the way",
        _why, wait=15.0, timed=True, each=True, afar=True, options=(Flag("--node", "node", "why that node is not", "NODE"),),
    ),
    Verb(
        "simulate",
        "rehearse a fault by the rules that would decide, and show who would lead, after how long, through which steps",
        _simulate, wait=15.0, timed=True, each=True, afar=True,
        options=(
            Flag("--fault", "fault", f"one of {', '.join(figures.FAULTS)}", "FAULT"),
            Flag("--node", "node", "which node it happens to; without it the primary", "NODE"),
            Flag("--term", "term", "what happened in a past term, in place of a fault", "TOKEN"),
        ),
    ),
    Verb(
        "members", "show the nodes in an election, in order",
        lambda reply: overview.members(reply.answers, reply.screen), wait=15.0, timed=True, each=True,
    ),
    Verb(
        "history", "show the last terms: who led, why each ended, what each step took",
        lambda reply: terms.history(reply.answers, reply.screen, reply.given, reader=reply.reader),
        wait=15.0, timed=True, each=True, afar=True,
        options=(
            Flag("--since", "since", "only those that went on after that: a time, or how long ago, as 2h", "TIME"),
            Flag("--limit", "limit", f"at most N terms; {history.USUAL} by default", "N"),
            Flag("--follow", "follow", "go on, and show each new term, and each end of one"),
            Flag("--steps", "steps", "also where the terminal is too narrow for columns of them"),
        ),
    ),
    Verb(
        "events", "show what happened, in the order of time: changes of role, failures, orders, each with its number",
        _events, wait=15.0, timed=True, each=True, afar=True,
        options=(
            Flag("--since", "since", "only those after that: a time, how long ago, or the number of the last one seen", "TIME"),
            Flag("--limit", "limit", f"at most N events; {journal.USUAL} by default", "N"),
            Flag("--follow", "follow", "go on, and show each new one, and how many were missed"),
        ),
    ),
    Verb(
        # It takes as long as the group takes to stop, and another one to start.
        "resign", "have another node lead, and wait until it does", _resign,
        means=ONE, wait=180.0, timed=True, each=True, acts=True,
        options=(
            Flag("--force", "force", "even if nobody is there to take over, or if the group cannot be proven dead"),
            _EACH, _REASON,
        ),
        statuses={
            DONE: "another node is primary", NOT_PRIMARY: "this node does not lead",
            ERROR: "refused, or nobody has taken over yet: the answer says why", UNKNOWN: "the outcome is unknown",
            UNDER_WAY: "the waiting ended, and this node is stopping still", **_GOES_ON,
        },
    ),
    Verb(
        "switchover", "have another node lead, from whichever node it is ordered, and wait until it does", _orders,
        means=ONE, wait=60.0, timed=True, each=True, acts=True, ordered=True, afar=True,
        options=(
            Flag("--to", "to", "that node, wherever it stands in the queue; without it whoever is next", "NODE"),
            Flag("--in", "in", "when that time has passed, by whoever leads then", "SECONDS", True),
            _AT, Flag("--dry-run", "dry", "look what would happen, and order nothing"),
            Flag("--cancel", "cancel", "take back one that has not begun"),
            Flag("--force", "force", "even past a member of the queue that knows no orders"), _YES, _EACH, _REASON,
        ),
        statuses={DONE: "that node is primary, or the order is written", **_GIVEN},
    ),
    Verb(
        "maintenance",
        "take this node out of the queue, across restarts and reboots, or back into it; a primary hands over first", _orders,
        wait=60.0, timed=True, each=True, acts=True, ordered=True, afar=True, what=("on", "off"),
        options=(
            Flag("--node", "node", "another node", "NODE"), Flag("--for", "for", "it ends by itself then", "SECONDS", True),
            Flag("--force", "force", "even if nobody can take over, and in place of one that stands"), _YES, _REASON,
        ),
        statuses={DONE: "the node is out of the queue, or back in it", **_GIVEN},
    ),
    Verb(
        # It takes as long as the group takes to stop, and to become healthy again.
        "restart", "have the primary stop the service and start it again in the same term, and wait until it is healthy", _orders,
        means=ONE, wait=180.0, timed=True, each=True, acts=True, ordered=True, afar=True,
        options=(
            Flag("--in", "in", "when that time has passed, by whoever leads then", "SECONDS", True), _AT,
            Flag("--cancel", "cancel", "take back one that has not begun"), _EACH, _REASON,
        ),
        statuses={DONE: "the service is healthy again, or the order is written", **_GIVEN},
    ),
    Verb(
        "pause",
        "hands off: nobody is promoted and nobody steps down until resume, whatever becomes of ZooKeeper; ends when the primary "
        "has confirmed it, before which ZooKeeper is not to be touched", _orders,
        means=ONE, wait=60.0, timed=True, each=True, acts=True, ordered=True, afar=True,
        options=(
            Flag("--for", "for", "it ends by itself then", "SECONDS", True),
            Flag("--force", "force", "even if nobody leads; nobody is promoted then"), _EACH, _REASON,
        ),
        statuses={
            DONE: "paused, and the primary and its guard have confirmed it", ERROR: "refused: the answer says why",
            UNDER_WAY: "not confirmed yet, and by whom; the order stands", UNKNOWN: "the outcome is unknown",
            INTERRUPTED: _GIVEN[INTERRUPTED],
        },
    ),
    Verb(
        "resume", "end a pause, or take back that it was asked for; the node that runs by it is asked", _orders,
        means=ONE, wait=60.0, timed=True, each=True, acts=True, ordered=True, afar=True,
        options=(
            Flag("--force", "force", "its node is dead, and nobody need be asked; tells first which node that is"),
            Flag("--node-is-dead", "dead", "that it is this one, and not merely cut off: two services run otherwise", "NODE"),
            _EACH, _REASON,
        ),
        statuses={
            DONE: "the pause has ended", ERROR: "refused: the answer says why",
            UNDER_WAY: "not ended yet, and by whom; the order stands", UNKNOWN: "the outcome is unknown",
            INTERRUPTED: "interrupted: not written, or it stands or is done, as the answer says",
        },
    ),
    Verb(
        "orders", "show what stands ordered: who is in maintenance, which switchover or restart is to come", _orders, wait=15.0,
        timed=True, each=True, acts=True, ordered=True, afar=True,
        options=(
            Flag("--log", "log", "show the last orders: who gave them, when, why, and what became of them"),
            Flag("--reset", "reset", "take back all that has not begun, also what cannot be read"), _YES, _WHY_RESET,
        ),
        statuses=_AT_ONCE,
    ),
    Verb(
        "forget", "take out what is kept of a node that is gone for good; refused while it lives", _orders, wait=15.0,
        timed=True, each=True, acts=True, ordered=True, afar=True, operand="NODE", options=(_REASON,), statuses=_AT_ONCE,
    ),
    Verb(
        "check", "find what keeps this node from doing its part", _check, wait=30.0, timed=True, doubted=True,
        options=(Flag("--cluster", "cluster", "look at all nodes in place of this one: who is missing, differs, cannot lead"),),
        instead=("cluster", _CLUSTER),
        afar=True, statuses=_CHECKED,
    ),
    Verb(
        "reload", "have the listener take its changed file, in the same term where that can be",
        lambda reply: show.reload(reply.answers[""]), means=NODE, wait=30.0, acts=True,
        options=(Flag("--yes", "yes", "even if terms or the session of this node end by it"),),
        statuses={
            DONE: "the file is in use", ERROR: "refused: the answer says why", USAGE: "the file cannot be used",
            UNKNOWN: "the outcome is unknown", **_GOES_ON,
        },
    ),
)

VERBS = {verb.name: verb for verb in _ROWS}
