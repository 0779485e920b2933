"""What is answered, against docs/schemas/http-*.json."""

import json

import jsonschema
import pytest

from docs import http_schemas, write_schemas
from supervisor_zkelect.core.lease import Lease
from supervisor_zkelect.guard import record
from supervisor_zkelect.web import here, picture, reading, report
from supervisor_zkelect.web.site import Request, Site
from supervisor_zkelect.web.verdict import RecordRead
from tests.unit.operators.test_schemas import closed

LISTED = {
    "node": "a", "role": "primary", "since": 1, "address": "a:1", "place": 1, "note": "", "live": True, "guarded": True, "tags": {},
    "digest": "", "differs": "", "version": "1",
}
TERM = {"v": 1, "token": 7, "node": "a", "address": "a:1", "begun": {"acked": 1.5}}
FULL = {
    "nodes": [LISTED], "address": "a:1", "coming": "", "trouble": "", "changed": 5, "left_out": 0, "unread_since": None,
    "orders": ["a: in maintenance"], "terms": [TERM], "paused": {"says": "paused", "node": "a", "seconds": None, "resume": False}, "next": {"node": "b", "seconds": 4.5, "why": "x"},
}


class Settings:
    node_name = "a"

    class Election:
        name = "orders"

    elections = (Election,)


@pytest.fixture
def site():
    """A site over the real parts, whose picture and record are given."""
    photographer = picture.Photographer(lambda: Settings)
    photographer.look = lambda: photographer.latest
    entry = record.Entry("orders", "primary", "a:1", 7, True, 0, Lease(1e9, 1e9, 1e9), True)
    node = here.Here(lambda: Settings, lambda: RecordRead("", record.Record(1e9, [entry]), 1e9), photographer, report.Reporter(None))
    node.photographer = photographer
    made = Site(node, lambda: [])
    made.photographer = photographer
    return made


def fits(name, document):
    """As the file has it, and with nothing in it that the schema does not name."""
    schema = json.loads((write_schemas.FOLDER / f"http-{name}.json").read_text())
    for one in (schema, closed(http_schemas.DOCUMENTS[name])):
        jsonschema.Draft202012Validator(one).validate(document)


@pytest.mark.parametrize("path, name", [
    ("/primary", "primary"), ("/standby/orders", "standby"), ("/live", "live"), ("/ready", "ready"), ("/status", "status"),
    ("/history", "history"), ("/events", "status"), ("/primary/other", "error"), ("/nothing", "error"),
])
@pytest.mark.parametrize("taken", [picture.Taken(), picture.Taken({"orders": FULL}, 1.0, True, 5)])
def test_each_route_answers_as_its_schema_has_it(site, path, name, taken):
    site.photographer.latest = taken
    route, asked, answer = site.find(Request("GET", path))
    fits(name, json.loads((answer if route is None else route.answer(asked)).body))


def test_what_nobody_has_read_yet_has_all_members():
    fits("status", {
        "v": 1, "node": "a", "version": "1", "now": 1, "age": None, "zookeeper": {"connected": False, "since": 1, "trouble": ""},
        "elections": {"orders": {**reading.EMPTY, "here": {
            "primary": False, "why": "", "lease": None, "acked": False, "token": None, "guarded": False,
        }}},
    })
