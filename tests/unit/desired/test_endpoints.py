"""From slices and Endpoints objects to the endpoints of a service port."""

from __future__ import annotations

import pytest
from builders import endpoint, endpoints_, host, port, service, slice_, slice_port

from balancer.desired.compute import compute
from balancer.desired.types import Rules
from balancer.model.cluster import Cluster
from balancer.model.service import HEADLESS_LABEL, PROXY_NAME_LABEL

from .asking import REFUSED, answer, at, backends, desired


def test_slice_ports_match_by_name() -> None:
    """Kubernetes: a service port is the pair of port name and protocol, whatever the numbers."""
    web = service(ports=[port(80, "http"), port(443, "https")])
    state = desired(web, slice_("10.244.1.5", ports=[slice_port(8080, "http"), slice_port(8443, "https")]))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]
    assert answer(state, "10.96.0.10:443") == ["10.244.1.5:8443"]


def test_an_unnamed_slice_port_is_for_the_unnamed_service_port_only() -> None:
    """Kubernetes: slice port "" matches an unnamed port and no named one."""
    state = desired(service(ports=[port(80, "http")]), slice_("10.244.1.5", ports=[slice_port(8080, "")]))
    assert answer(state, "10.96.0.10:80") == REFUSED


def test_slice_ports_match_by_protocol() -> None:
    """Upstream: "should serve endpoints on same port and different protocols"."""
    dns = service(ports=[port(53, "dns", "UDP"), port(53, "dns", "TCP")])
    both = [slice_port(5353, "dns", "UDP"), slice_port(5354, "dns", "TCP")]
    state = desired(dns, slice_("10.244.1.5", ports=both))
    assert answer(state, "10.96.0.10:53/UDP") == ["10.244.1.5:5353"]
    assert answer(state, "10.96.0.10:53/TCP") == ["10.244.1.5:5354"]


@pytest.mark.parametrize("number", [None, 0])
def test_slice_ports_without_a_number_are_ignored(number: int | None) -> None:
    """Kubernetes: a slice port without a number means all ports; kube-proxy ignores it."""
    state = desired(service(), slice_("10.244.1.5", ports=[slice_port(number)]))
    assert answer(state, "10.96.0.10:80") == REFUSED


def test_one_port_name_may_have_different_numbers_in_different_slices() -> None:
    """Kubernetes: a named targetPort that differs per pod gives several slices with one port name."""
    web = service(ports=[port(80, "http")])
    old = slice_("10.244.1.5", name="web-a", ports=[slice_port(8080, "http")])
    new = slice_("10.244.1.6", name="web-b", ports=[slice_port(9090, "http")])
    assert answer(desired(web, old, new), "10.96.0.10:80") == ["10.244.1.5:8080", "10.244.1.6:9090"]


def test_several_ports_and_addresses_in_several_slices() -> None:
    """Upstream: "should support a Service with multiple ports specified in multiple EndpointSlices"."""
    web = service(ports=[port(80, "a"), port(81, "b")])
    first = slice_("10.244.1.5", name="web-1", ports=[slice_port(8080, "a")])
    second = slice_("10.244.1.5", "10.244.1.6", name="web-2", ports=[slice_port(8081, "b")])
    state = desired(web, first, second)
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]
    assert answer(state, "10.96.0.10:81") == ["10.244.1.5:8081", "10.244.1.6:8081"]


def test_the_same_endpoint_in_two_slices_counts_once() -> None:
    """Kubernetes: consumers of EndpointSlices have to deduplicate endpoints."""
    state = desired(service(), slice_("10.244.1.5", name="a"), slice_("10.244.1.5", name="b"))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_repeated_endpoints_the_local_one_counts(order: str) -> None:
    """Kubernetes: kube-proxy prefers the entry that is local among repeats of one ip:port."""
    here = slice_(endpoint("10.244.1.5", node="n1"), name=order[0])
    nowhere = slice_(endpoint("10.244.1.5"), name=order[1])
    state = desired(service(internal="Local"), here, nowhere)
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]


def test_of_other_repeats_the_first_slice_by_name_counts() -> None:
    """Two slices that disagree about an endpoint give one answer, in whatever order they are read."""
    first = slice_(endpoint("10.244.1.5", ready=False), name="a")
    second = slice_(endpoint("10.244.1.5"), name="b")
    for slices in ((first, second), (second, first)):
        state = compute(Cluster(services=(service(),), slices=slices), host(), Rules())
        assert answer(state, "10.96.0.10:80") == REFUSED


def test_slices_of_another_namespace_do_not_belong() -> None:
    """Kubernetes: the label kubernetes.io/service-name counts within its namespace."""
    state = desired(service(), slice_("10.244.1.5", namespace="other"))
    assert answer(state, "10.96.0.10:80") == REFUSED


def test_slices_without_the_label_belong_to_no_service() -> None:
    """Kubernetes: a slice belongs to a service by label, not by its name."""
    state = desired(service(), slice_("10.244.1.5", service="", name="web"))
    assert answer(state, "10.96.0.10:80") == REFUSED


@pytest.mark.parametrize("label", [PROXY_NAME_LABEL, HEADLESS_LABEL])
def test_labelled_slices_are_ignored(label: str) -> None:
    """Kubernetes: kube-proxy does not see slices labelled service-proxy-name or headless."""
    state = desired(service(), slice_("10.244.1.5", labels={label: ""}))
    assert answer(state, "10.96.0.10:80") == REFUSED


def test_fqdn_slices_are_ignored() -> None:
    """Kubernetes: kube-proxy handles slices of address type IPv4 and IPv6 only."""
    state = desired(service(), slice_(family="FQDN"), slice_("10.244.1.5"))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]


def test_an_address_of_the_wrong_family_in_a_slice_is_ignored() -> None:
    """Kubernetes: an endpoint has to be of its slice's address type."""
    state = desired(service(), slice_("10.244.1.5", "fd00::5", family="IPv4"))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]


def test_endpoints_serve_a_service_without_slices() -> None:
    """Kubernetes: a selector-less service may get its addresses from an Endpoints object."""
    state = desired(service(), endpoints_("192.0.2.7"))
    assert answer(state, "10.96.0.10:80") == ["192.0.2.7:8080"]


def test_endpoints_do_not_count_beside_a_slice() -> None:
    """Kubernetes: Endpoints are mirrored to slices, and kube-proxy reads the slices."""
    state = desired(service(), slice_("10.244.1.5"), endpoints_("192.0.2.7"))
    assert answer(state, "10.96.0.10:80") == ["10.244.1.5:8080"]


def test_an_empty_slice_still_hides_the_endpoints_object() -> None:
    """Kubernetes: a slice without endpoints says that there are none."""
    state = desired(service(), slice_(), endpoints_("192.0.2.7"))
    assert answer(state, "10.96.0.10:80") == REFUSED


def test_not_ready_addresses_are_never_used() -> None:
    """Kubernetes: subsets[].notReadyAddresses must get no traffic, not even as a last resort."""
    state = desired(service(), endpoints_(not_ready=["192.0.2.7"]))
    assert answer(state, "10.96.0.10:80") == REFUSED


def test_labelled_endpoints_objects_are_ignored() -> None:
    """Kubernetes: the endpoints controller copies the labels, and they say the same there."""
    state = desired(service(), endpoints_("192.0.2.7", labels={PROXY_NAME_LABEL: "x"}))
    assert answer(state, "10.96.0.10:80") == REFUSED


def test_an_ignored_slice_leaves_the_endpoints_object_in_charge() -> None:
    """A slice that kube-proxy does not see counts as none."""
    unseen = slice_("10.244.1.5", labels={PROXY_NAME_LABEL: "x"})
    state = desired(service(), unseen, endpoints_("192.0.2.7"))
    assert answer(state, "10.96.0.10:80") == ["192.0.2.7:8080"]


def test_endpoints_of_two_families_are_told_apart() -> None:
    """Kubernetes: a subset may hold both families, a backend has the family of its frontend."""
    dual = service(cluster_ips=["10.96.0.10", "fd00:96::10"])
    state = desired(dual, endpoints_("192.0.2.7", "2001:db8::7"))
    assert answer(state, "10.96.0.10:80") == ["192.0.2.7:8080"]
    assert answer(state, "[fd00:96::10]:80") == ["2001:db8::7:8080"]


def test_the_default_kubernetes_service_works_without_node_names() -> None:
    """Kubernetes: the slice of default/kubernetes has no nodeName; its endpoints are just not local."""
    api = service("kubernetes", cluster_ips="10.96.0.1", ports=[port(443, "https")])
    masters = slice_("172.18.0.2", service="kubernetes", ports=[slice_port(6443, "https")])
    frontend = at(desired(api, masters), "10.96.0.1:443")
    assert backends(frontend) == ["172.18.0.2:6443"]
