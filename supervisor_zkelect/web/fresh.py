"""What is worth waiting for before a route answers: the listener's report, and a picture of the cluster. On the server's loop.

However many ask, one question to supervisord is under way at most, and all of them wait for that."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List, Optional

from supervisor_zkelect.system import clock
from supervisor_zkelect.web.lines import lines
from supervisor_zkelect.web.picture import Photographer
from supervisor_zkelect.web.report import Reporter
from supervisor_zkelect.web.site import Route

TIME = 2.0
"""Seconds for which somebody who looks now and then waits for a fresh picture, and anybody for a report."""


class Fresh:
    """reporter: asks supervisord. photographer: takes pictures."""

    def __init__(self, reporter: Reporter, photographer: Photographer) -> None:
        self._reporter, self._photographer = reporter, photographer
        self.threads = ThreadPoolExecutor(2, "zkelect-waits")
        self._report: Optional[asyncio.Future[Any]] = None
        self._picture: Optional[asyncio.Future[None]] = None

    def prepare(self, route: Route) -> Any:
        """See `server.Prepare`."""
        awaited: List[Any] = []
        if route.reports and not self._reporter.fresh:
            awaited.append(self._fresh_report())
        if route.waits:
            awaited.append(self._fresh_picture(route.once))
        return asyncio.gather(*awaited) if awaited else None

    async def _fresh_report(self) -> None:
        if self._report is None or self._report.done():
            self._report = asyncio.get_running_loop().run_in_executor(self.threads, self._reporter.refresh)
            self._report.add_done_callback(_told)
        await asyncio.wait([self._report], timeout=TIME)

    async def _fresh_picture(self, once: bool) -> None:
        taken = self._photographer.look(once)
        age = taken.age(clock.now())
        if age is not None and age < TIME and taken.connected:
            return
        if self._picture is None or self._picture.done():
            self._picture = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._picture], timeout=TIME)

    def taken(self) -> None:
        """A picture was taken."""
        if self._picture is not None and not self._picture.done():
            self._picture.set_result(None)

    def end(self) -> None:
        """Wait for nothing any more: what has not begun is left."""
        self.threads.shutdown(wait=False, cancel_futures=True)


def _told(report: Any) -> None:
    if not report.cancelled() and report.exception() is not None:
        lines.defect(report.exception())
