"""The agent as a running process: what it logs, and waiting for what clients see."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.client import Way
from harness.host import Host
from harness.patience import PATIENCE_SECONDS, until

# A tool that takes a file away and puts another one in its place may be held up in between.
_CONFIG = "resync_seconds: 86400\ndebounce_seconds: 0.5\n"


class Watching:
    """`balancer watch` over `paths`. It never resyncs by itself: only what it notices makes a pass."""

    def __init__(self, host: Host, *arguments: str, prefix: Sequence[str] = ()) -> None:
        self._host = host
        self._lines: list[str] = []
        host.balancer.config.write_text(_CONFIG)
        self._process = host.balancer.start("watch", *arguments, prefix=prefix)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self._lines.append(line)

    @property
    def log(self) -> str:
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def until_logged(self, text: str) -> None:
        """AssertionError with the whole log if it does not come."""
        self._until(lambda: text in self.log, lambda: f"{text!r} was never logged")

    def until(self, vip: str, name: str) -> None:
        """Until a client of the host is answered by `name` (or gets this error)."""
        seen = set()

        def is_so() -> bool:
            seen.add(outcome := self._host.client.tcp(vip, 80))
            return outcome == name

        self._until(is_so, lambda: f"{vip} never gave {name}, only {seen}")

    def _until(self, is_so: Callable[[], bool], complaint: Callable[[], str]) -> None:
        until(lambda: is_so() or not self.alive, lambda: f"{complaint()}\n{self.log}")
        assert self.alive, f"the agent ended\n{self.log}"

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        self.send(signal.SIGTERM)
        code = self._process.wait(timeout=PATIENCE_SECONDS)
        self._reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        assert code == 0, self.log


@contextlib.contextmanager
def watching(
    host: Host, *arguments: str | Path, first: str = "Z INFO start:", prefix: Sequence[str] = ()
) -> Iterator[Watching]:
    """The agent from its first line like `first` to SIGTERM; it must live until then, and end well. `prefix` is a
    command that becomes the agent, in the same process.
    """
    agent = Watching(host, *map(str, arguments), prefix=prefix)
    try:
        agent.until_logged(first)
        yield agent
        assert agent.alive, agent.log
    finally:
        agent.end()


@contextlib.contextmanager
def steady(host: Host, vip: str, *names: str) -> Iterator[None]:
    """Connections to `vip` without pause meanwhile: all of them must be answered, and by these names alone."""
    storm = host.client.storm(Way.TCP, vip, 80, pause=0.002)
    yield
    outcomes = storm.calm()
    assert outcomes, "nothing connected"
    assert set(outcomes) <= set(names), outcomes
