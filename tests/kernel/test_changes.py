"""Changes of the directory while clients are at work: nothing in between is ever wrong."""

from __future__ import annotations

import pytest
from harness import pool
from harness.client import Client, Way
from harness.host import Host
from harness.objects import both, endpoint, endpoint_slice, plain, service
from harness.talk import Talk

VIP, VIP6 = pool.vip(1)


def test_no_connection_fails_while_backends_change(host: Host, talk: Talk) -> None:
    """A reader sees the whole old list or the whole new list: under a storm of connections nothing fails."""
    pairs = [((pool.ONE, pool.TWO), (pool.ONE6, pool.TWO6)), ((pool.THREE,), (pool.THREE6,)),
             (pool.FOUR_ADDRESSES, pool.SIX_ADDRESSES), ((pool.FOUR,), (pool.FOUR6,))]  # fmt: skip
    directories = [[plain("web", VIP, four), plain("web6", VIP6, six)] for four, six in pairs]
    host.balancer.apply(*directories[0])
    storm = host.add_client("storm").storm(
        talk.way, talk.pick((VIP, VIP6)), 80, mapped=talk.family == "mapped"
    )
    for directory in directories[1:]:
        host.balancer.apply(*directory)
    outcomes = storm.calm()
    assert set(outcomes) <= set(pool.NAMES)
    assert {"four"} < set(outcomes)


def test_a_change_is_in_force_when_apply_returns(host: Host, client: Client) -> None:
    """After the command, no new connection reaches an endpoint that is gone."""
    for address, name in zip(pool.FOUR_ADDRESSES, pool.NAMES, strict=True):
        host.balancer.apply(plain("web", VIP, (address,)))
        assert set(client.tally(VIP, 80)) == {name}
        assert set(client.tally(VIP, 80, way=Way.UNCONNECTED)) == {name}


def _live(host: Host) -> list[tuple[str, int, str, list[tuple[str, int]]]]:
    """What the kernel's maps say: every frontend with its backends."""
    return [
        (
            item["address"],
            item["port"],
            item["protocol"],
            [(b["address"], b["port"]) for b in item["backends"]],
        )
        for item in host.balancer.json("get", "frontends")["frontends"]
    ]


def test_change_and_revert(host: Host, client: Client) -> None:
    """Going back to an earlier directory brings back exactly what it gave."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    before = _live(host)
    host.balancer.apply(plain("web", VIP, (pool.TWO,)), plain("b", pool.vip(2)[0], (pool.THREE,)))
    assert client.tcp(VIP, 80) == "two"
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    assert client.tcp(VIP, 80) == "one"
    assert client.tcp(pool.vip(2)[0], 80) == "ENETUNREACH"
    assert _live(host) == before


def test_a_removed_service_is_no_service_any_more(host: Host, client: Client) -> None:
    """Its address is then an address like any other."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    host.balancer.apply(plain("b", pool.vip(2)[0], (pool.TWO,)))
    assert (client.tcp(VIP, 80), client.tcp(pool.vip(2)[0], 80)) == ("ENETUNREACH", "two")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_list_length_is_spread_whole(host: Host, client: Client, count: int) -> None:
    """Growing and shrinking a list never leaves an endpoint out or an old one in."""
    host.balancer.apply(plain("web", VIP, pool.FOUR_ADDRESSES[:count]))
    assert set(client.tally(VIP, 80, count=100)) == set(pool.NAMES[:count])


def test_terminating_endpoints_serve_when_nothing_else_does(host: Host, client: Client) -> None:
    """Kubernetes, KEP-1669: without ready endpoints those serving and terminating are used; ready ones win."""
    leaving = [
        endpoint(pool.ONE, ready=False, serving=True, terminating=True),
        endpoint(pool.TWO, ready=False, serving=False),
    ]
    host.balancer.apply(plain("web", VIP, leaving))
    assert set(client.tally(VIP, 80)) == {"one"}
    host.balancer.apply(plain("web", VIP, [*leaving, pool.THREE]))
    assert set(client.tally(VIP, 80)) == {"three"}


def test_the_api_servers_last_endpoints_stay(host: Host, client: Client) -> None:
    """default/kubernetes never goes from some endpoints to none; without it the cluster is out of reach."""
    api = service("kubernetes", *both(443), ips=(VIP,))
    host.balancer.apply(api, endpoint_slice("kubernetes", (pool.ONE, pool.TWO), *both(pool.PORT)))
    result = host.balancer.apply(api, endpoint_slice("kubernetes", (), *both(pool.PORT)))
    assert set(client.tally(VIP, 443)) == {"one", "two"}
    assert "kubernetes" in result.stdout + result.stderr
    host.balancer.apply(api, endpoint_slice("kubernetes", (pool.THREE,), *both(pool.PORT)))
    assert set(client.tally(VIP, 443)) == {"three"}


def test_the_api_servers_last_endpoints_stay_without_its_slice(host: Host, client: Client) -> None:
    """The same when the slice is missing altogether, pass after pass."""
    api = service("kubernetes", *both(443), ips=(VIP,))
    host.balancer.apply(api, endpoint_slice("kubernetes", (pool.ONE,), *both(pool.PORT)))
    for _ in range(2):
        host.balancer.apply(api)
        assert client.tcp(VIP, 443) == "one"
