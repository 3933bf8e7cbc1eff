"""A child process that answers one JSON line for each JSON line it is sent."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.patience import PATIENCE_SECONDS
from harness.place import Place


class Lines:
    """Runs `script` in `place` until closed; the script ends by itself when its standard input does."""

    def __init__(self, script: Path, place: Place) -> None:
        command = place.command([sys.executable, "-I", "-S", str(script)])
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.request("ping")

    def request(self, op: str, **arguments: Any) -> Any:
        """What the script's function `op` returned; RuntimeError with its traceback when it raised."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer = json.loads(line)
        if "traceback" in answer:
            raise RuntimeError(answer["traceback"])
        return answer["result"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._process.wait(timeout=PATIENCE_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
