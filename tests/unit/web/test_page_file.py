"""The page as a file: small, alone, and without a way from data to markup."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from supervisor_zkelect.web import page
from tests.browser import documents

TEXT = page.load().text.decode()


def test_it_is_small():
    assert len(TEXT.encode()) <= 60 << 10


def test_it_has_no_way_from_data_to_markup_or_to_code():
    ways = "innerHTML outerHTML insertAdjacentHTML document.write DOMParser createContextualFragment eval( Function( srcdoc setTimeout(\" setTimeout('"
    assert [one for one in ways.split(" ") if one in TEXT] == []
    assert not re.search(r"\son\w+\s*=\s*[\"']", TEXT), "no handler in an attribute"
    # What `h` describes has attributes of this program's own names, and a link leads to the page or to its routes.
    assert set(re.findall(r"\bhref: ([^,}]+)", TEXT)) == {'`#${anchor(one.key)', '"status"', '"metrics"', '""'}


def test_it_takes_nothing_from_elsewhere():
    assert set(re.findall(r"https?://[^\s\"'`<]+", TEXT)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|<script src|<link rel=\"(?!icon)", TEXT)


def test_it_only_looks():
    assert not re.search(r"<(form|button|input|textarea|select)|h\(\"(form|button|input)|method:", TEXT)


@pytest.mark.parametrize("made", [documents.pair, documents.one, documents.three, documents.many, documents.twenty, documents.trouble])
def test_it_is_tried_with_documents_as_they_are(made):
    found = made(documents.NOW)
    whole = documents.document({"orders": found} if "nodes" in found else found, now=documents.NOW)
    schema = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "http-status.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(whole)
