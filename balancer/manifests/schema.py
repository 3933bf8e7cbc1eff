"""Whether an object has the shape that the Kubernetes API gives it, by the files of `schemas/`.

The schemas are the only place that knows names, types and ranges of fields. What several fields must
be together is not theirs: see the checks of each kind.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from balancer.manifests import wording
from balancer.manifests.choice import prefers_reference
from balancer.manifests.finding import Finding
from balancer.manifests.limits import DEFAULT_LIMITS
from balancer.manifests.paths import JsonPath
from balancer.manifests.resources import schema_dir
from balancer.manifests.schema_fast import IsValid, closed, quick
from balancer.manifests.schema_reference import make_validator
from balancer.model.problem import Severity

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

Schema = Mapping[str, Any]
# More keys than the API has by this many are not slips of a pen, and looking for them costs time.
_MOST_UNKNOWN = 200
_COMMON = "common.schema.json"
_KINDS = (
    "service",
    "endpointslice",
    "endpoints",
    "pod",
    "node",
    "namespace",
    "localredirectpolicy",
    "balancingpolicy",
)
# Of several complaints about one value the first of these says it best.
_ORDER = ("type", "required", "const", "enum", "minimum", "maximum", "maxLength", "format", "pattern")


def check_shape(kind: str, data: Any, most: int = DEFAULT_LIMITS.max_problems) -> tuple[Finding, ...]:
    """What is wrong with the shape of an object; `kind` is in lower case, as in the file names.

    One error for a value at most, and not more than `most` in all. Keys that look like a misspelled
    one are warnings.
    """
    schemas = _load()
    if not prefers_reference():
        is_flawless, is_sound = schemas.quick(kind)
        if is_flawless(data):
            return ()
        if is_sound(data):
            return tuple(islice(_misspelled(schemas, schemas.files[f"{kind}.schema.json"], data, ()), most))
    found: dict[JsonPath, Finding] = {}
    errors = islice(schemas.validator(kind).iter_errors(data), most)
    for error in sorted(errors, key=_rank):
        for finding in _findings(schemas, error):
            found.setdefault(finding.path, finding)
    warnings = islice(_misspelled(schemas, schemas.files[f"{kind}.schema.json"], data, ()), most)
    return (*found.values(), *warnings)


def is_flawless(kind: str, data: Any) -> bool:
    """Whether `check_shape` is sure to find nothing, as far as a quick look tells: a no means nothing."""
    return not prefers_reference() and _load().quick(kind)[0](data)


class _Schemas:
    """Validators are made when they are asked for: most runs need those of two or three kinds."""

    def __init__(self, files: Mapping[str, Schema]) -> None:
        self.files = files
        self._validators: dict[str, Validator] = {}
        self._quick: dict[str, tuple[IsValid, IsValid]] = {}

    def validator(self, kind: str) -> Validator:
        """The reference: complete, with every error."""
        if kind not in self._validators:
            self._validators[kind] = make_validator(self.files[f"{kind}.schema.json"], self.files.values())
        return self._validators[kind]

    def quick(self, kind: str) -> tuple[IsValid, IsValid]:
        """Whether there is nothing at all to say about a value, and whether it has no error."""
        if kind not in self._quick:
            schema, common = self.files[f"{kind}.schema.json"], self.files[_COMMON]
            self._quick[kind] = (quick(closed(schema), closed(common)), quick(schema, common))
        return self._quick[kind]

    def parts(self, schema: Schema) -> Iterator[Schema]:
        """The schema and those that it refers to, which all apply to one value."""
        yield schema
        reference = schema.get("$ref")
        if reference:
            yield from self.parts(self.files[_COMMON]["$defs"][reference.rpartition("/")[2]])

    def description(self, schema: Schema) -> str:
        return next((part["description"] for part in self.parts(schema) if "description" in part), "")

    def field(self, schema: Schema, name: str) -> Schema | None:
        """The schema of a field: of several parts that name it, the first."""
        fields = (part.get("properties", {}).get(name) for part in self.parts(schema))
        return next((found for found in fields if found is not None), None)

    def known_keys(self, schema: Schema) -> list[str]:
        """Every key of the API, or nothing where the schema does not list them all."""
        parts = list(self.parts(schema))
        if not any(part.get("x-complete") for part in parts):
            return []
        return sorted({name for part in parts for name in part.get("properties", {})})


@functools.cache
def _load() -> _Schemas:
    directory = schema_dir()
    names = [_COMMON, *(f"{kind}.schema.json" for kind in _KINDS)]
    return _Schemas({name: json.loads((directory / name).read_text("utf-8")) for name in names})


def _rank(error: ValidationError) -> int:
    validator = str(error.validator)
    return _ORDER.index(validator) if validator in _ORDER else len(_ORDER)


def _findings(schemas: _Schemas, error: ValidationError) -> Iterator[Finding]:
    path = tuple(error.absolute_path)
    schema: Schema = error.schema if isinstance(error.schema, Mapping) else {}
    if error.validator != "required":
        yield Finding(path=path, message=wording.message(error, schemas.description(schema)))
        return
    required: Any = error.validator_value
    instance: Any = error.instance
    for name in required:
        if name not in instance:
            field = schemas.field(schema, name)
            expected = schemas.description(field) if field is not None else ""
            yield Finding(path=(*path, name), message=wording.missing(name, expected))


def _misspelled(schemas: _Schemas, schema: Schema, data: object, path: JsonPath) -> Iterator[Finding]:
    if isinstance(data, list):
        items: Schema = next((part["items"] for part in schemas.parts(schema) if "items" in part), {})
        for index, item in enumerate(data if items else ()):
            yield from _misspelled(schemas, items, item, (*path, index))
    if not isinstance(data, Mapping):
        return
    known = schemas.known_keys(schema)
    if len(data) > len(known) + _MOST_UNKNOWN:
        known = []
    for key, value in data.items():
        field = schemas.field(schema, key)
        if field is not None:
            yield from _misspelled(schemas, field, value, (*path, key))
        elif near := wording.closest(key, [name for name in known if name not in data]):
            message = wording.misspelled(key, near)
            yield Finding(path=(*path, key), message=message, severity=Severity.WARNING, on_key=True)
