"""What is served over HTTP: metrics, health, the status page and the JSON that it shows.

Read-only: GET and HEAD, no route that changes anything. What it serves comes from the callables it is
given; each may raise, and then that route says so and the others stay.

A page of somebody else's that a browser shows must learn nothing here. It cannot read our answers unless its
name resolves to our address, so the page and its JSON are given only to who asks by an address or by a
name that is ours. And the page is given rules (Content-Security-Policy) under which it runs nothing but
its own script and speaks to nobody but us.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from balancer.errors import BalancerError
from balancer.observe.page_html import Document, document

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_LOG = logging.getLogger("balancer")
_PLAIN = "text/plain; charset=utf-8"
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = "application/openmetrics-text"
_OPENMETRICS_1 = f"{_OPENMETRICS}; version=1.0.0; charset=utf-8"
_JSON = "application/json"
_LEAST_COMPRESSED = 1024  # bytes
_STATE, _LIVE = "/api/v1/state", "/api/v1/live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`converged`: the last pass did what the files say. `effective`: connections are translated.
    `ready`: the first pass is done. `reason` says in words what is not as it should be, "" when all is; it may
    say something although all three are true, such as that files are stale.
    """

    converged: bool
    effective: bool
    ready: bool
    reason: str = ""


class Answer(NamedTuple):
    """One response; `headers` come on top of those that every response has."""

    status: str
    body: bytes
    kind: str = _PLAIN
    headers: tuple[tuple[str, str], ...] = ()


OK, NOT_MODIFIED, UNAVAILABLE = "200 OK", "304 Not Modified", "503 Service Unavailable"


class App:
    """A WSGI application with a route for each thing it was given.

    `metrics` is the text format of Prometheus, `openmetrics` the same for who asks for OpenMetrics, `health`
    answers /healthz and /readyz, `page` is what the status page shows (`balancer.observe.page.Page`): its
    "live" part is what changes with every connection, and is a route of its own, /api/v1/live, so that a
    page that is looked at for hours asks for little.
    """

    def __init__(
        self,
        metrics: Callable[[], bytes] | None = None,
        health: Callable[[], Health] | None = None,
        page: Callable[[], Mapping[str, Any]] | None = None,
        openmetrics: Callable[[], bytes] | None = None,
    ) -> None:
        self._routes: dict[str, Callable[[], Answer]] = {}
        self._guarded = frozenset({"/", _STATE, _LIVE})
        if metrics:
            self._routes["/metrics"] = lambda: Answer(OK, metrics(), _EXPOSITION)
        self._openmetrics = openmetrics
        if health:
            self._routes["/healthz"] = lambda: _healthz(health())
            self._routes["/readyz"] = lambda: _readyz(health())
        if page:
            self._routes["/"] = lambda: _html(self._document)
            self._routes[_STATE] = lambda: Answer(OK, _dump(page()), _JSON)
            self._routes[_LIVE] = lambda: Answer(OK, _dump(page()["live"]), _JSON)

    @cached_property
    def _document(self) -> Document:
        return document()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = _encoded(environ, _revalidated(environ, self._answer(environ)))
        body = answer.status != NOT_MODIFIED
        headers = [
            *([("Content-Type", answer.kind), ("Content-Length", str(len(answer.body)))] if body else []),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            *answer.headers,
        ]
        start_response(answer.status, headers)
        return [answer.body] if body and environ["REQUEST_METHOD"] != "HEAD" else []

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        path = environ.get("PATH_INFO", "")
        route = self._routes.get(path)
        if route is None:
            known = " ".join(self._routes) or "nothing"
            return Answer("404 Not Found", f"no such page here; there is: {known}\n".encode())
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            allow = (("Allow", "GET, HEAD"),)
            return Answer("405 Method Not Allowed", b"this is only for reading\n", headers=allow)
        if path in self._guarded and not _is_ours(environ.get("HTTP_HOST", "")):
            words = b"ask by an IP address, by localhost or by this host's own name\n"
            return Answer("421 Misdirected Request", words)
        asked = _OPENMETRICS in environ.get("HTTP_ACCEPT", "")
        try:
            if path == "/metrics" and self._openmetrics and asked:
                return Answer(OK, self._openmetrics(), _OPENMETRICS_1)
            return route()
        except BalancerError as error:
            hint = f"\n{error.hint}" if error.hint else ""
            return Answer(UNAVAILABLE, f"{error}{hint}\n".encode())
        except Exception:  # noqa: BLE001 - the other routes stay
            _LOG.exception("cannot answer %s", path)
            return Answer("500 Internal Server Error", b"internal error; see the log\n")


def _is_ours(host: str) -> bool:
    """Whether a Host header names an address or us. An address cannot be made to mean another machine,
    which is what DNS rebinding does to a name; no header at all is no browser.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    if not host or name == "localhost" or name.endswith(".localhost"):
        return True
    if name == socket.gethostname().lower():
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _healthz(health: Health) -> Answer:
    return _verdict(health.converged and health.effective, health.reason)


def _readyz(health: Health) -> Answer:
    return _verdict(health.ready, "" if health.ready else health.reason)


def _verdict(good: bool, reason: str) -> Answer:
    if good:
        return Answer(OK, f"ok: {reason}\n".encode() if reason else b"ok\n")
    return Answer(UNAVAILABLE, f"{reason or 'not yet'}\n".encode())


def _html(page: Document) -> Answer:
    policy = (
        "default-src 'none'; "
        f"script-src '{page.script_hash}'; style-src '{page.style_hash}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Answer(OK, page.html, "text/html; charset=utf-8", (("Content-Security-Policy", policy),))


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")


def _revalidated(environ: WSGIEnvironment, answer: Answer) -> Answer:
    """Nothing but "as you know it" for a client that has the same bytes."""
    if answer.status != OK or answer.kind in (_PLAIN, _EXPOSITION, _OPENMETRICS_1):
        return answer._replace(headers=(*answer.headers, ("Cache-Control", "no-store")))
    tag = f'W/"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    headers = (*answer.headers, ("ETag", tag), ("Cache-Control", "no-cache"))
    known = {item.strip() for item in environ.get("HTTP_IF_NONE_MATCH", "").split(",")}
    return answer._replace(headers=headers, status=NOT_MODIFIED if tag in known else OK)


def _encoded(environ: WSGIEnvironment, answer: Answer) -> Answer:
    """Compressed for who takes it; a list of ten thousand services shrinks to a tenth."""
    headers = (*answer.headers, ("Vary", "Accept-Encoding"))
    offered = {item.partition(";")[0].strip() for item in environ.get("HTTP_ACCEPT_ENCODING", "").split(",")}
    if "gzip" not in offered or len(answer.body) < _LEAST_COMPRESSED or answer.status != OK:
        return answer._replace(headers=headers)
    body = gzip.compress(answer.body, compresslevel=4, mtime=0)
    return answer._replace(body=body, headers=(*headers, ("Content-Encoding", "gzip")))
