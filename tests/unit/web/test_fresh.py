"""What is waited for before a route answers: all who ask meanwhile wait for the same, and nobody for long."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from supervisor_zkelect.web import fresh
from supervisor_zkelect.web.fresh import Fresh

#: Seconds within which a test ends, and for which it is told to wait at most.
LONG, SHORT = 10.0, 0.05

REPORT = SimpleNamespace(reports=True, waits=False, once=False)
PICTURE = SimpleNamespace(reports=False, waits=True, once=True)


def taken(age, connected=True):
    return SimpleNamespace(age=lambda now: age, connected=connected)


def made(last=None, refresh=lambda: None):
    return Fresh(SimpleNamespace(fresh=False, refresh=refresh), SimpleNamespace(look=lambda once: last or taken(None)))


def within(seconds, run):
    asyncio.run(asyncio.wait_for(run(), seconds))


@pytest.mark.parametrize("last, waits", [
    (taken(0.0), False), (taken(fresh.TIME), True), (taken(0.0, connected=False), True), (taken(None), True),
])
def test_a_picture_is_awaited_where_the_last_is_old_or_was_of_no_connection(last, waits):
    async def run():
        one = made(last)
        asking = asyncio.ensure_future(one.prepare(PICTURE))
        await asyncio.sleep(0)
        await asyncio.wait([asking], timeout=SHORT)
        assert asking.done() is not waits
        one.taken()
        await asking

    within(LONG, run)


def test_all_who_ask_meanwhile_are_answered_by_one_picture(monkeypatch):
    monkeypatch.setattr(fresh, "TIME", 2 * LONG)

    async def run():
        one = made()
        asking = [asyncio.ensure_future(one.prepare(PICTURE)) for _ in range(3)]
        await asyncio.sleep(SHORT)
        assert not any(each.done() for each in asking)
        one.taken()
        await asyncio.gather(*asking)

    within(LONG, run)


def test_nobody_waits_for_ever(monkeypatch):
    """Neither for a picture that is not taken nor for a supervisord that does not answer."""
    monkeypatch.setattr(fresh, "TIME", SHORT)
    answers = threading.Event()

    async def run():
        one = made(refresh=lambda: answers.wait(3 * LONG))
        await one.prepare(PICTURE)
        await one.prepare(REPORT)

    try:
        within(LONG, run)
    finally:
        answers.set()
