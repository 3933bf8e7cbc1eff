"""What is served by which route, to whom, and under which rules."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from balancer.errors import NotLoaded
from balancer.observe.app import App, Health

WELL = Health(converged=True, effective=True, ready=True)
STATE = {"version": "1", "frontends": ["x" * 2000], "live": {"version": "1", "counts": {"0": [1, 2, 0, 0]}}}


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(app: App, path: str, method: str = "GET", host: str = "127.0.0.1:9464", **headers: str) -> Reply:
    """One request; `headers` in the form of the environment. The exchange must be as PEP 3333 says."""
    environ: dict[str, Any] = {"HTTP_HOST": host, "SCRIPT_NAME": "", "PATH_INFO": path}
    environ |= {"REQUEST_METHOD": method, "QUERY_STRING": "", **headers}
    setup_testing_defaults(environ)
    told: list[Any] = []

    def start_response(status: str, fields: list[tuple[str, str]], _error: Any = None) -> Any:
        told.extend([status, dict(fields)])
        return lambda _data: None

    answer = validator(app)(environ, start_response)
    body = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]
    return Reply(int(told[0].split()[0]), told[1], body)


def full(health: Health = WELL, page: Mapping[str, Any] = STATE) -> App:
    return App(metrics=lambda: b"up 1\n", health=lambda: health, page=lambda: page)


def test_metrics_are_in_the_text_format() -> None:
    reply = ask(full(), "/metrics")
    assert (reply.status, reply.body) == (200, b"up 1\n")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_openmetrics_for_who_asks() -> None:
    app = App(metrics=lambda: b"text", openmetrics=lambda: b"open\n# EOF\n")
    asked = {"HTTP_ACCEPT": "application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"}
    assert ask(app, "/metrics", **asked).body == b"open\n# EOF\n"
    assert ask(app, "/metrics").body == b"text"


@pytest.mark.parametrize(
    ("converged", "effective", "status"), [(True, True, 200), (False, True, 503), (True, False, 503)]
)
def test_healthz_is_converged_and_effective(converged: bool, effective: bool, status: int) -> None:
    health = Health(converged=converged, effective=effective, ready=True, reason="so it is")
    reply = ask(full(health), "/healthz")
    assert reply.status == status
    assert reply.body == (b"ok: so it is\n" if status == 200 else b"so it is\n")


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_readyz(ready: bool, status: int) -> None:
    health = Health(converged=False, effective=False, ready=ready, reason="no pass yet")
    assert ask(full(health), "/readyz").status == status


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/", "/api/v1/state", "/api/v1/live"])
def test_head_is_get_without_the_body(path: str) -> None:
    get, head = ask(full(), path), ask(full(), path, "HEAD")
    assert head.body == b""
    assert (head.status, head.headers) == (get.status, get.headers)
    assert get.headers["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_is_only_for_reading(method: str) -> None:
    reply = ask(full(), "/metrics", method)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path", ["/metrics/", "//", "/page/page.js", "/../../etc/passwd", "/api/v1", "/favicon.ico", ""]
)
def test_there_is_nothing_else(path: str) -> None:
    reply = ask(full(), path)
    assert reply.status == 404
    assert path not in ("", "//") or b"etc" not in reply.body


def test_only_what_was_given_has_a_route() -> None:
    app = App(metrics=lambda: b"")
    assert [ask(app, path).status for path in ("/metrics", "/", "/healthz", "/readyz")] == [
        200,
        404,
        404,
        404,
    ]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9464", "localhost:9464", "LOCALHOST", "[::1]:9464", "192.0.2.7", "node.localhost:80", ""],
)
def test_the_page_answers_by_address_or_local_name(host: str) -> None:
    assert ask(full(), "/api/v1/state", host=host).status == 200
    assert ask(full(), "/", host=host).status == 200


def test_the_page_answers_by_the_name_of_the_host() -> None:
    assert ask(full(), "/", host=f"{socket.gethostname()}:9464").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9464",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "a:b:c",
        "[::1",
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/v1/state", "/api/v1/live"])
def test_a_name_that_somebody_else_controls_gets_no_page(host: str, path: str) -> None:
    """DNS rebinding: a page of evil.example, whose name now resolves to us, would be of our origin."""
    assert ask(full(), path, host=host).status == 421


def test_metrics_answer_by_any_name() -> None:
    assert ask(full(), "/metrics", host="node1.example.com").status == 200


def test_state_and_its_live_part() -> None:
    assert json.loads(ask(full(), "/api/v1/state").body) == STATE
    assert json.loads(ask(full(), "/api/v1/live").body) == STATE["live"]


def test_the_same_bytes_are_not_sent_twice() -> None:
    first = ask(full(), "/api/v1/state")
    tag = first.headers["ETag"]
    again = ask(full(), "/api/v1/state", HTTP_IF_NONE_MATCH=f'"other", {tag}')
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    other = ask(full(page={**STATE, "version": "2"}), "/api/v1/state", HTTP_IF_NONE_MATCH=tag)
    assert other.status == 200


def test_metrics_and_health_are_never_kept() -> None:
    for path in ("/metrics", "/healthz", "/readyz"):
        assert ask(full(), path).headers["Cache-Control"] == "no-store"


def test_compressed_for_who_takes_it() -> None:
    reply = ask(full(), "/api/v1/state", HTTP_ACCEPT_ENCODING="br, gzip;q=0.8")
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.body) < 500
    assert json.loads(gzip.decompress(reply.body)) == STATE
    assert reply.headers["Vary"] == "Accept-Encoding"


def test_bytes_of_a_file_name_that_are_no_text_are_still_json() -> None:
    name = "caf\udce9.yaml"  # as Python reads a Latin-1 name
    reply = ask(full(page={"file": name, "live": {}}), "/api/v1/state")
    assert json.loads(reply.body)["file"] == name


def test_what_balancer_says_is_passed_on() -> None:
    def fail() -> Mapping[str, Any]:
        raise NotLoaded("nothing is loaded", hint="load it")

    reply = ask(App(page=fail), "/api/v1/state")
    assert (reply.status, reply.body) == (503, b"nothing is loaded\nload it\n")


def test_a_fault_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bytes:
        raise RuntimeError("secret words")

    app = App(metrics=fail, health=lambda: WELL)
    reply = ask(app, "/metrics")
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert "secret words" in caplog.text
    assert ask(app, "/healthz").status == 200


def test_the_page_may_run_its_own_script_and_speak_to_nobody_else() -> None:
    reply = ask(full(), "/")
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_is_one_document_without_outside_assets() -> None:
    text = ask(full(), "/").body.decode()
    assert text.startswith("<!doctype html>")
    urls = set(re.findall(r"https?://[^\s'\"<>]+", text))
    assert urls == {"http://www.w3.org/2000/svg"}, "the name of SVG's namespace is all there is"
    assert not re.search(r"<(link|script|img|iframe)[^>]*\s(src|href)=\"(?!data:)", text)
    assert "innerHTML" not in text
