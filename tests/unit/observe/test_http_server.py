"""The HTTP server: what it listens on, and that no client can take it away from the others."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness.patience import PATIENCE_SECONDS, until

from balancer.errors import HostError
from balancer.observe import server
from balancer.observe.listen import LISTEN, parse_listen
from balancer.observe.server import serving

BODY = b"hello\n" * 200


def hello(environ: Any, start_response: Any) -> Iterable[bytes]:
    """Answers everything alike; /broken not at all."""
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("a fault of the application")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]


@pytest.fixture
def place() -> Iterator[tuple[str, int]]:
    """Where `hello` is served."""
    with serving(parse_listen("127.0.0.1:0"), hello) as url:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield parts.hostname, parts.port


def get(place: tuple[str, int], path: str = "/", **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection(*place, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def said(place: tuple[str, int], request: bytes) -> bytes:
    """All that comes back to bytes of any kind."""
    with socket.create_connection(place, timeout=PATIENCE_SECONDS) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("localhost:80", ("127.0.0.1", 80)),
        ("[::1]:9464", ("::1", 9464)),
        ("[2001:DB8::0]:1", ("2001:db8::", 1)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
    ],
)
def test_addresses_as_people_write_them(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text) == expected
    assert LISTEN.convert(text, None, None) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9464",
        "127.0.0.1",
        "::1:9464",
        "[127.0.0.1]:80",
        "[::1]",
        "example.com:80",
        ":65536",
        ":-1",
        "[]:80",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an IP|ADDRESS:PORT|brackets"):
        parse_listen(text)


def test_a_bound_url_answers(place: tuple[str, int]) -> None:
    assert get(place) == (200, BODY)


def test_ipv6() -> None:
    with serving(parse_listen("[::1]:0"), hello) as url:
        assert url.startswith("http://[::1]:")
        port = urlsplit(url).port
        assert port is not None
        assert get(("::1", port)) == (200, BODY)


def test_every_address_means_both_families() -> None:
    with serving(parse_listen("[::]:0"), hello) as url:
        port = urlsplit(url).port
        assert port is not None
        assert get(("::1", port)) == get(("127.0.0.1", port)) == (200, BODY)


def test_a_port_in_use_is_said_before_anything_else(place: tuple[str, int]) -> None:
    with (
        pytest.raises(HostError, match=f"cannot listen on 127.0.0.1:{place[1]}") as told,
        serving(place, hello),
    ):
        pytest.fail("it went on")
    assert "another program" in told.value.hint


def test_an_address_of_another_host() -> None:
    with (
        pytest.raises(HostError, match=r"192\.0\.2\.1:80") as told,
        serving(parse_listen("192.0.2.1:80"), hello),
    ):
        pytest.fail("it went on")
    assert "address of this host" in told.value.hint


def test_the_port_is_free_again_afterwards() -> None:
    with serving(parse_listen(":0"), hello) as url:
        port = urlsplit(url).port
        assert port is not None
        get(("127.0.0.1", port))
    with serving(("127.0.0.1", port), hello):
        assert get(("127.0.0.1", port)) == (200, BODY)


def test_many_at_once() -> None:
    """Nobody is answered before all have asked: one after the other, nobody ever would be."""
    everybody = threading.Barrier(40)

    def together(environ: Any, start_response: Any) -> Iterable[bytes]:
        everybody.wait(PATIENCE_SECONDS)
        return hello(environ, start_response)

    answers: list[int] = []
    with serving(parse_listen("127.0.0.1:0"), together) as url:
        parts = urlsplit(url)
        place = (str(parts.hostname), int(parts.port or 0))
        threads = [threading.Thread(target=lambda: answers.append(get(place)[0])) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [200] * 40


def test_more_than_there_is_room_for_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CLIENTS", 2)
    monkeypatch.setattr(server, "HEAD_SECONDS", 10 * PATIENCE_SECONDS)
    with serving(parse_listen(":0"), hello) as url, contextlib.ExitStack() as stack:
        parts = urlsplit(url)
        place = (str(parts.hostname), int(parts.port or 0))
        for _ in range(2):  # these say nothing, and keep their places
            stack.enter_context(socket.create_connection(place))
        assert b"503" in said(place, b"")
        stack.close()
        until(lambda: get_or_503(place) == 200, "the places of those who left were not given back")


def get_or_503(place: tuple[str, int]) -> int:
    with contextlib.suppress(OSError):
        return get(place)[0]
    return 503


def test_a_client_that_dribbles_is_dropped_and_the_others_are_served(
    place: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 2.0)
    with socket.create_connection(place, timeout=PATIENCE_SECONDS) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")

        def is_dropped() -> bool:
            assert get(place)[0] == 200
            try:
                slow.sendall(b"X: y\r\n")
            except OSError:
                return True
            return False

        until(is_dropped, "it may go on for ever", pause=0.1)


def test_a_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.5)
    ended = threading.Event()

    def endless(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            ended.set()

    with serving(parse_listen(":0"), endless) as url:
        parts = urlsplit(url)
        with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as greedy:
            greedy.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert ended.wait(PATIENCE_SECONDS)


def test_too_large_a_head(place: tuple[str, int]) -> None:
    request = b"GET / HTTP/1.1\r\nX: " + b"a" * (server.MAX_HEAD_BYTES + 1) + b"\r\n\r\n"
    assert said(place, request).startswith(b"HTTP/1.0 431")


@pytest.mark.parametrize(
    "garbage", [b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n", b"\x16\x03\x01\x02\0\r\n\r\n"]
)
def test_nonsense_does_no_harm(place: tuple[str, int], garbage: bytes) -> None:
    said(place, garbage)
    assert get(place)[0] == 200


def test_a_client_that_leaves_at_once(place: tuple[str, int], capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(20):
        socket.create_connection(place).close()
    assert get(place)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_the_application_is_no_fault_of_the_server(place: tuple[str, int]) -> None:
    assert get(place, "/broken")[0] == 500
    assert get(place)[0] == 200


def test_a_body_that_nobody_wants_does_not_cost_the_answer(
    place: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_DRAIN_SECONDS", PATIENCE_SECONDS)
    connection = HTTPConnection(*place, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request("POST", "/", body=b"x" * 30000)
        assert connection.getresponse().read() == BODY


def test_nothing_is_printed_for_a_request(place: tuple[str, int], capfd: pytest.CaptureFixture[str]) -> None:
    get(place)
    assert capfd.readouterr() == ("", "")
