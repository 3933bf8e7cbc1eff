"""The CustomResourceDefinitions say what the JSON schemas say, as far as their language goes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crd_generator import CRDS, NAMES, file_of, load_schema, resolve, text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from policy_strategies import manifest_of, policies
from ruamel.yaml import YAML

from balancer.manifests import load
from balancer.manifests.schema import check_shape
from balancer.model.policy import Policy

KINDS = tuple(NAMES)
BROKEN = Path(__file__).parents[2] / "samples" / "broken"
BROKEN_POLICIES = sorted(BROKEN.glob("policy-*.yaml"))
# Kubernetes: structural schemas - what a value is stands outside of allOf, anyOf, oneOf and not.
FORBIDDEN = {
    "$ref",
    "$defs",
    "const",
    "if",
    "then",
    "else",
    "patternProperties",
    "propertyNames",
    "definitions",
}
OUTSIDE_ONLY = {"type", "description", "default", "nullable", "additionalProperties", "title"}
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
JUNK = st.sampled_from(
    [None, True, 0, 7, 65536, "", "x y", "65536", "SCTP", "fd00::1", "-", [], [None], {}, {"a": 1}]
)


def definition(kind: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(file_of(kind).read_text("utf-8"))
    return loaded


def schema_of(kind: str) -> dict[str, Any]:
    (version,) = definition(kind)["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


VALIDATORS = {
    kind: Draft202012Validator(schema_of(kind), format_checker=FormatChecker(("ipv4", "ipv6")))
    for kind in KINDS
}


def inner(schema: dict[str, Any], path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """The schema and all schemas of values inside."""
    yield path, schema
    for key, value in schema.get("properties", {}).items():
        yield from inner(value, f"{path}.{key}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from inner(schema[key], f"{path}[]")


def without_nulls(data: Any) -> Any:
    """Kubernetes: null for a field that is not nullable is dropped before validation."""
    if isinstance(data, dict):
        return {key: without_nulls(value) for key, value in data.items() if value is not None}
    return [without_nulls(item) for item in data] if isinstance(data, list) else data


def accepted_by_definition(data: Any) -> bool:
    return bool(VALIDATORS[data["kind"]].is_valid(without_nulls(data)))


def accepted_by_schema(data: Any) -> bool:
    """Metadata is left to the API server, which has rules of its own for it."""
    found = check_shape(data["kind"].lower(), data)
    return not any(one.is_error and one.path[:1] == ("spec",) for one in found)


def documents_of(sample: Path) -> list[Any]:
    documents = list(YAML(typ="safe", pure=True).load_all(sample.read_text("utf-8")))
    assert documents
    return documents


@pytest.mark.parametrize("kind", KINDS)
def test_file_is_what_the_schemas_make(kind: str) -> None:
    assert file_of(kind).read_text("utf-8") == text_of(kind)


def test_there_is_a_file_for_each_kind_and_no_other() -> None:
    assert sorted(CRDS.iterdir()) == sorted(file_of(kind) for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_those_of_the_api(kind: str) -> None:
    """Kubernetes: a CustomResourceDefinition is named plural.group."""
    whole = definition(kind)
    names = whole["spec"]["names"]
    assert whole["metadata"]["name"] == f"{names['plural']}.balancing.elf.io"
    assert (names["kind"], names["singular"], names["categories"]) == (kind, kind.lower(), ["elf"])
    assert (whole["spec"]["scope"], whole["spec"]["group"]) == ("Cluster", "balancing.elf.io")
    (version,) = whole["spec"]["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1beta1", True, True)
    assert version["subresources"] == {"status": {}}


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_structural(kind: str) -> None:
    """Kubernetes: structural schemas - every value has a type or is x-kubernetes-int-or-string."""
    for path, schema in inner(schema_of(kind)):
        assert not FORBIDDEN & schema.keys(), path
        if schema.get("x-kubernetes-int-or-string"):
            assert ("type" not in schema, schema["anyOf"]) == (True, INT_OR_STRING), path
        else:
            assert isinstance(schema["type"], str), path
            branches = [branch for key in ("allOf", "anyOf", "oneOf") for branch in schema.get(key, ())]
            assert not any(OUTSIDE_ONLY & branch.keys() for branch in branches), path
        assert ("properties" in schema) + ("additionalProperties" in schema) <= 1, path
        assert "x-kubernetes-validations" not in schema, path


@pytest.mark.parametrize("kind", KINDS)
def test_fields_required_keys_and_choices_are_those_of_the_json_schema(kind: str) -> None:
    common = load_schema("common")
    pairs = [(schema_of(kind)["properties"]["spec"], load_schema(kind.lower())["properties"]["spec"])]
    seen = 0
    while pairs:
        made, source = pairs.pop()
        source = resolve(source, common)
        seen += 1
        assert made.get("properties", {}).keys() == source.get("properties", {}).keys()
        assert made.get("required") == source.get("required")
        assert made.get("enum") == ([one for one in source["enum"] if one] if "enum" in source else None)
        pairs += [(value, source["properties"][key]) for key, value in made.get("properties", {}).items()]
        pairs += [(made[key], source[key]) for key in ("items", "additionalProperties") if key in made]
    assert seen > 40


@pytest.mark.parametrize("kind", KINDS)
def test_columns_show_fields_that_exist(kind: str) -> None:
    paths = {path.removeprefix("$") for path, _ in inner(schema_of(kind))}
    columns = definition(kind)["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = {column["jsonPath"] for column in columns} - {".metadata.creationTimestamp"}
    assert len(shown) == 4
    assert shown <= paths


def test_reading_the_definitions_is_no_problem() -> None:
    manifests = load([CRDS])
    assert (manifests.problems, manifests.ignored) == ((), {"CustomResourceDefinition": 2})


@pytest.mark.parametrize("sample", BROKEN_POLICIES, ids=lambda path: path.stem)
def test_broken_sample_gets_the_same_verdict(sample: Path) -> None:
    for data in documents_of(sample):
        assert accepted_by_definition(data) == accepted_by_schema(data)


def test_broken_samples_are_refused_by_either_part() -> None:
    """Half of the rejections need no more than the definition in a cluster."""
    refused = [
        one.stem
        for one in BROKEN_POLICIES
        if not all(accepted_by_definition(data) for data in documents_of(one))
    ]
    assert {"policy-frontend-twice", "policy-address-invalid", "policy-port-text-out-of-range"} <= set(
        refused
    )
    assert len(BROKEN_POLICIES) // 2 < len(refused) < len(BROKEN_POLICIES)


@settings(max_examples=60, deadline=None)
@given(policies())
def test_a_valid_policy_is_accepted(policy: Policy) -> None:
    assert accepted_by_definition(manifest_of(policy))


@settings(max_examples=200, deadline=None)
@given(policies(), st.data())
def test_a_changed_policy_gets_the_same_verdict(policy: Policy, data: st.DataObject) -> None:
    """One value anywhere in the spec is taken away or replaced by something else."""
    changed = copy.deepcopy(manifest_of(policy))
    place, key = data.draw(st.sampled_from(list(places(changed["spec"]))))
    if data.draw(st.booleans()):
        del place[key]
    else:
        place[key] = data.draw(JUNK)
    assert accepted_by_definition(changed) == accepted_by_schema(changed)


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list with each of its keys or indexes."""
    for key in list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        yield data, key
        yield from places(data[key])
