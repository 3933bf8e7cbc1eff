"""On which hosts a policy applies: nodeLabelSelector and enableOutCluster."""

from __future__ import annotations

import pytest
from builders import balancing, host, node, pod, selector, service, slice_

from balancer.desired.types import Desired, Host

from .asking import answer, desired

ON_NODE, OUTSIDE = host("n1"), host("vm-1", "192.0.2.1")
NODE = node("n1", labels={"role": "edge"})
NORMAL, BALANCED = ["10.244.9.9:8080"], ["203.0.113.9:8080"]


def state(on: Host, **config) -> Desired:  # type: ignore[no-untyped-def]
    policy = balancing(addresses="203.0.113.9", **config)
    return desired(service(), slice_("10.244.9.9"), NODE, policy, on=on)


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize(
    ("nodes", "accepted"), [(None, True), ({"role": "edge"}, True), ({"role": "db"}, False)]
)
def test_on_a_node_only_the_selector_counts(nodes: dict[str, str], accepted: bool, outside: bool) -> None:
    """balancing.elf.io/v1beta1: nodeLabelSelector is for cluster nodes; absent means all of them."""
    found = answer(state(ON_NODE, nodes=nodes, outside=outside), "10.96.0.10:80")
    assert found == (BALANCED if accepted else NORMAL)


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize("nodes", [None, {"role": "edge"}, {"role": "db"}])
def test_outside_only_enable_out_cluster_counts(nodes: dict[str, str], outside: bool) -> None:
    """balancing.elf.io/v1beta1: enableOutCluster counts with or without a selector."""
    found = answer(state(OUTSIDE, nodes=nodes, outside=outside), "10.96.0.10:80")
    assert found == (BALANCED if outside else NORMAL)


def test_the_defaults_are_everywhere() -> None:
    """balancing.elf.io/v1beta1: without spec.config a policy applies on every host."""
    for on in (ON_NODE, OUTSIDE):
        assert answer(state(on), "10.96.0.10:80") == BALANCED


@pytest.mark.parametrize(
    ("chosen", "accepted"),
    [
        (selector(None, ("role", "NotIn", "db")), True),
        (selector(None, ("gpu", "Exists", "")), False),
        (selector(), True),
    ],
)
def test_expressions_on_node_labels(chosen, accepted: bool) -> None:  # type: ignore[no-untyped-def]
    """Kubernetes: an empty selector accepts all, NotIn also accepts labels that are missing."""
    found = answer(state(ON_NODE, nodes=chosen), "10.96.0.10:80")
    assert found == (BALANCED if accepted else NORMAL)


@pytest.mark.parametrize(
    ("on", "config", "reason"),
    [
        (ON_NODE, {"enabled": False}, "disabled"),
        (ON_NODE, {"nodes": {"role": "db"}}, "nodeLabelSelector does not accept Node n1"),
        (OUTSIDE, {"outside": False}, "not for hosts outside of the cluster"),
    ],
)
def test_a_policy_that_does_not_apply_leaves_only_its_status(on: Host, config, reason: str) -> None:  # type: ignore[no-untyped-def]
    """The frontends, addresses and problems are those of a host that never saw the policy."""
    found = state(on, **config)
    without = desired(service(), slice_("10.244.9.9"), NODE, on=on)
    assert (found.frontends, found.addresses) == (without.frontends, without.addresses)
    assert found.problems == ()
    assert [(item.applies, item.reason, item.frontends) for item in found.policies] == [(False, reason, ())]


def test_a_relabelled_node_changes_its_policies() -> None:
    """Labels are read in every pass."""
    policy = balancing(nodes={"role": "edge"}, addresses="203.0.113.9")
    plain = desired(service(), slice_("10.244.9.9"), node("n1"), policy, pod())
    assert answer(plain, "10.96.0.10:80") == NORMAL
    assert answer(state(ON_NODE, nodes={"role": "edge"}), "10.96.0.10:80") == BALANCED
