"""A buffer for messages to the guard, flushed in order by a thread when the kernel has no room for them."""

from __future__ import annotations

import socket
import threading


class SendBuffer:
    """Sends in order without waiting. What the kernel has no room for, some hundred messages, a thread sends later."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._unsent = bytearray()
        self._flushing = False

    def send(self, data: bytes) -> int:
        """Returns how many bytes are not sent yet."""
        with self._lock:
            self._unsent += data
            if not self._flushing:
                try:
                    del self._unsent[:self._connection.send(self._unsent, socket.MSG_DONTWAIT)]
                except BlockingIOError:
                    pass
                except OSError:
                    # The reading side finds out, too.
                    return 0
            if self._unsent and not self._flushing:
                self._flushing = True
                try:
                    threading.Thread(target=self._flush, name="zkelect-send", daemon=True).start()
                except RuntimeError:
                    # No thread is to be had; what is sent next takes it along.
                    self._flushing = False
            return len(self._unsent)

    def _flush(self) -> None:
        while True:
            with self._lock:
                data = bytes(self._unsent[:65536])
                self._flushing = bool(data)
            if not data:
                return
            try:
                sent = self._connection.send(data)
            except OSError:
                return
            with self._lock:
                del self._unsent[:sent]
