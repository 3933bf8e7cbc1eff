"""What the data plane does with one destination, told from the desired state alone.

Mirrors the gate and the frontend lookup of `bpf/select.h` step by step, so that `explain` can
answer without a kernel and tests can compare the two.
"""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from balancer.desired.addresses import LOOPBACK_4
from balancer.desired.node_ports import ANY_ADDRESS
from balancer.desired.priority import chain
from balancer.desired.types import Action, AddressFlags, Desired, Frontend
from balancer.model.meta import IPAddress
from balancer.model.service import Protocol


class Outcome(enum.StrEnum):
    """PASS: the connection goes where the client asked. The others are the actions of a frontend."""

    PASS = "pass"  # noqa: S105 - not a password
    FORWARD = "forward"
    REFUSE = "refuse"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`reason` is one sentence without a full stop. `frontend` is the entry that decided, if one did."""

    outcome: Outcome
    reason: str
    frontend: Frontend | None = None


_OUTCOME = {
    Action.FORWARD: Outcome.FORWARD,
    Action.REFUSE: Outcome.REFUSE,
    Action.UNREACHABLE: Outcome.UNREACHABLE,
}


def resolve(
    desired: Desired, address: IPAddress, port: int, protocol: Protocol, *, in_host_netns: bool = True
) -> Answer:
    """What a client gets that connects, or sends, to address:port. `port` is 1..65535.

    An IPv4-mapped IPv6 address is looked up as IPv4. `in_host_netns` says whether the client is in
    the host's own network namespace: only there the loopback addresses are the host's.
    """
    address = address.ipv4_mapped or address if address.version == 6 else address
    if protocol is Protocol.SCTP:
        return Answer(outcome=Outcome.PASS, reason="SCTP is not answered")
    flags = gate_flags(desired, address)
    if not flags:
        return Answer(outcome=Outcome.PASS, reason="no frontend: not a service address")
    if AddressFlags.LOOPBACK in flags and AddressFlags.NODE not in flags and not in_host_netns:
        flags &= ~AddressFlags.LOOPBACK
        if not flags:
            return Answer(
                outcome=Outcome.PASS, reason="no frontend: loopback outside of the host's network namespace"
            )
    frontend = find(desired, address, port, protocol)
    if frontend is None and flags & (AddressFlags.NODE | AddressFlags.LOOPBACK):
        frontend = find(desired, ANY_ADDRESS[address.version], port, protocol)
    if frontend is not None:
        return Answer(outcome=_OUTCOME[frontend.action], reason=_reason(frontend), frontend=frontend)
    return _without_frontend(desired, flags, address, f"{port}/{protocol}")


def find(desired: Desired, address: IPAddress, port: int, protocol: Protocol) -> Frontend | None:
    """The frontend with exactly this key; `desired.frontends` is sorted, so this is a binary search."""
    key: tuple[int, int, int, str] = (address.version, int(address), port, protocol)
    index = bisect_left(desired.frontends, key, key=_order)
    found = desired.frontends[index] if index < len(desired.frontends) else None
    return found if found is not None and found.order == key else None


def ports_of(desired: Desired, address: IPAddress) -> tuple[Frontend, ...]:
    """Every frontend that answers on an address, node ports included, in `Frontend.order`."""
    flags = gate_flags(desired, address)
    addresses = [address]
    if flags & (AddressFlags.NODE | AddressFlags.LOOPBACK):
        addresses.insert(0, ANY_ADDRESS[address.version])
    found = {item.order[2:]: item for where in addresses for item in _at(desired, where)}
    return tuple(found[order] for order in sorted(found))


def _at(desired: Desired, address: IPAddress) -> Iterator[Frontend]:
    key: tuple[int, int, int, str] = (address.version, int(address), 0, "")
    for index in range(bisect_left(desired.frontends, key, key=_order), len(desired.frontends)):
        if desired.frontends[index].address != address:
            return
        yield desired.frontends[index]


def gate_flags(desired: Desired, address: IPAddress) -> AddressFlags:
    """What the gate knows of an address; none for one that is let go at once.

    The whole of 127.0.0.0/8 is the host's loopback, whichever address is asked for.
    """
    key = LOOPBACK_4 if isinstance(address, IPv4Address) and address.is_loopback else address
    return desired.addresses.get(key, AddressFlags(0))


def _without_frontend(desired: Desired, flags: AddressFlags, address: IPAddress, place: str) -> Answer:
    owner = _owner(desired, address)
    if AddressFlags.VIP in flags:
        return Answer(outcome=Outcome.REFUSE, reason=f"address belongs to {owner} but has no port {place}")
    if flags & (AddressFlags.NODE | AddressFlags.LOOPBACK):
        return Answer(
            outcome=Outcome.PASS, reason=f"no frontend: a node's address without a node port {place}"
        )
    return Answer(
        outcome=Outcome.PASS,
        reason=f"no frontend: external address of {owner} without port {place}, left alone",
    )


def _owner(desired: Desired, address: IPAddress) -> str:
    """Whose the address is: the object of its first frontend, or what that one stands above at last."""
    key: tuple[int, int, int, str] = (address.version, int(address), 0, "")
    index = bisect_left(desired.frontends, key, key=_order)
    if index < len(desired.frontends) and desired.frontends[index].address == address:
        frontend = desired.frontends[index]
        return (frontend, *chain(frontend))[-1].object
    return "a service"


def _reason(frontend: Frontend) -> str:
    """What the frontend has to offer, and in order of priority whom it goes before."""
    words = _offer(frontend)
    lower = ", then ".join(item.object for item in chain(frontend))
    return f"{words}; it goes before {lower}" if lower else words


def _offer(frontend: Frontend) -> str:
    name = f"port {frontend.port_name or frontend.port} of {frontend.object}"
    match frontend.action:
        case Action.FORWARD:
            count = len(frontend.backends)
            return f"{name} has {count} backend{'s' if count != 1 else ''}"
        case Action.REFUSE:
            return f"{name} has no usable backend"
        case Action.UNREACHABLE:
            return f"{name} has usable endpoints, but none on the node that its Local policy asks for"


def _order(frontend: Frontend) -> tuple[int, int, int, str]:
    return frontend.order
