"""Where a process runs: a network namespace and a cgroup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_ENTER_CGROUP = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`netns` is a name as in ``ip netns``, None for the caller's. `cgroup` is a directory, None likewise."""

    netns: str | None = None
    cgroup: Path | None = None

    def command(self, argv: Sequence[str]) -> list[str]:
        """`argv`, started in this place: it enters before the program's first instruction."""
        result = list(argv)
        if self.netns is not None:
            result = ["nsenter", f"--net=/run/netns/{self.netns}", "--", *result]
        if self.cgroup is not None:
            result = ["sh", "-c", _ENTER_CGROUP, str(self.cgroup), *result]
        return result
