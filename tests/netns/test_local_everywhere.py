"""local_policy_applies_to_all_access: a Local policy of either kind holds for every way in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.client import Way

from netns.world import CLIENTS, EVERYONE, ON_NODE1, WAYS_IN, World, address_of, balanced, conditions

POLICIES = {
    3: {"internalTrafficPolicy": "Local"},
    4: {"externalTrafficPolicy": "Local"},
    5: {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"},
}
OPEN, ELSEWHERE = 6, 7


@pytest.fixture(scope="module", autouse=True)
def _applied(world: World) -> Iterator[None]:
    for host in world.hosts.values():
        host.balancer.config.write_text("local_policy_applies_to_all_access: true\n")
    world.apply(
        *(balanced(f"local{number}", number, **policy) for number, policy in POLICIES.items()),
        balanced("open", OPEN),
        balanced("elsewhere", ELSEWHERE, conditions(a1=None), externalTrafficPolicy="Local"),
    )
    yield
    for host in world.hosts.values():
        host.balancer.config.unlink()


@pytest.mark.parametrize("way", [Way.TCP, Way.UNCONNECTED])
@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("number", sorted(POLICIES))
@pytest.mark.parametrize("client", ["pod", "node"])
def test_the_local_endpoint_alone_answers(
    world: World, client: str, number: int, way_in: str, way: Way
) -> None:
    """By every way in, a pod and a node process get the endpoint of their own node."""
    address, port = address_of(number, way_in)
    assert set(world.client(client).tally(address, port, way=way, count=20)) == ON_NODE1


@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("client", CLIENTS)
def test_without_local_endpoint_nobody_answers(world: World, client: str, way_in: str) -> None:
    """No local endpoint: resolution fails, by every way in."""
    address, port = address_of(ELSEWHERE, way_in)
    assert world.client(client).tcp(address, port) == "EHOSTUNREACH"


@pytest.mark.parametrize("client", CLIENTS)
def test_other_services_are_as_ever(world: World, client: str) -> None:
    """The option concerns services with a Local policy alone."""
    assert set(world.client(client).tally(*address_of(OPEN, "cluster"))) == EVERYONE
