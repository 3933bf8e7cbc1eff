"""The compiled helpers, the talk with them, and what a command costs."""

from __future__ import annotations

import select
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.place import Place

_HERE = Path(__file__).parent
_PROGRAMS = ("gcc", "nft", "iptables-legacy-restore", "wrk", "iperf3", "bpftool", "nsenter", "sysctl")
PATIENCE_SECONDS = 60


class BenchError(Exception):
    """Something could not be measured; says what and why."""


def missing() -> list[str]:
    """Programs that a run needs and that are not there."""
    return [name for name in _PROGRAMS if shutil.which(name) is None]


def build(directory: Path) -> Path:
    """Compile every helper into `directory`, by its own name; returns the directory."""
    for source in sorted(_HERE.glob("*.c")):
        command = [
            "gcc",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
            str(directory / source.stem),
            str(source),
        ]
        subprocess.run(command, check=True)
    return directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Where to: `spread` destinations from `address` on, `stride` apart."""

    address: str
    port: int
    spread: int = 1
    stride: int = 1


class Attached:
    """A helper that says "ready" and works until its input is closed."""

    def __init__(self, place: Place, *command: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            place.command(command), stdin=pipe, stdout=pipe, text=True, bufsize=1
        )
        self._expect_ready(command)

    def _expect_ready(self, command: Sequence[str]) -> None:
        if (answer := self.answer()) != "ready":
            raise BenchError(f"{command[0]}: {answer or 'it ended'}")

    def answer(self) -> str:
        """The next line. Raises BenchError when none comes for long."""
        stream = self._process.stdout
        assert stream is not None
        if not select.select([stream], [], [], PATIENCE_SECONDS)[0]:
            raise BenchError("a helper does not answer")
        return stream.readline().strip()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait(timeout=PATIENCE_SECONDS)


class Traffic(Attached):
    """The client in a namespace and, with `cgroup`, in there too, after its servers were made outside."""

    def __init__(self, tools: Path, netns: str, cgroup: Path | None, port: int) -> None:
        super().__init__(Place(netns=netns), str(tools / "traffic"), str(cgroup or "-"), str(port))

    def run(self, operation: str, aim: Aim, *, seconds: float = 10.0, count: int = 0) -> tuple[int, int]:
        """Do it for `seconds`, or `count` times if that is sooner: how often it was done, and the nanoseconds
        of the one in the middle.
        """
        self.start(operation, aim, seconds=seconds, count=count)
        return self.result(f"{operation} to {aim.address}")

    def start(self, operation: str, aim: Aim, *, seconds: float = 10.0, count: int = 0) -> None:
        where = f"{aim.address} {aim.port} {aim.spread} {aim.stride}"
        self.tell(f"{operation} {where} {round(seconds * 1000)} {count}")

    def result(self, what: str) -> tuple[int, int]:
        answer = self.answer()
        if not answer or answer.startswith("error"):
            raise BenchError(f"{what}: {answer or 'the client ended'}")
        done, nanoseconds = map(int, answer.split())
        return done, nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a whole process cost: seconds on the clock and on processors, peak resident MiB, its exit code.

    One that took longer than it may was killed: its `code` is 124.
    """

    wall: float
    cpu: float
    peak: float
    code: int
    stdout: str = ""
    stderr: str = ""

    @property
    def in_time(self) -> bool:
        return self.code != 124


def spend(
    tools: Path,
    command: Sequence[str],
    *,
    place: Place | None = None,
    environment: Mapping[str, str] | None = None,
    limit: int = 120,
) -> Spent:
    """Run a command to its end, or to the `limit` in seconds."""
    file = tools / "spent"
    argv = [str(tools / "spend"), str(limit), str(file), *command]
    run = (place or Place()).command(argv)
    ended = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    wall, user, system, peak, code = map(int, file.read_text().split())
    return Spent(
        wall=wall / 1e9,
        cpu=(user + system) / 1e6,
        peak=peak / 1024,
        code=code,
        stdout=ended.stdout,
        stderr=ended.stderr,
    )
