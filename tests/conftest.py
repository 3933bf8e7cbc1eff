"""Makes `harness` importable, and keeps the kernel tests honest: where they cannot run they fail."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from harness import bpffs, cgroups, netns, prerequisites

# Tests start thousands of commands. Where the environment forbids bytecode, as images of containers like to,
# each of them would compile the whole package anew: a fifth of the time that all tests take.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes says something of the machine and nothing of the product.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

_KERNEL_TESTS = ("kernel", "netns")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs root, so that ``-m 'not root'`` is the suite for everybody else."""
    for item in items:
        if set(_KERNEL_TESTS) & set(item.path.parts[len(Path(__file__).parent.parts) :]):
            item.add_marker(pytest.mark.root)
            item.add_marker(pytest.mark.usefixtures("kernel_ready"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed or logged may hold halves of characters, which workers cannot send as UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def kernel_ready() -> None:
    """A host that can run the kernel tests, without leftovers of killed runs; otherwise every one fails."""
    missing = prerequisites.missing()
    if missing:
        pytest.fail("the kernel tests cannot run here: " + "; ".join(missing), pytrace=False)
    with (Path(tempfile.gettempdir()) / "balancer-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers come here at the same time, to the same leftovers
        for made in (cgroups, netns, bpffs):
            made.remove_leftovers()
