"""The routes of `zkelect http`, and who may see them: what is answered to a path, without the server around it."""

from __future__ import annotations

import math
import re
import sys
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple
from urllib.parse import parse_qs, unquote

from supervisor_zkelect.core import nodes
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.web import answers, hosts
from supervisor_zkelect.web.answers import Answer
from supervisor_zkelect.web.encoder import LARGE, Encoder
from supervisor_zkelect.web.page import Page
from supervisor_zkelect.web.verdict import Verdict

_LONGEST = 120
"""Characters of a foreign path that are repeated in an answer."""

_LONGEST_QUERY, _MOST_FIELDS = 2000, 20
"""Characters of a query that is read, and fields in it."""


class NodeAnswers(Protocol):
    """What is known of this node and of the cluster."""

    @property
    def name(self) -> str: ...

    @property
    def elections(self) -> List[str]: ...

    def has(self, election: str) -> bool:
        """Whether it is one of the elections."""

    @property
    def only(self) -> str:
        """The election that is meant where none is named; "" where that cannot be known."""

    def verdict(self, election: str) -> Verdict: ...

    def judged(self) -> Dict[str, Verdict]:
        """The verdicts in all elections."""

    def standby(self, election: str) -> str:
        """Why this node could not take over in the election; "" where it stands by and could."""

    def status(self) -> Dict[str, Any]:
        """The document of `/status`."""

    def metrics(self) -> Callable[[], bytes]:
        """What a monitor is told by what is known now; made by what this gives, on a thread that may take its time, always the
        same. That raises ImportError where it needs a package that is not installed."""


class Request(NamedTuple):
    """method, path with its query, host and authorization: of a request; the headers None where they are missing. near: it comes
    from this host, and no password is wanted. browser: it has headers that only browsers send."""

    method: str
    target: str
    host: Optional[str] = None
    authorization: Optional[str] = None
    near: bool = False
    browser: bool = False


class Asked(NamedTuple):
    """What a route is asked. election: as it was named, "" for none. query: the value of each name. full: whether
    a probe tells all; strangers are told who is primary, in closed words."""

    election: str
    query: Mapping[str, str]
    full: bool = False


class Route(NamedTuple):
    """answer: makes the answer. probe: whether load balancers ask it, so that it is told to everybody who can connect. election:
    whether an election may follow. waits, reports: whether a fresh picture, or a fresh report of the listener, is worth waiting
    for. once: whether one picture is enough. stream: whether the answer goes on. takes: the names that a query may have."""

    answer: Callable[[Asked], Answer]
    probe: bool = False
    election: bool = False
    waits: bool = False
    reports: bool = False
    once: bool = False
    stream: bool = False
    takes: Tuple[str, ...] = ()


class Site:
    """All routes. node: what they tell of. names: host names that are answered, in lower case. page: None where there is none."""

    def __init__(self, node: NodeAnswers, names: Callable[[], List[str]], page: Optional[Page] = None) -> None:
        self._node, self._names, self._encoder = node, names, Encoder()
        self.routes: Dict[str, Route] = {
            "primary": Route(self._primary, probe=True, election=True),
            "standby": Route(self._standby, probe=True, election=True, reports=True),
            "live": Route(lambda asked: answers.document(200, {"live": True}), probe=True),
            "ready": Route(self._ready, probe=True, reports=True),
            "status": Route(self._status, waits=True, takes=("tag",)),
            "events": Route(self._status, waits=True, stream=True),
            "history": Route(self._history, election=True, waits=True, takes=("limit",)),
            "metrics": Route(self._metrics, waits=True, reports=True, once=True),
        }

        if page is not None:
            self.routes[""] = Route(lambda asked: page.answer())

    def told(self) -> List[str]:
        """The routes, as they are written."""
        return [f"/{name}" + ("/ELECTION" if route.election else "") for name, route in self.routes.items()]

    def find(self, request: Request) -> Tuple[Optional[Route], Asked, Answer]:
        """The route of a request and what it is asked; or None, and the answer that there is without a route."""
        nothing = Asked("", {})
        target, host = _origin_form(request)
        path, _, query = target.partition("?")
        name, slash, election = unquote(path, errors="replace").partition("/")[2].partition("/")
        route = self.routes.get(name) if path.startswith("/") else None
        shown = printable(path, _LONGEST)
        if request.method not in answers.METHODS:
            return None, nothing, answers.not_allowed()
        trusted = hosts.trusted(host, self._names())
        if (route is None or not route.probe or request.browser) and not trusted:
            known = printable(host or "", _LONGEST)
            return None, nothing, answers.refusal(421, f"this program is not known as {known}; add it to http_names")
        if route is None or (slash and not (route.election and election)):
            return None, nothing, answers.not_found(shown, self.told())
        # HAProxy's `option httpchk` asks by OPTIONS unless another method is named: a probe is judged whichever it is.
        if request.method == "OPTIONS" and not route.probe:
            return None, nothing, answers.options()
        try:
            values = _values(query, name, route.takes)
        except ValueError as error:
            return None, nothing, answers.refusal(400, str(error))
        return route, Asked(election, values, trusted and request.near or not route.probe), answers.options()

    def _election(self, asked: Asked) -> str:
        """The election that is meant; "" where it cannot be known."""
        if asked.election:
            return asked.election if self._node.has(asked.election) else ""
        return self._node.only

    def _unknown(self, asked: Asked) -> Answer:
        if not asked.full:
            return answers.refusal(404, "there is no such election; name one of zkelect's file in the path")
        return answers.no_election(printable(asked.election, _LONGEST), self._node.elections)

    # Probes

    def _primary(self, asked: Asked) -> Answer:
        election = self._election(asked)
        if not election:
            return self._unknown(asked)
        verdict = self._node.verdict(election)
        fields: Dict[str, Any] = {"election": election, "primary": verdict.primary, "why": _word(verdict)}
        if asked.full:
            fields = {"election": election, "node": self._node.name, **verdict.document()}
        answer = answers.document(200 if verdict.primary else 503, fields)
        return answer._replace(until=verdict.until, again=lambda: self._until(election)) if verdict.primary else answer

    def _until(self, election: str) -> float:
        """Until when it may be told that this node is primary, by another look; minus infinity where it is not."""
        verdict = self._node.verdict(election)
        return verdict.until if verdict.primary else -math.inf

    def _standby(self, asked: Asked) -> Answer:
        election = self._election(asked)
        if not election:
            return self._unknown(asked)
        why = self._why_no_standby(election)
        fields = {"election": election, "standby": not why, "why": "not ready" if why else "stands by"}
        if asked.full:
            fields = {"election": election, "node": self._node.name, "standby": not why, "why": why or "stands by"}
        return answers.document(503 if why else 200, fields)

    def _why_no_standby(self, election: str) -> str:
        if self._node.verdict(election).primary:
            return "this node is primary"
        return self._node.standby(election)

    def _ready(self, asked: Asked) -> Answer:
        judged = self._node.judged()
        told = {name: "" if verdict.primary else self._node.standby(name) for name, verdict in judged.items()}
        ready = bool(told) and not any(told.values())
        elections = {name: {"ready": not why, "why": why} for name, why in told.items()}
        return answers.document(200 if ready else 503, {"ready": ready, **({"elections": elections} if asked.full else {})})

    # What is told to people

    def _status(self, asked: Asked) -> Answer:
        document, encoder = {"v": answers.VERSION, **self._node.status()}, self._encoder
        if "tag" in asked.query:
            try:
                document["elections"] = _tagged(document["elections"], nodes.tag(asked.query["tag"]))
                # The other one keeps what it has made of each election.
                encoder = Encoder()
            except ValueError as error:
                return answers.refusal(400, f"tag={printable(str(error), _LONGEST)}")

        def made() -> Answer:
            return Answer(200, encoder.encode(document) + b"\n")

        return Answer(200, made=made) if len(document["elections"]) >= LARGE else made()

    def _history(self, asked: Asked) -> Answer:
        election = self._election(asked)
        if asked.election and not election:
            return self._unknown(asked)
        status = self._node.status()
        said = asked.query.get("limit")
        if said is not None and not (said.isascii() and said.isdecimal() and len(said) < 10):
            return answers.refusal(400, f"limit={printable(said, _LONGEST)} is not a number of terms")
        limit = None if said is None else int(said)
        told = {
            name: found["terms"][:limit] for name, found in status["elections"].items() if not asked.election or name == election
        }

        def made() -> Answer:
            return answers.document(200, {"age": status["age"], "zookeeper": status["zookeeper"], "elections": told})

        return Answer(200, made=made) if len(told) >= LARGE else made()

    def _metrics(self, asked: Asked) -> Answer:
        text = self._node.metrics()

        def made() -> Answer:
            try:
                return Answer(200, text(), answers.METRICS)
            except ImportError as error:
                remedy = f"{sys.prefix}/bin/pip install '.[http]' in the clone of supervisor-zkelect"
                return answers.refusal(501, f"metrics need a package: {remedy} ({error})")

        return Answer(200, made=made)


def _origin_form(request: Request) -> Tuple[str, Optional[str]]:
    """Path and query that are asked for, and under which host: as of a proxy's they may stand in the target as a whole, and the
    header counts for nothing then (RFC 9112, 3.2.2)."""
    whole = re.match("https?://([^/?]+)", request.target, re.IGNORECASE)
    if whole is None:
        return request.target, request.host
    rest = request.target[whole.end():]
    return rest if rest.startswith("/") else f"/{rest}", whole[1]


def _values(query: str, route: str, takes: Sequence[str]) -> Dict[str, str]:
    """The value of each name in a query. Raises ValueError, which says what is wrong: whoever asks would take for done what
    counts for nothing."""
    if len(query) > _LONGEST_QUERY:
        raise ValueError(f"the query is longer than {_LONGEST_QUERY} characters")
    try:
        found = parse_qs(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise ValueError(f"the query has more than {_MOST_FIELDS} fields") from None
    for key, values in found.items():
        if key not in takes:
            shown = printable(key, _LONGEST) or "''"
            raise ValueError(f"/{route} takes no {shown}; it takes{': ' * bool(takes)}{', '.join(takes) or ' none'}")
        if len(values) > 1:
            raise ValueError(f"{key} stands there twice; give it once")
    return {key: values[0] for key, values in found.items()}


def _tagged(elections: Dict[str, Any], tag: nodes.Tag) -> Dict[str, Any]:
    """The same with the nodes only that have this tag."""
    return {
        name: {**found, "nodes": [one for one in found.get("nodes", []) if tag.on(one.get("tags") or {})]}
        for name, found in elections.items()
    }


def _word(verdict: Verdict) -> str:
    """Why, for strangers."""
    if verdict.primary:
        return "primary"
    return "not primary" if verdict.guarded else "unknown"
