"""Properties of the desired state that hold for any cluster, with policies or without."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import ip_address

from builders import host
from cluster_strategies import EXTERNALS, VIPS, bools, clusters, relaxed, rules, shuffled
from hypothesis import given
from hypothesis import strategies as st

from balancer.desired.compute import compute
from balancer.desired.lookup import Outcome, resolve
from balancer.desired.priority import chain
from balancer.desired.types import Action, AddressFlags, Rules, Source
from balancer.desired.why import dropped_endpoints
from balancer.model.cluster import Cluster
from balancer.model.service import Protocol


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
    for top in compute(known, host(), under).frontends:
        for item in (top, *chain(top)):
            found[item.group].add((item.action, item.backends, item.affinity_seconds, item.rate))
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
    for top in compute(known, host(), plain).frontends:
        frontend = (top, *chain(top))[-1]
        if frontend.source is not Source.SERVICE:
            continue
        used = {(backend.address, backend.port) for backend in frontend.backends}
        dropped = dropped_endpoints(known, host(), plain, frontend)
        assert not used & {(item.endpoint.address, item.port) for item in dropped}
        name = frontend.object.rpartition("/")[2]
        every = {e.address for s in known.slices if s.service_name == name for e in s.endpoints}
        assert every == {ip for ip, _ in used} | {item.endpoint.address for item in dropped}
