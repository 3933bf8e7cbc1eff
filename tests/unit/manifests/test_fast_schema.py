"""The quick validators agree with jsonschema wherever they say yes."""

from __future__ import annotations

import random

import pytest
from fuzz import trees
from manifest_builders import endpoint_slice, service

from balancer.manifests.choice import ENVIRONMENT
from balancer.manifests.schema import _load, check_shape

SEEDS = range(1500)


def test_a_quick_yes_is_the_yes_of_jsonschema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutated objects of all kinds."""
    answers = []
    for seed in SEEDS:
        data = trees.mutated(random.Random(seed)) if seed % 2 else trees.plain(random.Random(seed))
        kind = str(data.get("kind")).lower() if isinstance(data, dict) else ""
        if f"{kind}.schema.json" in _load().files:
            monkeypatch.delenv(ENVIRONMENT, raising=False)
            together = check_shape(kind, data)
            monkeypatch.setenv(ENVIRONMENT, "reference")
            assert together == check_shape(kind, data)
            answers.append(not together)
    assert 0.2 < sum(answers) / len(answers) < 0.95


@pytest.mark.parametrize(
    "data",
    [
        service(clusterIP="10.0.0.01"),
        service(externalIPs=["fe80::1%eth0"]),
        service(ports=[{"port": 80, "name": "a\n"}]),
        service(loadBalancerSourceRanges=["10.0.0.0"]),
        service(ports=[{"port": True}]),
        service("a" * 64),
    ],
)
def test_what_jsonschema_refuses_is_refused(data: dict[str, object]) -> None:
    """Formats are the project's own; "$" does not match before a line break; true is no integer."""
    flawless, sound = _load().quick("service")
    assert not flawless(data)
    assert not sound(data)
    assert check_shape("service", data)


def test_a_misspelled_key_is_told_though_the_object_is_sound() -> None:
    data = endpoint_slice({"addresses": ["10.0.0.1"], "nodname": "a"})
    flawless, sound = _load().quick("endpointslice")
    assert sound(data)
    assert not flawless(data)
    (warning,) = check_shape("endpointslice", data)
    assert not warning.is_error
    assert (
        check_shape("endpointslice", endpoint_slice({"addresses": ["10.0.0.1"], "somethingElse": "a"})) == ()
    )


def test_values_that_no_json_has_are_left_to_jsonschema() -> None:
    flawless, _ = _load().quick("service")
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    for odd in ("\ud800", float("nan"), 2**80, deep, object()):
        assert not flawless(service(clusterIP=odd))
