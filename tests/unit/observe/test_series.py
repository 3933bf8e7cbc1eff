"""What a frontend's series are labelled with, and which are told when not all may be."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from balancer.desired.types import FrontendKind, Source
from balancer.model.service import Protocol
from balancer.observe.series import Counted, FrontendLabels, Names, ServicePort, busiest, service_backends
from balancer.state import Label
from balancer.views import LivePolicy

WEB = Label(FrontendKind.CLUSTER_IP, "Service shop/web", "http", "a.yaml:1", "g")
PLAIN = WEB._replace(port_name="")
VIP = ip_address("10.96.0.1")


def _of(
    names: Names, text: str = "10.96.0.1", port: int = 80, source: Source | None = None
) -> FrontendLabels:
    return names.of(ip_address(text), port, Protocol.TCP, source)


def test_a_service_port_is_named() -> None:
    found = _of(Names({"10.96.0.1:80/TCP": WEB}, ()))
    assert found == ("shop", "web", "http", "TCP", "ClusterIP", "10.96.0.1:80", "service", "")


def test_an_ipv6_address_is_in_brackets() -> None:
    found = _of(Names({"[fd00::1]:80/TCP": WEB}, ()), "fd00::1")
    assert (found.address, found.service) == ("[fd00::1]:80", "web")


def test_a_port_without_a_name_is_its_number_on_node_ports_too() -> None:
    """Kubernetes: a port may lack a name only if its Service has no other."""
    labels = {
        "0.0.0.0:30080/TCP": PLAIN._replace(kind=FrontendKind.NODE_PORT),
        "10.96.0.1:80/TCP": PLAIN,
    }
    assert _of(Names(labels, ()), "0.0.0.0", 30080).port == "80"


def test_a_policy_on_a_service_is_that_services() -> None:
    near = WEB._replace(
        object="LocalRedirectPolicy near", port_name="", source=Source.LOCAL_REDIRECT, beneath=WEB
    )
    found = _of(Names({"10.96.0.1:80/TCP": near}, ()), source=Source.LOCAL_REDIRECT)
    assert (found.namespace, found.service, found.port) == ("shop", "web", "http")
    assert (found.source, found.policy) == ("localRedirect", "LocalRedirectPolicy near")


def test_a_policy_is_its_targets_where_no_service_is_beneath() -> None:
    far = WEB._replace(object="BalancingPolicy far", source=Source.BALANCING)
    policy = LivePolicy(
        kind="BalancingPolicy", name="far", file="b.yaml:1", applies=True, target="Service shop/web"
    )
    found = _of(Names({"10.96.0.1:80/TCP": far}, (policy,)))
    assert (found.namespace, found.service, found.policy) == ("shop", "web", "BalancingPolicy far")


def test_a_policy_on_an_address_has_no_service() -> None:
    dns = Label(FrontendKind.VIP, "LocalRedirectPolicy dns", "", "a:1", "g", Source.LOCAL_REDIRECT)
    policy = LivePolicy(
        kind="LocalRedirectPolicy", name="dns", file="b.yaml:1", applies=True, target="10.96.0.1"
    )
    found = _of(Names({"10.96.0.1:53/TCP": dns}, (policy,)), port=53)
    assert (found.namespace, found.service, found.port, found.kind) == ("", "", "53", "VIP")


def test_what_only_the_map_knows_is_told() -> None:
    """Without the state file."""
    found = _of(Names({}, ()), source=Source.LOCAL_REDIRECT)
    assert found == ("", "", "", "TCP", "", "10.96.0.1:80", "localRedirect", "")


def _counted(address: str, *counts: int) -> Counted:
    return Counted(FrontendLabels("", "", "", "TCP", "", address, "", ""), counts)


@pytest.mark.parametrize(
    ("limit", "kept", "omitted"), [(9, "bac", 0), (4, "bac", 0), (3, "ba", 1), (1, "", 3), (0, "", 3)]
)
def test_the_busiest_are_kept(limit: int, kept: str, omitted: int) -> None:
    """b takes two series; d never decided anything and takes none."""
    frontends = [_counted("a", 0, 5), _counted("b", 9, 1), _counted("c", 0, 4), _counted("d", 0, 0)]
    found, left_out = busiest(frontends, limit)
    assert ("".join(item.labels.address for item in found), left_out) == (kept, omitted)


def test_service_ports_without_backends_come_first() -> None:
    quiet, busy, empty = (ServicePort("d", name, "80", "TCP") for name in ("quiet", "busy", "empty"))
    found = service_backends({quiet: 2, busy: 1, empty: 0}, {busy: 7}, limit=2)
    assert found == [(empty, 0), (busy, 1)]
