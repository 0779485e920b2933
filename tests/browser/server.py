"""A server of the page and of a document that a test sets, with the routes of `zkelect http` that the page asks."""

import base64
import hashlib
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).parents[2] / "supervisor_zkelect" / "web" / "page.html"


def policy(page):
    """The policy that lets the page run what stands in it, and nothing else."""
    def hashed(tag):
        found = re.findall(rb"<%s>(.*?)</%s>" % (tag, tag), page, re.DOTALL)
        return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in found)

    return (
        f"default-src 'none'; script-src {hashed(b'script')}; style-src {hashed(b'style')}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Server:
    """Begins at once. Threads of its own serve; `put`, `leave` and `come` may be called from any."""

    def __init__(self):
        self._changed = threading.Condition()
        self._document, self._number, self.streams, self.refuses_streams = b"{}", 0, 0, False
        self.asked = []
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

    def come(self):
        """Begin, or begin again at the same port."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.asked.append(self.path)
                if self.path == "/":
                    page = PAGE.read_bytes()
                    self._answer(200, "text/html; charset=utf-8", page, policy(page))
                elif self.path == "/status":
                    self._answer(200, "application/json", owner._document)
                elif self.path == "/events" and not owner.refuses_streams:
                    owner._stream(self)
                else:
                    self._answer(503 if self.path == "/events" else 404, "text/plain", b"no\n")

            def _answer(self, status, kind, body, policy="default-src 'none'"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Content-Security-Policy", policy)
                self.send_header("X-Content-Type-Options", "nosniff")
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
                    handler.connection.shutdown(socket.SHUT_RDWR)
                    return
                handler.wfile.write(b"event: status\ndata: " + document + b"\n\n")
        except OSError:
            pass
        finally:
            self.streams -= 1
