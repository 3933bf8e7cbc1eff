"""Reading paths in a process of its own, with little memory and a clock: how a hostile file is survived."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MEMORY = 400 << 20  # bytes of address space; a pass over an empty directory takes about 60 MiB of it
SECONDS = 120  # a machine that does other things as well

_PROGRAM = """
import json, sys
from pathlib import Path
from balancer.errors import BalancerError
from balancer.manifests import load
try:
    found = load([Path(path) for path in sys.argv[1:]])
    messages = [(problem.origin.file, problem.message) for problem in found.problems if problem.is_error]
    kept = sum(len(file.objects) for file in found.files)
except BalancerError as error:
    messages, kept = [("", str(error))], 0
print(json.dumps([messages, kept]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`errors` by the name of their file, the number of objects `kept`."""

    errors: Mapping[str, tuple[str, ...]]
    kept: int


def read(*paths: Path, memory: int = MEMORY, seconds: float = SECONDS) -> Reading:
    """Load the paths within the limits; a crash, a traceback or a process that hangs is an AssertionError."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, paths)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    messages, kept = json.loads(done.stdout)
    errors: dict[str, tuple[str, ...]] = {}
    for path, message in messages:
        name = Path(path).name
        errors[name] = (*errors.get(name, ()), message)
    return Reading(errors=errors, kept=kept)
