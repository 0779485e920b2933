"""Addresses of this machine where nobody answers, each in its own way."""

import contextlib
import socket


@contextlib.contextmanager
def refusing():
    """One that is bound, so that nobody else takes it, but where nobody listens; yields (host, port)."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        yield door.getsockname()


@contextlib.contextmanager
def hanging():
    """One that answers no attempt to connect: what waits to be accepted leaves no room; yields (host, port)."""
    with contextlib.ExitStack() as stack:
        door = stack.enter_context(socket.socket())
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(door.getsockname())
        yield door.getsockname()
