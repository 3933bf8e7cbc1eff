"""The schema files themselves, and where they are found."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from balancer.errors import HostUnfit
from balancer.manifests import resources, schema_dir
from balancer.manifests.kinds import KINDS

INPUT = ["common", *(name.lower() for name in KINDS)]


@pytest.mark.parametrize("name", INPUT)
def test_schema_is_a_schema(name: str) -> None:
    """JSON Schema Draft 2020-12: every file is valid against its metaschema and carries its own id."""
    schema = json.loads((schema_dir() / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(f"/{name}.schema.json")


def test_schemas_of_a_wheel_are_under_the_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "share" / "balancer" / "schemas"
    shared.mkdir(parents=True)
    (shared / "service.schema.json").write_text("{}")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "lib/site/balancer/manifests/resources.py"))
    assert schema_dir() == shared


def test_installation_without_schemas_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "lib/site/balancer/manifests/resources.py"))
    with pytest.raises(HostUnfit) as caught:
        schema_dir()
    assert caught.value.hint == "install the package again"
