"""Which engine reads: the fast one, or the reference alone, for comparing the two and for hunting a fault."""

from __future__ import annotations

import os

ENVIRONMENT = "BALANCER_ENGINE"


def prefers_reference() -> bool:
    """Whether the environment says BALANCER_ENGINE=reference. Asked each time."""
    return os.environ.get(ENVIRONMENT) == "reference"
