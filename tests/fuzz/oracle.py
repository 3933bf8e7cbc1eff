"""What may never happen, whatever the text: each rule here is a sentence in the string it gives back."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from balancer.manifests import AnyObject, FileObjects, schema_dir
from balancer.manifests.reader import read_bytes_as
from balancer.model.problem import Origin
from fuzz.independent import Doubtful, documents, is_address, is_doubtful, is_range

_NOWHERE = Origin(file="", line=0)
_NAMESPACED = ("Service", "EndpointSlice", "Endpoints", "Pod")
_KINDS = (*_NAMESPACED, "Node", "Namespace", "LocalRedirectPolicy", "BalancingPolicy")
_Key = tuple[str, str, str]


def violations(name: str, raw: bytes) -> Iterator[str]:
    """Reads the bytes as the file `name` and yields every rule that is broken."""
    file = read_bytes_as(name, raw)
    yield from _printable(file)
    found = [raw_object for data in documents(name, raw) for raw_object in _objects(data, {})]
    sound: dict[_Key, list[Any]] = {}
    for data in found:
        if isinstance(data, dict) and data.get("kind") in _KINDS and not is_doubtful(data) and _fits(data):
            sound.setdefault(_key(data), []).append(data)
    for accepted in file.objects:
        key = (accepted.meta.kind, *accepted.meta.key)
        if not any(_decodes_to(data, accepted) for data in sound.get(key, ())):
            yield f"{accepted.meta} was accepted, and the independent reader has no such object: {accepted}"
    if not any(problem.is_error for problem in file.problems):
        kept = len(file.objects) + sum(file.ignored.values())
        if kept != len(found):
            yield f"{len(found)} objects, {kept} kept or counted, and no error"


def _printable(file: FileObjects) -> Iterator[str]:
    for problem in file.problems:
        if problem.origin.line < 1 or problem.origin.column < 1 or problem.origin.file != file.path:
            yield f"a problem without a place: {problem}"
        if "\n" in problem.excerpt or len(problem.excerpt) > 500 or len(problem.message) > 700:
            yield f"a problem that cannot be shown: {problem}"
        if not problem.message or len(problem.object) > 800 or len(problem.path) > 2000:
            yield f"a problem that says nothing, or too much: {problem}"
    try:
        str(file).encode()
        json.dumps([str(one) for one in file.objects], ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        yield f"text that is not Unicode got through: {error}"


def _objects(data: Any, inherited: dict[str, Any]) -> Iterator[Any]:
    """Single objects, Lists and typed lists, one inside the other."""
    kind = data.get("kind") if isinstance(data, dict) else None
    around = {key: value for key, value in data.items() if key != "items"} if isinstance(kind, str) else None
    if (
        isinstance(data, Doubtful)
        or is_doubtful(around)
        or not isinstance(kind, str)
        or not (kind == "List" or (kind.endswith("List") and "items" in data))
    ):
        if data is not None or inherited:
            yield {**inherited, **data} if isinstance(data, dict) and not is_doubtful(data) else data
        return
    passed_on = {"apiVersion": data.get("apiVersion"), "kind": kind[:-4]} if kind != "List" else {}
    items = data.get("items")
    for item in items if isinstance(items, list) else ():
        if item is None:
            yield item
        else:
            yield from _objects(item, passed_on)


def _key(data: dict[str, Any]) -> _Key:
    meta, kind = data["metadata"], data["kind"]
    return (kind, (meta.get("namespace") or "default") if kind in _NAMESPACED else "", meta["name"])


def _decodes_to(data: Any, accepted: AnyObject) -> bool:
    """Written as plain JSON and read again, the data gives the same object."""
    again = read_bytes_as("again.json", json.dumps(data).encode())
    return [_placeless(one) for one in again.objects] == [_placeless(accepted)]


def _placeless(one: AnyObject) -> AnyObject:
    return replace(one, meta=replace(one.meta, origin=_NOWHERE))


def _fits(data: dict[str, Any]) -> bool:
    return bool(_validator(data["kind"].lower()).is_valid(data))


@functools.cache
def _validator(kind: str) -> Draft202012Validator:
    files = [json.loads(path.read_text()) for path in schema_dir().glob("*.schema.json")]
    registry: Registry[Any] = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema)) for schema in files]
    )
    checker = FormatChecker(formats=())
    for name, other in (("ip", ()), ("optional-ip", ("",)), ("cluster-ip", ("", "None"))):
        checker.checks(name)(lambda value, other=other: value in other or is_address(value))
    checker.checks("cidr")(is_range)
    (schema,) = [one for one in files if one["$id"].endswith(f"/{kind}.schema.json")]
    return Draft202012Validator(schema, registry=registry, format_checker=checker)
