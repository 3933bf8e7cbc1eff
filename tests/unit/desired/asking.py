"""Short questions to a desired state, in the notation 10.96.0.10:80/TCP or [fd00::1]:80/UDP."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from builders import AnyObject, cluster, host

from balancer.desired.compute import compute
from balancer.desired.lookup import find, resolve
from balancer.desired.types import Action, Desired, Frontend, Host, Rules
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol

REFUSED = "refuse"
UNREACHABLE = "unreachable"
UNTOUCHED = "pass"


def rules(*, external_ip_cidrs: str = "", node_port_cidrs: str = "", **settings: Any) -> Rules:
    """Rules with CIDRs as text, separated by blanks."""
    return Rules(
        external_ip_cidrs=tuple(ip_network(text) for text in external_ip_cidrs.split()),
        node_port_cidrs=tuple(ip_network(text) for text in node_port_cidrs.split()),
        **settings,
    )


def desired(*objects: AnyObject, on: Host | None = None, under: Rules | None = None) -> Desired:
    """The desired state on node n1 (192.168.0.1) unless another host is given."""
    return compute(cluster(*objects), on or host(), under or Rules())


def place(text: str) -> tuple[IPAddress, int, Protocol]:
    target, _, protocol = text.partition("/")
    address, _, port = target.rpartition(":")
    return ip_address(address.strip("[]")), int(port), Protocol(protocol or "TCP")


def at(state: Desired, text: str) -> Frontend | None:
    """The frontend with exactly this key."""
    return find(state, *place(text))


def backends(frontend: Frontend | None) -> list[str]:
    """Backends as "address:port", in the frontend's order."""
    assert frontend is not None
    assert frontend.action is Action.FORWARD
    return [f"{item.address}:{item.port}" for item in frontend.backends]


def answer(state: Desired, text: str, *, in_host_netns: bool = True) -> str | list[str]:
    """What a connection gets: the possible backends, or the outcome in a word."""
    found = resolve(state, *place(text), in_host_netns=in_host_netns)
    if found.outcome == Action.FORWARD:
        return backends(found.frontend)
    return str(found.outcome)


def messages(state: Desired) -> list[str]:
    """Every problem as "file:line object path: message"."""
    return [f"{item.origin} {item.object} {item.path}: {item.message}" for item in state.problems]
