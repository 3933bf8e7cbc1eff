"""Strategies for whole clusters: a few names and addresses, so that objects meet and clash often."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import ip_network

from builders import (
    address_frontend,
    balancing,
    cluster,
    endpoint,
    local_redirect,
    node,
    pod,
    policy_port,
    port,
    selector,
    service,
    service_frontend,
    slice_,
    slice_port,
)
from hypothesis import settings
from hypothesis import strategies as st

from balancer.desired.types import Rules, ServiceRedirect
from balancer.model.cluster import Cluster

relaxed = settings(deadline=None)  # a busy machine is no failure

NAMES = ["a", "b", "c"]
NODES = ["n1", "n2", "n3"]
VIPS = ["10.96.0.1", "10.96.0.2", "fd00:96::1"]
EXTERNALS = ["198.51.100.1", "192.168.0.2", "2001:db8::1", "10.96.0.2"]
POLICY_NAMES = ["p", "q", "r"]
POD_NAMES = ["p1", "p2", "p3", "p4"]
ENTRY = "balancing.elf.io/nodeProxyIpv4"
PORT_NAMES = ["", "http", "alt"]
BOTH_PORTS = [
    slice_port(8080),
    slice_port(8080, "http"),
    slice_port(9090, "http"),
    slice_port(8081, "alt"),
    slice_port(53, protocol="UDP"),
    slice_port(53, "http", "UDP"),
]


def few(values: list, least: int = 0):  # type: ignore[no-untyped-def, type-arg]
    return st.lists(st.sampled_from(values), min_size=least, max_size=2, unique=True)


def mostly(usual, *others):  # type: ignore[no-untyped-def]
    """The usual value in most examples: what needs several of them at once is then no rare thing."""
    return st.sampled_from([usual] * 3 * max(len(others), 1) + list(others))


service_ports = st.builds(
    port,
    st.sampled_from([80, 81, 30080]),
    st.sampled_from(PORT_NAMES),
    st.sampled_from(["TCP", "TCP", "TCP", "UDP", "SCTP"]),
    st.sampled_from([30080, 30081, 0]),
)
traffic_policies = st.sampled_from(["Cluster", "Local"])
bools = st.booleans()


def services(name: str):  # type: ignore[no-untyped-def]
    return st.builds(
        service,
        st.just(name),
        cluster_ips=few(VIPS, least=1),
        # Names are unique within a service: the API and the readers of files refuse anything else.
        ports=st.lists(service_ports, min_size=1, max_size=3, unique_by=lambda item: item.name),
        external_ips=few(EXTERNALS),
        lb=few(EXTERNALS),
        internal=traffic_policies,
        external=traffic_policies,
        affinity=st.sampled_from([0, 60]),
        age=st.sampled_from([None, 1, 2]),
    )


def endpoints(prefix: str):  # type: ignore[no-untyped-def]
    return st.builds(
        endpoint,
        st.integers(1, 4).map(lambda last: f"{prefix}{last}"),
        ready=st.sampled_from([True, True, False]),
        serving=bools,
        terminating=bools,
        node=st.sampled_from([None, "n1", *NODES, "gone"]),
        hint_nodes=few(NODES),
        hint_zones=few(["x", "y"]),
    )


def slices(of: str, number: int):  # type: ignore[no-untyped-def]
    """A slice of service `of`: odd numbers are IPv4, so that each service gets both families."""
    family, prefix = ("IPv4", "10.244.0.") if number % 2 else ("IPv6", "fd00::")
    ports = st.sampled_from([[slice_port(8080)], [slice_port(8080, "http")], BOTH_PORTS, BOTH_PORTS])
    return st.builds(
        lambda items, ports: slice_(*items, service=of, name=f"{of}-{number}", ports=ports, family=family),
        st.lists(endpoints(prefix), min_size=1, max_size=4),
        ports,
    )


def together(name: str):  # type: ignore[no-untyped-def]
    """A service with up to four slices, as an export holds them."""
    several = st.sets(st.integers(1, 4), min_size=1).flatmap(
        lambda found: st.tuples(*(slices(name, n) for n in sorted(found)))
    )
    return st.tuples(services(name), several).map(lambda pair: (pair[0], *pair[1]))


nodes = st.builds(
    node,
    st.sampled_from(NODES),
    few(["192.168.0.1", "192.168.0.2", "fd00:1::2", "fd00:1::3"], least=1),
    external=few(["203.0.113.1", "2001:db8:1::1"]),
    zone=st.sampled_from(["", "x", "y"]),
    labels=st.sampled_from([{}, {"role": "edge"}]),
    annotations=st.sampled_from([{}, {"balancing.elf.io/nodeProxyIpv4": "10.9.0.1"}, {ENTRY: "no address"}]),
)
pods = st.builds(
    pod,
    st.sampled_from(POD_NAMES),
    st.sampled_from(["10.244.0.1", "10.244.0.2", ("10.244.0.3", "fd00::3"), "fd00::1", ""]),
    labels=st.sampled_from([{"app": "x"}, {"app": "x"}, {}, {"balancing.elf.io/skip": "true"}]),
    node=st.sampled_from(["n1", "n1", "n1", *NODES, "gone"]),
    ready=mostly(True, False),
    terminating=mostly(False, True),
)

policy_frontends = st.one_of(
    st.builds(
        service_frontend,
        mostly("a", "b", "missing"),
        ports=mostly((), (80,), (policy_port(80, "http"), policy_port(81, "alt"))),
    ),
    st.builds(
        address_frontend,
        mostly("198.18.0.1", "fd00:18::1", "10.96.0.2", "192.168.0.2"),
        mostly((80,), (policy_port(80, "http"), policy_port(53, "dns", "UDP"))),
    ),
)
policy_fields = {
    "frontend": policy_frontends,
    "select": mostly(selector({"app": "x"}), selector(), selector(None, ("app", "DoesNotExist", ""))),
    "ports": mostly(
        (8080,),
        (policy_port(8080, "http"), policy_port(8081, "alt")),
        (policy_port(8080, "http"), policy_port(53, "dns", "UDP")),
    ),
    "nodes": mostly(None, {"role": "edge"}),
    "outside": mostly(True, False),
    "enabled": mostly(True, False),
    "age": st.sampled_from([None, 1, 2]),
}
policies = st.one_of(
    st.builds(
        local_redirect, st.sampled_from(POLICY_NAMES), rate=st.sampled_from([None, 0, 5]), **policy_fields
    ),
    st.builds(
        balancing,
        st.sampled_from(POLICY_NAMES),
        mode=st.sampled_from(["podEndpoint", "hostPort", "nodeProxy"]),
        addresses=few(["203.0.113.9", "2001:db8::9"]),
        **policy_fields,
    ),
)
policy_lists = st.one_of(
    st.lists(policies, min_size=3, max_size=5, unique_by=lambda item: (item.meta.kind, item.meta.name)),
    st.just([]),
)
unique_by_name = {"unique_by": lambda item: item.meta.key}
clusters = st.tuples(
    st.sets(st.sampled_from(NAMES), min_size=1).flatmap(
        lambda found: st.tuples(*(together(name) for name in sorted(found)))
    ),
    st.lists(nodes, min_size=1, max_size=3, **unique_by_name),
    st.lists(pods, min_size=2, max_size=4, **unique_by_name),
    policy_lists,
).map(lambda parts: cluster(*(item for group in parts[0] for item in group), *parts[1], *parts[2], *parts[3]))
rules = st.builds(
    Rules,
    service_redirect=st.sampled_from(ServiceRedirect),
    redirect_qos_limit=st.sampled_from([0, 100]),
    local_policy_applies_to_all_access=bools,
    node_port_cidrs=st.sampled_from([(), (ip_network("192.168.0.0/24"),), (ip_network("127.0.0.0/8"),)]),
)


def shuffled(known: Cluster, seed: int) -> Cluster:
    """The same objects with every tuple in another order, as no reader would give them."""
    chance = random.Random(seed)

    def mix(items):  # type: ignore[no-untyped-def]
        return tuple(chance.sample(items, len(items)))

    return Cluster(
        services=mix(known.services),
        slices=mix(known.slices),
        nodes=mix(known.nodes),
        pods=mix(known.pods),
        local_redirects=mix(known.local_redirects),
        balancings=mix(known.balancings),
    )


def without_policies(known: Cluster) -> Cluster:
    return replace(known, local_redirects=(), balancings=())
