"""What the author of a policy should know of it beyond whether it is in force.

`check_policies` is about the files and says the same on every host; `check_effects` is about this host.
Nothing here changes what is served. A disabled policy is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from balancer.desired.checks import warning
from balancer.desired.dropped import Reason
from balancer.desired.policy_backends import Supply, proxy_fault, source_of
from balancer.desired.policy_ports import join, service_ports
from balancer.desired.policy_standing import Ground, Standing, address_fault
from balancer.desired.wording import first_and_more
from balancer.model.cluster import Cluster
from balancer.model.meta import Meta
from balancer.model.policy import (
    NODE_PROXY_ANNOTATION,
    AddressFrontend,
    LocalRedirectPolicy,
    PodBackends,
    Policy,
    PolicyPort,
    RedirectMode,
    ServiceFrontend,
)
from balancer.model.problem import Problem
from balancer.model.service import Service

_SERVICE_PATH = "$.spec.frontend.serviceMatcher"


def check_policies(
    policies: Iterable[Policy], cluster: Cluster, ground: Ground, supplies: Mapping[str, Supply]
) -> Iterator[Problem]:
    """Everything that two objects together can get wrong, conflicts between policies aside."""
    by_proxy = False
    for policy in policies:
        if not policy.enabled:
            continue
        yield from _address(policy, ground)
        yield from _service(policy, cluster, ground)
        yield from _selector(policy, supplies[str(policy.meta)])
        by_proxy = by_proxy or supplies[str(policy.meta)].mode is RedirectMode.NODE_PROXY
    if by_proxy:
        yield from _annotations(cluster)


def check_effects(
    balancings: Sequence[Standing], redirects: Iterable[Standing], supplies: Mapping[str, Supply]
) -> Iterator[Problem]:
    """Who has priority on this host, and which balancing policies lead nowhere on it."""
    yield from _priority(balancings, redirects)
    for standing in balancings:
        if standing.destinations:
            yield from _backends(standing, supplies[str(standing.policy.meta)])


def _address(policy: Policy, ground: Ground) -> Iterator[Problem]:
    fault = address_fault(policy, ground)
    if fault:
        yield Problem(
            origin=policy.meta.origin,
            message=f"{fault}, which no policy can take: choose an address that nobody has",
            object=str(policy.meta),
            path="$.spec.frontend.addressMatcher.ip",
        )


def _service(policy: Policy, cluster: Cluster, ground: Ground) -> Iterator[Problem]:
    frontend = policy.frontend
    if isinstance(frontend, AddressFrontend):
        return
    key = (frontend.namespace, frontend.name)
    served, name = ground.served.get(key), f"Service {frontend.namespace}/{frontend.name}"
    if served is not None:
        yield from _ports(policy, frontend, served.service)
        return
    exists = any(service.meta.key == key for service in cluster.services)
    fault = "has no ClusterIP that is served" if exists else "does not exist"
    yield warning(
        policy.meta,
        f"{_SERVICE_PATH}.serviceName",
        f"{name} {fault}: the policy begins to work when that changes",
    )


def _ports(policy: Policy, frontend: ServiceFrontend, service: Service) -> Iterator[Problem]:
    """Ports of one side that the other does not have. The pairs of two toPorts are the reader's to check."""
    known = service_ports(service)
    if frontend.ports:
        numbers = {(port.port, port.protocol) for port in known}
        for index, port in enumerate(frontend.ports):
            if (port.port, port.protocol) not in numbers:
                yield warning(
                    policy.meta,
                    f"{_SERVICE_PATH}.toPorts[{index}].port",
                    f"{service.meta} has no port {port.port}/{port.protocol}, so it is not redirected",
                )
        return
    yield from _partners(policy, service, known)


def _partners(policy: Policy, service: Service, known: Sequence[PolicyPort]) -> Iterator[Problem]:
    ports = source_of(policy).ports
    pairs = join(known, ports)
    joined = {(pair.port, pair.protocol) for pair in pairs}
    alone = [port for port in known if (port.port, port.protocol) not in joined]
    if alone:
        names = first_and_more([f"{port.port}/{port.protocol}" for port in alone])
        yield warning(
            policy.meta,
            _backend_path(policy, "toPorts"),
            f"no item has the name and protocol of port {names} of {service.meta}, so it is not redirected",
        )
    used = {(pair.to, pair.protocol) for pair in pairs}
    for index, port in enumerate(ports):
        if (port.port, port.protocol) not in used:
            yield warning(
                policy.meta,
                _backend_path(policy, f"toPorts[{index}]"),
                f"{service.meta} has no port of this name and protocol, so the item has no effect",
            )


def _selector(policy: Policy, supply: Supply) -> Iterator[Problem]:
    if supply.mode is not None and not supply.selected:
        yield warning(
            policy.meta, _backend_path(policy, "endpointSelector"), "selects no pod of any namespace"
        )


def _annotations(cluster: Cluster) -> Iterator[Problem]:
    for node in cluster.nodes:
        for version, key in NODE_PROXY_ANNOTATION.items():
            fault = proxy_fault(node, version)
            if fault:
                yield warning(
                    node.meta,
                    f"$.metadata.annotations['{key}']",
                    f"{fault}, so nodeProxy uses the node's InternalIP",
                )


def _priority(balancings: Iterable[Standing], redirects: Iterable[Standing]) -> Iterator[Problem]:
    holders = {item.key: standing.policy for standing in redirects for item in standing.destinations}
    for standing in balancings:
        shared: dict[str, list[str]] = {}
        above: dict[str, Meta] = {}
        for destination in standing.destinations:
            holder = holders.get(destination.key)
            if holder is not None:
                above[holder.meta.name] = holder.meta
                shared.setdefault(holder.meta.name, []).append(str(destination))
        for name, places in shared.items():
            yield warning(
                standing.policy.meta,
                "$.spec.frontend",
                f"{first_and_more(places)} goes to {above[name]} ({above[name].origin}) first, which has priority; "
                "this policy answers while that one has no backend",
            )


def _backends(standing: Standing, supply: Supply) -> Iterator[Problem]:
    """A local redirect without a local pod is as usual as a node without one; this is not."""
    policy = standing.policy
    by_version: dict[int, list[str]] = {}
    for destination in standing.destinations:
        if not supply.backends(destination.pair.to, destination.address.version):
            by_version.setdefault(destination.address.version, []).append(str(destination))
    own = isinstance(policy.frontend, AddressFrontend)
    instead = "is refused" if own else "is answered as if there were no policy"
    for version, places in by_version.items():
        yield warning(
            policy.meta,
            "$.spec.backend",
            f"no usable backend in IPv{version}, so {first_and_more(places)} {instead}",
        )
    for version in sorted({item.address.version for item in standing.destinations}):
        nowhere = [pod for pod in supply.selected if supply.fault(pod, version) is Reason.NO_NODE]
        if nowhere:
            names = first_and_more([str(pod.meta) for pod in nowhere])
            yield warning(
                policy.meta,
                _backend_path(policy, "redirectMode"),
                f"the node of {names} has no Node object with an IPv{version} address, so it cannot be used",
            )


def _backend_path(policy: Policy, field: str) -> str:
    if isinstance(policy, LocalRedirectPolicy):
        return f"$.spec.backend.{field}"
    variant = "serviceEndpoint" if isinstance(policy.backends, PodBackends) else "addressEndpoint"
    return f"$.spec.backend.{variant}.{field}"
