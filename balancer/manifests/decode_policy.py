"""Validated policy data to the model, with the API's defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from balancer.manifests.fields import items, mapping, text
from balancer.manifests.formats import parse_address
from balancer.model.meta import Meta
from balancer.model.policy import (
    REDIRECT_RATE_ANNOTATION,
    AddressFrontend,
    Applies,
    BalancingPolicy,
    FixedBackends,
    LocalRedirectPolicy,
    PodBackends,
    PolicyFrontend,
    PolicyPort,
    RedirectMode,
    ServiceFrontend,
)
from balancer.model.selector import Operator, Requirement, Selector
from balancer.model.service import Protocol

Data = Mapping[str, Any]


def decode_local_redirect(meta: Meta, data: Data) -> LocalRedirectPolicy:
    """The policy; `localEndpointSelector` is an older spelling of `endpointSelector`."""
    spec = data["spec"]
    backend = spec["backend"]
    selector = backend.get("endpointSelector")
    rate = meta.annotations.get(REDIRECT_RATE_ANNOTATION)
    return LocalRedirectPolicy(
        meta=meta,
        frontend=_frontend(spec["frontend"]),
        selector=_selector(backend["localEndpointSelector"] if selector is None else selector),
        ports=_ports(backend),
        enabled=_unless_unset(spec, "enabled"),
        applies=_applies(spec),
        rate=int(rate) if rate else None,
    )


def decode_balancing(meta: Meta, data: Data) -> BalancingPolicy:
    """The policy; an address that is given twice counts once."""
    spec = data["spec"]
    return BalancingPolicy(
        meta=meta,
        frontend=_frontend(spec["frontend"]),
        backends=_backends(spec["backend"]),
        enabled=_unless_unset(spec, "enabled"),
        applies=_applies(spec),
    )


def _frontend(data: Data) -> PolicyFrontend:
    if address := data.get("addressMatcher"):
        return AddressFrontend(address=parse_address(address["ip"]), ports=_ports(address))
    service = data["serviceMatcher"]
    return ServiceFrontend(namespace=service["namespace"], name=service["serviceName"], ports=_ports(service))


def _backends(data: Data) -> PodBackends | FixedBackends:
    if fixed := data.get("addressEndpoint"):
        addresses = dict.fromkeys(parse_address(address) for address in fixed["addresses"])
        return FixedBackends(addresses=tuple(addresses), ports=_ports(fixed))
    pods = data["serviceEndpoint"]
    return PodBackends(
        selector=_selector(pods["endpointSelector"]),
        ports=_ports(pods),
        mode=RedirectMode(text(pods, "redirectMode", RedirectMode.POD_ENDPOINT)),
    )


def _applies(spec: Data) -> Applies:
    config = mapping(spec, "config")
    selector = config.get("nodeLabelSelector")
    return Applies(
        nodes=None if selector is None else _selector(selector),
        outside=_unless_unset(config, "enableOutCluster"),
    )


def _selector(data: Data) -> Selector:
    """matchLabels in the order of their names, then matchExpressions in theirs."""
    labels = sorted(mapping(data, "matchLabels").items())
    equal = (Requirement(key=key, operator=Operator.IN, values=(value,)) for key, value in labels)
    listed = (
        Requirement(key=one["key"], operator=Operator(one["operator"]), values=tuple(items(one, "values")))
        for one in items(data, "matchExpressions")
    )
    return Selector(requirements=(*equal, *listed))


def _ports(data: Data) -> tuple[PolicyPort, ...]:
    """A port may be a number or a string of digits."""
    return tuple(
        PolicyPort(port=int(port["port"]), protocol=Protocol(port["protocol"]), name=text(port, "name"))
        for port in items(data, "toPorts")
    )


def _unless_unset(data: Data, key: str) -> bool:
    value = data.get(key)
    return True if value is None else bool(value)
