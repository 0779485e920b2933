"""Clients of a load balancer: so many requests a second, each on a connection of its own, whatever becomes of those before.

    python -m bench.requests HOST:PORT RATE

Prints a line for each request when it is over, until it is told to end: when it was asked and when it was over (seconds of
CLOCK_BOOTTIME), its status (0 where there was no answer), the node that answered ("-" for none), and when the oldest one was
asked that is not over yet.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from supervisor_zkelect.system.clock import now

PATIENCE = 30.0
"""Seconds that a request may take."""


_open: dict[object, float] = {}
"""Those that are not over: when each was asked, the oldest first."""


async def ask(host: str, port: int) -> None:
    asked, status, node, me = now(), 0, "-", object()
    _open[me] = asked
    try:
        status, node = await asyncio.wait_for(_answer(host, port), PATIENCE)
    except (OSError, ValueError, IndexError, asyncio.TimeoutError, asyncio.IncompleteReadError):
        pass
    del _open[me]
    oldest = next(iter(_open.values()), now())
    print(f"{asked:.6f} {now():.6f} {status} {node} {oldest:.6f}")


async def _answer(host: str, port: int) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        status = int(head.split()[1])
        return status, json.loads(body)["node"] if status == 200 else "-"
    finally:
        writer.close()


async def main(address: str, rate: float) -> None:
    host, _, port = address.rpartition(":")
    over, tasks = asyncio.Event(), set()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    at = now()
    while not over.is_set():
        task = asyncio.ensure_future(ask(host, int(port)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        at += 1 / rate
        await asyncio.sleep(max(0.0, at - now()))
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
