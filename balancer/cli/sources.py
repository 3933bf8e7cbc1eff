"""Manifests that a question is answered from, instead of the live maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balancer.cli.facade import Facade
    from balancer.config import Settings
    from balancer.views import Loaded


def load_sources(facade: Facade, sources: tuple[Path, ...], settings: Settings) -> Loaded:
    """What the files say; that there are problems in them is said, and does not end the command."""
    from balancer.report.console import message
    from balancer.report.text import problem_count

    loaded = facade.compute(None, sources, settings)
    if loaded.problems:
        message(f"balancer: {problem_count(loaded.problems)} in these files, see balancer validate")
    return loaded
