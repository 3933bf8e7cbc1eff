"""System calls of the product that fail where the kernel would not have them fail, by strace's injection."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.balancer import Balancer, Result
from harness.patience import until

_TRACE = ("strace", "-f", "-qq", "--signal=none")
_FAST = "--seccomp-bpf"  # stops only at the calls traced; signals are not injected then
_CALL = re.compile(r"^\d+ +(\w+)\((\w*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """System call `name` fails with `errno` (such as ENOMEM), at its call number `at` (from 1) alone. With the
    errno KILL the process is killed there instead.
    """

    name: str
    errno: str
    at: int = 1

    def __str__(self) -> str:
        return f"{self.name}:{self.errno}:{self.at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """A command that ended: `code` is its exit code, `hit` the call that was made to fail, "" if none was."""

    code: int
    stdout: str
    stderr: str
    hit: str


def calls(instance: Balancer, log: Path, name: str, *arguments: str) -> list[str]:
    """What a command that goes well asks of one system call, in order: the first word of each, as
    BPF_MAP_UPDATE_BATCH.
    """
    _traced(instance, [*_TRACE, _FAST, f"--output={log}", f"--trace={name}"], *arguments, code=0)
    found = (_CALL.match(line) for line in log.read_text().splitlines())
    return [match[2] for match in found if match]


def run(instance: Balancer, log: Path, fault: Fault, *arguments: str) -> Faulty:
    """A command to its end, with one call that fails."""
    kill = fault.errno == "KILL"
    act = "signal=KILL" if kill else f"error={fault.errno}"
    inject = [f"--inject={fault.name}:{act}:when={fault.at}", *([] if kill else [_FAST])]
    result = _traced(instance, [*_TRACE, f"--output={log}", f"--trace={fault.name}", *inject], *arguments)
    hit = next((line for line in log.read_text().splitlines() if "(INJECTED)" in line), "")
    return Faulty(code=result.returncode, stdout=result.stdout, stderr=result.stderr, hit=hit)


def always(name: str, errno: str) -> list[str]:
    """A command that becomes the one behind it, in which a system call always fails so."""
    return [*_TRACE, _FAST, "--daemonize", "--output=/dev/null", f"--trace={name}", _failing(name, errno)]


@contextlib.contextmanager
def from_now_on(pid: int, name: str, errno: str) -> Iterator[None]:
    """A system call fails so in a process that runs already, from now to the end of the block."""
    command = [*_TRACE, "-p", str(pid), f"--trace={name}", _failing(name, errno)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        try:
            until(lambda: tracer.poll() is not None or _is_traced(pid), "strace does not attach", pause=0.005)
            assert tracer.poll() is None, "strace cannot attach"
            yield
        finally:
            tracer.terminate()


def _failing(name: str, errno: str) -> str:
    return f"--inject={name}:error={errno}"


def _is_traced(pid: int) -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def _traced(instance: Balancer, trace: list[str], *arguments: str, code: int | None = None) -> Result:
    with instance.start(*arguments, prefix=trace) as process:
        stdout, stderr = process.communicate(timeout=100)
    assert code in (None, process.returncode), stderr
    return Result(process.args, process.returncode, stdout, stderr)
