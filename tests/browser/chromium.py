"""Debian's Chromium, driven by playwright."""

import contextlib
import os
import shutil

import pytest

PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or ""

#: As root it runs without its sandbox only, and it is to see nothing but pages of these tests. A container's /dev/shm may be small.
ARGUMENTS = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.getuid() == 0 else [])]

#: Milliseconds that a page has for what is waited for.
TIME = 20_000

FOLLOW = "window.refused = []; document.addEventListener('securitypolicyviolation', (event) => refused.push(event.violatedDirective))"
"""Has a page note what its policy refuses."""


@contextlib.contextmanager
def chromium():
    """One, for as long as it is needed: a thread in which it runs can run no loop of asyncio's. Skips the test where it is not
    to be had."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright needs Python 3.10")
    if not PROGRAM:
        pytest.skip("no Chromium: apt-get install chromium-headless-shell")
    with playwright.sync_playwright() as program:
        playwright.expect.set_options(timeout=TIME)
        browser = program.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        yield browser
        browser.close()
