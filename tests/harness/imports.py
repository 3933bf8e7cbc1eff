"""Which modules a command imports, as CPython itself reports them."""

from __future__ import annotations

import functools
import re
import subprocess
import sys

TOLD = (sys.executable, "-X", "importtime")
"""In front of a Python script: its imports go to stderr."""
_LINE = re.compile(r"^import time:\s+\d+ \|\s+\d+ \| +(\S+)$", re.MULTILINE)


def imported(stderr: str) -> frozenset[str]:
    """The modules that a script started by `TOLD` imported, without those of every Python process here."""
    found = frozenset(_LINE.findall(stderr))
    assert found, f"no imports were told:\n{stderr}"
    return found - _always()


def among(names: frozenset[str], packages: tuple[str, ...]) -> list[str]:
    """Those of the names that are one of the packages, or in one."""
    return sorted(name for name in names if any(f"{name}.".startswith(f"{item}.") for item in packages))


@functools.cache
def _always() -> frozenset[str]:
    done = subprocess.run([*TOLD, "-c", ""], capture_output=True, text=True, check=True)
    return frozenset(_LINE.findall(done.stderr))
