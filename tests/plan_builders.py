"""Short builders for tests of plans: desired frontends from text, and stores brought to a state."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address

from memory_store import MemoryStore

from balancer.desired.types import Action, AddressFlags, Backend, Desired, Frontend, FrontendKind, Source
from balancer.model.meta import IPAddress
from balancer.model.problem import Origin
from balancer.model.service import Protocol
from balancer.plan.actual import Actual, read_actual
from balancer.plan.diff import Plan, make_plan
from balancer.plan.encode import Wanted, encode
from balancer.plan.entries import frontend_key
from balancer.plan.execute import execute


def endpoint(text: str) -> tuple[IPAddress, int]:
    """Text such as 10.0.0.1:80 or fd00::1:80; the last colon ends the address."""
    host, _, port = text.rpartition(":")
    return ip_address(host), int(port)


def backends(*texts: str) -> tuple[Backend, ...]:
    """Backends in canonical order."""
    found = [Backend(address=address, port=port) for address, port in map(endpoint, texts)]
    return tuple(sorted(found, key=lambda item: item.order))


def key(text: str, protocol: str = "TCP") -> bytes:
    return frontend_key(*endpoint(text), Protocol(protocol))


def frontend(
    text: str = "10.96.0.10:80",
    *to: str,
    fallback: Sequence[str] = (),
    protocol: str = "TCP",
    affinity: int = 0,
    group: str = "",
    action: Action | None = None,
    name: str = "Service default/web",
    redirect: bool = False,
    rate: int = 0,
) -> Frontend:
    """A ClusterIP frontend; without backends it refuses. The group is the frontend's own by default.

    `fallback` puts it above another frontend, whose group is the same name with " beneath".
    """
    address, port = endpoint(text)
    group = group or f"{name}:{text}/{protocol}"
    beneath = None
    if fallback:
        beneath = frontend(
            text, *fallback, protocol=protocol, affinity=affinity, group=f"{group} beneath", name=name
        )
    return Frontend(
        address=address,
        port=port,
        protocol=Protocol(protocol),
        kind=FrontendKind.CLUSTER_IP,
        object=name,
        origin=Origin(file="web.yaml", line=1),
        group=group,
        action=action or (Action.FORWARD if to else Action.REFUSE),
        affinity_seconds=affinity,
        backends=backends(*to),
        beneath=beneath,
        source=Source.LOCAL_REDIRECT if redirect else Source.SERVICE,
        rate=rate,
    )


def desired(*frontends: Frontend, addresses: Mapping[IPAddress, AddressFlags] | None = None) -> Desired:
    """The frontends in order; every address is a VIP unless `addresses` says otherwise."""
    vips = {item.address: AddressFlags.VIP for item in frontends}
    return Desired(
        frontends=tuple(sorted(frontends, key=lambda item: item.order)),
        addresses=vips if addresses is None else addresses,
    )


def wanted(
    *frontends: Frontend,
    skipped_cgroups: Collection[int] = (),
    owner_cgroups: Collection[tuple[str, int]] = (),
) -> Wanted:
    return encode(desired(*frontends), skipped_cgroups, owner_cgroups)


def plan_for(target: Wanted, store: MemoryStore, *, settled: bool = True) -> Plan:
    return make_plan(target, read_actual(store), store.capacities, settled=settled)


def converge(target: Wanted, store: MemoryStore) -> Plan:
    """Bring the store to the state; the plan that did it."""
    plan = plan_for(target, store)
    execute(plan, store)
    return plan


def converged(target: Wanted, **capacities: int) -> MemoryStore:
    """A fresh store that says `target`; capacities by map name."""
    store = MemoryStore(capacities)  # type: ignore[arg-type]
    converge(target, store)
    return store


def live(*frontends: Frontend) -> Actual:
    """What is read back from a store that these frontends were written to."""
    return read_actual(converged(wanted(*frontends)))
