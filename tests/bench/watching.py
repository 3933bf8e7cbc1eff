"""The agent: from one changed file among many to the map that decides, and its memory."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from harness.objects import Object, endpoint, endpoint_slice, port, service

from . import addresses, control, manifests
from .result import Report, Row
from .rounds import Plan
from .stand import LIMIT_SECONDS, Stand
from .tools import Aim, BenchError, Traffic

PART = "watch"
DEBOUNCE_SECONDS = 0.1
_NUMBER = 1_500_000


def run(tools: Path, scratch: Path, plan: Plan, report: Report) -> None:
    """Every size of the control plane part, a file for each object."""
    for size in control.sizes(plan):
        plan.tell(f"{PART}: {size.services:,} services x {size.endpoints}")
        with ExitStack() as stack:
            report.rows.extend(_watch(Stand(stack, tools, scratch), stack, size, plan))


def _probe(ready: bool) -> Sequence[Object]:
    """The service that changes: its only endpoint is ready, or it is not and clients are refused."""
    main = port(80, "main", protocol="UDP")
    target = port(addresses.TARGET, "main", protocol="UDP")
    return [
        service("probe", main, ips=(addresses.vip(_NUMBER),)),
        endpoint_slice("probe", [endpoint(addresses.PLAIN, ready=ready)], target),
    ]


def _watch(made: Stand, stack: ExitStack, size: control.Size, plan: Plan) -> Iterator[Row]:
    directory = made.scratch / f"watch-{size.services}"
    control.write(directory, "files", size)
    instance = made.instance("watch", made.namespace("watch"))
    _put(directory, ready=True)
    start = time.monotonic()
    agent = stack.enter_context(
        _agent(
            instance.start(
                "watch", "--debounce", str(DEBOUNCE_SECONDS), "--log-format", "json", str(directory)
            )
        )
    )
    traffic = stack.enter_context(Traffic(made.tools, instance.netns, instance.cgroup, addresses.TARGET))
    aim = Aim(address=addresses.vip(_NUMBER), port=80)
    agent.until_ready()
    first = time.monotonic() - start
    traffic.run("until-accepted", aim, seconds=30)
    waits = [_change(directory, traffic, aim, ready=bool(number % 2)) for number in range(plan.rounds)]
    name = f"{size.services:,} services x {size.endpoints}, a file for each object"
    full = size.full
    beyond = [(wait - DEBOUNCE_SECONDS) * 1000 for wait in waits]
    yield _row(name, "one changed file to the map, after the debounce", "ms", beyond, "<= 20" if full else "")
    yield _row(name, "from the start to the first pass", "s", [first])
    yield _row(name, "resident memory of the agent", "MiB", [agent.memory("VmRSS")], "<= 500" if full else "")
    yield _row(name, "peak memory of the agent", "MiB", [agent.memory("VmHWM")])


def _row(measure: str, who: str, unit: str, values: list[float], bar: str = "") -> Row:
    return Row(part=PART, measure=measure, who=who, unit=unit, values=values, bar=bar)


def _put(directory: Path, *, ready: bool) -> int:
    """Replace the probe's files as tools do; when the slice was renamed into place (CLOCK_MONOTONIC, ns)."""
    one, other = _probe(ready)
    if not (directory / "probe-service.yaml").exists():
        (directory / "probe-service.yaml").write_text(manifests.yaml(one))
    fresh = directory / ".probe.new"
    fresh.write_text(manifests.yaml(other))
    before = time.monotonic_ns()
    fresh.replace(directory / "probe-slice.yaml")
    return before


def _change(directory: Path, traffic: Traffic, aim: Aim, *, ready: bool) -> float:
    """Seconds from the rename to the first client that sees it. The client asks 5,000 times a second."""
    time.sleep(0.3)
    traffic.start("until-accepted" if ready else "until-refused", aim, seconds=60)
    changed = _put(directory, ready=ready)
    _, seen = traffic.result("the changed service")
    return (seen - changed) / 1e9


class _Agent:
    """`balancer watch` with its log read, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self._lines.append(line)
            if line.startswith("{") and "stages" in json.loads(line):
                self._ready.set()

    def until_ready(self) -> None:
        """Until it has made a pass. Raises BenchError with its log when it does not."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not self._ready.wait(0.01):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchError("balancer watch made no pass: " + "".join(self._lines[-20:]))

    def memory(self, name: str) -> float:
        """MiB, from its status in /proc."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1]) / 1024

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)
        self._reader.join(timeout=10)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def _agent(process: subprocess.Popen[str]) -> Iterator[_Agent]:
    made = _Agent(process)
    try:
        yield made
    finally:
        made.end()
