"""Executors: how a listener has work done off its deciding thread."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Executor, Future
from typing import Any, Callable, Deque, Optional, Tuple

log = logging.getLogger(__name__)

#: Seconds between two asks of a supervisord or ZooKeeper that does not answer.
PACE = 1.0
#: Characters of a list in an answer to an operator; supervisord takes some more (mailbox.LONGEST_ANSWER).
LONGEST_LIST = 200_000


class SerialExecutor(Executor):
    """Does one piece of work at a time, in order of submission, on the threads of a pool that others use too."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._waiting: Deque[Tuple[Future[Any], Callable[[], Any]]] = deque()
        #: a turn is queued or taken, and one is taken
        self._busy = self._running = False

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Raises RuntimeError and MemoryError where it cannot be done."""
        future: Future[Any] = Future()
        item = (future, lambda: work(*arguments, **named))
        with self._lock:
            self._waiting.append(item)
            busy, self._busy = self._busy, True
        try:
            if not busy:
                self._pool.submit(self._turns)
        except (RuntimeError, MemoryError):
            # The pool may take the turn all the same, which finds nothing then.
            with self._lock:
                self._busy = self._running
                if item in self._waiting:
                    self._waiting.remove(item)
            raise
        return future

    def _turns(self) -> None:
        while self._turn():
            try:
                # At the end of the pool's queue, so that those that share it take turns.
                self._pool.submit(self._turns)
                return
            except (RuntimeError, MemoryError):
                # Nobody else would do what waits.
                continue

    def _turn(self) -> bool:
        """Do what has waited longest. Whether something waits still."""
        with self._lock:
            if self._running or not self._waiting:
                return False
            self._running = True
            future, work = self._waiting.popleft()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        with self._lock:
            self._running, self._busy = False, bool(self._waiting)
            return self._busy


class EventExecutor:
    """Does work on an executor and posts the event that it returns; None is not posted."""

    def __init__(self, executor: Executor, post: Callable[[Any], None]) -> None:
        self._executor = executor
        self._post = post

    def submit(self, work: Callable[[], Any], failed: Optional[Callable[[BaseException], Any]] = None) -> None:
        """failed: makes the event that is posted when `work` raises, for want of memory too, or where no thread can be had for
        it. Without one this raises RuntimeError, or MemoryError, then."""

        def done(future: Future[Any]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                log.error("a defect: %r", error, exc_info=error)
                if failed is not None:
                    self._post(failed(error))

        try:
            future = self._executor.submit(self._run, work)
        except (RuntimeError, MemoryError) as error:
            if failed is None:
                raise
            self._post(failed(error))
            return
        future.add_done_callback(done)

    def _run(self, work: Callable[[], Any]) -> None:
        event = work()
        if event is not None:
            self._post(event)
