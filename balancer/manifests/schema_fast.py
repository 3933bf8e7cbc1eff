"""A quick yes to the shape of an object, where jsonschema-rs is installed. It never says what is wrong.

Two validators of the same schemas: one that also knows every key, so that its yes means that there is
nothing to say at all, and the plain one, whose yes leaves keys to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from balancer.manifests.formats import FORMATS

Schema = Any  # a JSON schema: a mapping, of which parts may be lists and single values
IsValid = Callable[[object], bool]

try:
    import jsonschema_rs
except ImportError:

    def quick(schema: Schema, common: Schema) -> IsValid:
        """A validator that knows nothing: jsonschema-rs is not installed."""
        return _unknown

else:

    def quick(schema: Schema, common: Schema) -> IsValid:
        """Whether a value fits the schema, as far as is known: a no may be wrong, a yes never is."""
        validator = jsonschema_rs.validator_for(
            schema,
            registry=jsonschema_rs.Registry([(str(common["$id"]), common)]),
            formats={name: _asks(check) for name, check in FORMATS.items()},
            validate_formats=True,
        )

        def is_valid(data: object) -> bool:
            try:
                return bool(validator.is_valid(data))
            except (ValueError, TypeError, RecursionError, OverflowError):
                return False

        return is_valid


def _unknown(data: object) -> bool:
    return False


def _asks(check: Callable[[str], object]) -> Callable[[str], bool]:
    def asked(value: str) -> bool:
        try:
            check(value)
        except (ValueError, OverflowError):
            return False
        return True

    return asked


def closed(schema: Any) -> Any:
    """The schema with no keys allowed but those that it lists, wherever it lists all of the API."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    whole = {key: closed(part) for key, part in schema.items()}
    if schema.get("x-complete") is True:
        whole["unevaluatedProperties" if "$ref" in schema else "additionalProperties"] = False
    return whole
