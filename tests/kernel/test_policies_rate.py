"""The rate limit of a local redirect, measured on real connections.

The limit counts in whole seconds of the kernel's monotonic clock, which is the one that Python reads,
so a test can tell how many of them its connections fell into.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import Object, both, local_redirect, plain, pod, to_address, to_service

OWN, GLOBAL, FREE = (pool.vip(number)[0] for number in (1, 2, 3))
ALONE = "169.254.20.10"
LIMIT, GLOBAL_LIMIT, COUNT = 5, 3, 40
PORTS = both(pool.PORT)
LABELS = {"app": "local"}


def _redirect(name: str, rate: str | None) -> Object:
    return local_redirect(name, to_service(name), *PORTS, labels=LABELS, rate=rate)


@pytest.fixture(scope="module", autouse=True)
def _limited(host: Host) -> Iterator[None]:
    """One policy with a limit of its own, one with the limit of the config, one without, one on an address."""
    host.balancer.config.write_text(f"redirect_qos_limit: {GLOBAL_LIMIT}\n")
    services = [
        plain(name, ip, (pool.THREE,)) for name, ip in (("own", OWN), ("all", GLOBAL), ("free", FREE))
    ]
    alone = local_redirect("x", to_address(ALONE, *both(80)), *PORTS, labels=LABELS, rate=str(LIMIT))
    policies = [_redirect("own", str(LIMIT)), _redirect("all", None), _redirect("free", "0"), alone]
    host.balancer.apply(*services, policies, pod("local", "node1", pool.ONE, labels=LABELS))
    yield
    host.balancer.config.unlink()


def _hurry(client: Client, address: str, way: Way = Way.TCP) -> tuple[Counter[str], int]:
    """`COUNT` connections at once, from the start of a second; and how many seconds they fell into."""
    time.sleep(1.02 - time.monotonic() % 1)
    before = int(time.monotonic())
    tally = client.tally(address, 80, way=way, count=COUNT)
    return tally, int(time.monotonic()) - before + 1


@pytest.mark.parametrize(("address", "limit", "way"), [*((OWN, LIMIT, way) for way in Way),
                                                       (GLOBAL, GLOBAL_LIMIT, Way.TCP)])  # fmt: skip
def test_what_is_above_the_rate_goes_to_the_service(
    client: Client, address: str, limit: int, way: Way
) -> None:
    """The policy's annotation wins over the config; without one the config's limit holds."""
    tally, seconds = _hurry(client, address, way)
    assert set(tally) == {"one", "three"}
    assert limit <= tally["one"] <= limit * seconds


def test_zero_is_no_limit(client: Client) -> None:
    """An annotation of 0 takes the limit of the config away."""
    assert client.tally(FREE, 80, count=COUNT) == {"one": COUNT}


def test_an_address_with_nothing_beneath_refuses_what_is_above(client: Client) -> None:
    """Where there is no next priority, connections above the rate are refused at once."""
    tally, seconds = _hurry(client, ALONE)
    assert set(tally) == {"one", "ECONNREFUSED"}
    assert LIMIT <= tally["one"] <= LIMIT * seconds


def test_every_second_anew(host: Host) -> None:
    """No second has more than its share, and what one second used up the next ones have again."""
    asking = host.add_client("storm")
    before = int(time.monotonic())
    storm = asking.storm(Way.TCP, OWN, 80)
    time.sleep(2.5)
    tally = storm.calm()
    seconds = int(time.monotonic()) - before + 1
    assert LIMIT < tally["one"] <= LIMIT * seconds
    assert tally["three"] > tally["one"]


def test_each_frontend_has_its_own(client: Client) -> None:
    """Connections per second and frontend: TCP that used up its share leaves UDP its own."""
    time.sleep(1.02 - time.monotonic() % 1)
    for way in (Way.TCP, Way.UNCONNECTED):
        assert client.tally(OWN, 80, way=way, count=COUNT)["one"] >= LIMIT


def test_a_socket_stays_where_it_was_sent(client: Client) -> None:
    """Datagrams of one socket are one conversation: neither above nor below the rate do they jump."""
    sockets = [client.open_udp() for _ in range(COUNT)]
    time.sleep(1.02 - time.monotonic() % 1)
    first = [socket.exchange(OWN, 80)[0].name for socket in sockets]
    again = [socket.exchange(OWN, 80)[0].name for socket in sockets]
    for socket in sockets:
        socket.close()
    assert first == again
    assert {"one", "three"} == set(first)


def _counted(host: Host) -> tuple[Counter[str], dict[str, int], dict[str, int]]:
    """What status, the frontend and the policy say of the connections so far."""
    frontends = host.balancer.json("get", "frontends")["frontends"]
    policies = host.balancer.json("get", "policies")["policies"]
    (frontend,) = (item for item in frontends if (item["address"], item["protocol"]) == (OWN, "TCP"))
    (policy,) = (item for item in policies if item["name"] == "own")
    return Counter(host.balancer.json("status")["counters"]), frontend, policy


def test_counters_tell_how_many(host: Host, client: Client) -> None:
    """Connections above the rate are counted by that reason, wherever counters are shown."""
    before = _counted(host)
    tally, _ = _hurry(client, OWN)
    after = _counted(host)
    assert [then["rate_limited"] - now["rate_limited"] for now, then in zip(before, after, strict=True)] == [
        tally["three"]
    ] * 3
    assert after[0]["forwarded"] - before[0]["forwarded"] == tally["one"]
    assert after[1]["rate"] == LIMIT
