"""The kinds that are read, and how an object says that it is one of them.

An object is known by apiVersion and kind together: a Service of another API group is another thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from balancer.manifests import wording
from balancer.manifests.check_endpoints import check_endpoints, check_slice
from balancer.manifests.check_policy import check_balancing, check_local_redirect
from balancer.manifests.check_service import check_service
from balancer.manifests.decode_endpoints import decode_endpoints, decode_slice
from balancer.manifests.decode_node import decode_namespace, decode_node, decode_pod
from balancer.manifests.decode_policy import decode_balancing, decode_local_redirect
from balancer.manifests.decode_service import decode_service
from balancer.manifests.finding import Finding
from balancer.manifests.objects import AnyObject
from balancer.model.meta import Meta

Data = Mapping[str, Any]
_LONGEST_NAME = 253
# As the API server checks the names of CustomResourceDefinitions; built-in kinds keep to it as well.
_KIND = re.compile(r"[A-Za-z](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?\Z")
_API_VERSION = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?\Z")
_POLICIES = "balancing.elf.io/v1beta1"


def _no_check(data: Data) -> Iterator[Finding]:
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind. `check` and `decode` take data that passed the schema of the kind's lower-case name."""

    name: str
    api_version: str
    decode: Callable[[Meta, Data], AnyObject]
    check: Callable[[Data], Iterator[Finding]] = _no_check
    namespaced: bool = True


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="Service", api_version="v1", decode=decode_service, check=check_service),
        Kind(name="EndpointSlice", api_version="discovery.k8s.io/v1", decode=decode_slice, check=check_slice),
        Kind(name="Endpoints", api_version="v1", decode=decode_endpoints, check=check_endpoints),
        Kind(name="Pod", api_version="v1", decode=decode_pod),
        Kind(name="Node", api_version="v1", decode=decode_node, namespaced=False),
        Kind(name="Namespace", api_version="v1", decode=decode_namespace, namespaced=False),
        Kind(
            name="LocalRedirectPolicy",
            api_version=_POLICIES,
            decode=decode_local_redirect,
            check=check_local_redirect,
            namespaced=False,
        ),
        Kind(
            name="BalancingPolicy",
            api_version=_POLICIES,
            decode=decode_balancing,
            check=check_balancing,
            namespaced=False,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an object is. `kind` is None for one that is not read; `ignored_as` then names it."""

    kind: Kind | None = None
    ignored_as: str = ""
    findings: tuple[Finding, ...] = ()


_IDENTITIES = {name: Identity(kind=kind) for name, kind in KINDS.items()}


def identify(data: Any) -> Identity:
    """The kind of an object, or what is wrong with its apiVersion and kind."""
    if not isinstance(data, dict):
        message = f"{wording.show(data)} is not an object: expected a mapping with apiVersion and kind"
        return Identity(findings=(Finding(path=(), message=message),))
    api_version, name = data.get("apiVersion"), data.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind and kind.api_version == api_version:
        return _IDENTITIES[kind.name]
    findings = tuple(_check_words(data))
    if findings:
        return Identity(findings=findings)
    api_version, name = data["apiVersion"], data["kind"]
    group = _group(api_version)
    if kind and (_is_builtin(group) or group == _group(kind.api_version)):
        message = f'"{api_version}" has no {name} that is read: expected {kind.api_version}'
        return Identity(findings=(Finding(path=("apiVersion",), message=message),))
    return Identity(ignored_as=f"{name}.{group}" if kind else name)


def display_name(data: Any) -> str:
    """The object as problems name it, "Kind namespace/name", as far as the data says."""
    if not isinstance(data, Mapping) or not isinstance(data.get("kind"), str):
        return ""
    meta = data.get("metadata")
    name = meta.get("name") if isinstance(meta, Mapping) else None
    if not isinstance(meta, Mapping) or not isinstance(name, str):
        return str(data["kind"])[:_LONGEST_NAME]
    name = name[:_LONGEST_NAME]
    namespace = meta.get("namespace") or "default"
    kind = KINDS.get(data["kind"])
    if (kind and not kind.namespaced) or not isinstance(namespace, str):
        return f"{data['kind'][:_LONGEST_NAME]} {name}"
    return f"{data['kind'][:_LONGEST_NAME]} {namespace[:_LONGEST_NAME]}/{name}"


def _check_words(data: Data) -> Iterator[Finding]:
    rules = (
        ("apiVersion", "a version such as v1", _API_VERSION),
        ("kind", "a kind such as Service", _KIND),
    )
    for key, expected, pattern in rules:
        value = data.get(key)
        if value is None:
            yield Finding(path=(key,), message=wording.missing(key, expected))
        elif not isinstance(value, str) or not pattern.match(value):
            yield Finding(path=(key,), message=f"{wording.show(value)} is not a name: expected {expected}")


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _is_builtin(group: str) -> bool:
    """Groups of Kubernetes itself have no dot, or end in k8s.io."""
    return "." not in group or group.endswith(".k8s.io")
