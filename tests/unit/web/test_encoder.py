"""The document of /status, encoded once for each picture."""

import json

from supervisor_zkelect.web import encoder
from supervisor_zkelect.web.encoder import Encoder


def test_an_election_is_encoded_once_for_a_picture(monkeypatch):
    dumped = []
    monkeypatch.setattr(encoder.json, "dumps", lambda value, dumps=json.dumps: dumped.append(value) or dumps(value))
    one, nodes = Encoder(), [{"node": "a"}]
    for document in (
        {"v": 1, "elections": {"orders": {"nodes": nodes, "here": {"primary": True}}, "": {}}},
        {"v": 1, "elections": {"orders": {"nodes": nodes, "here": {"primary": False}}}},
        {"v": 1, "elections": {}}, {"elections": {"x": {"here": 1}}},
    ):
        assert json.loads(one.encode(document)) == document
    assert dumped.count({"nodes": nodes}) == 1
    assert json.loads(one.encode({"elections": {"orders": {"nodes": [2]}}})) == {"elections": {"orders": {"nodes": [2]}}}
