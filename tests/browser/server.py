"""A server of the page and of a document that a test sets, with the routes of `zkelect http` that the page asks."""

import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from supervisor_zkelect.web import page
from supervisor_zkelect.web.answers import ALWAYS


class Server:
    """Begins at once. Threads of its own serve; `put`, `leave` and `come` may be called from any."""

    def __init__(self):
        self._changed = threading.Condition()
        self._document, self._number, self.streams, self.refuses_streams = b"{}", 0, 0, False
        self.asked, self._connections = [], []
        self.port, self._server = 0, None
        self.come()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def put(self, document):
        """Give this to whoever asks, and to whoever listens."""
        with self._changed:
            self._document, self._number = json.dumps(document).encode(), self._number + 1
            self._changed.notify_all()

    def put_text(self, line):
        """The same, of what may be no document."""
        with self._changed:
            self._document, self._number = line.encode(), self._number + 1
            self._changed.notify_all()

    def leave(self):
        """Answer nobody, and let go of whoever listens."""
        server, self._server = self._server, None
        with self._changed:
            self._number += 1
            self._changed.notify_all()
        server.shutdown()
        server.server_close()
        for one in self._connections:
            # It may be closed already.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def come(self):
        """Begin, or begin again at the same port."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                owner._connections.append(self.connection)

            def do_GET(self):
                owner.asked.append(self.path)
                if self.path == "/":
                    answer = page.load().answer()
                    self._answer(200, answer.kind, answer.body, answer.headers)
                elif self.path == "/status":
                    self._answer(200, "application/json", owner._document)
                elif self.path == "/events" and not owner.refuses_streams:
                    owner._stream(self)
                else:
                    self._answer(503 if self.path == "/events" else 404, "text/plain", b"no\n")

            def _answer(self, status, kind, body, headers=()):
                self.send_response(status)
                for name, value in {**ALWAYS, **dict(headers), "Content-Type": kind, "Content-Length": len(body)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        class Listening(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            block_on_close = False

            def handle_error(self, request, address):
                pass

        self._server = Listening(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _stream(self, handler):
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Cache-Control", "no-store")
        handler.end_headers()
        sent, server = -1, self._server
        self.streams += 1
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._number != sent or self._server is not server)
                    sent, document = self._number, self._document
                if self._server is not server:
                    return
                handler.wfile.write(b"event: status\ndata: " + document + b"\n\n")
        except OSError:
            pass
        finally:
            self.streams -= 1
