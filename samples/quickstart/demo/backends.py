"""The servers that the sample's EndpointSlices name: real ones, each answering with its own name."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from stage import Stage

HTTP = {
    **{f"web-{n}": (f"127.0.10.{n}", 8080) for n in (1, 2, 3)},
    **{f"sticky-{n}": (f"127.0.10.2{n}", 8080) for n in (1, 2, 3)},
    **{f"web6-{n}": ("::1", 8090 + n) for n in (1, 2)},
}
DNS = {f"dns-{n}": (f"127.0.10.1{n}", 5353) for n in (1, 2)}
QUESTION = "whoami.demo"


def _http_command(name: str, address: str, port: int, scratch: Path) -> list[str]:
    """Python's own web server, with one page that says who serves it."""
    pages = scratch / name
    pages.mkdir()
    (pages / "index.html").write_text(f"{name}\n")
    return [sys.executable, "-m", "http.server", str(port), "--bind", address, "--directory", str(pages)]


def _dns_command(name: str, address: str, port: int) -> list[str]:
    """A dnsmasq that knows one TXT record and asks nobody else."""
    return [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
        "--user=root", "--bind-interfaces", f"--listen-address={address}", f"--port={port}",
        f"--txt-record={QUESTION},{name}",
    ]  # fmt: skip


@contextlib.contextmanager
def backends(stage: Stage) -> Iterator[None]:
    """All of them running in the stage's cgroup, each reachable when this yields."""
    commands = {name: _http_command(name, *where, stage.scratch) for name, where in HTTP.items()}
    commands |= {name: _dns_command(name, *where) for name, where in DNS.items()}
    with open(stage.scratch / "backends.log", "w") as log:
        running = {
            name: subprocess.Popen(stage.inside("backends", command), stdout=log, stderr=log)
            for name, command in commands.items()
        }
        try:
            for name, (address, port) in {**HTTP, **DNS}.items():
                _wait_for(name, address, port, running[name])
            yield
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait(timeout=10)


def _wait_for(name: str, address: str, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"backend {name} does not answer on {address} port {port} (exit {process.poll()})")
