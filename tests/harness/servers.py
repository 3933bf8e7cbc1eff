"""Real servers in a place: each answers with its own name over HTTP or UDP."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.lines import Lines
from harness.patience import PATIENCE_SECONDS, until
from harness.place import Place

_SCRIPT = Path(__file__).with_name("server_main.py")


class Servers(Lines):
    """One process with any number of listening sockets. A call returns when the socket is in force."""

    def __init__(self, place: Place) -> None:
        super().__init__(_SCRIPT, place)

    def serve(self, name: str, address: str, port: int, *protocols: str) -> None:
        """Listen on address and port; without `protocols`, for TCP and UDP."""
        for protocol in protocols or ("TCP", "UDP"):
            self.request("serve", name=name, address=address, port=port, protocol=protocol)

    def stop(self, address: str, port: int, *protocols: str) -> None:
        for protocol in protocols or ("TCP", "UDP"):
            self.request("stop", address=address, port=port, protocol=protocol)


@contextmanager
def dnsmasq(
    place: Place, *, address: str, port: int, records: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A real DNS server; `records` are options such as ``--txt-record=who.test,one``.

    Waits until it answers, so that a test never races its start.
    """
    command = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--pid-file=",
    ]
    command += [
        "--user=root",
        "--bind-interfaces",
        "--except-interface=nonexistent",
        f"--listen-address={address}",
    ]
    command += [f"--port={port}", "--log-facility=/dev/null", *records]
    process = subprocess.Popen(place.command(command))
    try:
        _wait_for_dns(place, address, port, process)
        yield process
    finally:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # a test may have stopped it
        process.wait(timeout=PATIENCE_SECONDS)


def _wait_for_dns(place: Place, address: str, port: int, process: subprocess.Popen[bytes]) -> None:
    query = place.command(
        ["dig", f"@{address}", "-p", str(port), "+tries=1", "+time=1", "+short", "ready.test", "TXT"]
    )

    def answers() -> bool:
        return subprocess.run(query, capture_output=True, check=False).returncode == 0

    until(lambda: process.poll() is not None or answers(), f"dnsmasq on {address}:{port} does not answer")
    if process.poll() is not None:
        raise RuntimeError(f"dnsmasq on {address}:{port} has ended with {process.poll()}")
