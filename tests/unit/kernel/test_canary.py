"""What the canary tries, and what it makes of how the tries end."""

from __future__ import annotations

import errno
from ipaddress import ip_address

import pytest

from balancer.desired.types import AddressFlags
from balancer.kernel import canary, host
from balancer.kernel.canary import Probe, choose_probes
from balancer.kernel.hooks import Hook
from balancer.plan.actual import Actual
from balancer.plan.entries import address_bytes
from balancer.views import CanaryResult

FOUR = Probe(Hook.CONNECT4, "10.96.0.1")
SIX = Probe(Hook.CONNECT6, "fd00:96::1")


def live(flags: dict[str, AddressFlags]) -> Actual:
    """Maps with these addresses."""
    return Actual(
        addresses={address_bytes(ip_address(address)): int(value) for address, value in flags.items()},
        frontends={},
    )


@pytest.mark.parametrize(
    ("addresses", "probes"),
    [
        (["10.96.0.1", "fd00:96::1"], (FOUR, SIX)),
        (["10.96.0.1"], (FOUR, Probe(Hook.CONNECT6, "::ffff:10.96.0.1"))),
        (["fd00:96::1"], (SIX,)),
        ([], ()),
    ],
    ids=["both", "IPv4", "IPv6", "none"],
)
def test_each_family_is_tried_as_far_as_there_is_an_address(addresses, probes):
    assert choose_probes(live(dict.fromkeys(addresses, AddressFlags.VIP))) == probes


@pytest.mark.parametrize(
    "flags",
    [AddressFlags.EXTERNAL, AddressFlags.NODE, AddressFlags.LOOPBACK, AddressFlags.VIP | AddressFlags.NODE],
)
def test_an_address_that_others_may_answer_at_is_never_tried(flags):
    """Other ports of a load balancer or node address are left alone: there would be a real connection."""
    assert choose_probes(live({"198.51.100.1": flags})) == ()


@pytest.mark.parametrize(
    ("kernel", "code", "counted", "result", "said"),
    [
        ((6, 1), errno.ECONNREFUSED, 1, CanaryResult.WORKED, "connect4 answered"),
        ((6, 1), errno.ECONNREFUSED, 0, CanaryResult.WORKED, "connect4 answered"),
        ((6, 1), 0, 0, CanaryResult.FAILED, "ended with 'connected': our programs never saw it"),
        ((6, 1), errno.ENETUNREACH, 0, CanaryResult.FAILED, "our programs never saw it"),
        ((6, 1), errno.EPERM, 1, CanaryResult.FAILED, "a program of others changed the answer"),
        ((5, 10), errno.EPERM, 1, CanaryResult.WORKED, "connect4 answered"),
        ((5, 10), errno.EPERM, 0, CanaryResult.FAILED, "our programs never saw it"),
    ],
)
def test_only_our_own_refusal_counts(monkeypatch, kernel, code, counted, result, said):
    """Linux before 5.18 gives EPERM for every refusal, ours or not; there the count has to have risen."""
    monkeypatch.setattr(host, "kernel_release", lambda: kernel)
    found = canary._judge([(FOUR, code)], counted=counted)
    assert found.result is result
    assert said in found.note


def send(monkeypatch, codes, *states):
    """A canary whose process reports these errnos, on maps that change with every reading."""
    readings = iter(states)
    monkeypatch.setattr(canary, "_connect_in_child", lambda _cgroup, _probes: codes)
    return canary.send_canary("/cgroup", lambda: next(readings), lambda: 0)


def test_a_family_that_the_host_lacks_is_left_out(monkeypatch):
    actual = live({"10.96.0.1": AddressFlags.VIP})
    found = send(monkeypatch, [errno.ECONNREFUSED, -1], actual)
    assert found.note == "connect4 answered a process in a child cgroup"
    assert send(monkeypatch, [-1, -1], actual).result is CanaryResult.UNVERIFIED


def test_a_service_that_went_meanwhile_is_no_failure(monkeypatch):
    """Between reading the maps and connecting, a pass may have taken the address away."""
    before, after = live({"10.96.0.1": AddressFlags.VIP}), live({"10.96.0.2": AddressFlags.VIP})
    assert send(monkeypatch, [0, 0], before, after).result is CanaryResult.UNVERIFIED
    assert send(monkeypatch, [0, 0], before, before).result is CanaryResult.FAILED
