"""A small HTTP server for a few local readers: Prometheus, a probe, a browser.

It must never be what breaks the agent: a client may be slow, send nonsense, vanish or come a hundred
times at once, and costs no more than one thread for a bounded time. It serves a WSGI application and
knows nothing about what that shows.
"""

from __future__ import annotations

import errno
import io
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import ThreadingMixIn
from typing import IO, TYPE_CHECKING, Any, cast
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

from balancer.errors import HostError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_HEAD_BYTES = 16 << 10
HEAD_SECONDS = 5.0
ANSWER_SECONDS = 15.0
MAX_CLIENTS = 64
"""What one client may cost: bytes and seconds until its request is complete, seconds to take the answer;
and how many are served at once.
"""

_POLL_SECONDS = 0.2
_DRAIN_BYTES = 64 << 10
_DRAIN_SECONDS = 0.5
_LOG = logging.getLogger("balancer")


def url_of(host: str, port: int) -> str:
    """``http://127.0.0.1:9464``, with brackets where the address needs them."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def serving(listen: tuple[str, int], app: WSGIApplication) -> Iterator[str]:
    """Serves `app` in background threads until the end of the block; the value is the bound URL.

    Raises HostError, before anything else happens, if the address cannot be had.
    """
    server = _bound(listen)
    server.set_app(app)
    thread = threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="balancer-http", daemon=True
    )
    thread.start()
    try:
        yield url_of(listen[0], server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(listen: tuple[str, int]) -> _Server:
    try:
        return _Server(listen)
    except OSError as error:
        host, port = listen
        where = url_of(host, port).removeprefix("http://")
        raise HostError(f"cannot listen on {where}: {error.strerror}", hint=_advice(error)) from error


def _advice(error: OSError) -> str:
    return {
        errno.EADDRINUSE: "another program listens there (see `ss -ltnp`): end it, or choose another port",
        errno.EADDRNOTAVAIL: "choose an address of this host, or :PORT for loopback",
        errno.EACCES: "run as root, or choose a port above 1023",
    }.get(error.errno or 0, "choose another address and port")


class _Server(ThreadingMixIn, WSGIServer):
    """One thread a client, and a bound on how many."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, listen: tuple[str, int]) -> None:
        self.address_family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
        self._room = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__(listen, _Handler)

    def server_bind(self) -> None:
        """Binds without asking DNS for a name, as the inherited one does; `::` is both families."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the client, or a short word where there are too many."""
        if self._room.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:
                self._room.release()
                raise
            return
        request.settimeout(0)
        with suppress(OSError):
            request.send(b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or was too slow is nobody's business."""
        _LOG.debug("a request of %s ended early", client_address[0], exc_info=True)


class _Answer(ServerHandler):
    server_software = "balancer"


class _Handler(WSGIRequestHandler):
    """One request and its answer; the connection ends with it."""

    def handle(self) -> None:
        head = _read_head(self.connection)
        self.connection.settimeout(ANSWER_SECONDS)  # of the whole answer: see socket.sendall
        self.rfile = io.BytesIO(head or b"")
        if head is None:
            self._refuse("431 Request Header Fields Too Large")
            return
        self.raw_requestline = self.rfile.readline()
        if not self.raw_requestline or not self.parse_request():
            return
        answer = _Answer(
            self.rfile, cast("IO[bytes]", self.wfile), io.StringIO(), self.get_environ(), multithread=True
        )
        answer.request_handler = self  # type: ignore[attr-defined]  # what finish_response looks for
        answer.run(self.server.get_app())  # type: ignore[attr-defined]
        if self.headers.get("Content-Length") or self.headers.get("Transfer-Encoding"):
            self._drain()

    def _refuse(self, status: str) -> None:
        self.wfile.write(f"HTTP/1.0 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        self._drain()

    def _drain(self) -> None:
        """Takes what the client still sends, within limits: closing over unread bytes would reset the
        connection and with it the answer.
        """
        self.connection.shutdown(socket.SHUT_WR)
        end, taken = time.monotonic() + _DRAIN_SECONDS, 0
        while taken < _DRAIN_BYTES and (left := end - time.monotonic()) > 0:
            self.connection.settimeout(left)
            received = self.connection.recv(_DRAIN_BYTES)
            if not received:
                return
            taken += len(received)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Nothing a request: a scrape every few seconds is no news."""


def _read_head(connection: socket.socket) -> bytes | None:
    """The request line and header fields, with what came behind them; b"" if the client left before. None
    if they are too large. Raises TimeoutError if they are not complete in time, however steadily they come.
    """
    end, head = time.monotonic() + HEAD_SECONDS, b""
    while (size := _head_size(head)) < 0:
        if len(head) > MAX_HEAD_BYTES:
            return None
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        received = connection.recv(MAX_HEAD_BYTES)
        if not received:
            return b""
        head += received
    return head if size <= MAX_HEAD_BYTES else None


def _head_size(received: bytes) -> int:
    """Where the empty line is, -1 if it has not come."""
    found = [place for place in (received.find(b"\r\n\r\n"), received.find(b"\n\n")) if place >= 0]
    return min(found, default=-1)
