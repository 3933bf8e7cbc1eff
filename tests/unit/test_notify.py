"""Readiness notification against a real socket, as sd_notify(3) describes the protocol."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from balancer import notify


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end, bound to a path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


def test_a_message_is_one_datagram(manager: socket.socket) -> None:
    send = notify.notifier({"NOTIFY_SOCKET": manager.getsockname()})
    send(notify.READY)
    send(f"{notify.status('14 frontends from 3 files')}\n{notify.ALIVE}")
    assert manager.recv(100) == b"READY=1"
    assert manager.recv(100) == b"STATUS=14 frontends from 3 files\nWATCHDOG=1"


def test_an_abstract_socket(tmp_path: Path) -> None:
    """unix(7): the name of an abstract socket begins with a NUL byte, written as @."""
    name = f"balancer-test{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(60)
        notify.notifier({"NOTIFY_SOCKET": f"@{name}"})(notify.STOPPING)
        assert listener.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}])
def test_without_a_manager_nothing_happens(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        pytest.fail("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    notify.notifier(environment)(notify.READY)


@pytest.mark.parametrize("name", ["/nonexistent/notify", "/" + "x" * 200])
def test_a_manager_that_went_is_no_error(name: str) -> None:
    notify.notifier({"NOTIFY_SOCKET": name})(notify.READY)


def test_a_manager_that_does_not_read_never_blocks(manager: socket.socket) -> None:
    """The kernel's queue of a datagram socket is short; what does not fit is dropped."""
    send = notify.notifier({"NOTIFY_SOCKET": manager.getsockname()})
    for _ in range(5000):
        send(notify.ALIVE)
    assert manager.recv(100) == b"WATCHDOG=1"


def test_a_status_is_one_line() -> None:
    """A second line would be read as another assignment."""
    assert notify.status("a.yaml:1: bad\nREADY=1") == "STATUS=a.yaml:1: bad"


def test_a_reload_says_when_it_began() -> None:
    """systemd.service(5), Type=notify-reload: RELOADING=1 goes with MONOTONIC_USEC."""
    assert notify.reloading(lambda: 12_345_678_900) == "RELOADING=1\nMONOTONIC_USEC=12345678"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_bites(
    environment: dict[str, str], seconds: float | None
) -> None:
    """sd_watchdog_enabled(3): half of the time, and only if the process is the one that is meant."""
    assert notify.watchdog_seconds(environment, 7) == seconds
