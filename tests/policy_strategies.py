"""Random valid policies: a model object, and the manifest that stands for it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st
from manifest_builders import POLICIES, Data

from balancer.model.meta import IPAddress, Meta
from balancer.model.policy import (
    REDIRECT_RATE_ANNOTATION,
    AddressFrontend,
    Applies,
    BalancingPolicy,
    FixedBackends,
    LocalRedirectPolicy,
    PodBackends,
    Policy,
    PolicyFrontend,
    PolicyPort,
    RedirectMode,
    ServiceFrontend,
)
from balancer.model.problem import Origin
from balancer.model.selector import Operator, Requirement, Selector
from balancer.model.service import Protocol

WORDS = st.from_regex(r"[a-z]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)
PORT_NAMES = st.from_regex(r"[a-z]([a-z0-9]){0,6}", fullmatch=True)
NUMBERS = st.integers(1, 65535)
_HOSTS: dict[int, st.SearchStrategy[IPAddress]] = {
    4: st.integers(0x0A000000, 0x0AFFFFFF).map(IPv4Address),
    6: st.integers(0xFD << 120, (0xFE << 120) - 1).map(IPv6Address),
}
HOSTS = _HOSTS[4] | _HOSTS[6]


@st.composite
def requirements(draw: st.DrawFn) -> Requirement:
    operator = draw(st.sampled_from(Operator))
    several = st.lists(WORDS, min_size=1, max_size=3).map(tuple)
    values = draw(several) if operator in (Operator.IN, Operator.NOT_IN) else ()
    return Requirement(key=draw(WORDS), operator=operator, values=values)


def selectors(least: int = 0) -> st.SearchStrategy[Selector]:
    listed = st.lists(requirements(), min_size=least, max_size=3)
    return listed.map(lambda found: Selector(requirements=tuple(found)))


@st.composite
def sides(draw: st.DrawFn) -> tuple[tuple[PolicyPort, ...], tuple[PolicyPort, ...]]:
    """The ports of a frontend, and those of its backend in an order of their own."""
    joined = st.tuples(PORT_NAMES, st.sampled_from(Protocol).filter(lambda one: one is not Protocol.SCTP))
    joints = draw(st.lists(joined, min_size=1, max_size=4, unique=True))
    numbers = draw(st.lists(NUMBERS, min_size=len(joints), max_size=len(joints), unique=True))
    front = [
        PolicyPort(port=n, name=name, protocol=of) for n, (name, of) in zip(numbers, joints, strict=True)
    ]
    back = [
        PolicyPort(port=draw(NUMBERS), name=name, protocol=of) for name, of in draw(st.permutations(joints))
    ]
    return tuple(front), tuple(back)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    front, back = draw(sides())
    frontend: PolicyFrontend = AddressFrontend(address=draw(HOSTS), ports=front)
    if draw(st.booleans()):
        frontend = ServiceFrontend(
            namespace=draw(WORDS), name=draw(WORDS), ports=draw(st.sampled_from([(), front]))
        )
    meta = Meta(kind="", namespace="", name="p", origin=Origin(file="a.json", line=1))
    common: dict[str, Any] = {
        "meta": meta,
        "frontend": frontend,
        "enabled": draw(st.booleans()),
        "applies": Applies(nodes=draw(st.none() | selectors()), outside=draw(st.booleans())),
    }
    if draw(st.booleans()):
        rate = draw(st.none() | st.integers(0, 999999999))
        return LocalRedirectPolicy(**common, selector=draw(selectors(1)), ports=back, rate=rate)
    if draw(st.booleans()):
        hosts = _HOSTS[frontend.address.version] if isinstance(frontend, AddressFrontend) else HOSTS
        fixed = tuple(draw(st.lists(hosts, min_size=1, max_size=3, unique=True)))
        return BalancingPolicy(**common, backends=FixedBackends(addresses=fixed, ports=back))
    mode = draw(st.sampled_from(RedirectMode))
    return BalancingPolicy(**common, backends=PodBackends(selector=draw(selectors(1)), ports=back, mode=mode))


def manifest_of(policy: Policy) -> Data:
    """The manifest, with every default spelled out."""
    spec: Data = {"enabled": policy.enabled, "config": {"enableOutCluster": policy.applies.outside}}
    if policy.applies.nodes is not None:
        spec["config"]["nodeLabelSelector"] = _selector(policy.applies.nodes)
    spec["frontend"] = _frontend(policy.frontend)
    meta: Data = {"name": policy.meta.name}
    if isinstance(policy, LocalRedirectPolicy):
        spec["backend"] = {"endpointSelector": _selector(policy.selector), "toPorts": _ports(policy.ports)}
        if policy.rate is not None:
            meta["annotations"] = {REDIRECT_RATE_ANNOTATION: str(policy.rate)}
    else:
        spec["backend"] = _backend(policy.backends)
    return {"apiVersion": POLICIES, "kind": type(policy).__name__, "metadata": meta, "spec": spec}


def _frontend(frontend: PolicyFrontend) -> Data:
    ports = {"toPorts": _ports(frontend.ports)}
    if isinstance(frontend, AddressFrontend):
        return {"addressMatcher": {"ip": str(frontend.address), **ports}}
    return {"serviceMatcher": {"namespace": frontend.namespace, "serviceName": frontend.name, **ports}}


def _backend(backends: PodBackends | FixedBackends) -> Data:
    ports = {"toPorts": _ports(backends.ports)}
    if isinstance(backends, FixedBackends):
        return {"addressEndpoint": {"addresses": [str(one) for one in backends.addresses], **ports}}
    selector = _selector(backends.selector)
    return {"serviceEndpoint": {"endpointSelector": selector, "redirectMode": str(backends.mode), **ports}}


def _selector(selector: Selector) -> Data:
    """Everything as matchExpressions, which keep their order."""
    listed = [
        {"key": one.key, "operator": str(one.operator), "values": list(one.values)}
        for one in selector.requirements
    ]
    return {"matchExpressions": listed}


def _ports(ports: tuple[PolicyPort, ...]) -> list[Data]:
    """Even port numbers as numbers, odd ones as strings."""
    return [
        {"name": one.name, "port": str(one.port) if one.port % 2 else one.port, "protocol": str(one.protocol)}
        for one in ports
    ]
