"""Names that say which test run made a thing, so that leftovers of a killed run can be told apart."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

_PREFIX = "balancer-test-"
_PATTERN = re.compile(rf"{_PREFIX}(\d+)-")
_counter = itertools.count(1)


def fresh(label: str = "") -> str:
    """A name that no other thing of this or another run has: ``balancer-test-<pid>-<n>[-label]``."""
    number = next(_counter)
    return f"{_PREFIX}{os.getpid()}-{number}" + (f"-{label}" if label else "")


def is_leftover(name: str) -> bool:
    """Whether `name` was made by `fresh` in a process that is gone."""
    match = _PATTERN.match(name)
    return match is not None and not Path(f"/proc/{match[1]}").exists()
