"""What the agent tells a service manager that waits for it: sd_notify(3), Type=notify."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.host import Host
from harness.objects import plain
from harness.patience import PATIENCE_SECONDS

VIP = pool.vip(1)[0]


class Manager:
    """The service manager's end of $NOTIFY_SOCKET."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener

    def until(self, wanted: str) -> list[str]:
        """Every line up to the one that begins with `wanted`."""
        lines: list[str] = []
        while True:
            try:
                said = self._listener.recv(4096).decode()
            except TimeoutError:
                raise AssertionError(f"no {wanted} in {lines}") from None
            for line in said.splitlines():
                lines.append(line)
                if line.startswith(wanted):
                    return lines


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_SECONDS)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield Manager(listener)


@pytest.fixture
def agent(host: Host, manager: Manager) -> Iterator[subprocess.Popen[str]]:
    """An agent whose directory is empty, and the kernel too."""
    host.balancer.run("detach")
    state = host.balancer.state
    for file in (*host.balancer.manifests.iterdir(), *state.parent.glob(f"{state.name}*")):
        file.unlink()
    with host.balancer.start("watch", str(host.balancer.manifests)) as process:
        yield process
        process.kill()


def _serve(host: Host, backend: str) -> None:
    host.balancer.add("web.yaml", *plain("web", VIP, (backend,)))


def test_ready_means_in_force(host: Host, manager: Manager, agent: subprocess.Popen[str]) -> None:
    """Whoever is ordered behind the unit finds its services."""
    assert "READY=1" not in manager.until("STATUS=")
    _serve(host, pool.ONE)
    manager.until("READY=1")
    assert host.client.tcp(VIP, 80) == "one"


def test_a_reload_begins_and_ends(host: Host, manager: Manager, agent: subprocess.Popen[str]) -> None:
    _serve(host, pool.ONE)
    manager.until("READY=1")
    agent.send_signal(signal.SIGHUP)
    manager.until("RELOADING=1")
    assert any(line.startswith("STATUS=") for line in manager.until("READY=1"))


def test_stopping_is_told(host: Host, manager: Manager, agent: subprocess.Popen[str]) -> None:
    _serve(host, pool.ONE)
    manager.until("READY=1")
    agent.terminate()
    manager.until("STOPPING=1")
    assert agent.wait(timeout=PATIENCE_SECONDS) == 0


def test_signs_of_life_come_while_nothing_happens(
    host: Host, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sd_watchdog_enabled(3): $WATCHDOG_USEC is in microseconds. Read as milliseconds, no sign would come in time."""
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    host.balancer.write(plain("web", VIP, (pool.ONE,)))
    with host.balancer.start("watch", str(host.balancer.manifests)) as process:
        manager.until("READY=1")
        for _ in range(6):
            manager.until("WATCHDOG=1")
        process.kill()
