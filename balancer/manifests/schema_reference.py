"""The reference validator: jsonschema, which finds every error and says where it is.

Imported when it is first needed, which takes a while: a sound set of manifests may not need it at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from balancer.manifests.formats import FORMATS

if TYPE_CHECKING:
    from jsonschema import FormatChecker
    from jsonschema.protocols import Validator
    from referencing import Registry


def make_validator(schema: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> Validator:
    """The validator of one of the files, which may refer to each other."""
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    resources = [(str(file["$id"]), Resource.from_contents(file)) for file in files]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft202012Validator(schema, registry=registry, format_checker=_format_checker())


def _format_checker() -> FormatChecker:
    """Values that are no strings pass every format."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name, raises=(ValueError, OverflowError))(_strings_only(check))
    return checker


def _strings_only(check: Callable[[str], object]) -> Callable[[object], bool]:
    def checked(value: object) -> bool:
        if isinstance(value, str):
            check(value)
        return True

    return checked
