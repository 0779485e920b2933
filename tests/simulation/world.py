"""Virtual time: a heap of things to do, one random generator, a transcript, and what must never happen."""

from __future__ import annotations

import heapq
import itertools
import random
from typing import Any, Callable, List, Tuple


class Broken(Exception):
    """A promise is broken."""


class World:
    """now: true time in seconds. Nodes have clocks of their own (`node.Clock`)."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.transcript: List[str] = []
        self._heap: List[Tuple[float, int, Callable[..., None], tuple]] = []
        self._serial = itertools.count()

    def after(self, delay: float, do: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._heap, (self.now + delay, next(self._serial), do, arguments))

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            self.now, _, do, arguments = heapq.heappop(self._heap)
            do(*arguments)
        self.now = until

    def tell(self, who: str, what: str) -> None:
        self.transcript.append(f"{self.now:9.4f} {who:4} {what}")

    def broken(self, promise: str) -> None:
        self.tell("!!!!", promise)
        raise Broken(promise)

    def delay(self, usual: float, most: float = 0.0) -> float:
        """Around `usual`; now and then up to `most`."""
        if most and self.random.random() < 0.05:
            return self.random.uniform(usual, most)
        return self.random.uniform(0.5 * usual, 1.5 * usual)


class Pipe:
    """Delivers in order, each after a delay; stalled, it keeps everything until it is opened; cut, it loses all."""

    def __init__(self, world: World, usual: float) -> None:
        self.world = world
        self.usual = usual
        self.stalled = False
        self.cut = False
        self._kept: List[Tuple[Callable[..., None], tuple]] = []
        self._last = 0.0

    def send(self, do: Callable[..., None], *arguments: Any) -> None:
        if self.cut:
            return
        if self.stalled:
            self._kept.append((do, arguments))
            return
        self._last = max(self._last, self.world.now + self.world.delay(self.usual, 20 * self.usual))
        self.world.after(self._last - self.world.now, do, *arguments)

    def stall(self, stalled: bool) -> None:
        self.stalled = stalled
        if not stalled:
            kept, self._kept = self._kept, []
            for do, arguments in kept:
                self.send(do, *arguments)
