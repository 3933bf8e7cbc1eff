"""Addresses that the single-host tests share, and the servers behind them.

Endpoints one to four listen on port 8080 for TCP and UDP, on an IPv4 and an IPv6 address each, and
answer with their number as a word. VIPs have no route, so that only translation makes them answer.
"""

from __future__ import annotations

from harness.host import Host
from harness.netns import add_local_ranges

NAMES = ("one", "two", "three", "four")
ONE, TWO, THREE, FOUR = (f"10.244.0.{number}" for number in range(1, 5))
ONE6, TWO6, THREE6, FOUR6 = (f"fd00:244::{number}" for number in range(1, 5))
FOUR_ADDRESSES = (ONE, TWO, THREE, FOUR)
SIX_ADDRESSES = (ONE6, TWO6, THREE6, FOUR6)

OWN = ("172.16.0.1", "fd00:16::1")
OTHER_NODE = ("172.16.0.2", "fd00:16::2")
LOOPBACK = ("127.0.0.1", "::1")
PORT = 8080

HOST_ADDRESSES = (*FOUR_ADDRESSES, *SIX_ADDRESSES, *OWN)
_ELSEWHERE = (
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
    f"{OTHER_NODE[0]}/32",
    f"{OTHER_NODE[1]}/128",
)


def vip(number: int) -> tuple[str, str]:
    """A pair of cluster addresses."""
    return (f"10.96.0.{number}", f"fd00:96::{number}")


def balancer_ip(number: int) -> tuple[str, str]:
    """A pair of load balancer addresses; real servers can listen there too."""
    return (f"198.51.100.{number}", f"2001:db8:51::{number}")


def external_ip(number: int) -> tuple[str, str]:
    """A pair of external addresses; real servers can listen there too."""
    return (f"203.0.113.{number}", f"2001:db8:113::{number}")


def start(host: Host) -> None:
    """Start the four servers, and make the addresses of others reachable as if they were elsewhere."""
    add_local_ranges(host.netns, _ELSEWHERE)
    for name, four, six in zip(NAMES, FOUR_ADDRESSES, SIX_ADDRESSES, strict=True):
        host.servers.serve(name, four, PORT)
        host.servers.serve(name, six, PORT)


def real(host: Host, pair: tuple[str, str], port: int) -> None:
    """A server that only an untouched connection reaches."""
    for address in pair:
        host.servers.serve("real", address, port)
