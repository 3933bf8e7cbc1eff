"""Where a policy works: nodeLabelSelector for cluster nodes, enableOutCluster for every other host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import Object, balancing, local_redirect, node, pod, port, to_address

LABELS = {"app": "web"}
SELECTORS: dict[str, Object | None] = {
    "absent": None,
    "matching": {"matchLabels": {"pool": "edge"}},
    "other": {"matchLabels": {"pool": "core"}},
    "expression": {"matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["core"]}]},
    "no-expression": {"matchExpressions": [{"key": "pool", "operator": "DoesNotExist"}]},
}
ON_NODE = {"absent", "matching", "expression"}
OUTSIDE = {"unset": None, "true": True, "false": False}
KINDS = {"balancing": "100.64.1", "redirect": "100.64.2"}
CASES = [(selector, outside) for selector in SELECTORS for outside in OUTSIDE]


def _config(selector: str, outside: str) -> Object:
    given = {"nodeLabelSelector": SELECTORS[selector], "enableOutCluster": OUTSIDE[outside]}
    return {name: value for name, value in given.items() if value is not None}


def _policies() -> Iterator[Object]:
    """A policy of each kind for each case, on an address that tells which."""
    for number, case in enumerate(CASES):
        config = _config(*case)
        front = [to_address(f"{prefix}.{number}", port(80)) for prefix in KINDS.values()]
        yield balancing(f"b{number}", front[0], port(pool.PORT), addresses=(pool.TWO,), config=config)
        yield local_redirect(f"r{number}", front[1], port(pool.PORT), labels=LABELS, config=config)


def _objects(*, member: bool) -> list[Object]:
    mine = [node("node1", *pool.OWN, labels={"pool": "edge"})] if member else []
    here = pod("here", "node1", pool.ONE, labels=LABELS)
    return [*mine, node("node2", *pool.OTHER_NODE, labels={"pool": "core"}), here, *_policies()]


@pytest.fixture(scope="module", params=[True, False], ids=["node", "outside"])
def member(host: Host, request: pytest.FixtureRequest) -> bool:
    """Whether this host is a node of the cluster: whether there is a Node object of its name."""
    host.balancer.apply(_objects(member=request.param))
    return bool(request.param)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_where(client: Client, member: bool, case: tuple[str, str]) -> None:
    """On a node the selector decides alone; elsewhere enableOutCluster, true unless set, decides alone."""
    selector, outside = case
    applies = selector in ON_NODE if member else outside != "false"
    number = CASES.index(case)
    answers = {kind: client.tcp(f"{prefix}.{number}", 80) for kind, prefix in KINDS.items()}
    nobody = {"balancing": "ENETUNREACH", "redirect": "ENETUNREACH"}
    assert answers == ({"balancing": "two", "redirect": "one"} if applies else nobody)


def test_a_changed_label_is_followed(host: Host, client: Client) -> None:
    """The node gets another label, and the next apply follows."""
    chosen = _config("matching", "unset")
    policy = balancing(
        "b", to_address("100.64.1.1", port(80)), port(pool.PORT), addresses=(pool.TWO,), config=chosen
    )
    for label, expected in (("edge", "two"), ("core", "ENETUNREACH"), ("edge", "two")):
        host.balancer.apply(node("node1", *pool.OWN, labels={"pool": label}), policy)
        assert client.tcp("100.64.1.1", 80) == expected
