"""What holds for every text: reading agrees with writing, never raises, and no order or split matters."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_builders import Data, messages, read, read_data, service, thing
from policy_strategies import manifest_of, policies
from ruamel.yaml import YAML

from balancer.manifests import merge
from balancer.manifests.engine import reference_documents
from balancer.manifests.limits import Limits
from balancer.manifests.paths import JsonPath, format_path, parse_path
from balancer.manifests.source import SourceText
from balancer.model.policy import Policy

FEW = settings(max_examples=60, deadline=None)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
FRAGMENTS = """kind: Service|- a|  b: [|---|...|a: &x 1|b: *x|<<: *x|%YAML 1.1|'|{|!!x y|\t|apiVersion: v1|metadata:
  name: a|items:|kind: List|? x|- kind: Pod|\x00|\ud7ff|? |: |&a|*a|"|> |[*x, *x]|# c"""
LINES = st.lists(st.sampled_from(FRAGMENTS.split("|")), max_size=12).map("\n".join)


def as_yaml(value: Any) -> str:
    """YAML 1.1, as kubectl writes it."""
    writer = YAML(typ="safe", pure=True)
    writer.version = (1, 1)
    writer.default_flow_style = False
    stream = io.StringIO()
    writer.dump(value, stream)
    return stream.getvalue()


def only(text: str, name: str) -> Any:
    (document,) = reference_documents(SourceText(name, text), Limits())
    assert document.findings == ()
    return document


def leaves(value: Any, path: JsonPath = ()) -> list[tuple[JsonPath, Any]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))]
    return [(path, value)]


@FEW
@given(VALUES)
def test_yaml_reads_back_what_was_written(value: Any) -> None:
    text = as_yaml({"value": value})
    assert only(text, "a.yaml").data == {"value": value}


@FEW
@given(VALUES, st.sampled_from([None, 2, "\t"]))
def test_json_reads_back_what_was_written_at_the_right_places(value: Any, indent: int | str | None) -> None:
    text = json.dumps(value, indent=indent)
    document = only(text, "a.json")
    assert document.data == value
    for path, leaf in leaves(value):
        assert text[document.offset(path) :].startswith(json.dumps(leaf))


@FEW
@given(VALUES)
def test_yaml_places_are_those_of_the_values(value: Any) -> None:
    """Numbers stand for themselves in any style, so that their text shows the place."""
    text = as_yaml({"value": value})
    document = only(text, "a.yaml")
    for path, leaf in leaves({"value": value}):
        if isinstance(leaf, int) and not isinstance(leaf, bool):
            assert text[document.offset(path) :].startswith(str(leaf))


@FEW
@given(st.lists(st.integers(0, 99) | TEXTS, max_size=6).map(tuple))
def test_paths_survive_as_text(path: JsonPath) -> None:
    assert parse_path(format_path(path)) == path


@FEW
@given(st.text(max_size=60) | LINES, st.sampled_from(["a.yaml", "a.json"]))
def test_no_text_raises(text: str, name: str) -> None:
    read(text.encode("utf-8", errors="surrogatepass"), name)


@FEW
@given(st.binary(max_size=60), st.sampled_from(["a.yaml", "a.json"]))
def test_no_bytes_raise(raw: bytes, name: str) -> None:
    file = read(raw, name)
    assert all(problem.origin.line >= 1 and problem.origin.column >= 1 for problem in file.problems)


def some_objects(seed: int) -> list[Data]:
    """Services with clashing names and versions, and pods."""
    rng = random.Random(seed)
    chosen = [
        service(
            rng.choice("abc"), version=rng.choice(["", "1", "2"]), clusterIP=f"10.0.0.{rng.randint(1, 3)}"
        )
        for _ in range(rng.randint(1, 6))
    ]
    return [*chosen, *(thing("Pod", f"p{n}") for n in range(rng.randint(0, 3)))]


@pytest.mark.parametrize("seed", range(25))
def test_order_of_files_does_not_matter(seed: int) -> None:
    files = [read(json.dumps(one), f"{n}.json") for n, one in enumerate(some_objects(seed))]
    shuffled = random.Random(seed + 1).sample(files, len(files))
    assert merge(shuffled).cluster == merge(files).cluster
    assert merge(shuffled).problems == merge(files).problems


@pytest.mark.parametrize("seed", range(25))
def test_a_list_and_its_items_in_files_are_one_cluster(seed: int) -> None:
    objects = some_objects(seed)
    whole = merge([read(as_yaml({"apiVersion": "v1", "kind": "List", "items": objects}))])
    split = merge([read(json.dumps(one), f"{n}.json") for n, one in enumerate(objects)])
    assert len(whole.problems) == len(split.problems)
    assert contents(whole.cluster.services) == contents(split.cluster.services)
    assert contents(whole.cluster.pods) == contents(split.cluster.pods)


def contents(objects: Any) -> list[Any]:
    """Objects without their places."""
    return [(one.meta.key, one.meta.resource_version, getattr(one, "cluster_ips", ())) for one in objects]


@FEW
@given(policies())
def test_a_policy_keeps_all_its_fields(policy: Policy) -> None:
    file = read_data(manifest_of(policy))
    assert messages(file) == []
    (found,) = file.objects
    assert replace(found, meta=policy.meta) == policy


@FEW
@given(policies())
def test_a_policy_is_the_same_in_yaml_and_json(policy: Policy) -> None:
    data = manifest_of(policy)
    (one,), (other,) = read(as_yaml(data)).objects, read(json.dumps(data), "a.json").objects
    assert replace(one, meta=other.meta) == other
