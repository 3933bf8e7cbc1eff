"""Maps grow by need, each by itself, up to the limit that is configured for it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import Object, endpoint_slice, plain, port, service

from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Generation, Pins
from balancer.plan.entries import INDEX, MapName

VIP = pool.vip(1)[0]
COUNT = 70


def _live(host: Host) -> Generation:
    live = Pins(host.balancer.bpffs).live()
    assert live is not None
    return live


def _others(count: int = COUNT) -> list[Object]:
    """UDP services with an endpoint of their own each: one more entry of every map for each. (What only TCP
    uses, and without affinity, needs no members.)
    """
    found: list[Object] = []
    for number in range(1, count + 1):
        found.append(service(f"s{number}", port(80, protocol="UDP"), ips=(f"10.101.0.{number}",)))
        found.append(endpoint_slice(f"s{number}", [f"10.202.0.{number}"], port(8080, protocol="UDP")))
    return found


def _web() -> list[Object]:
    """The service that clients use: one address, two frontends with one block."""
    return plain("web", VIP, (pool.ONE,))


def _dump(host: Host) -> dict[str, object]:
    """Every byte that user space writes."""
    with PinnedMaps(_live(host).maps) as store:
        hashes = (MapName.ADDRESSES, MapName.FRONTENDS, MapName.MEMBERS, MapName.CGROUPS, MapName.OWNERS)
        found: dict[str, object] = {name: store.dump(name) for name in (*hashes, MapName.SLOTS)}
        found["counters"] = store.read(MapName.COUNTERS, [INDEX.pack(index) for index in range(COUNT + 4)])
        return found


@pytest.fixture
def limits(host: Host) -> Iterator[Host]:
    """The host; its config file goes at the end."""
    yield host
    host.balancer.config.unlink(missing_ok=True)


def test_only_maps_that_are_too_small_grow(limits: Host, client: Client) -> None:
    """Limits are raised and more is wanted; nobody notices that there are new maps."""
    instance = limits.balancer
    instance.run("detach")
    instance.config.write_text("map_limits: {slots: 64, members: 64}\n")
    instance.apply(_web())
    before = _live(limits).sizes()
    assert (before["slots"], before["members"]) == (64, 64)
    storms = [client.storm(way, VIP, 80) for way in Way]
    instance.config.write_text("map_limits: {slots: 1000, members: 100}\n")
    instance.apply(_web(), _others())
    assert [set(storm.calm()) for storm in storms] == [{"one"}] * len(storms)
    assert _live(limits).sizes() == {**before, "slots": 1000, "members": 100}
    instance.run("plan", "--exit-code", str(instance.manifests))


def _needs(host: Host) -> dict[str, int]:
    """Entries that `_web` and `_others` take together, told by what `_web`, which is applied, takes alone."""
    shown = host.balancer.json("status")["maps"]
    return {item["name"]: item["used"] + COUNT for item in shown}


@pytest.mark.parametrize("name", ["addresses", "members", "slots", "counters"])
def test_past_its_limit_nothing_is_written(limits: Host, client: Client, name: str) -> None:
    """The error names map, need and limit, and what was there before is there still, byte for byte."""
    instance = limits.balancer
    instance.apply(_web())
    need = _needs(limits)[name]
    before, generation = _dump(limits), _live(limits)
    instance.config.write_text(f"map_limits: {{{name}: {need - 1}}}\n")
    result = instance.apply(_others(), plain("web", VIP, (pool.TWO,)), code=1)
    assert f"map {name} needs {need} entries, the limit is {need - 1}" in result.stderr
    assert f"map_limits.{name}" in result.stderr
    assert (_dump(limits), Pins(instance.bpffs).generations()) == (before, (generation,))
    assert client.tcp(VIP, 80) == "one"


def test_up_to_its_limit_everything_is(limits: Host, client: Client) -> None:
    """A limit that is just enough is enough, although twice the need is what a map is made for."""
    instance = limits.balancer
    instance.apply(_web())
    needs = {name: _needs(limits)[name] for name in ("addresses", "frontends", "members", "slots")}
    instance.run("detach")
    instance.config.write_text(f"map_limits: {json.dumps(needs)}\n")
    instance.apply(_others(), _web())
    assert {name: _live(limits).sizes()[name] for name in needs} == needs
    assert client.tcp(VIP, 80) == "one"


def test_a_lower_limit_shrinks_nothing(limits: Host) -> None:
    """What is live stays as it is while it is large enough: a limit is for growing."""
    instance = limits.balancer
    instance.apply(_web())
    before = _live(limits)
    instance.config.write_text("map_limits: {addresses: 64, slots: 64}\n")
    instance.apply(_web(), _others(5))
    assert _live(limits) == before
