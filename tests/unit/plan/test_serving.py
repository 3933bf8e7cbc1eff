"""Whether a backend still serves the destination that a socket asked for."""

from __future__ import annotations

import pytest
from plan_builders import endpoint, frontend, wanted

from balancer.plan.entries import backend_bytes
from balancer.plan.serving import serves

STATE = wanted(
    frontend("10.96.0.1:53", "10.0.0.1:53", fallback=["10.0.0.2:53"], protocol="UDP"),
    frontend("0.0.0.0:30053", "10.0.0.1:53", protocol="UDP"),
    frontend("192.168.0.2:30053", "10.0.0.3:53", protocol="UDP"),
    frontend(":::30053", "fd00::1:53", protocol="UDP"),
)


@pytest.mark.parametrize(
    ("vip", "backend", "expected"),
    [
        ("10.96.0.1:53", "10.0.0.1:53", True),
        ("10.96.0.1:53", "10.0.0.2:53", True),
        ("10.96.0.1:53", "10.0.0.3:53", False),
        ("10.96.0.1:54", "10.0.0.1:53", False),
        ("192.168.0.1:30053", "10.0.0.1:53", True),
        ("192.168.0.2:30053", "10.0.0.1:53", False),
        ("192.168.0.2:30053", "10.0.0.3:53", True),
        ("fd00:1::1:30053", "fd00::1:53", True),
        ("fd00:1::1:30053", "fd00::2:53", False),
    ],
)
def test_an_exact_frontend_goes_before_the_node_port(vip: str, backend: str, expected: bool) -> None:
    """The fallback counts as serving: a redirect's overflow and its own backends are sent there."""
    assert (
        serves(STATE.frontends.get, backend_bytes(*endpoint(vip)), 17, backend_bytes(*endpoint(backend)))
        is expected
    )


def test_protocols_are_told_apart() -> None:
    vip, backend = (backend_bytes(*endpoint(text)) for text in ("10.96.0.1:53", "10.0.0.1:53"))
    assert not serves(STATE.frontends.get, vip, 6, backend)
