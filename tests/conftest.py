"""Makes `harness` importable, and keeps the kernel tests honest: where they cannot run they fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import bpffs, cgroups, netns, prerequisites

_KERNEL_TESTS = ("kernel", "netns")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs root, so that ``-m 'not root'`` is the suite for everybody else."""
    for item in items:
        if set(_KERNEL_TESTS) & set(item.path.parts[len(Path(__file__).parent.parts) :]):
            item.add_marker(pytest.mark.root)
            item.add_marker(pytest.mark.usefixtures("kernel_ready"))


@pytest.fixture(scope="session")
def kernel_ready() -> None:
    """A host that can run the kernel tests, without leftovers of killed runs; otherwise every one fails."""
    missing = prerequisites.missing()
    if missing:
        pytest.fail("the kernel tests cannot run here: " + "; ".join(missing), pytrace=False)
    for made in (cgroups, netns, bpffs):
        made.remove_leftovers()
