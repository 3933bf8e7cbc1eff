"""Properties of policies: what they may change, and that nothing of them stays behind."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from builders import host
from cluster_strategies import clusters, relaxed, rules, without_policies
from hypothesis import given
from hypothesis import strategies as st
from memory_store import MemoryStore
from plan_builders import converge, converged

from balancer.desired.compute import compute
from balancer.desired.lookup import find
from balancer.desired.policy_backends import all_policies, source_of
from balancer.desired.priority import chain
from balancer.desired.types import Action, Desired, Frontend, Host, Rules, Source
from balancer.desired.why import dropped_endpoints
from balancer.model.cluster import Cluster
from balancer.model.policy import PodBackends, Policy
from balancer.plan.actual import read_actual
from balancer.plan.encode import Wanted, encode
from balancer.plan.verify import verify

hosts = st.sampled_from([host(), host("vm-1", ("127.0.0.1", "192.0.2.1"))])
RANK = list(Source)


def answers(state: Desired) -> list[tuple[Frontend, ...]]:
    """Every destination's chain of answers, the highest priority first."""
    return [(frontend, *chain(frontend)) for frontend in state.frontends]


@relaxed
@given(clusters, hosts, rules)
def test_beneath_all_policies_is_the_state_without_them(known: Cluster, on: Host, under: Rules) -> None:
    """Policies put something above what services give, or on addresses of their own; nothing else."""
    state, plain = compute(known, on, under), compute(without_policies(known), on, under)
    lowest = [found[-1] for found in answers(state)]
    assert tuple(item for item in lowest if item.source is Source.SERVICE) == plain.frontends
    own = {item.address for item in lowest if item.source is not Source.SERVICE}
    assert own.isdisjoint(plain.addresses)
    assert {ip: flags for ip, flags in state.addresses.items() if ip not in own} == plain.addresses
    assert state.skipped_pods == plain.skipped_pods
    assert set(plain.problems) <= set(state.problems)


@relaxed
@given(clusters, hosts, rules)
def test_beneath_a_local_redirect_is_the_state_without_any(known: Cluster, on: Host, under: Rules) -> None:
    """Its fallback is what would answer if no local redirect were there."""
    state, other = compute(known, on, under), compute(replace(known, local_redirects=()), on, under)
    for frontend in state.frontends:
        expected = find(other, frontend.address, frontend.port, frontend.protocol)
        redirected = frontend.source is Source.LOCAL_REDIRECT
        assert (frontend.beneath if redirected else frontend) == expected


@relaxed
@given(clusters, hosts, rules)
def test_priority_falls_strictly(known: Cluster, on: Host, under: Rules) -> None:
    """localRedirect > balancing > service, one destination, and only a lowest answer may refuse."""
    for found in answers(compute(known, on, under)):
        ranks = [RANK.index(item.source) for item in found]
        assert ranks == sorted(set(ranks), reverse=True)
        assert len({item.order for item in found}) == 1
        assert all(item.action is Action.FORWARD for item in found[:-1])


@relaxed
@given(clusters, hosts, rules)
def test_redirects_lead_to_ready_pods_of_this_node(known: Cluster, on: Host, under: Rules) -> None:
    """Each backend is such a pod's address, and each such pod knows the groups that lead to it."""
    state = compute(known, on, under)
    policy_of = {str(item.meta): item for item in known.local_redirects}
    behind = {(item.namespace, item.name): item.groups for item in state.redirect_pods}
    expected: dict[tuple[str, str], set[str]] = {}
    for frontend in state.frontends:
        if frontend.source is not Source.LOCAL_REDIRECT or frontend.action is Action.REFUSE:
            continue
        accepts = policy_of[frontend.object].selector.accepts
        here = [pod for pod in known.pods if pod.node_name == on.node_name and accepts(pod.meta.labels)]
        usable = [pod for pod in here if pod.ready and not pod.terminating]
        family = {ip for pod in usable for ip in pod.addresses if ip.version == frontend.address.version}
        assert {backend.address for backend in frontend.backends} <= family
        for pod in usable:
            if any(ip.version == frontend.address.version for ip in pod.addresses):
                expected.setdefault(pod.meta.key, set()).add(frontend.group)
    assert {key: set(groups) for key, groups in behind.items()} == expected


@relaxed
@given(clusters, hosts, rules)
def test_the_status_tells_the_truth(known: Cluster, on: Host, under: Rules) -> None:
    """One per policy: exactly what it decides, and a reason whenever it is not in force as a whole."""
    state = compute(known, on, under)
    decided: dict[str, int] = {}
    seen = {item.object for found in answers(state) for item in found}
    for frontend in state.frontends:
        decided[frontend.object] = decided.get(frontend.object, 0) + 1
    assert len(state.policies) == len(known.local_redirects) + len(known.balancings)
    for status in state.policies:
        name = f"{status.kind} {status.name}"
        assert len(status.frontends) == decided.get(name, 0)
        assert status.applies or name not in seen
        assert status.reason or (status.frontends and status.backends)


@relaxed
@given(clusters, hosts, rules)
def test_each_selected_pod_is_a_backend_or_has_a_reason(known: Cluster, on: Host, under: Rules) -> None:
    """What `why` says agrees with what was computed."""
    for frontend in compute(known, on, under).frontends:
        if frontend.source is Source.SERVICE or not frontend.group.endswith(("/local", "/podEndpoint")):
            continue
        policy = next(item for item in all_policies(known) if str(item.meta) == frontend.object)
        source = source_of(policy)
        assert isinstance(source, PodBackends)
        dropped = {item.endpoint.pod for item in dropped_endpoints(known, on, under, frontend)}
        selected = [pod for pod in known.pods if pod.addresses and source.selector.accepts(pod.meta.labels)]
        kept = [pod for pod in selected if pod.meta.key not in dropped]
        family = [[ip for ip in pod.addresses if ip.version == frontend.address.version] for pod in kept]
        assert {found[0] for found in family} == {item.address for item in frontend.backends}


def wanted(known: Cluster, under: Rules) -> Wanted:
    """What the maps of n1 should say, with a made-up cgroup for each pod behind a redirect."""
    state = compute(known, host(), under)
    number = {pod.meta.key: index for index, pod in enumerate(known.pods, 1)}
    owners = [(group, number[pod.namespace, pod.name]) for pod in state.redirect_pods for group in pod.groups]
    return encode(state, (), owners)


def among(known: Cluster, chosen: Sequence[Policy]) -> Cluster:
    """The cluster with just these of its policies."""
    return replace(
        known,
        local_redirects=tuple(item for item in known.local_redirects if item in chosen),
        balancings=tuple(item for item in known.balancings if item in chosen),
    )


@relaxed
@given(clusters, rules, st.integers(0, 10**6))
def test_any_history_of_policies_ends_in_the_same_maps(known: Cluster, under: Rules, seed: int) -> None:
    """Policies that are added and removed in any order leave what a fresh start writes."""
    chance = random.Random(seed)
    every = all_policies(known)
    store = MemoryStore()
    for _ in range(3):
        converge(wanted(among(known, chance.sample(every, chance.randint(0, len(every)))), under), store)
    for last in (known, without_policies(known), known):
        target = wanted(last, under)
        converge(target, store)
        assert verify(target, read_actual(store)) == ()
        assert store.logical() == converged(target).logical()
