"""Tells the service manager how the agent is doing: the protocol of sd_notify(3), and nothing else.

A message is a datagram of NAME=value lines to the socket that $NOTIFY_SOCKET names. Started by hand there is
no such socket, and every call does nothing. Telling must never disturb the one who tells: no call
blocks, and none raises.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"

Notify = Callable[[str], None]
"""Sends one message: lines of NAME=value, without a newline at the end."""


def notifier(environment: Mapping[str, str]) -> Notify:
    """The sender for $NOTIFY_SOCKET of `environment`; one that does nothing where it is unset or no socket."""
    name = environment.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return _silent
    # An abstract socket is written with @ and meant with a NUL byte: unix(7).
    address = name.replace("@", "\0", 1) if name.startswith("@") else name

    def send(message: str) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(message.encode(), address)

    return send


def _silent(_message: str) -> None:
    """Nobody asked."""


def status(text: str) -> str:
    """The message that makes `text` the status line of `systemctl status`; only its first line is sent."""
    return f"STATUS={text.partition(chr(10))[0]}"


def reloading(clock: Callable[[], int] = time.monotonic_ns) -> str:
    """The message that a reload begins; READY ends it. `clock` gives CLOCK_MONOTONIC in nanoseconds."""
    return f"RELOADING=1\nMONOTONIC_USEC={clock() // 1000}"


def watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    """How often ALIVE has to be sent: half of what the manager waits before it kills process `pid`.

    None if it does not wait: sd_watchdog_enabled(3).
    """
    try:
        limit = int(environment.get("WATCHDOG_USEC", ""))
        meant = int(environment.get("WATCHDOG_PID", pid))
    except ValueError:
        return None
    return limit / 2_000_000 if limit > 0 and meant == pid else None
