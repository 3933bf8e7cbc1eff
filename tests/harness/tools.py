"""Programs that the set-up only unpacks below the environment, since their packages start a server."""

from __future__ import annotations

import sys
from pathlib import Path


def unpacked(name: str) -> Path:
    """The program `name` of an unpacked Debian package. Raises FileNotFoundError, with the way out."""
    root = Path(sys.prefix) / "debian"
    for directory in ("usr/bin", "usr/sbin"):
        if (found := root / directory / name).exists():
            return found
    raise FileNotFoundError(f"{name} is not below {root}: run make setup")
