"""Policies as kubectl prints them, and as people write them, are read with every field where it belongs."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from manifest_builders import (
    SELECT_WEB,
    Data,
    address_matcher,
    balancing,
    fixed_balancing,
    local_redirect,
    messages,
    read_data,
    service_matcher,
    to_port,
)

from balancer.manifests import load
from balancer.model.cluster import Cluster
from balancer.model.policy import (
    AddressFrontend,
    Applies,
    BalancingPolicy,
    FixedBackends,
    LocalRedirectPolicy,
    PodBackends,
    PolicyPort,
    RedirectMode,
    ServiceFrontend,
)
from balancer.model.selector import Operator, Requirement, Selector
from balancer.model.service import Protocol

EXPORT = Path(__file__).with_name("policies.yaml")
APP_WEB = Requirement(key="app", operator=Operator.IN, values=("web",))


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    manifests = load([EXPORT])
    assert manifests.problems == ()
    assert manifests.ignored == {}
    return manifests.cluster


def only(data: Data) -> Any:
    file = read_data(data)
    assert messages(file) == []
    return file.objects[0]


def ports(*items: tuple[str, int, str]) -> tuple[PolicyPort, ...]:
    return tuple(PolicyPort(name=name, port=port, protocol=Protocol(of)) for name, port, of in items)


def test_policies_are_sorted_and_have_no_namespace(cluster: Cluster) -> None:
    """balancing.elf.io: both kinds are cluster-scoped."""
    assert [one.meta.key for one in cluster.balancings] == [("", "database"), ("", "shop-entry")]
    assert [str(one.meta) for one in cluster.local_redirects] == ["LocalRedirectPolicy node-local-dns"]


def test_a_policy_to_the_nodes_of_pods(cluster: Cluster) -> None:
    entry = cluster.balancings[1]
    tier = Requirement(key="tier", operator=Operator.IN, values=("front",))
    assert entry.frontend == ServiceFrontend(
        namespace="shop", name="web", ports=ports(("p1", 8080, "TCP"), ("p2", 80, "TCP"))
    )
    assert entry.backends == PodBackends(
        selector=Selector(requirements=(APP_WEB, tier)),
        mode=RedirectMode.NODE_PROXY,
        ports=ports(("p1", 20080, "TCP"), ("p2", 20080, "TCP")),
    )


def test_a_node_selector_keeps_every_requirement(cluster: Cluster) -> None:
    """Kubernetes: LabelSelector - a matchLabels entry is an In requirement of one value; all must hold."""
    entry = cluster.balancings[1]
    assert entry.applies.nodes == Selector(
        requirements=(
            Requirement(key="kubernetes.io/os", operator=Operator.IN, values=("linux",)),
            Requirement(key="zone", operator=Operator.NOT_IN, values=("north", "south")),
            Requirement(key="edge", operator=Operator.DOES_NOT_EXIST),
        )
    )
    assert (entry.applies.outside, entry.enabled) == (True, True)


def test_a_policy_to_fixed_addresses(cluster: Cluster) -> None:
    database = cluster.balancings[0]
    assert database.frontend == AddressFrontend(
        address=ip_address("169.254.169.254"), ports=ports(("sql", 5432, "TCP"))
    )
    assert database.backends == FixedBackends(
        addresses=(ip_address("192.0.2.10"), ip_address("192.0.2.11")), ports=ports(("", 5432, "TCP"))
    )
    assert (database.enabled, database.applies) == (False, Applies())


def test_a_local_redirect(cluster: Cluster) -> None:
    (dns,) = cluster.local_redirects
    assert dns.frontend == AddressFrontend(
        address=ip_address("fd00:10:96::a"), ports=ports(("dns", 53, "UDP"), ("dns", 53, "TCP"))
    )
    assert dns.ports == ports(("dns", 53, "TCP"), ("dns", 53, "UDP"))
    assert dns.selector.accepts({"k8s-app": "node-local-dns"})
    assert not dns.selector.accepts({"app": "node-local-dns"})
    assert (dns.rate, dns.applies) == (500, Applies(nodes=None, outside=False))


def test_defaults() -> None:
    """balancing.elf.io: enabled, on every node, also outside of the cluster, to pod IPs, without a rate."""
    redirect, balance = only(local_redirect()), only(balancing())
    assert isinstance(redirect, LocalRedirectPolicy)
    assert isinstance(balance, BalancingPolicy)
    assert (redirect.enabled, redirect.applies, redirect.rate) == (
        True,
        Applies(nodes=None, outside=True),
        None,
    )
    assert (balance.enabled, balance.applies) == (True, Applies(nodes=None, outside=True))
    assert isinstance(balance.backends, PodBackends)
    assert balance.backends.mode is RedirectMode.POD_ENDPOINT


def test_null_is_unset() -> None:
    """Kubernetes: null for a field that is not nullable is dropped before defaults are set."""
    config = {"nodeLabelSelector": None, "enableOutCluster": None}
    data = local_redirect({**service_matcher(), "addressMatcher": None}, enabled=None, config=config)
    data["spec"]["backend"]["localEndpointSelector"] = None
    policy = only(data)
    assert (policy.enabled, policy.applies) == (True, Applies())
    assert policy.frontend == ServiceFrontend(namespace="shop", name="web")


@pytest.mark.parametrize("value", [53, "53", 53.0])
def test_a_port_is_a_number_or_a_string(value: Any) -> None:
    """balancing.elf.io: PortInfo - port is a string that holds one number; people write it without quotes."""
    assert only(local_redirect(address_matcher(ports=[to_port(value)]))).frontend.ports[0].port == 53


def test_an_empty_node_selector_is_every_node() -> None:
    """Kubernetes: LabelSelector - an empty one matches all objects."""
    policy = only(balancing(config={"nodeLabelSelector": {}}))
    assert policy.applies.nodes == Selector()


def test_a_limit_of_zero_is_not_the_same_as_none() -> None:
    annotations = {"balancing.elf.io/redirectQosLimit": "0"}
    assert only(local_redirect(annotations=annotations)).rate == 0


def test_an_address_given_twice_counts_once() -> None:
    file = read_data(fixed_balancing("192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1"))
    (policy,) = file.objects
    assert isinstance(policy, BalancingPolicy)
    assert isinstance(policy.backends, FixedBackends)
    assert [str(address) for address in policy.backends.addresses] == ["192.0.2.1", "192.0.2.2"]
    assert [one.is_error for one in file.problems] == [False]


def test_an_empty_pod_selector_is_a_warning_and_accepts_all() -> None:
    data = local_redirect()
    data["spec"]["backend"]["endpointSelector"] = {"matchLabels": {}, "matchExpressions": None}
    file = read_data(data)
    assert [(one.is_error, one.path) for one in file.problems] == [(False, "$.spec.backend.endpointSelector")]
    assert isinstance(file.objects[0], LocalRedirectPolicy)
    assert file.objects[0].selector == Selector()


def test_the_older_spelling_of_the_selector() -> None:
    data = local_redirect()
    del data["spec"]["backend"]["endpointSelector"]
    data["spec"]["backend"]["localEndpointSelector"] = SELECT_WEB
    assert only(data).selector == Selector(requirements=(APP_WEB,))


def test_a_list_of_policies() -> None:
    items = [{"metadata": {"name": "a"}, "spec": local_redirect()["spec"]}]
    data = {"apiVersion": "balancing.elf.io/v1beta1", "kind": "LocalRedirectPolicyList", "items": items}
    assert only(data).meta.name == "a"
