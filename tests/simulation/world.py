"""Virtual time, and processes with threads in it.

The product's own code runs here, blocking calls included: each of its threads is a greenlet, and waiting is a switch back
to the loop that owns the time. Nothing happens by itself, so one seed is one run.

Who is killed does nothing more. Who is frozen does what was due when it thaws.
"""

from __future__ import annotations

import itertools
from heapq import heappop, heappush
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from greenlet import GreenletExit, getcurrent, greenlet

MOST = 50_000
"""Things that happen in one schedule; some 5,000 are usual."""


class Broken(Exception):
    """A promise is broken."""


class Entry(NamedTuple):
    """A line of the transcript. at: true time in seconds."""

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:9.4f} {self.who:5} {self.what}"


class World:
    """now: true time in seconds. `here`: the process whose code runs just now.

    chance: has the methods of random.Random that the models use, for delays and for what happens now and then.
    """

    def __init__(self, chance: Any) -> None:
        self.random = chance
        self.now = 0.0
        self.here: Optional[Process] = None
        self.transcript: List[Entry] = []
        self.hub = getcurrent()
        self.threads: List[greenlet] = []
        #: when, in order, who does it (None: the world itself), what, with what
        self._heap: List[Tuple[float, int, Optional[Process], Callable[..., None], tuple]] = []
        self._serial = itertools.count()
        self._happened = 0
        self._over = False

    def after(self, delay: float, do: Callable[..., None], *arguments: Any) -> None:
        heappush(self._heap, (self.now + delay, next(self._serial), None, do, arguments))

    def run(self, until: float, over: Optional[Callable[[], bool]] = None) -> None:
        """Let everything happen that is due by `until`, or until it is `over`."""
        heap = self._heap
        while heap and heap[0][0] <= until and not (over is not None and over()):
            self.now, _, process, do, arguments = heappop(heap)
            if process is None:
                do(*arguments)
            elif process.alive and not process.frozen:
                # As Process.do, without another call.
                self.here = process
                try:
                    do(*arguments)
                finally:
                    self.here = None
            else:
                process.do(do, *arguments)
            self._happened += 1
            if self._happened > MOST:
                self.broken("9: it goes round in circles")

    def close(self) -> None:
        """End the threads that still wait; they would keep everything that they know in memory for ever."""
        self._over, self._heap = True, []
        for thread in self.threads:
            try:
                thread.throw(GreenletExit)
            except Exception:
                # It was about to clean up, in a world that is no more.
                continue
        self.threads = []

    def tell(self, who: str, what: str) -> None:
        self.transcript.append(Entry(self.now, who, what))

    def broken(self, promise: str) -> None:
        self.tell("!!!!!", promise)
        raise Broken(promise)

    def delay(self, usual: float, most: float = 0.0) -> float:
        """Around `usual`; now and then up to `most`."""
        if most and self.random.random() < 0.05:
            return self.random.uniform(usual, most)
        return self.random.uniform(0.5 * usual, 1.5 * usual)


class Process:
    """Something that runs on a node. clock: the node's own clock."""

    def __init__(self, world: World, name: str, clock: Callable[[], float]) -> None:
        self.world, self.name, self.clock = world, name, clock
        self.alive, self.frozen = True, False
        self.thawed_at = float("-inf")
        self._kept: List[Tuple[Callable[..., None], tuple]] = []

    def do(self, what: Callable[..., None], *arguments: Any) -> None:
        """Run something of this process, now, or when it thaws."""
        if not self.alive:
            return
        if self.frozen:
            self._kept.append((what, arguments))
            return
        world = self.world
        former, world.here = world.here, self
        try:
            what(*arguments)
        finally:
            world.here = former

    def after(self, delay: float, what: Callable[..., None], *arguments: Any) -> None:
        # As World.after, without another call: most of what happens comes through here.
        world = self.world
        heappush(world._heap, (world.now + delay, next(world._serial), self, what, arguments))

    def thread(self, work: Callable[[], Any], delay: float = 0.0) -> None:
        """Run something that may wait."""
        one = greenlet(work, parent=self.world.hub)
        # One that is dropped while it waits would be ended by an exception in it.
        self.world.threads.append(one)
        self.after(delay, one.switch)

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen, self.thawed_at = False, self.world.now
        kept, self._kept = self._kept, []
        for what, arguments in kept:
            self.after(0.0, what, *arguments)

    def kill(self) -> None:
        self.alive = False


class Flag:
    """What threads wait for: `set` once. Has the methods of threading.Event that the product uses."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._set = False
        self._waiting: List[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Whether it was set within `timeout` seconds of this process's clock."""
        if self._set or (timeout is not None and timeout <= 0):
            return self._set
        if self._world._over:
            raise GreenletExit
        process, thread, waits = self._world.here, getcurrent(), True
        assert thread is not self._world.hub, "only threads wait"

        def wake() -> None:
            nonlocal waits
            if waits:
                waits = False
                process.after(0.0, thread.switch)

        self._waiting.append(wake)
        if timeout is not None:
            self._world.after(timeout, wake)
        self._world.hub.switch()
        return self._set


class Outcome:
    """Of a piece of work in a pool. Has the methods of concurrent.futures.Future that the product uses, without its lock."""

    def __init__(self) -> None:
        self._done = False
        self._result: Any = None
        self._error: Optional[Exception] = None
        self._told: List[Callable[[Outcome], None]] = []

    def settle(self, result: Any, error: Optional[Exception] = None) -> None:
        self._done, self._result, self._error = True, result, error
        for told in self._told:
            told(self)

    def add_done_callback(self, told: Callable[[Outcome], None]) -> None:
        if self._done:
            told(self)
        else:
            self._told.append(told)

    def cancelled(self) -> bool:
        return False

    def exception(self) -> Optional[Exception]:
        return self._error

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result


class Pool:
    """Runs each piece of work in a thread of its own; `serial`: one after the other."""

    def __init__(self, process: Process, serial: bool) -> None:
        self._process = process
        self._serial = serial
        self._queue: List[Callable[[], None]] = []
        self._busy = False

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Outcome:
        outcome = Outcome()

        def run() -> None:
            try:
                result, failure = work(*arguments), None
            except Exception as error:
                result, failure = None, error
            outcome.settle(result, failure)
            self._busy = False
            self._next()

        self._queue.append(run)
        self._next()
        return outcome

    def _next(self) -> None:
        while self._queue and not (self._serial and self._busy):
            self._busy = True
            self._process.thread(self._queue.pop(0), self._process.world.delay(0.0002, 0.02))


class Pipe:
    """Delivers in order, each after a delay; stalled, it keeps everything until it is opened or dropped."""

    def __init__(self, world: World, usual: float) -> None:
        self.world = world
        self.usual = usual
        self.stalled = False
        self._kept: List[Tuple[Callable[..., None], tuple]] = []
        self._last = 0.0

    def send(self, do: Callable[..., None], *arguments: Any) -> None:
        if self.stalled:
            self._kept.append((do, arguments))
            return
        world = self.world
        self._last = max(self._last, world.now + world.delay(self.usual, 20 * self.usual))
        world.after(self._last - world.now, do, *arguments)

    def stall(self, stalled: bool) -> None:
        self.stalled = stalled
        if not stalled:
            kept, self._kept = self._kept, []
            for do, arguments in kept:
                self.send(do, *arguments)

    def drop(self) -> None:
        """Lose what is kept."""
        self._kept = []
