"""DNS through a service address: every kind of resolver accepts the replies.

Resolvers differ in their sockets. dig and glibc connect theirs; musl and dnsmasq do not, and throw
away a reply that does not come from the address they asked.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import both, endpoint_slice, service
from harness.servers import dnsmasq

VIP, VIP6 = pool.vip(10)
ANSWERS = {"10.9.9.1", "10.9.9.2"}
NAME = "who.test"
_WITH_RESOLV_CONF = (
    'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@"'
)


@pytest.fixture(scope="module", autouse=True)
def _dns(host: Host) -> Iterator[None]:
    """Two real DNS servers behind one service, each with an answer of its own."""
    with contextlib.ExitStack() as stack:
        pairs = ((pool.ONE, pool.ONE6), (pool.TWO, pool.TWO6))
        for answer, addresses in zip(sorted(ANSWERS), pairs, strict=True):
            for address in addresses:
                record = f"--address=/{NAME}/{answer}"
                stack.enter_context(dnsmasq(host.place("dns"), address=address, port=5353, records=[record]))
        host.balancer.apply(
            service("kube-dns", *both(53), ips=(VIP, VIP6)),
            endpoint_slice("kube-dns", (pool.ONE, pool.TWO), *both(5353)),
            endpoint_slice("kube-dns", (pool.ONE6, pool.TWO6), *both(5353)),
        )
        yield


def _run(host: Host, *command: str) -> str:
    place = host.place("resolver")
    return subprocess.run(
        place.command(command), capture_output=True, text=True, check=True, timeout=120
    ).stdout


def _dig(host: Host, server: str, *options: str) -> Sequence[str]:
    return _run(host, "dig", f"@{server}", NAME, "A", "+short", "+tries=1", "+time=20", *options).split()


@pytest.mark.parametrize("server", [VIP, VIP6])
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_dig(host: Host, server: str, transport: str) -> None:
    """dig, over UDP and over TCP, reaches every DNS server behind the address."""
    answers = [_dig(host, server, transport) for _ in range(24)]
    assert {tuple(answer) for answer in answers} == {(answer,) for answer in ANSWERS}


@pytest.mark.parametrize("server", [VIP, VIP6])
def test_glibc(host: Host, server: str, tmp_path: Path) -> None:
    """Getent resolves with a resolv.conf that names the service address."""
    resolv, switch = tmp_path / "resolv.conf", tmp_path / "nsswitch.conf"
    resolv.write_text(f"nameserver {server}\noptions timeout:20 attempts:1\n")
    switch.write_text("hosts: dns\n")
    command = ["getent", "ahostsv4", NAME]
    shown = _run(
        host, "unshare", "--mount", "sh", "-c", _WITH_RESOLV_CONF, str(resolv), str(switch), *command
    )
    assert shown.split()[0] in ANSWERS


@pytest.mark.parametrize("mapped", [False, True], ids=["v4", "mapped"])
def test_musl_style(client: Client, mapped: bool) -> None:
    """An unconnected socket that checks the reply's source, as musl does, also on a dual-stack socket."""
    replies = [client.resolve(VIP, 53, NAME, mapped=mapped) for _ in range(32)]
    assert {reply.outcome for reply in replies} == ANSWERS
    assert {reply.source for reply in replies} == {(f"::ffff:{VIP}" if mapped else VIP, 53)}


def test_musl_style_ipv6(client: Client) -> None:
    """The same against the IPv6 address."""
    assert client.resolve(VIP6, 53, NAME).outcome in ANSWERS


@pytest.mark.parametrize("upstream", [VIP, VIP6])
def test_a_forwarder_with_unconnected_sockets(host: Host, upstream: str) -> None:
    """Dnsmasq as a forwarder, which drops replies of strangers, works with a service as its upstream."""
    options = ["--no-resolv", "--cache-size=0", f"--server={upstream}"]
    with dnsmasq(host.place("forwarder"), address="127.0.0.53", port=5300, records=options):
        answers = [_dig(host, "127.0.0.53", "-p", "5300") for _ in range(4)]
    assert {answer for (answer,) in answers} <= ANSWERS
