"""`balancer events -o json` while something happens, and what it said."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import schemas
from harness.host import Host
from harness.patience import PATIENCE_SECONDS, until
from harness.switch import keep_on

_LOOK_SECONDS = 0.15  # longer than the command takes to look at the ring


class Following:
    """The command from the moment it listens until `end`, or the end of the block; then it must exit 0."""

    def __init__(self, host: Host, *options: str) -> None:
        self._bpffs = host.balancer.bpffs
        self._process = host.balancer.start("events", "-o", "json", *options)
        self.records: list[Any] = []
        self.errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_records, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self._wait(lambda: any("listening" in line for line in self.errors))

    def _read_records(self) -> None:
        for line in self._process.stdout or ():
            self.records.append(json.loads(line))

    def _read_errors(self) -> None:
        for line in self._process.stderr or ():
            self.errors.append(line.rstrip("\n"))

    def _wait(self, holds: Any) -> None:
        until(
            lambda: holds() or self._process.poll() is not None,
            lambda: f"{self.errors}\n{self.records}",
            pause=0.01,
        )
        assert holds(), "\n".join(self.errors)

    @property
    def events(self) -> list[Any]:
        """The decisions told so far."""
        return [record for record in self.records if record["type"] == "event"]

    @property
    def summary(self) -> Any:
        """The last record, once it has ended."""
        assert self.records[-1]["type"] == "summary"
        return self.records[-1]

    def wait(self, count: int) -> list[Any]:
        """The decisions, once there are this many; no more than these within a moment."""
        self._wait(lambda: len(self.events) >= count)
        time.sleep(_LOOK_SECONDS)
        assert len(self.events) == count, self.events
        return self.events

    def only(self) -> Any:
        """The one decision there is."""
        return self.wait(1)[0]

    def pause(self) -> None:
        """Stops it; what happens meanwhile is told all the same, for however long that takes."""
        self._process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{self._process.pid}/stat")
        until(lambda: state.read_text().rpartition(") ")[2].startswith("T"), "it does not stop", pause=0.01)
        keep_on(self._bpffs)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self, how: signal.Signals = signal.SIGINT) -> list[Any]:
        """Ends it and checks every record; all the decisions."""
        if self._process.poll() is None:
            time.sleep(_LOOK_SECONDS)
            self._process.send_signal(how)
        try:
            code = self._process.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        for reader in self._readers:
            reader.join(timeout=PATIENCE_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        assert code == 0, "\n".join(self.errors)
        for record in self.records:
            schemas.check("events", record)
        return self.events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        elif self._process.stdout is not None and not self._process.stdout.closed:
            self.end()
