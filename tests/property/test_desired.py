"""Properties of the desired state that hold for any cluster."""

from __future__ import annotations

import random
from collections import defaultdict
from ipaddress import ip_address, ip_network

from builders import cluster, endpoint, host, node, pod, port, service, slice_, slice_port
from hypothesis import given, settings
from hypothesis import strategies as st

from balancer.desired.compute import compute
from balancer.desired.lookup import Outcome, resolve
from balancer.desired.types import Action, AddressFlags, Rules, ServiceRedirect
from balancer.desired.why import dropped_endpoints
from balancer.model.cluster import Cluster
from balancer.model.service import Protocol

relaxed = settings(deadline=None)  # a busy machine is no failure

NAMES = ["a", "b", "c"]
NODES = ["n1", "n2", "n3"]
VIPS = ["10.96.0.1", "10.96.0.2", "fd00:96::1"]
EXTERNALS = ["198.51.100.1", "192.168.0.2", "2001:db8::1", "10.96.0.2"]
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


service_ports = st.builds(
    port,
    st.sampled_from([80, 81, 30080]),
    st.sampled_from(PORT_NAMES),
    st.sampled_from(["TCP", "TCP", "TCP", "UDP", "SCTP"]),
    st.sampled_from([30080, 30081, 0]),
)
policies = st.sampled_from(["Cluster", "Local"])
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
        internal=policies,
        external=policies,
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
    zone=st.sampled_from(["", "x", "y"]),
)
pods = st.builds(
    pod,
    st.sampled_from(NAMES),
    labels=st.sampled_from([{}, {"balancing.elf.io/skip": "true"}]),
    node=st.sampled_from(NODES),
)
unique_by_name = {"unique_by": lambda item: item.meta.key}
clusters = st.tuples(
    st.sets(st.sampled_from(NAMES), min_size=1).flatmap(
        lambda found: st.tuples(*(together(name) for name in sorted(found)))
    ),
    st.lists(nodes, min_size=1, max_size=3, **unique_by_name),
    st.lists(pods, max_size=2, **unique_by_name),
).map(lambda parts: cluster(*(item for group in parts[0] for item in group), *parts[1], *parts[2]))
rules = st.builds(
    Rules,
    service_redirect=st.sampled_from(ServiceRedirect),
    local_policy_applies_to_all_access=bools,
    node_port_cidrs=st.sampled_from([(), (ip_network("192.168.0.0/24"),), (ip_network("127.0.0.0/8"),)]),
)


def shuffled(known: Cluster, seed: int) -> Cluster:
    """The same objects with every tuple in another order, as no reader would give them."""
    chance = random.Random(seed)

    def mix(items):  # type: ignore[no-untyped-def]
        return tuple(chance.sample(items, len(items)))

    return Cluster(
        services=mix(known.services), slices=mix(known.slices), nodes=mix(known.nodes), pods=mix(known.pods)
    )


@relaxed
@given(clusters, rules, st.integers(0, 10**6))
def test_the_order_of_objects_does_not_matter(known: Cluster, under: Rules, seed: int) -> None:
    """The desired state is a function of the set of objects."""
    assert compute(known, host(), under) == compute(shuffled(known, seed), host(), under)


@relaxed
@given(clusters, rules)
def test_frontends_of_one_group_have_the_same_backends(known: Cluster, under: Rules) -> None:
    """Affinity records of a group are valid for each of its frontends."""
    found = defaultdict(set)
    for frontend in compute(known, host(), under).frontends:
        found[frontend.group].add((frontend.action, frontend.backends, frontend.affinity_seconds))
    assert all(len(answers) == 1 for answers in found.values())


@relaxed
@given(clusters, rules)
def test_frontends_are_well_formed(known: Cluster, under: Rules) -> None:
    """Families match, backends are sorted and unique, and FORWARD means that there are some."""
    frontends = compute(known, host(), under).frontends
    keys = [frontend.order for frontend in frontends]
    assert keys == sorted(set(keys))
    for frontend in frontends:
        orders = [backend.order for backend in frontend.backends]
        assert orders == sorted(set(orders))
        assert {backend.address.version for backend in frontend.backends} <= {frontend.address.version}
        assert (frontend.action is Action.FORWARD) == bool(frontend.backends)


@relaxed
@given(clusters, rules)
def test_every_frontend_is_what_its_destination_resolves_to(known: Cluster, under: Rules) -> None:
    """The gate lets every exact frontend through, and the answer is that frontend's."""
    state = compute(known, host(), under)
    for frontend in state.frontends:
        found = resolve(state, frontend.address, frontend.port, frontend.protocol)
        if frontend.address.is_unspecified and frontend.address not in state.addresses:
            assert found.outcome is Outcome.PASS
        else:
            assert found.frontend is frontend
            assert found.outcome == frontend.action


@relaxed
@given(clusters, rules, st.sampled_from([*VIPS, *EXTERNALS, "192.168.0.1", "127.0.0.9", "192.0.2.1"]), bools)
def test_only_vips_refuse_without_a_frontend(known: Cluster, under: Rules, to: str, inside: bool) -> None:
    """A port nobody has is refused on a VIP and left alone anywhere else."""
    state = compute(known, host(), under)
    found = resolve(state, ip_address(to), 4242, Protocol.TCP, in_host_netns=inside)
    vip = AddressFlags.VIP in state.addresses.get(ip_address(to), AddressFlags(0))
    assert found.frontend is None
    assert found.outcome is (Outcome.REFUSE if vip else Outcome.PASS)


@relaxed
@given(clusters, rules)
def test_each_endpoint_is_a_backend_or_has_a_reason(known: Cluster, under: Rules) -> None:
    """Without the edge mode, backends and dropped endpoints never overlap and leave nothing out."""
    plain = Rules(local_policy_applies_to_all_access=under.local_policy_applies_to_all_access)
    for frontend in compute(known, host(), plain).frontends:
        used = {(backend.address, backend.port) for backend in frontend.backends}
        dropped = dropped_endpoints(known, host(), plain, frontend)
        assert not used & {(item.endpoint.address, item.port) for item in dropped}
        name = frontend.object.rpartition("/")[2]
        every = {e.address for s in known.slices if s.service_name == name for e in s.endpoints}
        assert every == {ip for ip, _ in used} | {item.endpoint.address for item in dropped}
