"""Mutated directories through everything that needs no kernel: files, desired state, entries of the maps."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from balancer.desired.compute import compute
from balancer.desired.types import Host, Rules, ServiceRedirect
from balancer.manifests import load
from balancer.plan.capacity import needs
from balancer.plan.encode import encode
from fuzz.cases import directory_of

BATCH = 20
IN_CI = range(0, 5 * BATCH, BATCH)
LONG = range(1_000_000, 1_000_000 + 200 * BATCH, BATCH)
ADDRESSES = (ip_address("127.0.0.1"), ip_address("::1"), ip_address("192.0.2.10"))
HOSTS = (Host(node_name="node-a", addresses=ADDRESSES), Host(node_name="", addresses=ADDRESSES))
RULES = (
    Rules(),
    Rules(service_redirect=ServiceRedirect.NODE_PORT, local_policy_applies_to_all_access=True),
)


def run(directory: Path) -> tuple[int, int]:
    """How many frontends the directory asks for on the two hosts, and how many problems were found."""
    found = load([directory])
    frontends = problems = 0
    for host, rules in zip(HOSTS, RULES, strict=True):
        desired = compute(found.cluster, host, rules)
        wanted = encode(desired)
        assert min(needs(wanted).values()) >= 0
        located = found.locate((*found.problems, *desired.problems))
        str(located).encode()
        assert all(problem.message and problem.origin.file for problem in located)
        frontends += len(wanted.frontends)
        problems += len(located)
    return frontends, problems


def check(seeds: range, directory: Path) -> None:
    totals = [0, 0]
    for seed in seeds:
        try:
            counts = run(directory_of(seed, directory / str(seed)))
        except Exception as error:
            error.add_note(f"case {seed} in {directory}")
            raise
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
    assert min(totals) > 0, "these directories tested nothing"


@pytest.mark.parametrize("start", IN_CI)
def test_no_directory_makes_a_pass_raise(tmp_path: Path, start: int) -> None:
    check(range(start, start + BATCH), tmp_path)


@pytest.mark.stress
@pytest.mark.parametrize("start", LONG)
def test_no_directory_makes_a_pass_raise_in_the_long_run(tmp_path: Path, start: int) -> None:
    check(range(start, start + BATCH), tmp_path)
