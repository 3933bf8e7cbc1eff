"""The hint where most VIPs are only says which map is asked first: no answer depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest
from harness import pool
from harness.host import Host
from harness.objects import both, endpoint_slice, node, service
from harness.talk import Talk

from balancer.kernel.maps import PinnedMaps, read_setting, write_settings
from balancer.kernel.pins import Pins
from balancer.plan.entries import Setting

WEB, PUBLIC = pool.vip(1), pool.vip(2)
EXTERNAL = pool.external_ip(1)
NODE_PORT = 30080
EVERYWHERE = 1 << 32 | 0xFFFFFFFF
HINTS = (Setting.VIPS_IPV4, Setting.VIPS_IPV6)
REFUSED = "ECONNREFUSED"
ANSWERS = (
    (WEB, 80, "one"),
    (WEB, 81, REFUSED),
    (PUBLIC, NODE_PORT, REFUSED),
    (EXTERNAL, 80, "one"),
    (EXTERNAL, 22, "real"),
    (pool.OWN, NODE_PORT, "one"),
    (pool.OWN, 22, "real"),
    (pool.LOOPBACK, NODE_PORT, "one"),
    ((pool.TWO, pool.TWO6), pool.PORT, "two"),
    (pool.vip(99), 80, "ENETUNREACH"),
)


def _upper(address: str) -> int:
    words = memoryview(IPv6Address(address).packed).cast("I")
    return words[0] << 32 | words[1]


@pytest.fixture(scope="module", autouse=True)
def _applied(host: Host) -> None:
    dual = {"ipFamilyPolicy": "RequireDualStack"}
    host.balancer.apply(
        node("node1", *pool.OWN),
        service("web", *both(80), ips=WEB, **dual),
        service("public", *both(80, node_port=NODE_PORT), ips=PUBLIC, kind="NodePort",
                externalIPs=list(EXTERNAL), **dual),
        [endpoint_slice(name, [address], *both(pool.PORT))
         for name in ("web", "public") for address in (pool.ONE, pool.ONE6)],
    )  # fmt: skip
    for pair in (EXTERNAL, pool.OWN):
        pool.real(host, pair, 22)


@pytest.fixture
def live(host: Host) -> Iterator[PinnedMaps]:
    """The live maps, whose hint is put back afterwards."""
    generation = Pins(host.balancer.bpffs).live()
    assert generation is not None
    with PinnedMaps(generation.maps) as store:
        before = {index: read_setting(store, index) for index in HINTS}
        yield store
        write_settings(store, before)


def test_a_pass_writes_the_hint(live: PinnedMaps) -> None:
    """From the first cluster address to the last, and their upper half."""
    first = int.from_bytes(bytes(map(int, WEB[0].split("."))), "big")
    assert [read_setting(live, index) for index in HINTS] == [first << 32 | 2, _upper(WEB[1])]


@pytest.mark.parametrize(
    "hint",
    [
        (0, 0),
        (EVERYWHERE, _upper(WEB[1])),
        (EVERYWHERE, _upper(EXTERNAL[1])),
        (EVERYWHERE, _upper(pool.OWN[1])),
    ],
    ids=["nowhere", "everywhere", "external", "nodes"],
)
def test_whatever_the_hint_says_the_answers_are_the_same(
    host: Host, live: PinnedMaps, talk: Talk, hint: tuple[int, int]
) -> None:
    write_settings(live, dict(zip(HINTS, hint, strict=True)))
    answers = [talk.one(host.client, target, port).outcome for target, port, _ in ANSWERS]
    assert answers == [expected for _, _, expected in ANSWERS]
