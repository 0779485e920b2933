"""The page of the cluster, `page.html`, and what a browser may do with it: nothing but run its own script."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import List, NamedTuple, Optional

from supervisor_zkelect.web import answers
from supervisor_zkelect.web.answers import Answer

_FILE = Path(__file__).with_name("page.html")


class Page(NamedTuple):
    """The page, and its content security policy."""

    text: bytes
    policy: str

    def answer(self) -> Answer:
        return Answer(200, self.text, answers.HTML, {"Content-Security-Policy": self.policy})


def load(path: Path = _FILE) -> Optional[Page]:
    """The page; None where there is none. Raises OSError where it cannot be read."""
    if not path.exists():
        return None
    text = path.read_bytes()
    return Page(text, policy(text.decode("utf-8")))


def policy(text: str) -> str:
    """The content security policy of a page: its own inline scripts and styles by their hashes, nothing from outside."""
    none, scripts, styles = "'none'", _hashes(text, "script"), _hashes(text, "style")
    return "; ".join([
        "default-src 'none'", f"script-src {' '.join(scripts) or none}", f"style-src {' '.join(styles) or none}",
        "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ])


def _hashes(text: str, tag: str) -> List[str]:
    """The hashes of all inline elements of a kind, as a policy names them."""
    found = re.findall(rf"<{tag}(?:\s[^>]*)?>(.*?)</{tag}\s*>", text, re.DOTALL | re.IGNORECASE)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in found]
