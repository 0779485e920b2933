"""Writes docs/schemas/VERB.json: what each verb prints with --json, as JSON Schema 2020-12.

    python -m docs.write_schemas

What verbs have in common is declared once here. A document may have more than its schema names: readers pass over what they do
not know, and `v` is raised when what they do know changes its meaning.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

from supervisor_zkelect.core import ability, history, roles
from supervisor_zkelect.operators.verbs import VERBS

FOLDER = Path(__file__).with_name("schemas")
"""Where they stand."""

Schema = Dict[str, Any]

OWN = ("primary", "http")
"""Commands of the program alone that print documents."""

ROLES = (
    roles.DETACHED, roles.STANDBY, roles.PROMOTING, roles.PRIMARY, roles.DEMOTING, roles.MAINTENANCE, roles.WITHDRAWN,
)
HINDRANCES = (
    ability.KERNEL, ability.GUARD, ability.FOLDER, ability.ZOOKEEPER, ability.TIMEOUT, ability.TWIN, ability.REFUSED,
    ability.QUEUE, ability.FENCE, ability.ALIVE, ability.CONTROL,
)


def _is(kind: str, text: str = "", null: bool = False, **more: Any) -> Schema:
    """A value of one type. null: or none."""
    return {"type": [kind, "null"] if null else kind, **({"description": text} if text else {}), **more}


def _map(of: Schema, text: str) -> Schema:
    return {"type": "object", "description": text, "additionalProperties": of}


def _object(properties: Dict[str, Schema], required: Optional[List[str]] = None, text: str = "") -> Schema:
    """required: the names of those that are always there, by default all."""
    schema = {"type": "object", "properties": properties, "required": list(properties) if required is None else required}
    return {**schema, **({"description": text} if text else {})}


def _text(text: str, null: bool = False) -> Schema:
    return _is("string", text, null)


def _list(of: Schema, text: str) -> Schema:
    return _is("array", text, items=of)


V = {"const": 1, "description": "version of the document"}
EXIT = _is("integer", "the command's exit status", enum=[*range(8), 130])
BOOT, EPOCH = "seconds since boot", "seconds since 1970, by the clock of the node that wrote it"

UNREAD = _map(_text("why"), "the elections that cannot be read, by name; absent where all can")

ERROR = _object({
    "v": V, "exit": EXIT, "error": _text("what went wrong, in one line"), "ok": {"const": False}, "text": _text("the same"),
    "election": _text("in which election"), "unread": UNREAD,
}, ["v", "exit", "error"], "The command could not do what was asked.")
"""What each of them prints instead, where it fails."""

SESSION = _object({
    "state": _text("connecting, connected or suspended, among others"), "id": _text("as ZooKeeper has it", True),
    "timeout": _is("number", "seconds, as granted", True), "since": _is("number", f"of the state; {BOOT}"),
    "trouble": _text("why there is no connection; empty where nothing is wrong"),
    "ride_through": _is("number", "seconds for which ZooKeeper may be silent without consequence", True),
}, ["state", "since"], "the node's session with ZooKeeper")

FACTS: Dict[str, Schema] = {
    "role": {"enum": [*ROLES, "unknown"]}, "exit": EXIT, "why": _text("why the role is unknown; only then"),
    "says": _text("what is wrong and what to do, in one line; empty for a primary without trouble"),
    "step": _text("of the role, as docs/roles.md has it"), "since": _is("number", f"of the role; {BOOT}"),
    "token": _is("integer", "the fencing token of the proposal", True), "proposal": _text("name of the proposal's znode", True),
    "group": _text("supervisord's program group"), "address": _text("this node's"),
    "ack": _text("the primary's address", True), "primary_node": _text("who is primary", True),
    "primary_gone": _is("boolean", "whether the session of that one is over, and no pause stands, in which it runs on"),
    "ack_at": _is("number", f"when ack and holder were read; {BOOT}", True), "ack_age": _is("number", "seconds since then"),
    "place": _is("integer", "in the queue, from 1", True), "candidates": _is("integer", "how many stand in it", True),
    "place_at": _is("number", f"when the queue was read; {BOOT}", True), "place_age": _is("number", "seconds since then"),
    "deadline": _is("number", f"end of the lease; {BOOT}", True),
    "until": _is("number", f"end of what is waited for; {BOOT}", True),
    "reason": _text("why it is in that role"), "znode": _text("the election's"), "ack_znode": _text("the ack's"),
    "unguarded": _is("boolean", "whether nobody ends a lease if the listener cannot"), "unguarded_why": _text("why"),
    "trouble": _text("what is wrong; empty for nothing"),
    "differs": _text("how its options differ from the primary's where they must agree; else empty"),
    "cannot": _object(
        {"kind": {"enum": list(HINDRANCES)}, "why": _text("")}, None, "what keeps it from leading though it should",
    ),
    "failed": _object({"why": _text(""), "at": _is("number", BOOT)}, None, "its last promotion, where that failed"),
    "priority": _is("integer", "as its file has it; 0: it never leads"),
    "aside": _text("why it stands in no queue, by its file or its check `fit`", True),
    "unfit": _text("why its check `fit` fails", True),
}
FACTS["paused"] = _object({
    "why": _text("who has paused it, and why"), "stands": _is("boolean", "whether nobody is promoted; else it is only asked for"),
    "held": _is("boolean", "whether the service runs here whatever becomes of its lease"),
    "confirmed": _is("boolean", "whether the guard has confirmed that"),
    "until": _is("number", f"when that ends by itself; {BOOT}; null for never", True),
}, None, "a pause, where there is one")
for _name in ("cannot", "failed", "paused"):
    FACTS[_name]["type"] = ["object", "null"]

ROLE = _object({
    "v": V, "exit": EXIT, "known": _is("boolean", "whether a living listener has vouched for what follows"),
    "why": _text("why it is not known; else empty"), "age": _is("number", "seconds since the listener's last report", True),
    "node": _text("the node's name"), "pid": _is("integer", "the listener's"), "version": _text("the listener's"),
    "config": _text("the file with [zkelect]"), "boottime": _is("number", f"when the report was made; {BOOT}"),
    "time": _is("number", "the same; seconds since 1970"), "now": _is("number", f"when this document was made; {BOOT}"),
    "http": {**_object({
        "at": _text("host:port"), "trouble": _text("why it does not answer; empty where it does"),
    }, text="`zkelect http`, where it is configured"), "type": ["object", "null"]},
    "config_trouble": {
        "type": ["object", "null"], "description": "the mistakes of the file, where it cannot be used", "properties": {
            "since": _is("number", BOOT), "problems": _list(_text(""), ""), "doing": _text("what the node goes on with"),
        },
    },
    "session": SESSION, "elections": _map(_object(FACTS, ["role", "exit"]), "by name"),
}, ["v", "exit", "known", "why", "age", "elections"])


def _by_election(of: Schema, **more: Schema) -> Schema:
    """more: what is there at times only."""
    return _object({"v": V, "exit": EXIT, "elections": _map(of, "by name"), "unread": UNREAD, **more}, ["v", "exit", "elections"])


LIST = _object({"v": V, "exit": EXIT, "elections": _map(_object({
    "nodes": _list(_object({
        "node": _text("its name"), "role": _text("its role, or: gone; primary, cut off; in the queue; unknown"),
        "since": _is("integer", "of the role; milliseconds since 1970, by the node's clock", True),
        "address": _text("where clients find it"), "place": _is("integer", "in the queue, from 1", True),
        "note": _text("what is to be said of it; several are separated by semicolons"),
        "live": _is("boolean", "whether its session lives, or it stands in the queue"),
        "guarded": _is("boolean", "whether somebody ends a lease if its listener cannot; null where it tells nothing", True),
        "tags": _map(_text(""), "by key"), "digest": _text("of its options that must agree, or empty"),
        "differs": _text("how these differ from the primary's, or empty"), "version": _text("the listener's, or empty"),
    }), "who leads first"),
    "address": _text("the primary's; empty for nobody"),
    "coming": _text("the switchover, restart or pause that stands, or empty"),
    "trouble": _text("why orders cannot be read, or empty"),
    "changed": _is("integer", "when the ack was written last; milliseconds since 1970, by ZooKeeper's clock", True),
    "paused": _text("a pause that stands, in words, or empty; null where a listener of an older version answers", True),
    "left_out": _is("integer", "nodes that are gone and not listed, as there are too many"),
}), "by name"), "unread": UNREAD,
    "left_out": _is("integer", "elections that are not listed, as there are too many; absent for none"),
}, ["v", "exit", "elections"])

_PLAYED: Dict[str, Schema] = {
    "leader": _text("who is primary then; null for nobody", True),
    "after": _is("number", "seconds until another one is primary", True),
    "silent": _is("number", "for how many of them the service is away", True),
    "stopped": _is("number", "seconds until the former primary's group is dead", True), "says": _text("that, in one line"),
}
WHY = _by_election(_object({
    "node": _text("whom it is about", True), "leads": _is("boolean", "whether it is primary"),
    "says": _text("why it is not, in one line"), "local": _text("what the node that was asked says of itself, or empty"),
    "primary": _text("who is", True), "next": _text("who would be next", True), "basis": _text("what the times rest on"),
    "hindrances": _list(_text(""), "what is in the way, a line each"),
    "coming": _text("what is ordered and still to come", True), "faults": _map(_object(_PLAYED), "by fault"),
}))

SIMULATE = _object({"v": V, "exit": EXIT, "elections": _map({"anyOf": [
    _object({
        "fault": _text("which"), "node": _text("to which node it happens"), **_PLAYED, "steps": _list(_object({
            "at": _is("number", "seconds after the fault"), "node": _text("empty for ZooKeeper"), "role": _text("that it enters"),
            "step": _text("of the role"), "why": _text("why, or what happens"),
        }), "in order"),
    }, None, "with --fault"),
    _object({
        "term": _is("object", "as history has it"), "why": _text("why it ended"), "served": _is("number", "seconds", True),
        "never": _text("what it never came to", True), "steps": _list(_object({
            "time": _is("number", EPOCH), "at": _is("number", "seconds after the first"), "says": _text("what happened"),
        }), "in order"),
    }, None, "with --term"),
]}, "by name"), "unread": UNREAD,
    "unplayed": _map(_text("why"), "the elections of which nothing can be shown, by name; absent for none"),
}, ["v", "exit", "elections"])

EVENTS = _by_election(_object({
    "events": _list(_object({
        "number": _text("czxid of the log in hexadecimal digits, a dot, and the counter"),
        "counter": _is("integer", "in that log"),
        "time": _is("number", EPOCH), "node": _text("who noted it"), "kind": _text("role, failure, order or lost"),
        "text": _text("what happened"),
    }), "in the order of time, while the numbers are in that of noting"),
    "missed": _is("integer", "how many are gone between --since NUMBER and these"),
    "anew": _is("boolean", "whether the log was made anew since"), "last": _text("number of the latest one", True),
}))

MEMBERS = _by_election(_list(_object({
    "place": _is("integer", "from 1"), "node": _text("its name; empty where it tells none"), "address": _text("its address"),
    "proposal": _text("name of its znode"), "token": _is("integer", "its fencing token"),
    "mine": _is("boolean", "whether it is this node's"), "leads": _is("boolean", "whether nobody stands before it"),
}), "in the order of the queue"))


def _moments(names: Any, text: str, **more: Schema) -> Schema:
    return _object({**{name: _is("number", EPOCH) for name in names}, **more}, [], text)


HISTORY = _by_election(_list(_object({
    "v": V, "token": _is("integer", "the term's fencing token"), "node": _text("who led"), "address": _text("at which address"),
    "begun": _moments(history.BEGUN, "its beginning"),
    "ended": _moments(
        history.ENDED, "its end", why=_text("its reason"), failed=_is("boolean", "true where the service has failed"),
    ),
    "restarts": _list(_moments(
        history.RESTARTED, "one of them", why=_text("who ordered it, and why"),
    ), "how the service was started again by order"),
    "lost": _object({
        "noticed": _is("number", EPOCH), "why": _text("what is known of its end"),
    }, text="its end as who led next has noticed it; it counts where ended is not there"),
    "abandoned": {
        "const": True, "description": "no end is told though its proposal is gone; only then, of the latest alone, not over HTTP",
    },
}, ["v", "token"]), "the latest first"), copied=_map(
    _is("number", f"when that was made; {EPOCH}"), "by election, where this node's copy is told in place of what ZooKeeper has",
))

ANSWER: Dict[str, Schema] = {
    "v": V, "exit": EXIT, "ok": _is("boolean", "whether it is done"), "election": _text("which election"),
    "text": _text("the answer, in one line"), "error": _text("the same, where it is not done"),
}


def _of_several(of: Schema) -> Schema:
    """What is answered about one election, or about several."""
    return {"anyOf": [of, _object({
        "v": V, "exit": EXIT, "ok": ANSWER["ok"], "error": ANSWER["error"],
        "elections": _map(of, "by name, where several were meant"),
    }, ["v", "exit", "elections"])]}


_RESIGN = _object({
    **ANSWER, "node": _text("who leads now"), "address": _text("at which address"),
    "seconds": _is("number", "how long that took"),
}, ["v", "exit", "ok", "election", "text"])
RESIGN = _of_several(_RESIGN)

#: An order in the log of orders: moments are milliseconds since 1970.
_LOGGED = _object({
    **{name: _text(text) for name, text in (
        ("id", "the order's"), ("what", "its kind"), ("node", "whom it is about, or empty"), ("by", "who gave it"),
        ("reason", "why"),
    )},
    "at": _is("integer", "when it was given"), "until": _is("integer", "until when it counts", True),
    "due": _is("integer", "when it is due", True),
    "done": _is("boolean", "whether it was done; null where that is not known", True),
    "outcome": _is("object", "what became of it: text, node, at", True),
})

_GIVEN = {
    "by": _text("who gave it"), "reason": _text("why"), "at": _is("integer", "when it was given"),
    "until": _is("integer", "until when it counts", True),
}
_COMING = {**_GIVEN, "due": _is("integer", "when it is due", True), "begun": _is("boolean", "whether it is under way")}
#: What stands ordered: moments are milliseconds since 1970.
_STANDING: Dict[str, Schema] = {
    "maintenance": _list(_object({"node": _text("who is out of the queue"), **_GIVEN}), "of `orders`"),
    "switchover": {
        **_object({**_COMING, "to": _text("who is to lead; null for whoever is next", True)}), "type": ["object", "null"],
    },
    "restart": {**_object(_COMING), "type": ["object", "null"]},
    "paused": {
        **_object({
            **_GIVEN, "stands": _is("boolean", "whether nobody is promoted; else it is only asked for"),
            "lasts": _is("integer", "after how many milliseconds from the consent it ends by itself", True),
            "node": _text("who has consented, and runs on whatever becomes of ZooKeeper", True),
            "token": _is("integer", "of the term that has consented", True),
            "resume": _is("boolean", "whether it is ordered to end"),
        }), "type": ["object", "null"],
    },
}

_ORDER = _object({
    **ANSWER, "id": _text("the order's; empty where none was written"),
    "term": _is("integer", "token of the term in which it was given"),
    "checked": _list(_text(""), "what was looked at, a line each"), "warning": _text("what is to be told beside"),
    "awaited": _text("what was waited for when the waiting ended: of an order that is under way, or has failed"),
    "unrecognised": _list(_text(""), "the nodes that have not read it yet"),
    "log": _list(_LOGGED, "the last orders, the newest last, with --log"),
    **_STANDING, "elections": _map(_object(_STANDING), "the same of `orders`, by name, also where one election was meant"),
}, ["v", "exit", "ok", "election", "text"])
ORDER = _of_several(_ORDER)

RELOAD = _object({
    **{name: ANSWER[name] for name in ("v", "exit", "ok", "text", "error")},
    "lines": _list(_text(""), "the changes, the mistakes in the file, or what would end"),
}, ["v", "exit", "ok", "text"])

CHECK = _object({
    "v": V, "exit": EXIT, "ok": _is("boolean", "whether nothing is wrong"),
    "problems": _list(_text(""), "what is wrong, a line each"),
    "notes": _list(_text(""), "what is no problem and worth knowing, a line each"), "unread": UNREAD,
}, ["v", "exit", "ok", "problems", "notes"])

PRIMARY = _object({
    "v": V, "exit": EXIT, "election": _text("which election"), "address": _text("the primary's; null where nobody is", True),
    "token": _is("integer", "fencing token of its term; null where nobody is primary, or where that term has noted none", True),
}, None, "With --watch one document a line, for each change.")

HTTP = _object({
    "v": V, "exit": EXIT, "ok": _is("boolean", "whether it answers"), "at": _text("where it was asked: host:port"),
    "trouble": _text("why it does not answer; empty where it does"),
}, None, "Of `zkelect http --check`; what the program itself answers stands in http-*.json.")

DOCUMENTS: Dict[str, Schema] = {
    "role": ROLE, "status": ROLE, "list": LIST, "why": WHY, "simulate": SIMULATE, "events": EVENTS,
    "members": MEMBERS, "history": HISTORY, "resign": RESIGN, "switchover": ORDER,
    "maintenance": ORDER, "restart": ORDER, "pause": ORDER, "resume": ORDER, "orders": ORDER, "forget": ORDER, "check": CHECK,
    "reload": RELOAD,
    "primary": PRIMARY, "http": HTTP,
}
"""Of each verb what it prints where it does not fail."""


def schemas() -> Dict[str, Schema]:
    """By verb. Raises KeyError for one that has none here."""
    return {name: _schema(name, DOCUMENTS[name]) for name in (*VERBS, *OWN)}


def _schema(name: str, document: Schema) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"zkelect {name} --json",
        "anyOf": [*document.get("anyOf", [document]), ERROR],
    }


def pages() -> Dict[str, str]:
    """The files, by name."""
    from docs import http_schemas

    made = {f"{name}.json": json.dumps(schema, indent=1) + "\n" for name, schema in schemas().items()}
    return {**made, **http_schemas.pages()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for _file, _page in pages().items():
        (FOLDER / _file).write_text(_page)
