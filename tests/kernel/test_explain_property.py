"""What explain says is what sockets get, for clusters that nobody thought of.

Every address is local to the host, and a server on every address and port says at which one it was reached.
So each outcome is seen for what it is: a backend by its address, a connection left alone by the address asked
for, and an error can only come from the programs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from harness.client import Client, Way
from harness.explainer import Explainer, Reached
from harness.host import Host, lone_host
from harness.netns import add_local_ranges
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from balancer.desired.compute import compute
from balancer.desired.node_ports import ANY_ADDRESS
from balancer.desired.types import Desired, Rules, ServiceRedirect
from balancer.desired.types import Host as Here
from balancer.model.cluster import Cluster
from balancer.model.service import Protocol

sys.path.insert(0, str(Path(__file__).parents[1] / "property"))

from builders import pod
from cluster_strategies import clusters

UID = "6a1f7a3e-0d53-4c69-8d6e-0c6d2f0b7a11"
PORTS = (53, 80, 81, 8080, 8081, 9090, 30080, 30081)
OTHER = {Protocol.TCP: Protocol.UDP, Protocol.UDP: Protocol.TCP}
NODE_ADDRESSES = {4: ("127.0.0.1", "192.168.0.1"), 6: ("::1", "fd00:1::2")}
ERRNO = {"refuse": "ECONNREFUSED", "unreachable": "EHOSTUNREACH"}
WAYS = {"TCP": (Way.TCP,), "UDP": (Way.UNCONNECTED, Way.CONNECTED)}
STRANGERS = ("10.1.2.3", "fd00:99::9")
few_rules = st.builds(
    Rules,
    service_redirect=st.sampled_from([ServiceRedirect.POD_ENDPOINT] * 3 + [ServiceRedirect.NODE_PORT]),
    local_policy_applies_to_all_access=st.booleans(),
)


whole = clusters.map(lambda known: told_apart(known))


class World(NamedTuple):
    """A host, somebody without a rule, and a process in the cgroup of the first pod of every cluster."""

    explainer: Explainer
    stranger: Client
    in_pod: Client


@pytest.fixture(scope="module")
def world(kernel_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        host: Host = stack.enter_context(lone_host(tmp_path_factory.mktemp("host"), node="n1"))
        add_local_ranges(host.netns, ["0.0.0.0/0", "::/0"])
        stack.enter_context(Reached(host, PORTS))
        in_pod = host.add_client(f"kubepods/burstable/pod{UID}/container")
        yield World(stack.enter_context(Explainer(host)), host.client, in_pod)


def told_apart(known: Cluster) -> Cluster:
    """The cluster as a test can follow it: rates aside, and affinity left to one service, since one client
    never sees more than one backend of it. The first pod is there, runs on this host and has a UID.
    """
    pods = {item.meta.name: item for item in known.pods}
    first = pods.get("p1") or pod("p1", "10.244.0.1", labels={"app": "x"})
    pods["p1"] = replace(first, meta=replace(first.meta, uid=UID), node_name="n1")
    kept = tuple(
        item if item.meta.name == "c" else replace(item, affinity_seconds=0) for item in known.services
    )
    redirects = tuple(replace(item, rate=0) for item in known.local_redirects)
    ordered = tuple(pods[name] for name in sorted(pods))
    return replace(known, services=kept, pods=ordered, local_redirects=redirects)


def mirrored(known: Cluster) -> Cluster:
    """The same with TCP for UDP and the other way round."""

    def turned(ports: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(replace(item, protocol=OTHER.get(item.protocol, item.protocol)) for item in ports)

    return replace(
        known,
        services=tuple(replace(item, ports=turned(item.ports)) for item in known.services),
        slices=tuple(replace(item, ports=turned(item.ports)) for item in known.slices),
    )


def frontends_of(desired: Desired) -> set[tuple[str, int, str]]:
    """A destination for each frontend: a node port is asked for on several addresses."""
    found = set()
    for item in desired.frontends:
        everywhere = item.address in ANY_ADDRESS.values()
        for address in NODE_ADDRESSES[item.address.version] if everywhere else (str(item.address),):
            found.add((address, item.port, item.protocol.value))
    return found


def beside(desired: Desired) -> set[tuple[str, int, str]]:
    """A port of each address that may not be there, and addresses of nobody."""
    addresses = {str(address) for address in desired.addresses} - {"0.0.0.0", "::"} | set(STRANGERS)
    return {(address, port, protocol) for address in addresses for port in (80, 9090) for protocol in WAYS}


def expected(told: Any) -> set[str]:
    """What clients must see, from an explanation alone."""
    if told["outcome"] == "forward":
        return {f"{item['address']} {item['port']}" for item in told["backends"]}
    return {ERRNO.get(told["outcome"], f"{told['address']} {told['port']}")}


def seen(client: Client, told: Any, *, sticky: bool) -> set[str]:
    """What clients do see: often enough that no backend stays unseen, and none too many."""
    want, found = expected(told), set[str]()
    most = 3 if sticky or len(want) == 1 else 40 * len(want)
    for way in WAYS[told["protocol"]]:
        for asked in range(0, most, 10):
            if asked and found >= want:
                break
            count = min(most, 10)
            mapped = ":" not in told["address"] and bool(asked % 20)
            found |= set(client.tally(told["address"], told["port"], way=way, mapped=mapped, count=count))
    return found


# A failure is told at once: making it smaller would connect for minutes, and not the same way twice.
bounded = settings(
    deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate]
)
anything = {"known": st.one_of(whole, whole.map(mirrored)), "under": few_rules, "data": st.data()}


@settings(bounded, max_examples=50, derandomize=True)
@given(**anything)
def test_explain_names_the_backends_that_sockets_see(
    world: World, known: Cluster, under: Rules, data: st.DataObject
) -> None:
    """By maps and by manifests, for a process of the host and for one in a pod's cgroup."""
    check(world, known, under, data)


@pytest.mark.stress
@pytest.mark.timeout(900)
@settings(bounded, max_examples=500)
@given(**anything)
def test_explain_names_the_backends_that_sockets_see_for_long(
    world: World, known: Cluster, under: Rules, data: st.DataObject
) -> None:
    """The same with other clusters in each run."""
    check(world, known, under, data)


def check(world: World, known: Cluster, under: Rules, data: st.DataObject) -> None:
    """Brings the cluster to the maps and asks for some destinations, by explanation and by sockets."""
    world.explainer.apply(known, under)
    here = Here(node_name="n1", addresses=())
    desired = compute(known, here, under)
    asked = _some(data, frontends_of(desired), 6) + _some(data, beside(desired), 2)
    for address, port, protocol in asked:
        told = world.explainer.explain(address, port, protocol)
        sticky = bool(told["frontend"] and told["frontend"]["affinity_seconds"])
        found = seen(world.stranger, told, sticky=sticky)
        assert found <= expected(told) if sticky else found == expected(told), told
        planned = world.explainer.explain(address, port, protocol, live=False)
        assert (planned["outcome"], planned["backends"]) == (told["outcome"], _anonymous(told, planned))
        inside = world.explainer.explain(address, port, protocol, pid=world.in_pod.pid)
        if (inside["outcome"], inside["backends"]) != (told["outcome"], told["backends"]):
            assert seen(world.in_pod, inside, sticky=sticky) == expected(inside), inside


def _some(data: st.DataObject, choices: set[Any], most: int) -> list[Any]:
    """Up to `most` of them, drawn."""
    count = min(len(choices), most)
    pick = st.lists(st.sampled_from(sorted(choices)), min_size=count, max_size=count, unique=True)
    return data.draw(pick) if count else []


def _anonymous(told: Any, planned: Any) -> Any:
    """The live backends with the nodes of the planned ones, where only these are known."""
    nodes = {(item["address"], item["port"]): item["node"] for item in planned["backends"]}
    return [{**item, "node": nodes.get((item["address"], item["port"]))} for item in told["backends"]]
