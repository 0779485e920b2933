"""The schemas of what `zkelect http` answers, as JSON Schema 2020-12: docs/schemas/http-*.json (write_schemas.py writes them)."""

from __future__ import annotations

import json
from typing import Any, Dict

from docs.write_schemas import HISTORY, LIST, V, _is, _list, _map, _object, _text

Schema = Dict[str, Any]

_LISTED = LIST["properties"]["elections"]["additionalProperties"]["properties"]
_TERMS = HISTORY["properties"]["elections"]["additionalProperties"]

VERDICT: Dict[str, Schema] = {
    "primary": _is("boolean", "whether clients may be sent to this node"), "why": _text("why, in a few words"),
    "lease": _is("number", "seconds until that ends unless the lease is extended; null without a grant, and for no end", True),
    "acked": _is("boolean", "whether the ack was written in this term"),
    "token": _is("integer", "the term's fencing token; null where this node leads in none", True),
    "guarded": _is("boolean", "whether the guard has shown of late that it runs"),
}
_WHERE = {"election": _text("which election"), "node": _text("this node's name")}
_AGE = _is("number", "seconds since ZooKeeper confirmed it; null for never", True)
_ZOOKEEPER = _object({
    "connected": _is("boolean", "whether ZooKeeper answers this program"),
    "since": _is("integer", "since when; milliseconds since 1970"), "trouble": _text("why it does not; empty where it does"),
})

_ELECTION = _object({
    "here": _object(VERDICT, text="this node, by its record at that moment"), **_LISTED,
    "next": _object({
        "node": _text("who would lead if the primary's host failed now", True),
        "seconds": _is("number", "after how many", True), "why": _text("what is in the way, or what the time rests on"),
    }),
    "orders": _list(_text(""), "what stands ordered, a line each, with its end"),
    "paused": {**_object({
        "says": _text("the pause, in one line"), "node": _text("who runs on; null for nobody", True),
        "seconds": _is("number", "for how long it was given; null for no end", True),
        "resume": _is("boolean", "whether its end is ordered"),
    }), "type": ["object", "null"]},
    "terms": _TERMS,
    "unread_since": _is("integer", "since when ZooKeeper answers and this cannot be read, so that it is of before; null where it "
                        "was read; milliseconds since 1970", True),
})

DOCUMENTS: Dict[str, Schema] = {
    "primary": _object({"v": V, **_WHERE, **VERDICT}, ["v", "election", "primary", "why"],
                       "GET /primary/ELECTION: 200 where it is primary, else 503."),
    "standby": _object({
        "v": V, **_WHERE, "standby": _is("boolean", "whether it stands by and could take over"),
        "why": _text("why, in a few words"),
    }, ["v", "election", "standby", "why"], "GET /standby/ELECTION: 200 where it stands by, else 503."),
    "live": _object({"v": V, "live": {"const": True}}, text="GET /live: 200 as long as the program answers."),
    "ready": _object({
        "v": V, "ready": _is("boolean", "whether it leads or could take over, in all elections"),
        "elections": _map(_object({"ready": _is("boolean"), "why": _text("why not; empty where it is")}), "by name"),
    }, ["v", "ready"], "GET /ready: 200 or 503."),
    "status": _object({
        "v": V, "node": _text("this node's name"), "version": _text("of this program"),
        "now": _is("integer", "this host's clock; milliseconds since 1970"), "age": _AGE, "zookeeper": _ZOOKEEPER,
        "elections": _map(_ELECTION, "by name"),
    }, text="GET /status, and each event of GET /events."),
    "history": _object({
        "v": V, "age": _AGE, "zookeeper": _ZOOKEEPER, "elections": _map(_TERMS, "by name"),
    }, text="GET /history and GET /history/ELECTION?limit=N."),
    "error": _object({
        "v": V, "error": _text("what is wrong, in one line"), "routes": _list(_text(""), "those that there are, with 404"),
        "elections": _list(_text(""), "those that there are, with 404"),
    }, ["v", "error"], "Whatever else is answered: 401, 404, 405, 421, 500, 503."),
}
"""By route."""


def pages() -> Dict[str, str]:
    """The files, by name."""
    return {f"http-{name}.json": json.dumps({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"zkelect http: {name}", **document,
    }, indent=1) + "\n" for name, document in DOCUMENTS.items()}
