"""Session affinity from pods, nodes and outside hosts: sticks, expires, moves with its backend."""

from __future__ import annotations

import time

import pytest
from harness.client import Client, Way

from netns.world import CLIENTS, ENDPOINTS, EVERYONE, WAYS_IN, World, address_of, balanced, conditions

LONG, SHORT = 600, 1
MANY = range(10, 26)
"""Sixteen services: their picks among three endpoints agree by chance once in 3^16 times."""


def _sticky(
    number: int, seconds: int, state: dict[str, dict[str, bool]] | None = None
) -> list[dict[str, object]]:
    config = {"clientIP": {"timeoutSeconds": seconds}}
    return balanced(
        f"sticky{number}", number, state, sessionAffinity="ClientIP", sessionAffinityConfig=config
    )


def _picks(client: Client, way_in: str, way: Way) -> list[str]:
    return [client.one(way, *address_of(number, way_in)).outcome for number in MANY]


@pytest.fixture(scope="module")
def long_lived(world: World) -> None:
    """Services with a long timeout on every host."""
    world.apply(*(_sticky(number, LONG) for number in MANY))


@pytest.mark.usefixtures("long_lived")
@pytest.mark.parametrize("way", [Way.TCP, Way.UNCONNECTED])
@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("client", CLIENTS)
def test_sticks_for_many_connections(world: World, client: str, way_in: str, way: Way) -> None:
    """One client, one endpoint, whichever address of the service it uses."""
    tally = world.client(client).tally(*address_of(MANY[0], way_in), way=way, count=100)
    assert list(tally.values()) == [100]
    assert set(tally) < EVERYONE


@pytest.mark.usefixtures("long_lived")
def test_each_client_has_its_own_choice(world: World) -> None:
    """A pod, its node and an outside host are three clients."""
    picks = [tuple(_picks(world.client(kind), "cluster", Way.TCP)) for kind in CLIENTS]
    assert len(set(picks)) == len(CLIENTS)


@pytest.mark.parametrize("way", [Way.TCP, Way.UNCONNECTED])
@pytest.mark.parametrize("client", CLIENTS)
def test_expires(world: World, client: str, way: Way) -> None:
    """After the service's own timeout the client is spread anew."""
    world.apply_for(client, *(_sticky(number, SHORT) for number in MANY))
    before = _picks(world.client(client), "lb", way)
    time.sleep(SHORT + 0.2)
    assert _picks(world.client(client), "lb", way) != before


@pytest.mark.parametrize("gone", [None, {"ready": False}], ids=["vanished", "unready"])
@pytest.mark.parametrize("way_in", ["cluster", "node2"])
@pytest.mark.parametrize("client", CLIENTS)
def test_moves_when_its_backend_goes(
    world: World, client: str, way_in: str, gone: dict[str, bool] | None
) -> None:
    """Stickiness follows the endpoint's health: an endpoint that vanished or is unready gets no more."""
    asking, target = world.client(client), address_of(MANY[0], way_in)
    world.apply_for(client, _sticky(MANY[0], LONG))
    for way in (Way.TCP, Way.UNCONNECTED):
        lost = asking.one(way, *target).outcome
        assert lost in ENDPOINTS
        world.apply_for(client, _sticky(MANY[0], LONG, conditions(**{lost: gone})))
        tally = asking.tally(*target, way=way, count=40)
        assert len(tally) == 1
        assert set(tally) < EVERYONE - {lost}
        world.apply_for(client, _sticky(MANY[0], LONG))
