"""Warnings about services that are valid but will not do all that their author may expect.

Nothing here changes what is served; each check repeats no decision but reports one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from balancer.desired.answers import PortAnswers
from balancer.desired.endpoints import usable
from balancer.desired.served import Served, Vip
from balancer.desired.surroundings import Surroundings
from balancer.desired.types import FrontendKind, ServiceRedirect
from balancer.model.meta import IPAddress, Meta
from balancer.model.problem import Problem, Severity
from balancer.model.service import Protocol, Service

_KIND_WORDS = {
    FrontendKind.CLUSTER_IP: "ClusterIP",
    FrontendKind.LOAD_BALANCER: "load balancer IP",
    FrontendKind.EXTERNAL_IP: "external IP",
}


def warning(meta: Meta, path: str, message: str) -> Problem:
    return Problem(
        origin=meta.origin, message=message, severity=Severity.WARNING, object=str(meta), path=path
    )


def check_services(
    services: Iterable[Served], around: Surroundings, mode: ServiceRedirect
) -> Iterator[Problem]:
    """Every warning that needs no endpoints."""
    all_services = tuple(services)
    owner_of = {
        vip.address: served.service
        for served in reversed(all_services)
        for vip in served.vips
        if vip.kind is FrontendKind.CLUSTER_IP
    }
    for served in all_services:
        yield from _rejected(served)
        yield from _ports(served, mode)
        for vip in served.vips:
            yield from _shadows(served, vip, around, owner_of)


def check_nodes(around: Surroundings) -> Iterator[Problem]:
    """Two Node objects with one address: usually a node that was replaced."""
    for shared in around.shared:
        yield warning(
            shared.younger.meta,
            "$.status.addresses",
            f"{shared.address} is also an address of {shared.older.meta} ({shared.older.meta.origin}), "
            "which counts as its owner",
        )


def check_placement(answers: PortAnswers) -> Iterator[Problem]:
    """In the edge mode: usable endpoints that no node can be reached for, one warning per reason."""
    by_reason: dict[str, list[str]] = {}
    for target, reason in answers.place(usable(answers.targets))[1]:
        by_reason.setdefault(reason, []).append(str(target.endpoint.address))
    for reason, addresses in by_reason.items():
        more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
        yield warning(
            answers.served.service.meta,
            f"$.spec.ports[{answers.index}]",
            f"endpoint {addresses[0]}{more} {reason}, so service_redirect nodePort cannot use it",
        )


def _rejected(served: Served) -> Iterator[Problem]:
    for vip, reason in served.rejected:
        yield warning(
            served.service.meta, vip.path, f"{_KIND_WORDS[vip.kind]} {vip.address} is not served: {reason}"
        )


def _ports(served: Served, mode: ServiceRedirect) -> Iterator[Problem]:
    meta = served.service.meta
    for index, port in enumerate(served.service.ports):
        path = f"$.spec.ports[{index}]"
        if port.protocol is Protocol.SCTP:
            yield warning(
                meta, f"{path}.protocol", f"port {port.port}/SCTP is not answered: only TCP and UDP are"
            )
            continue
        if port.node_port and not served.node_port(port):
            yield warning(
                meta,
                f"{path}.nodePort",
                f"node port {port.node_port} is not served: a service of type {served.service.type} has none",
            )
        if mode is ServiceRedirect.NODE_PORT and not served.node_port(port):
            yield warning(
                meta,
                path,
                f"port {port.port}/{port.protocol} has no nodePort, so service_redirect nodePort refuses connections to it",
            )


def _shadows(
    served: Served, vip: Vip, around: Surroundings, owner_of: dict[IPAddress, Service]
) -> Iterator[Problem]:
    """An address taken from somebody else: see CVE-2020-8554 for what that can be used for."""
    meta, words = served.service.meta, f"{_KIND_WORDS[vip.kind]} {vip.address}"
    node = around.node_of.get(vip.address)
    if node is not None:
        owner = f"an address of {node.meta} ({node.meta.origin})"
    elif vip.address in around.own:
        owner = "an address of this host"
    else:
        owner = ""
    if owner:
        yield warning(meta, vip.path, f"{words} is also {owner}; this service takes its ports over there")
    other = owner_of.get(vip.address)
    if other is not None and vip.kind is not FrontendKind.CLUSTER_IP:
        yield warning(meta, vip.path, f"{words} is also the ClusterIP of {other.meta} ({other.meta.origin})")
