"""`balancer watch` on a host, told by the lines that it logs and by `balancer status`."""

from __future__ import annotations

import signal
import threading
import time
from types import TracebackType
from typing import Any, Self

from balancer import state
from balancer.tally import Ending
from harness.host import Host
from harness.patience import PATIENCE_SECONDS


class Watch:
    """The agent on the host's manifests, from the first pass to SIGTERM, after which it must exit 0."""

    def __init__(self, host: Host, *options: str) -> None:
        self._host = host
        self._process = host.balancer.start("watch", *options, str(host.balancer.manifests))
        self.lines: list[str] = []
        self._seen = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self.lines.append(line.rstrip("\n"))

    def wait(self, text: str) -> str:
        """The next line with this text, of those after the last one waited for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            is_running = self._reader.is_alive()
            while self._seen < len(self.lines):
                self._seen += 1
                if text in self.lines[self._seen - 1]:
                    return self.lines[self._seen - 1]
            assert is_running, self._story("it has ended")
            time.sleep(0.01)
        raise AssertionError(self._story(f"no line with {text!r}"))

    def look(self) -> None:
        """Have every file looked at again, and a pass."""
        self._process.send_signal(signal.SIGHUP)

    def status(self, code: int = 0) -> Any:
        """What `balancer status` says."""
        return self._host.balancer.json("status", code=code)

    def crash(self) -> None:
        """SIGKILL, as a power failure."""
        self._process.kill()
        self._process.wait()

    def _story(self, what: str) -> str:
        return "\n".join((f"watch: {what}", *self.lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        crashed = self._process.returncode == -signal.SIGKILL
        self._process.terminate()
        code = self._process.wait(timeout=PATIENCE_SECONDS)
        self._reader.join(timeout=PATIENCE_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if kind is None and not crashed:
            assert code == 0, self._story(f"exit {code}")


def failed_passes(host: Host) -> int:
    """How many have failed since the state file is kept."""
    return state.outcome(host.balancer.state).tally.passes.get(Ending.FAILED, 0)


def problems(status: Any) -> str:
    """The problems of a status, one a line."""
    return "\n".join(f"{item['file']}: {item['message']}" for item in status["problems"])
