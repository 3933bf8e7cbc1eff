"""Structure-aware mutations: values, keys and whole subtrees of parsed objects."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from fuzz.corpus import objects

JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 80, 80.0, 65535, 65536, 2**31, 2**63, 2**64, -(2**63), 10**400, 1e308, 0.5,
    "", " ", "None", "null", "true", "80", "0x50", "1e3", "yes", "\n", "a\n", "\u00e9", "\U0001f600", "\u2028", "\ufeff",
    "x" * 64, "x" * 254, "a" * 5000, "A", "-", "a.b", "a/b", "10.96.0.10", "0.0.0.0", "::", "::ffff:10.0.0.1",
    "::ffff:0.0.0.0", "fe80::1%eth0", "010.0.0.1", "10.0.0.1/8", "10.0.0.256", "255.255.255.255", "224.0.0.1",
    "127.0.0.1", "\u0661\u0660.0.0.1", "\uff11\uff10.0.0.1", "\u0668\u0660", "2026-01-31T12:00:00Z", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "ClusterIP", "NodePort", "ExternalName", "TCP", "SCTP", "udp",
    "Local", "ClientIP", "IPv6", "FQDN", "In", "Exists", "podEndpoint", "nodeProxy", "List", "ServiceList", "v1",
    "Service", "Pod", "EndpointSlice", "discovery.k8s.io/v1", "balancing.elf.io/v1beta1",
    [], {}, [[]], [None], [{}], {"": ""}, {"a": {"a": {"a": {}}}}, ["None", "None"],
)  # fmt: skip
_Path = tuple[Any, ...]
# What joins objects: of these, the value that stands under the same name elsewhere is worth a try.
_TELLING = (
    "name", "namespace", "labels", "ports", "port", "nodePort", "clusterIP", "clusterIPs", "type", "addresses", "endpoints",
    "protocol", "externalIPs", "ip", "frontend", "backend", "toPorts", "serviceName", "nodeName", "annotations", "kind", "spec",
)  # fmt: skip


def mutated(rng: random.Random) -> Any:
    """One object of the samples, or a List of some, changed in one to four places."""
    tree = copy.deepcopy(rng.choice(objects()))
    for _ in range(rng.randint(1, 4)):
        tree = _mutate(rng, tree)
    if rng.random() < 0.2:
        others = copy.deepcopy(rng.sample(objects(), rng.randint(0, 2)))
        tree = {
            "apiVersion": "v1",
            "kind": rng.choice(["List", "ServiceList", "PodList"]),
            "items": [tree, *others],
        }
    return tree


def plain(rng: random.Random) -> Any:
    """One object of the samples as it is, or one value of it changed that stays of its type."""
    tree = copy.deepcopy(rng.choice(objects()))
    for _ in range(rng.randint(0, 3)):
        paths = [path for path in _paths(tree) if path and path[-1] in _TELLING]
        path = rng.choice(paths)
        _splice(rng, _at(tree, path[:-1]), path[-1])
    return tree


def _mutate(rng: random.Random, tree: Any) -> Any:
    paths = list(_paths(tree))
    path = rng.choice(paths)
    if not path:
        return tree if rng.random() < 0.95 else rng.choice(JUNK)
    parent = _at(tree, path[:-1])
    rng.choice(_CHANGES)(rng, parent, path[-1])
    return tree


def _paths(tree: Any, path: _Path = ()) -> Any:
    yield path
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in parts:
        if len(path) < 40:
            yield from _paths(value, (*path, key))


def _at(tree: Any, path: _Path) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _delete(rng: random.Random, parent: Any, key: Any) -> None:
    del parent[key]


def _replace(rng: random.Random, parent: Any, key: Any) -> None:
    parent[key] = copy.deepcopy(rng.choice(JUNK))


def _swap_type(rng: random.Random, parent: Any, key: Any) -> None:
    value = parent[key]
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: [value],
        lambda: {"value": value},
        lambda: str(value),
        lambda: list(value) if isinstance(value, dict | list | str) else value,
        lambda: {str(index): one for index, one in enumerate(value)} if isinstance(value, list) else None,
        lambda: int(value) if isinstance(value, str) and value.isdigit() and len(value) < 400 else 1.0,
    )
    parent[key] = rng.choice(kinds)()


def _rename(rng: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent, dict):
        names = (
            str(key).upper(),
            str(key)[:-1],
            f"{key}s",
            "",
            "name",
            "<<",
            f" {key}",
            "\u00e9",
            "x" * 5000,
        )
        parent[rng.choice(names)] = parent.pop(key)


def _splice(rng: random.Random, parent: Any, key: Any) -> None:
    """A subtree of another object, often one that stands under the same name there."""
    other = rng.choice(objects())
    paths = list(_paths(other))
    alike = [path for path in paths if path and path[-1] == key]
    parent[key] = copy.deepcopy(_at(other, rng.choice(alike or paths)))


def _repeat(rng: random.Random, parent: Any, key: Any) -> None:
    value = parent[key]
    if isinstance(value, list):
        parent[key] = value * rng.choice((2, 3, 20))
    elif isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(value))


def _shuffle(rng: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent[key], list):
        rng.shuffle(parent[key])


def _number(rng: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent[key], int) and not isinstance(parent[key], bool):
        step = rng.choice((-1, 1, 0.5, 65536, 2**32, 2**63, -(2**70), 10**30))
        # What an earlier change made larger than any float has to stay an integer.
        parent[key] += step if abs(parent[key]) < 2**1000 else int(step)


def _nest(rng: random.Random, parent: Any, key: Any) -> None:
    for _ in range(rng.choice((1, 5, 30, 70))):
        parent[key] = [parent[key]] if rng.random() < 0.5 else {"a": parent[key]}


_CHANGES = (
    _delete, _delete, _replace, _replace, _replace, _swap_type, _swap_type, _rename, _splice, _splice, _repeat,
    _shuffle, _number, _number, _nest,
)  # fmt: skip
