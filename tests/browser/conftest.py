"""A browser for these tests, and a server of the page."""

import contextlib
import os
import re
import shutil

import pytest

from tests.browser.server import Server

PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or ""
"""Debian's. Without its sandbox it is the only one that runs as root, so these arguments are for the pages of these tests only."""

#: A container's /dev/shm may be small.
ARGUMENTS = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.getuid() == 0 else [])]

#: Milliseconds that a page has for what is waited for.
TIME = 20_000


@pytest.fixture(scope="package")
def browser():
    """One for all these tests. It ends with them: a thread in which it runs can run no loop of asyncio's."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright needs Python 3.10")
    if not PROGRAM:
        pytest.skip("no Chromium: apt-get install chromium-headless-shell")
    with playwright.sync_playwright() as program:
        playwright.expect.set_options(timeout=TIME)
        browser = program.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def server():
    one = Server()
    yield one
    with contextlib.suppress(AttributeError):
        one.leave()


@pytest.fixture
def visit(browser, server):
    """Open the page where it shows a document. What goes wrong in a page, and what its policy refuses, fails the test."""
    contexts, wrong = [], []

    def visit(document=None, url="", before=lambda page: None, **options):
        options = {"timezone_id": "Europe/Berlin", "locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options}
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIME)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" and not re.search(r"net::|/events", line.text + line.location["url"]) else None)
        page.add_init_script("window.refused = []; document.addEventListener('securitypolicyviolation', (e) => refused.push(e.violatedDirective))")
        if document is not None:
            server.put(document)
        before(page)
        page.goto(url or server.url)
        if document is not None and document["elections"]:
            page.wait_for_selector("article")
        return page

    yield visit
    refused = [one for context in contexts for page in context.pages for one in page.evaluate("window.refused")]
    for context in contexts:
        context.close()
    assert not wrong and not refused, (wrong, refused)
