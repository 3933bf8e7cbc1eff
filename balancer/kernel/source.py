"""The C source as one text, and the build id that decides whether loaded programs can be used.

BCC rewrites map accesses in the main file only, so the files of `bpf/` are joined into one.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from balancer.errors import HostUnfit

_INCLUDE = re.compile(r'#include "([^"]+)"\s*$')
MAIN = "balancer.c"


@functools.cache
def source_dir() -> Path:
    """`bpf/` of the source tree, or where an installed package has put it."""
    candidates = (Path(__file__).parents[2] / "bpf", Path(sys.prefix) / "share" / "balancer" / "bpf")
    for directory in candidates:
        if (directory / MAIN).is_file():
            return directory
    raise HostUnfit(
        f"the C source is missing: no {MAIN} in {' or '.join(map(str, candidates))}",
        hint="install balancer again",
    )


@functools.cache
def joined_source() -> str:
    """The text of `balancer.c` with every include of our own put in place, each once."""
    return "".join(_lines(MAIN, set()))


def _lines(name: str, seen: set[str]) -> list[str]:
    lines: list[str] = []
    for number, line in enumerate((source_dir() / name).read_text().splitlines(keepends=True), 1):
        match = _INCLUDE.match(line)
        if match is None:
            lines.append(line if line.strip() != "#pragma once" else "\n")
        elif match[1] not in seen:
            seen.add(match[1])
            # Compiler messages keep naming the file and line that a person can open.
            lines += [f'#line 1 "{match[1]}"\n', *_lines(match[1], seen), f'#line {number + 1} "{name}"\n']
    return lines


def build_id(sizes: Mapping[str, int], flags: tuple[str, ...]) -> int:
    """64 bits that change with the C source, the compiler flags and the sizes of the maps; never 0."""
    digest = hashlib.sha256(joined_source().encode())
    digest.update(repr((sorted(sizes.items()), flags)).encode())
    return int.from_bytes(digest.digest()[:8], "little") or 1
