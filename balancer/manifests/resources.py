"""Where the data files of this installation are: a source tree keeps them beside the package, a
wheel under the prefix's share directory.
"""

from __future__ import annotations

import sys
from pathlib import Path

from balancer.errors import HostUnfit

_PROBE = "service.schema.json"


def schema_dir() -> Path:
    """The directory of the JSON schemas. Raises `HostUnfit` when the installation lacks them."""
    tree = Path(__file__).resolve().parents[2] / "schemas"
    shared = Path(sys.prefix) / "share" / "balancer" / "schemas"
    for candidate in (tree, shared):
        if (candidate / _PROBE).is_file():
            return candidate
    raise HostUnfit(
        f"the JSON schemas are missing: looked in {tree} and {shared}", hint="install the package again"
    )
