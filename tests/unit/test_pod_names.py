"""Which pods are behind cgroups, and which behind backends."""

from __future__ import annotations

from dataclasses import replace

from builders import cluster, endpoint, endpoints_, node, pod, slice_
from plan_builders import desired, frontend

from balancer.model.edit import Edit
from balancer.model.node import Pod
from balancer.state.pod_names import PodName, PodsOfServices, pods_of_backends, pods_of_node

WEB = frontend("10.96.0.10:80", "10.244.1.5:8080")


def _running(name: str, uid: str, *, on: str = "n1") -> Pod:
    found = replace(pod(name, node=on), containers=(("c1", "app"),))
    return replace(found, meta=replace(found.meta, uid=uid))


def test_the_pods_of_this_node_by_uid() -> None:
    """A pod elsewhere is nobody's process here, and one without a UID cannot be found."""
    world = cluster(_running("a", "u1"), _running("b", "u2", on="n2"), _running("c", ""))
    assert pods_of_node(world, "n1") == {"u1": PodName("default", "a", {"c1": "app"})}


def test_a_slice_names_its_pods() -> None:
    world = cluster(slice_(endpoint("10.244.1.5", pod="shop/web-1"), endpoint("10.244.1.6", pod="web-2")))
    assert pods_of_backends(world, desired(WEB)) == {"10.244.1.5": "shop/web-1"}


def test_endpoints_name_them_too() -> None:
    world = cluster(endpoints_(endpoint("10.244.1.5", pod="shop/web-1")))
    assert pods_of_backends(world, desired(WEB)) == {"10.244.1.5": "shop/web-1"}


def test_a_pods_address_names_it_where_no_slice_does() -> None:
    world = cluster(
        slice_("10.244.1.5"), pod("web-1", "10.244.1.5"), pod("gone", "10.244.1.5", terminating=True)
    )
    assert pods_of_backends(world, desired(WEB)) == {"10.244.1.5": "default/web-1"}


def test_the_slice_is_right_where_both_speak() -> None:
    world = cluster(slice_(endpoint("10.244.1.5", pod="new")), pod("old", "10.244.1.5"))
    assert pods_of_backends(world, desired(WEB)) == {"10.244.1.5": "default/new"}


def test_pods_in_their_nodes_network_are_told_apart_by_port() -> None:
    """They all have the node's address; another port there is no pod's that we know."""
    hosts = frontend("10.96.0.11:80", "192.168.0.1:9100", "192.168.0.1:9200", "192.168.0.1:30080")
    world = cluster(
        node("n1", "192.168.0.1"),
        slice_(endpoint("192.168.0.1", pod="infra/exporter"), name="a", ports=(9100,)),
        slice_(endpoint("192.168.0.1", pod="infra/proxy"), name="b", ports=(9200,)),
        pod("proxy", "192.168.0.1", host_network=True),
    )
    assert pods_of_backends(world, desired(hosts)) == {
        "192.168.0.1:9100": "infra/exporter",
        "192.168.0.1:9200": "infra/proxy",
    }


def test_what_lies_beneath_a_redirect_is_a_backend_too() -> None:
    top = replace(frontend("10.96.0.10:80", "10.244.1.9:8080"), beneath=WEB)
    world = cluster(pod("web-1", "10.244.1.5"), pod("near", "10.244.1.9"))
    assert pods_of_backends(world, desired(top)) == {
        "10.244.1.5": "default/web-1",
        "10.244.1.9": "default/near",
    }


WORLD = (
    node("n1", "192.168.0.1"),
    slice_(endpoint("10.244.1.5", pod="shop/web-1"), "10.244.1.6", name="web-a"),
    slice_(endpoint("192.168.0.1", pod="infra/exporter"), name="web-b", ports=(8080,)),
    endpoints_(endpoint("10.244.1.7", pod="shop/web-3")),
    pod("web-2", "10.244.1.6"),
)
ALL = frontend("10.96.0.10:80", *(f"10.244.1.{last}:8080" for last in (5, 6, 7)), "192.168.0.1:8080")


def test_followed_names_are_those_of_a_look_at_everything() -> None:
    world = cluster(*WORLD)
    found = PodsOfServices(world).names([("default", "web")], ALL.backends)
    assert found == pods_of_backends(world, desired(ALL))
    assert len(found) == 4


def test_names_follow_a_slice_that_is_replaced_or_moves() -> None:
    before = slice_(endpoint("10.244.1.5", pod="shop/web-1"), name="web-a")
    after = slice_(endpoint("10.244.1.5", pod="shop/web-9"), name="web-a", service="other")
    followed = PodsOfServices(cluster(before))
    key = ("EndpointSlice", "default", "web-a")
    touched = followed.follow(Edit(before={key: before}, after={key: after}))
    assert touched == {("default", "web"), ("default", "other")}
    assert followed.names([("default", "web")], ()) == {}
    assert followed.names([("default", "other")], ()) == {"10.244.1.5": "shop/web-9"}


def test_a_pod_may_be_behind_any_backend() -> None:
    one = pod("web-2", "10.244.1.6")
    assert PodsOfServices(cluster()).follow(Edit(after={("Pod", "default", "web-2"): one})) is None
