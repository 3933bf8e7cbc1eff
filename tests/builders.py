"""Short builders of model objects, so that a test's set-up shows only what the test is about.

Addresses are text here and `ipaddress` objects in what comes back. Every default is the plainest
valid case: Service default/web on 10.96.0.10:80/TCP, served by slices with port 8080.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address

from balancer.desired.types import Host
from balancer.model.cluster import Cluster
from balancer.model.endpoints import (
    SERVICE_NAME_LABEL,
    AddressType,
    Endpoint,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Subset,
)
from balancer.model.meta import IPAddress, Meta
from balancer.model.node import ZONE_LABEL, Namespace, Node, NodeAddress, NodeAddressType, Pod
from balancer.model.policy import (
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
from balancer.model.problem import Origin
from balancer.model.selector import Operator, Requirement, Selector
from balancer.model.service import Ingress, Protocol, Service, ServicePort, ServiceType, TrafficPolicy

AnyObject = (
    Service | EndpointSlice | Endpoints | Node | Pod | Namespace | LocalRedirectPolicy | BalancingPolicy
)
Labels = Mapping[str, str]
Texts = str | Sequence[str]


def ips(texts: Texts) -> tuple[IPAddress, ...]:
    """Addresses of one text or of a sequence of texts; "" gives none."""
    many = [texts] if isinstance(texts, str) else texts
    return tuple(ip_address(text) for text in many if text)


def meta(
    kind: str,
    name: str,
    namespace: str = "default",
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    age: int | None = None,
    file: str = "",
    line: int = 1,
) -> Meta:
    """`age` is in days, larger is older; None leaves creationTimestamp unset."""
    created = None if age is None else datetime.fromtimestamp(1_700_000_000 - age * 86_400, tz=UTC)
    return Meta(
        kind=kind,
        namespace=namespace,
        name=name,
        origin=Origin(file=file or f"{name}.yaml", line=line),
        uid=f"uid-{kind}-{namespace}-{name}".lower(),
        labels=dict(labels or {}),
        annotations=dict(annotations or {}),
        created=created,
    )


def port(number: int = 80, name: str = "", protocol: str = "TCP", node_port: int = 0) -> ServicePort:
    """A service port."""
    return ServicePort(port=number, name=name, protocol=Protocol(protocol), node_port=node_port)


def slice_port(number: int | None = 8080, name: str = "", protocol: str = "TCP") -> EndpointPort:
    """A port of a slice or of an Endpoints subset; None means all ports."""
    return EndpointPort(name=name, protocol=Protocol(protocol), port=number)


def service(
    name: str = "web",
    namespace: str = "default",
    *,
    cluster_ips: Texts = "10.96.0.10",
    ports: Sequence[ServicePort | int] = (80,),
    type: str = "",  # noqa: A002 - the field's own name
    external_ips: Texts = (),
    lb: Texts = (),
    lb_proxy: Texts = (),
    internal: str = "Cluster",
    external: str = "Cluster",
    affinity: int = 0,
    selector: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    age: int | None = None,
    file: str = "",
    line: int = 1,
) -> Service:
    """The type follows from what is given (lb, a nodePort) unless it is named."""
    items = tuple(item if isinstance(item, ServicePort) else port(item) for item in ports)
    inferred = (
        "LoadBalancer" if lb or lb_proxy else "NodePort" if any(p.node_port for p in items) else "ClusterIP"
    )
    return Service(
        meta=meta("Service", name, namespace, labels=labels, age=age, file=file, line=line),
        type=ServiceType(type or inferred),
        cluster_ips=ips(cluster_ips),
        external_ips=ips(external_ips),
        ingress=tuple(Ingress(address=ip) for ip in ips(lb))
        + tuple(Ingress(address=ip, proxy=True) for ip in ips(lb_proxy)),
        ports=items,
        internal_policy=TrafficPolicy(internal),
        external_policy=TrafficPolicy(external),
        affinity_seconds=affinity,
        selector=dict(selector or {}),
    )


def endpoint(
    ip: str = "10.244.1.5",
    *,
    ready: bool = True,
    serving: bool | None = None,
    terminating: bool = False,
    node: str | None = None,
    hint_nodes: Texts = (),
    hint_zones: Texts = (),
    pod: str = "",
) -> Endpoint:
    """`serving` left out equals `ready`; `pod` is "namespace/name" or a name in default."""
    namespace, _, pod_name = pod.rpartition("/")
    return Endpoint(
        address=ip_address(ip),
        ready=ready,
        serving=ready if serving is None else serving,
        terminating=terminating,
        node_name=node,
        hint_nodes=(hint_nodes,) if isinstance(hint_nodes, str) else tuple(hint_nodes),
        hint_zones=(hint_zones,) if isinstance(hint_zones, str) else tuple(hint_zones),
        pod=(namespace or "default", pod_name) if pod else None,
    )


def _endpoints(items: Sequence[Endpoint | str]) -> tuple[Endpoint, ...]:
    return tuple(item if isinstance(item, Endpoint) else endpoint(item) for item in items)


def _slice_ports(items: Sequence[EndpointPort | int]) -> tuple[EndpointPort, ...]:
    return tuple(item if isinstance(item, EndpointPort) else slice_port(item) for item in items)


def slice_(
    *endpoints: Endpoint | str,
    service: str = "web",
    namespace: str = "default",
    name: str = "",
    ports: Sequence[EndpointPort | int] = (8080,),
    family: str = "",
    labels: Mapping[str, str] | None = None,
) -> EndpointSlice:
    """An EndpointSlice of `service`; `family` (IPv4, IPv6, FQDN) follows from the first endpoint."""
    items = _endpoints(endpoints)
    inferred = "IPv6" if items and items[0].address.version == 6 else "IPv4"
    kind = AddressType(family or inferred)
    every_label = ({SERVICE_NAME_LABEL: service} if service else {}) | dict(labels or {})
    return EndpointSlice(
        meta=meta("EndpointSlice", name or f"{service}-{kind.lower()}", namespace, labels=every_label),
        service_name=service,
        address_type=kind,
        endpoints=items,
        ports=_slice_ports(ports),
    )


def endpoints_(
    *endpoints: Endpoint | str,
    service: str = "web",
    namespace: str = "default",
    not_ready: Sequence[Endpoint | str] = (),
    ports: Sequence[EndpointPort | int] = (8080,),
    labels: Mapping[str, str] | None = None,
) -> Endpoints:
    """A v1 Endpoints object with one subset."""
    subset = Subset(
        endpoints=_endpoints(endpoints), not_ready=_endpoints(not_ready), ports=_slice_ports(ports)
    )
    return Endpoints(meta=meta("Endpoints", service, namespace, labels=labels), subsets=(subset,))


def node(
    name: str = "n1",
    internal: Texts = "192.168.0.1",
    *,
    external: Texts = (),
    zone: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Node:
    """A Node; `zone` sets its topology label."""
    every_label = ({ZONE_LABEL: zone} if zone else {}) | dict(labels or {})
    return Node(
        meta=meta("Node", name, "", labels=every_label, annotations=annotations),
        addresses=tuple(NodeAddress(type=NodeAddressType.INTERNAL, address=ip) for ip in ips(internal))
        + tuple(NodeAddress(type=NodeAddressType.EXTERNAL, address=ip) for ip in ips(external)),
    )


def pod(
    name: str = "web-1",
    ip: Texts = "10.244.1.5",
    *,
    namespace: str = "default",
    node: str = "n1",
    ready: bool = True,
    terminating: bool = False,
    host_network: bool = False,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Pod:
    return Pod(
        meta=meta("Pod", name, namespace, labels=labels, annotations=annotations),
        node_name=node,
        addresses=ips(ip),
        ready=ready,
        terminating=terminating,
        host_network=host_network,
    )


def namespace(name: str = "default", *, labels: Mapping[str, str] | None = None) -> Namespace:
    return Namespace(meta=meta("Namespace", name, "", labels=labels))


def policy_port(number: int = 8080, name: str = "", protocol: str = "TCP") -> PolicyPort:
    """An item of a policy's toPorts, on either side."""
    return PolicyPort(port=number, protocol=Protocol(protocol), name=name)


def _policy_ports(items: Sequence[PolicyPort | int]) -> tuple[PolicyPort, ...]:
    return tuple(item if isinstance(item, PolicyPort) else policy_port(item) for item in items)


def selector(labels: Labels | None = None, *expressions: tuple[str, str, Texts]) -> Selector:
    """matchLabels, then matchExpressions as (key, operator, values); without either it accepts all."""
    found = [Requirement(key=k, operator=Operator.IN, values=(v,)) for k, v in (labels or {}).items()]
    for key, operator, values in expressions:
        texts = (values,) if isinstance(values, str) else tuple(values)
        found.append(Requirement(key=key, operator=Operator(operator), values=tuple(t for t in texts if t)))
    return Selector(requirements=tuple(found))


def address_frontend(ip: str = "169.254.20.10", ports: Sequence[PolicyPort | int] = (80,)) -> AddressFrontend:
    """An addressMatcher."""
    return AddressFrontend(address=ip_address(ip), ports=_policy_ports(ports))


def service_frontend(
    name: str = "web", namespace: str = "default", ports: Sequence[PolicyPort | int] = ()
) -> ServiceFrontend:
    """A serviceMatcher; no ports means all of the service's."""
    return ServiceFrontend(namespace=namespace, name=name, ports=_policy_ports(ports))


def local_redirect(
    name: str = "redirect",
    frontend: PolicyFrontend | None = None,
    *,
    labels: Labels | None = None,
    select: Selector | None = None,
    ports: Sequence[PolicyPort | int] = (8080,),
    nodes: Selector | Labels | None = None,
    outside: bool = True,
    enabled: bool = True,
    rate: int | None = None,
    age: int | None = None,
    file: str = "",
    line: int = 1,
) -> LocalRedirectPolicy:
    """To pods with `labels` (app: web), or those that `select` accepts; for Service default/web."""
    return LocalRedirectPolicy(
        meta=meta("LocalRedirectPolicy", name, "", age=age, file=file, line=line),
        frontend=frontend or service_frontend(),
        selector=select or selector(labels or {"app": "web"}),
        ports=_policy_ports(ports),
        enabled=enabled,
        applies=_applies(nodes, outside=outside),
        rate=rate,
    )


def balancing(
    name: str = "balance",
    frontend: PolicyFrontend | None = None,
    *,
    labels: Labels | None = None,
    select: Selector | None = None,
    mode: str = "podEndpoint",
    addresses: Texts = (),
    ports: Sequence[PolicyPort | int] = (8080,),
    nodes: Selector | Labels | None = None,
    outside: bool = True,
    enabled: bool = True,
    age: int | None = None,
    file: str = "",
    line: int = 1,
) -> BalancingPolicy:
    """To fixed `addresses` if there are any, else as `local_redirect` but to pods anywhere."""
    to_ports = _policy_ports(ports)
    chosen = select or selector(labels or {"app": "web"})
    return BalancingPolicy(
        meta=meta("BalancingPolicy", name, "", age=age, file=file, line=line),
        frontend=frontend or service_frontend(),
        backends=FixedBackends(addresses=ips(addresses), ports=to_ports)
        if addresses
        else PodBackends(selector=chosen, ports=to_ports, mode=RedirectMode(mode)),
        enabled=enabled,
        applies=_applies(nodes, outside=outside),
    )


def _applies(nodes: Selector | Labels | None, *, outside: bool) -> Applies:
    chosen = selector(nodes) if isinstance(nodes, Mapping) else nodes
    return Applies(nodes=chosen, outside=outside)


def cluster(*objects: AnyObject) -> Cluster:
    """A Cluster of the objects, sorted as the real reader sorts them."""
    found: dict[type, list[AnyObject]] = {}
    for item in sorted(objects, key=lambda item: item.meta.key):
        found.setdefault(type(item), []).append(item)
    fields = {
        "services": Service,
        "slices": EndpointSlice,
        "endpoints": Endpoints,
        "nodes": Node,
        "pods": Pod,
        "namespaces": Namespace,
        "local_redirects": LocalRedirectPolicy,
        "balancings": BalancingPolicy,
    }
    return Cluster(**{name: tuple(found.get(kind, ())) for name, kind in fields.items()})  # type: ignore[arg-type]


def host(node_name: str = "n1", addresses: Texts = ("127.0.0.1", "::1", "192.168.0.1")) -> Host:
    """The host to work for: node n1 with one address unless told otherwise."""
    return Host(node_name=node_name, addresses=ips(addresses))
