"""The main job, for real: apply the manifests of this sample, send requests, see who answers.

Run it as root with the project's Python: ``.venv/bin/python samples/quickstart/demo/run.py``. It ends
with 0 only if every answer was the expected one, and leaves nothing behind.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import stage as stages
from backends import DNS, HTTP, backends
from probes import FAILURES, GONE, PROBES, Failure, Probe
from rich.console import Console
from rich.table import Table
from rich.text import Text
from stage import Stage

MANIFESTS = Path(os.path.relpath(Path(__file__).resolve().parent.parent / "manifests"))
BALANCER = Path(sys.executable).with_name("balancer")
WIDTH = 118


class Demo:
    """Prints the story and keeps count of what was not as expected."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.console = Console(width=WIDTH, highlight=False)
        self.wrong: list[str] = []

    def title(self, text: str) -> None:
        self.console.print()
        self.console.rule(text, align="left")

    def balancer(self, *arguments: str) -> None:
        """Run the product and show the command and everything it says; RuntimeError when it fails."""
        self.console.print(Text("$ balancer " + shlex.join(arguments), style="bold"))
        sys.stdout.flush()
        environment = {**os.environ, **self.stage.environment, "COLUMNS": str(WIDTH)}
        result = subprocess.run(
            [BALANCER, *arguments], env=environment, stderr=subprocess.STDOUT, check=False
        )
        if result.returncode != 0:
            raise RuntimeError(f"balancer {arguments[0]} ended with {result.returncode}")

    def ask(self) -> None:
        """Send every request and print who answered how often."""
        table = Table("asked", "command", "who answered, how often", "", width=WIDTH)
        for probe in PROBES:
            tally, good = self._answers(probe)
            table.add_row(probe.what, Text(probe.shown), Text(_told(tally)), _mark(good))
        self.console.print(table)

    def ask_again(self) -> None:
        """The same requests, told in one line."""
        results = [self._answers(probe) for probe in PROBES]
        answers = sum(sum(tally.values()) for tally, _ in results)
        good = all(good for _, good in results)
        self.console.print("the same requests again:", answers, "answers,", _mark(good))

    def _answers(self, probe: Probe) -> tuple[Counter[str], bool]:
        tally = probe.run(self.stage)
        good = probe.holds(tally)
        if not good:
            self.wrong.append(f"{probe.what}: {_told(tally)}; expected {', '.join(probe.expected)}")
        return tally, good

    def fail(self, failures: Sequence[Failure]) -> None:
        """Send requests that must fail, and show how."""
        table = Table("asked", "command", "curl's exit and reason", "", width=WIDTH)
        for failure in failures:
            code, line = failure.run(self.stage)
            good = failure.holds(code, line)
            if not good:
                self.wrong.append(f"{failure.what}: exit {code}, {line}; expected {failure.words}")
            table.add_row(failure.what, shlex.join(failure.command), Text(f"{code}: {line}"), _mark(good))
        self.console.print(table)

    def show_processes(self) -> None:
        """Every process there is now, and that none of them is ours."""
        own = {os.getpid(), os.getppid()}
        commands = [command for pid, command in _processes() if pid not in own]
        ours = [command for command in commands if str(BALANCER) in command]
        if ours:
            self.wrong.append(f"still running: {ours}")
        others = Counter(_kind(command) for command in commands if command not in ours)
        self.console.print(
            Text(f"processes of balancer: {', '.join(ours) or 'none'}; others: {_told(others)}")
        )


def _kind(command: str) -> str:
    """A command without its path and arguments, as far as the demo's own servers go."""
    program = Path(command.partition(" ")[0]).name
    return "python -m http.server" if " -m http.server " in command else program


def _told(tally: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(tally.items())) or "nobody"


def _mark(good: bool) -> str:
    return "[green]ok[/green]" if good else "[red]WRONG[/red]"


def _processes() -> list[tuple[int, str]]:
    """Every process of the demo's own process namespace."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        command = path.read_bytes().replace(b"\0", b" ").decode().strip()
        if command:
            found.append((int(path.parts[2]), command))
    return sorted(found)


def play(demo: Demo) -> None:
    """The whole story, with the backends running."""
    demo.title("1. The backends: real servers on loopback addresses")
    for name, (address, port) in {**HTTP, **DNS}.items():
        demo.console.print(
            f"  {name:9} {address}:{port}" if "." in address else f"  {name:9} [{address}]:{port}"
        )
    demo.title("2. One command makes the directory true")
    for name, value in demo.stage.environment.items():
        demo.console.print(f"  {name}={value}", style="dim")
    demo.balancer("apply", str(MANIFESTS))
    demo.title("3. Who answers")
    demo.ask()
    demo.title("4. Who does not")
    demo.fail(FAILURES)
    demo.title("5. The command has ended, the kernel goes on")
    demo.show_processes()
    demo.ask_again()
    demo.title("6. What the kernel has done")
    demo.balancer("get", "frontends")
    demo.balancer("status")
    demo.balancer("explain", "10.96.0.10:53/udp")
    demo.title("7. Going away")
    demo.balancer("detach")
    demo.fail([GONE])


def main() -> int:
    reason = stages.missing()
    if reason:
        print(f"demo: {reason}", file=sys.stderr)
        return 6
    stages.enter()
    with stages.stage() as stage:
        demo = Demo(stage)
        try:
            with backends(stage):
                play(demo)
        except RuntimeError as error:
            demo.wrong.append(str(error))
    demo.title("Result")
    for line in demo.wrong:
        demo.console.print(Text.assemble(("WRONG ", "red"), line))
    if not demo.wrong:
        demo.console.print("[green]Every answer was the expected one; nothing is left behind.[/green]")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
