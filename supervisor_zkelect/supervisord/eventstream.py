"""supervisord's event protocol, as a listener speaks it on its standard input and output.

READY, one header line and the bytes it announces, RESULT. Anything else on standard output puts a listener into
UNKNOWN for ever, so the protocol keeps a duplicate of descriptor 1 to itself and descriptor 1 becomes standard error.
"""

from __future__ import annotations

import logging
import os
from typing import BinaryIO, Callable, Dict, NamedTuple, Optional

log = logging.getLogger(__name__)

#: Bytes; an event is a few lines, so a header that announces more is none.
LONGEST = 16 * 1024 * 1024


class SupervisordEvent(NamedTuple):
    """`name` such as PROCESS_STATE_FATAL; `fields` what its payload says, empty when it cannot be read."""

    name: str
    fields: Dict[str, str]


class StreamEnded(NamedTuple):
    """Standard input ended: supervisord is gone, or lets go of this listener."""


def take_standard_output() -> BinaryIO:
    """The protocol's output; whatever else writes to standard output writes to standard error from now on."""
    protocol = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return protocol


def read(source: BinaryIO, output: BinaryIO, post: Callable[[object], None]) -> None:
    """Take events until the end of `source`, acknowledge each at once, and post it; then post StreamEnded."""
    try:
        output.write(b"READY\n")
        while True:
            line = source.readline()
            if not line.endswith(b"\n"):
                break
            header = _fields(line)
            length = _length(header.get("len", ""))
            if length is None:
                log.warning("a line that is no event header was ignored: %.80r", line)
                continue
            payload = source.read(length)
            if len(payload) < length:
                break
            output.write(b"RESULT 2\nOKREADY\n")
            post(SupervisordEvent(header.get("eventname", ""), _fields(payload.partition(b"\n")[0])))
    except OSError as error:
        log.info("supervisord's pipe failed: %s", error)
    post(StreamEnded())


def _length(text: str) -> Optional[int]:
    length = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
    return length if length is not None and length <= LONGEST else None


def _fields(line: bytes) -> Dict[str, str]:
    """The key:value words of a line, of whatever bytes it is."""
    words = (word.partition(":") for word in line.decode("utf-8", "replace").split())
    return {key: value for key, colon, value in words if colon}
