"""Candidates in one election: what a failover costs those who only wait, and how long the next in line takes.

Every candidate is an `Elector` with a ZooKeeper session of its own, as a node has. They live in a few processes, those of
one process share the threads in which kazoo delivers answers and events; a listener would add nothing to the queue but
its heartbeat, which is left out here: the session timeout is so long that not even pings come in between, so that every
packet that ZooKeeper counts belongs to a failover.

Joining is measured apart. An `Elector` that joins looks at every proposal, lest a create whose answer was lost leaves it
a second one, so joining takes as many requests as there are candidates; with two thousand of them that would be two
million. So only the last one joins as a node does, and the others, whose sessions are new, leave that look out.

    python -m bench.candidates SERVERS ELECTION COUNT      a process of so many candidates; speaks JSON, a line each
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from kazoo.client import KazooClient
from kazoo.handlers.threading import SequentialThreadingHandler

from bench import counters
from lab.zookeeper import ZooKeeper
from supervisor_zkelect.demo import child
from supervisor_zkelect.elector import Elector
from supervisor_zkelect.system.clock import now

PER_PROCESS = 500
TIMEOUT = 3000.0
"""Session timeout in seconds. kazoo pings after a third of it."""

LIMIT = 120.0
"""Seconds that a step of all candidates may take."""

WARM = 200
"""Candidates of an election that is not measured, whose failovers and joins have a fresh ZooKeeper compile what all do."""

QUIET = 0.2
"""Seconds after a failover in which a wake-up of somebody else would be counted."""


class Candidate(Elector):
    """One whose session is new, so that no proposal can be its own before it has made one."""

    fresh = True

    def _own(self, session: int, limit: float) -> Any:
        if self.fresh:
            return None
        return super()._own(session, limit)


class Crowd:
    """The candidates of this process; orders come from standard input, what happens goes to standard output."""

    def __init__(self, servers: str, election: str, count: int) -> None:
        threading.stack_size(256 * 1024)
        handler = SequentialThreadingHandler()
        self.clients = [KazooClient(servers, timeout=TIMEOUT, handler=handler) for _ in range(count)]
        self.electors: List[Candidate] = []
        self.election = election
        self.events: queue.SimpleQueue[Tuple[str, Any]] = queue.SimpleQueue()

    def run(self) -> None:
        for begin in range(0, len(self.clients), 25):
            waiting = [client.start_async() for client in self.clients[begin:begin + 25]]
            for number, event in enumerate(waiting):
                if not event.wait(LIMIT):
                    raise TimeoutError(f"candidate {begin + number} has no session")
        for client in self.clients:
            self.electors.append(Candidate(
                client, f"{self.election}/election", "n", f"{self.election}/ack", timeout=LIMIT,
                data=json.dumps({"v": 1, "node": f"node-{client.client_id[0]:x}", "address": "10.0.0.1:80"}).encode(),
            ))
        self.tell(ready=[elector.session_id for elector in self.electors])
        threading.Thread(target=self.listen, daemon=True).start()
        while True:
            what, value = self.events.get()
            getattr(self, f"on_{what}")(value)

    def listen(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            self.events.put((order["do"], order))
        # Whoever asked is gone; closing the sessions one by one would take its time.
        os._exit(0)

    def tell(self, **values: Any) -> None:
        print(json.dumps(values), flush=True)

    def on_join(self, order: Dict[str, Any]) -> None:
        """Let the first `count` candidates that have not joined join; fully: as a node does."""
        joined = 0
        for number, elector in enumerate(self.electors):
            if joined < order["count"] and elector.proposal is None:
                elector.fresh = not order["fully"]
                began = now()
                elector.create_proposal()
                seconds = now() - began
                elector.fresh = True
                self.stand(number, "")
                joined += 1
                self.tell(joined=number, session=elector.session_id, seconds=seconds)

    def stand(self, number: int, why: str) -> None:
        elector, woken = self.electors[number], now()
        standing = elector.try_be_leader()
        if why or standing.leads:
            self.tell(woken=number, session=elector.session_id, why=why, at=woken, leads=standing.leads, elected=now())
        standing.changed.add_done_callback(lambda future: self.changed(number, future))

    def changed(self, number: int, future: Any) -> None:
        if not future.cancelled():
            self.events.put(("change", (number, future.result())))

    def on_change(self, value: Tuple[int, str]) -> None:
        number, why = value
        if self.electors[number].proposal is not None:
            self.stand(number, why)

    def on_leave(self, order: Dict[str, Any]) -> None:
        elector = self.electors[order["number"]]
        began = now()
        elector.release()
        self.tell(left=order["number"], at=began, answered=now())


class Process:
    """A crowd in a process of its own, as the measuring process sees it."""

    def __init__(self, zookeeper: ZooKeeper, election: str, count: int, marker: str, heard: queue.SimpleQueue) -> None:
        command = [sys.executable, "-m", "bench.candidates", zookeeper.hosts, election, str(count)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=child.environment(marker),
            cwd=child.ROOT,
        )
        self.heard = heard
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for line in self.process.stdout:
            self.heard.put((self, json.loads(line)))
        self.heard.put((self, {"ended": True}))

    def tell(self, **order: Any) -> None:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Election:
    """So many candidates in one queue."""

    def __init__(self, zookeeper: ZooKeeper, count: int) -> None:
        self.zookeeper = zookeeper
        self.count = count
        self.name = f"/{child.new_marker()}"
        self.stack = ExitStack()
        self.heard: queue.SimpleQueue[Tuple[Process, Dict[str, Any]]] = queue.SimpleQueue()
        self.processes: List[Process] = []
        self.leader: Optional[Tuple[Process, int, int]] = None
        self.join_seconds = 0.0
        self.join_requests = 0

    def __enter__(self) -> Election:
        child.watch()
        marker = child.new_marker()
        self.stack.callback(child.sweep, marker)
        try:
            client = KazooClient(self.zookeeper.hosts, timeout=30)
            self.stack.callback(client.close)
            self.stack.callback(client.stop)
            client.start(timeout=30)
            client.create(f"{self.name}/election", makepath=True)
            client.create(f"{self.name}/ack")
            left = self.count
            while left:
                size = min(left, PER_PROCESS)
                self.processes.append(Process(self.zookeeper, self.name, size, marker, self.heard))
                self.stack.callback(self.processes[-1].close)
                left -= size
            ready = 0
            while ready < len(self.processes):
                ready += "ready" in self.hear(LIMIT)[1]
            self.join(marker)
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def hear(self, limit: float) -> Tuple[Process, Dict[str, Any]]:
        """The next line that is told. Raises TimeoutError, and RuntimeError when a process has ended."""
        try:
            process, told = self.heard.get(timeout=limit)
        except queue.Empty:
            raise TimeoutError(f"the candidates told nothing for {limit:g} s") from None
        if "ended" in told:
            raise RuntimeError("a process of candidates has ended")
        return process, told

    def join(self, marker: str) -> None:
        sizes = [min(PER_PROCESS, self.count - number * PER_PROCESS) for number in range(len(self.processes))]
        sizes[-1] -= 1
        for process, size in zip(self.processes, sizes):
            process.tell(do="join", count=size, fully=False)
        joined = 0
        while joined < self.count - 1:
            joined += self.note(*self.hear(LIMIT)).get("joined") is not None
        before = self.packets()
        self.processes[-1].tell(do="join", count=1, fully=True)
        told: Dict[str, Any] = {}
        while "joined" not in told:
            told = self.note(*self.hear(LIMIT))
        self.join_seconds = told["seconds"]
        self.join_requests = self.packets()[told["session"]] - before[told["session"]]

    def rejoin(self, process: Process) -> None:
        """Make the one that left join again, so that there are as many as before."""
        process.tell(do="join", count=1, fully=False)
        while "joined" not in self.note(*self.hear(LIMIT)):
            continue

    def note(self, process: Process, told: Dict[str, Any]) -> Dict[str, Any]:
        if told.get("leads"):
            self.leader = (process, told["woken"], told["session"])
        return told

    def packets(self) -> Dict[int, int]:
        """Packets received so far, by session."""
        return {
            session: one.received
            for session, one in counters.sessions(self.zookeeper.four_letters("cons", 30)).items()
        }

    def failover(self) -> Dict[str, Any]:
        """The leader releases its term; what that brings about."""
        before = self.packets()
        process, number, session = self.leader
        self.leader = None
        process.tell(do="leave", number=number)
        left: Dict[str, Any] = {}
        woken: List[Dict[str, Any]] = []
        while not (left and self.leader):
            told = self.note(*self.hear(LIMIT))
            left = told if "left" in told else left
            woken += [told] if "woken" in told else []
        end = now() + QUIET
        while now() < end:
            try:
                told = self.note(*self.hear(max(0.001, end - now())))
            except TimeoutError:
                break
            woken += [told] if "woken" in told else []
        after = self.packets()
        spent = {one: after[one] - before.get(one, 0) for one in after}
        elected = next(told for told in woken if told["leads"])
        others = [one for one in spent if one not in (session, elected["session"])]
        self.rejoin(process)
        return {
            "seconds": elected["elected"] - left["at"],
            "noticed": elected["at"] - left["at"],
            "woken": len(woken),
            "requests_next": spent[elected["session"]],
            "requests_others": sum(spent[one] for one in others),
        }


def measure(folder: Path, counts: List[int], runs: int, say: Callable[[str], None]) -> List[Dict[str, Any]]:
    """A row for each count of candidates. runs: failovers of each."""
    rows = []
    extra = {"maxSessionTimeout": round(1000 * TIMEOUT), "minSessionTimeout": round(1000 * TIMEOUT)}
    with ZooKeeper(folder / "candidates", tick_ms=2000, extra=extra) as zookeeper:
        with Election(zookeeper, WARM) as election:
            for _ in range(runs):
                election.failover()
        for count in counts:
            with Election(zookeeper, count) as election:
                failovers = [election.failover() for _ in range(runs)]
                counted = counters.monitor(zookeeper.four_letters("mntr", 30))
                row = {
                    "candidates": count,
                    "failovers": len(failovers),
                    "seconds": [one["seconds"] for one in failovers],
                    "noticed": [one["noticed"] for one in failovers],
                    "woken": max(one["woken"] for one in failovers),
                    "requests_next": max(one["requests_next"] for one in failovers),
                    "requests_others": max(one["requests_others"] for one in failovers),
                    "join_requests": election.join_requests,
                    "join_seconds": election.join_seconds,
                    "watches": int(counted["zk_watch_count"]),
                    "data_bytes": int(counted["zk_approximate_data_size"]),
                }
            rows.append(row)
            say(f"{count} candidates: {row['woken']} woken per failover, {row['requests_others']} requests of all others, "
                f"elected after {1000 * counters.median(row['seconds']):.1f} ms (median of {len(failovers)})")
    return rows


if __name__ == "__main__":
    Crowd(sys.argv[1], sys.argv[2], int(sys.argv[3])).run()
