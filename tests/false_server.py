"""Servers that say what they are told, in ZooKeeper's messages or otherwise."""

import socket
import struct
import threading

PASSWORD = b"p" * 16


def grant(timeout=10000, identity=7, password=PASSWORD):
    """The answer to a connect request."""
    body = struct.pack(">iiqi", 0, timeout, identity, len(password)) + password + b"\0"
    return struct.pack(">i", len(body)) + body


def reply(xid, body=b"", error=0):
    message = struct.pack(">iqi", xid, 1, error) + body
    return struct.pack(">i", len(message)) + message


class Server:
    """Says `first` to a connect request, and then `more` to each request. asked: how many connections were taken."""

    def __init__(self, first, more=b""):
        self.first, self.more, self.asked = first, more, 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.hosts = f"127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._door.accept()[0]
            except OSError:
                return
            self.asked += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                for said in (self.first, *[self.more] * 9):
                    if not connection.recv(65536):
                        return
                    connection.sendall(said)
            except OSError:
                return

    def close(self):
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
