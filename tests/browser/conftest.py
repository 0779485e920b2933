"""A browser for these tests, and a server of the page."""

import contextlib
import re

import pytest

from tests.browser import chromium
from tests.browser.server import Server


@pytest.fixture(scope="package")
def browser():
    with chromium.chromium() as one:
        yield one


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

    def complain(line):
        # That nobody answers, or no stream is to be had, is what some of these tests are about.
        if line.type == "error" and not re.search(r"net::|/events", line.text + line.location["url"]):
            wrong.append(line.text)

    def visit(document=None, url="", before=lambda page: None, **options):
        options = {"timezone_id": "Europe/Berlin", "locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options}
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(chromium.TIME)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", complain)
        page.add_init_script(chromium.FOLLOW)
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
