"""Checks a command's JSON against the schema that is published for it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

_SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


@cache
def _registry() -> Registry[Any]:
    """Every schema under its own $id, as they refer to each other."""
    found = [json.loads(path.read_text()) for path in _SCHEMAS.glob("*.schema.json")]
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in found)


def check(name: str, value: object) -> None:
    """Raise jsonschema.ValidationError unless `value` is what ``schemas/<name>.schema.json`` promises."""
    _validator(name).validate(value)


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((_SCHEMAS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    formats = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, registry=_registry(), format_checker=formats)
