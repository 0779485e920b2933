"""What a browser is told to let the page do."""

import base64
import hashlib

from supervisor_zkelect.web import page, site
from supervisor_zkelect.web.site import Request
from tests.unit.web.parts import Node

TEXT = "<html><style media='all'>a{}</style><SCRIPT>\nlet x = 1;\n</SCRIPT><script type='module'>y()</script></html>"


def digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_only_its_own_script_and_style_run():
    told = page.policy(TEXT).split("; ")
    assert f"script-src {digest(chr(10) + 'let x = 1;' + chr(10))} {digest('y()')}" in told and f"style-src {digest('a{}')}" in told
    assert {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(told)
    assert "script-src 'none'" in page.policy("<p>") and "unsafe" not in page.policy(TEXT)


def test_the_page_is_at_the_root(tmp_path):
    path = tmp_path / "page.html"
    assert page.load(path) is None
    path.write_text(TEXT)
    found = site.Site(Node(), lambda: [], page.load(path))
    route, asked, _ = found.find(Request("GET", "/"))
    answer = route.answer(asked)
    assert answer.body == TEXT.encode() and answer.kind.startswith("text/html") and "sha256" in answer.headers["Content-Security-Policy"]
    assert found.find(Request("GET", "/", "evil.example"))[2].status == 421
    assert site.Site(Node(), lambda: []).find(Request("GET", "/"))[2].status == 404
