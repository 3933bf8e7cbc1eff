"""Short builders of Kubernetes objects, as plain dictionaries in the shape kubectl exports.

What is not given is left out, as the API server leaves it out, so that the tests also check the
defaults of the API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = dict[str, Any]


def _given(**fields: Any) -> Object:
    return {name: value for name, value in fields.items() if value is not None}


def port(
    number: int, name: str | None = None, *, protocol: str = "TCP", node_port: int | None = None
) -> Object:
    """One item of a Service's spec.ports; targetPort is left out, as only slices decide the target."""
    return _given(name=name, port=number, protocol=protocol, nodePort=node_port)


def service(
    name: str,
    *ports: Object,
    ips: Sequence[str] = ("10.96.0.1",),
    namespace: str = "default",
    kind: str = "ClusterIP",
    labels: Mapping[str, str] | None = None,
    lb: Sequence[str] = (),
    lb_mode: str | None = None,
    affinity: int | None = None,
    **spec: Any,
) -> Object:
    """A Service; further keywords go to its spec as they are. `ips` empty makes it headless.

    `affinity` is ClientIP affinity with that timeout in seconds. `lb` are load balancer addresses.
    """
    if affinity is not None:
        spec |= {
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": affinity}},
        }
    families = ["IPv6" if ":" in address else "IPv4" for address in ips]
    cluster_ips = list(ips) or ["None"]
    base = {"type": kind, "clusterIP": cluster_ips[0], "clusterIPs": cluster_ips, "ports": list(ports)}
    result = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _given(name=name, namespace=namespace, labels=labels),
        "spec": {**base, **({"ipFamilies": families} if families else {}), **spec},
    }
    if lb:
        result["status"] = {
            "loadBalancer": {"ingress": [_given(ip=address, ipMode=lb_mode) for address in lb]}
        }
    return result


def external_name(name: str, target: str, *, namespace: str = "default") -> Object:
    """A Service of type ExternalName."""
    meta = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"type": "ExternalName", "externalName": target},
    }


def endpoint(
    address: str,
    *,
    node: str | None = None,
    ready: bool | None = None,
    serving: bool | None = None,
    terminating: bool | None = None,
    zones: Sequence[str] = (),
    nodes: Sequence[str] = (),
) -> Object:
    """One endpoint of a slice; a condition left None is unset. `zones` and `nodes` are hints."""
    conditions = _given(ready=ready, serving=serving, terminating=terminating)
    hints = _given(
        forZones=[{"name": zone} for zone in zones] or None,
        forNodes=[{"name": name} for name in nodes] or None,
    )
    return _given(addresses=[address], nodeName=node, conditions=conditions or None, hints=hints or None)


def endpoint_slice(
    of: str,
    endpoints: Iterable[Object | str],
    *ports: Object,
    namespace: str = "default",
    suffix: str = "",
    labels: Mapping[str, str] | None = None,
) -> Object:
    """An EndpointSlice of the service `of`; its family is that of the first endpoint, IPv4 without any."""
    items = [endpoint(item) if isinstance(item, str) else item for item in endpoints]
    family = "IPv6" if items and ":" in items[0]["addresses"][0] else "IPv4"
    name = f"{of}-{family.lower()}{suffix}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": of, **(labels or {})},
        },
        "addressType": family,
        "endpoints": items,
        "ports": [
            _given(name=item.get("name", ""), port=item["port"], protocol=item["protocol"]) for item in ports
        ],
    }


def endpoints_object(
    name: str,
    addresses: Sequence[str],
    *ports: Object,
    not_ready: Sequence[str] = (),
    namespace: str = "default",
) -> Object:
    """A v1 Endpoints object with one subset."""
    subset = _given(
        addresses=[{"ip": address} for address in addresses] or None,
        notReadyAddresses=[{"ip": address} for address in not_ready] or None,
        ports=[_given(name=item.get("name"), port=item["port"], protocol=item["protocol"]) for item in ports],
    )
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]}


def node(
    name: str,
    *addresses: str,
    zone: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """A Node with InternalIP addresses."""
    own = {"kubernetes.io/hostname": name, **({"topology.kubernetes.io/zone": zone} if zone else {})}
    status = {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": _given(name=name, labels={**own, **(labels or {})}, annotations=annotations),
        "status": status,
    }


def pod(
    name: str,
    node_name: str,
    *addresses: str,
    uid: str = "",
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    namespace: str = "default",
    ready: bool = True,
    deleted: str | None = None,
) -> Object:
    """A running Pod; `deleted` is the deletionTimestamp of one that terminates."""
    status: Object = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    if addresses:
        status |= {"podIP": addresses[0], "podIPs": [{"ip": address} for address in addresses]}
    meta = _given(
        name=name,
        namespace=namespace,
        uid=uid or None,
        annotations=annotations,
        labels=labels,
        deletionTimestamp=deleted,
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"nodeName": node_name},
        "status": status,
    }


def both(number: int, *, node_port: int | None = None) -> tuple[Object, Object]:
    """A TCP and a UDP port of one number, named tcp and udp."""
    return (
        port(number, "tcp", node_port=node_port),
        port(number, "udp", protocol="UDP", node_port=node_port),
    )


def plain(
    name: str,
    ip: str,
    addresses: Iterable[Object | str],
    *,
    number: int = 80,
    target: int = 8080,
    **spec: Any,
) -> list[Object]:
    """A service on port `number`, TCP and UDP, with one slice whose endpoints listen on `target`."""
    node_port = spec.pop("node_port", None)
    return [
        service(name, *both(number, node_port=node_port), ips=(ip,), **spec),
        endpoint_slice(name, addresses, *both(target)),
    ]


def _to_ports(ports: Iterable[Object]) -> list[Object]:
    """The toPorts of a policy, numbers as text, as most policies have them."""
    return [{**item, "port": str(item["port"])} for item in ports]


def to_address(ip: str, *ports: Object) -> Object:
    """A policy's frontend: an address of its own."""
    return {"addressMatcher": {"ip": ip, "toPorts": _to_ports(ports)}}


def to_service(name: str, *ports: Object, namespace: str = "default") -> Object:
    """A policy's frontend: the cluster addresses of a service; without `ports`, all of its ports."""
    matcher = _given(namespace=namespace, serviceName=name, toPorts=_to_ports(ports) or None)
    return {"serviceMatcher": matcher}


def local_redirect(
    name: str,
    frontend: Object,
    *ports: Object,
    labels: Mapping[str, str],
    created: str | None = None,
    rate: str | None = None,
    config: Object | None = None,
) -> Object:
    """A LocalRedirectPolicy to the pods with `labels` on their `ports`; `rate` is its own limit."""
    backend = {"endpointSelector": {"matchLabels": dict(labels)}, "toPorts": _to_ports(ports)}
    limit = {"balancing.elf.io/redirectQosLimit": rate} if rate is not None else None
    return _policy("LocalRedirectPolicy", name, frontend, backend, created, config, limit)


def balancing(
    name: str,
    frontend: Object,
    *ports: Object,
    labels: Mapping[str, str] | None = None,
    mode: str | None = None,
    addresses: Sequence[str] = (),
    created: str | None = None,
    config: Object | None = None,
) -> Object:
    """A BalancingPolicy to the pods with `labels`, their nodes (by `mode`), or fixed `addresses`."""
    to_ports = _to_ports(ports)
    if addresses:
        backend: Object = {"addressEndpoint": {"addresses": list(addresses), "toPorts": to_ports}}
    else:
        selector = {"matchLabels": dict(labels or {})}
        pods = _given(endpointSelector=selector, redirectMode=mode, toPorts=to_ports)
        backend = {"serviceEndpoint": pods}
    return _policy("BalancingPolicy", name, frontend, backend, created, config)


def _policy(
    kind: str,
    name: str,
    frontend: Object,
    backend: Object,
    created: str | None,
    config: Object | None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    return {
        "apiVersion": "balancing.elf.io/v1beta1",
        "kind": kind,
        "metadata": _given(name=name, creationTimestamp=created, annotations=annotations),
        "spec": _given(config=config, frontend=frontend, backend=backend),
    }
