"""The addresses that a host answers node ports on, against what iproute2 says of the same namespace."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from harness.netns import namespace
from harness.place import Place

MANY = 300
ASK = "from balancer.kernel.host import interface_addresses as found; print(*found(), sep='\\n')"
# Secondary addresses, an alias, a peer, every sort of prefix, addresses of an interface that is down, and what is
# no address of a host: link-local ones of both families.
LINES = (
    "link add wire type veth peer name far",
    "link set wire up",
    "link set far up",
    "link add off type veth peer name offpeer",
    "addr add 198.51.100.1/24 dev wire",
    "addr add 198.51.100.2/24 dev wire",
    "addr add 198.51.100.3/32 dev wire label wire:alias",
    "addr add 203.0.113.1 peer 203.0.113.2/32 dev wire",
    "addr add 127.0.5.5/8 dev lo",
    "addr add 169.254.7.7/16 dev wire",
    "addr add 192.0.2.9/30 dev off",
    "addr add fd00:7::1/64 dev wire nodad",
    "addr add fd00:7::2/128 dev wire nodad",
    "addr add fd00:7::3/64 dev wire nodad preferred_lft 0",
    "addr add fd00:7::4 peer fd00:7::5/128 dev wire nodad",
    "addr add fe80::7/64 dev wire nodad",
    "addr add fd00:8::1/64 dev off",
    *(f"addr add 10.77.{number // 250}.{number % 250 + 1}/32 dev lo" for number in range(MANY)),
    *(f"addr add fd00:77::{number + 1:x}/128 dev lo nodad" for number in range(MANY)),
)
HAS = (
    "198.51.100.2",
    "198.51.100.3",
    "203.0.113.1",
    "192.0.2.9",
    "127.0.5.5",
    "::1",
    "fd00:7::3",
    "fd00:7::4",
)
HAS_NO = ("203.0.113.2", "fd00:7::5", "169.254.7.7", "fe80::7")


@pytest.fixture(scope="module")
def netns() -> Iterator[str]:
    with namespace("addresses") as name:
        batch = ["ip", "-n", name, "-batch", "-"]
        subprocess.run(batch, input="\n".join(LINES), text=True, check=True)
        yield name


def run(netns: str, *command: str) -> str:
    place = Place(netns=netns).command(command)
    return subprocess.run(place, capture_output=True, text=True, check=True, timeout=120).stdout


def test_every_address_is_found_once_and_in_order(netns: str) -> None:
    """`local` is the host's own address; beside a peer's, iproute2 shows both."""
    told = json.loads(run(netns, "ip", "-json", "addr", "show"))
    texts = {info["local"] for link in told for info in link["addr_info"]}
    addresses = (ipaddress.ip_address(text) for text in texts)
    wanted = sorted(
        (item for item in addresses if not item.is_link_local), key=lambda item: (item.version, int(item))
    )
    found = run(netns, sys.executable, "-c", ASK).splitlines()
    assert found == [str(address) for address in wanted]
    assert len(found) > 2 * MANY


def test_what_is_an_address_of_the_host(netns: str) -> None:
    found = set(run(netns, sys.executable, "-c", ASK).splitlines())
    assert set(HAS) <= found
    assert not found & set(HAS_NO)
