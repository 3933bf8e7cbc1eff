"""Decisions stay counted, whatever becomes of the frontends and maps that counted them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import Object, endpoint_slice, plain, port, service

from balancer.kernel.layout import COUNTER_SIZE
from balancer.kernel.libbpf import possible_cpus
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Generation, Pins
from balancer.kernel.reasons import Reason
from balancer.plan.actual import read_actual
from balancer.plan.counters import NO_FRONTEND, RETIRED
from balancer.plan.entries import INDEX, MapName

FIRST, SECOND = pool.vip(1)[0], pool.vip(2)[0]
SMALL = dict.fromkeys(("addresses", "frontends", "slots", "members", "counters", "rates"), 64)


def _live(host: Host) -> Generation:
    live = Pins(host.balancer.bpffs).live()
    assert live is not None
    return live


def _total(host: Host) -> int:
    """Every decision that the live maps know of."""
    with PinnedMaps(_live(host).maps) as store:
        live = [entry.counter for entry in read_actual(store).frontends.values()]
        found = store.read(MapName.COUNTERS, [INDEX.pack(index) for index in (NO_FRONTEND, RETIRED, *live)])
        assert all(len(raw or b"") == COUNTER_SIZE * possible_cpus() for raw in found)
        return sum(sum(memoryview(raw).cast("Q")) for raw in found if raw is not None)


def _shown(host: Host) -> dict[str, int]:
    """What people are told each frontend has forwarded, by address, TCP only."""
    shown = host.balancer.json("get", "frontends")["frontends"]
    return {item["address"]: item["forwarded"] for item in shown if item["protocol"] == "TCP"}


def _web(*addresses: str) -> list[Object]:
    return plain("first", FIRST, addresses or (pool.ONE,))


def _other() -> list[Object]:
    return plain("second", SECOND, (pool.TWO,))


def _others(count: int) -> list[Object]:
    found: list[Object] = []
    for number in range(1, count + 1):
        found.append(service(f"s{number}", port(80), ips=(f"10.101.0.{number}",)))
        found.append(endpoint_slice(f"s{number}", [f"10.202.0.{number}"], port(8080)))
    return found


@pytest.fixture
def small(host: Host) -> Iterator[None]:
    """Maps that have to grow soon; then nothing is left of it."""
    host.balancer.run("detach")
    host.balancer.config.write_text(f"map_limits: {json.dumps(SMALL)}\n")
    yield
    host.balancer.config.unlink(missing_ok=True)


def test_services_that_come_and_go(host: Host, client: Client) -> None:
    """What a service was asked stays in the totals; the one that gets its counter begins with nothing."""
    host.balancer.apply(_web(), _other())
    before = _total(host)
    client.tally(SECOND, 80, count=7)
    client.tally(FIRST, 81, count=3)
    for objects in ([_web()], [_web(), _other()], [], [_other()]):
        host.balancer.apply(*objects, plain("last", pool.vip(3)[0], (pool.ONE,)))
        assert _total(host) - before == 10
        assert _shown(host).get(SECOND, 0) == 0
    counted = _total(host)
    totals = host.balancer.json("status")["counters"]  # status asks for a port itself, after it has counted
    assert sum(totals.values()) == counted
    assert set(totals) == {reason.name.lower() for reason in Reason}


def test_a_change_of_backends_keeps_the_frontends_counts(host: Host, client: Client) -> None:
    """Another block is another place for the backends, not another frontend."""
    host.balancer.apply(_web(), _other())
    before = _shown(host)[FIRST]
    for number, address in enumerate((pool.TWO, pool.THREE, pool.FOUR), 1):
        client.tally(FIRST, 80, count=5)
        host.balancer.apply(_web(address), _other())
        assert _shown(host)[FIRST] - before == 5 * number


def test_never_less_while_clients_connect(host: Host, client: Client) -> None:
    """A service that is asked without pause goes and comes back; no look at the totals shows fewer."""
    host.balancer.apply(_web(), _other())
    storms = [client.storm(way, SECOND, 80) for way in Way]
    seen = [_total(host)]
    for objects in ([_web()], [_web(), _other()]) * 3:
        host.balancer.apply(*objects)
        seen.append(_total(host))
    connections = sum(sum(storm.calm().values()) for storm in storms)
    assert seen == sorted(seen)
    assert 0 < _total(host) - seen[0] <= connections + seen[0]


@pytest.mark.usefixtures("small")
def test_maps_that_grow_take_the_counts_along(host: Host, client: Client) -> None:
    """Into larger maps go the counts of what stays, of what goes in that very pass, and of what went before."""
    host.balancer.apply(_web(), _other(), plain("gone", pool.vip(3)[0], (pool.ONE,)))
    for vip, count in ((FIRST, 5), (SECOND, 6), (pool.vip(3)[0], 7)):
        client.tally(vip, 80, count=count)
    client.tally(FIRST, 81, count=4)
    host.balancer.apply(_web(), _other())
    before = _live(host)
    assert _total(host) == 22
    host.balancer.config.unlink()
    host.balancer.apply(_web(), _others(80))
    assert _live(host) != before
    assert (_total(host), _shown(host)[FIRST]) == (22, 5)
    host.balancer.apply(_web(), _other())
    assert _total(host) == 22


@pytest.mark.usefixtures("small")
def test_nothing_counted_during_a_growth_is_lost(host: Host, client: Client) -> None:
    """Clients connect through the old maps to the last instant and through the new ones from the first."""
    host.balancer.apply(_web())
    storm = client.storm(Way.TCP, FIRST, 80)
    host.balancer.config.unlink()
    host.balancer.apply(_web(), _others(80))
    connections = sum(storm.calm().values())
    assert _total(host) == connections > 50


def test_a_pass_by_another_process_changes_nothing(host: Host, client: Client) -> None:
    """A restart is not a special case for counts either; only unloading ends them."""
    host.balancer.apply(_web())
    client.tally(FIRST, 80, count=5)
    before = _total(host)
    host.balancer.apply(_web())
    assert _total(host) == before > 0
    host.balancer.run("detach")
    host.balancer.apply(_web())
    assert _total(host) == 0
