"""What commands on live programs import: a pass that finds them as they should be starts no compiler."""

from __future__ import annotations

import pytest
from harness import pool
from harness.host import Host
from harness.imports import TOLD, among, imported
from harness.objects import plain

NEEDLESS = (
    *("asyncio", "bcc", "http", "jsonschema", "logging", "prometheus_client", "rich", "ruamel", "ssl"),
    *("textual", "watchdog", "balancer.agent", "balancer.observe.metrics"),
)
READERS = ("jsonschema_rs", "orjson", "psutil", "sqlite3", "balancer.manifests", "balancer.passes.reconcile")
VIP, _ = pool.vip(1)


@pytest.fixture(scope="module")
def applied(host: Host) -> Host:
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    return host


def imports_of(host: Host, *arguments: str) -> frozenset[str]:
    """What a command imports that ends well and whose output goes to no terminal."""
    with host.balancer.start(*arguments, prefix=TOLD) as process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return imported(stderr)


def test_an_apply_with_matching_programs_starts_no_compiler(applied: Host) -> None:
    """BCC brings LLVM with it; a pass whose programs are live has nothing to compile."""
    found = imports_of(applied, "apply", str(applied.balancer.manifests))
    assert among(found, (*NEEDLESS, "sqlite3", "balancer.explain", "balancer.live", "balancer.status")) == []


@pytest.mark.parametrize(
    "command", ["get frontends", "get backends", "get affinity", "get policies", "status", "status -o json"]
)
def test_a_look_at_the_maps_reads_no_manifests(applied: Host, command: str) -> None:
    assert among(imports_of(applied, *command.split()), (*NEEDLESS, *READERS)) == []


def test_an_explanation_needs_no_compiler_and_no_screen(applied: Host) -> None:
    """It reads the manifests again, to say why."""
    found = imports_of(applied, "explain", f"{VIP}:80")
    assert among(found, (*NEEDLESS, "balancer.passes.reconcile")) == []
    assert "balancer.manifests" in found


def test_programs_that_do_not_match_are_compiled(applied: Host) -> None:
    """The imports would tell of the compiler."""
    applied.balancer.run("detach")
    assert among(imports_of(applied, "apply", str(applied.balancer.manifests)), ("bcc",))
