"""A validator's complaint in words: what is wrong, and what was expected.

What was expected is the `description` of the schema that failed; the schemas are written so that it
reads well after "expected".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import ValidationError

_LONGEST_VALUE = 60
_TYPE_NAMES = {
    "integer": "an integer",
    "string": "a string",
    "boolean": "a boolean",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}


def message(error: ValidationError, expected: str) -> str:
    """The message of one error. `expected` is the description of what is required there."""
    wrong = _WRONG.get(str(error.validator), _invalid)(error)
    return f"{wrong}: expected {expected}" if expected else wrong


def missing(name: str, expected: str) -> str:
    return f'"{name}" is missing: expected {expected}' if expected else f'"{name}" is missing'


def misspelled(key: str, known: str) -> str:
    return f'"{key}" is not a known key and is ignored: expected "{known}"'


def closest(word: str, known: list[str]) -> str:
    """The known word that was most likely meant, "" when none is near."""
    from difflib import get_close_matches  # only a word that nobody knows needs it

    exact = [other for other in known if other.lower() == word.lower()]
    return next(iter(exact or get_close_matches(word, known, n=1, cutoff=0.75)), "")


def show(value: object) -> str:
    """A value as a message quotes it: short, in one line, never a whole mapping or list."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _wrong_type(error: ValidationError) -> str:
    wanted: Any = error.validator_value
    names = [wanted] if isinstance(wanted, str) else [name for name in wanted if name != "null"]
    if error.instance is None:
        return "is null"
    return f"{show(error.instance)} is not {' or '.join(_TYPE_NAMES.get(name, name) for name in names)}"


def _unknown_value(error: ValidationError) -> str:
    if error.instance is None:
        return "is null"
    allowed: Any = error.validator_value
    known = [value for value in allowed if isinstance(value, str)]
    near = closest(error.instance, known) if isinstance(error.instance, str) else ""
    hint = f' (did you mean "{near}"?)' if near else ""
    return f"{show(error.instance)} is not a known value{hint}"


def _out_of_range(error: ValidationError) -> str:
    return f"{show(error.instance)} is out of range"


def _wrong_length(error: ValidationError) -> str:
    instance: Any = error.instance
    return f"a list of {len(instance)} does not fit"


def _too_long(error: ValidationError) -> str:
    instance: Any = error.instance
    return f"{show(instance)} has {len(instance)} characters"


def _wrong_constant(error: ValidationError) -> str:
    return f"{show(error.instance)} does not fit"


def _not_one(error: ValidationError) -> str:
    """The schemas use oneOf for keys that exclude each other, and for nothing else."""
    branches: Any = error.validator_value
    instance: Any = error.instance
    if not isinstance(instance, Mapping):
        return _invalid(error)
    names = [branch["required"][0] for branch in branches]
    given = [name for name in names if instance.get(name) is not None]
    return f"has both {' and '.join(given)}" if given else f"has neither {' nor '.join(names)}"


def _invalid(error: ValidationError) -> str:
    return f"{show(error.instance)} is not valid"


_WRONG = {
    "type": _wrong_type,
    "enum": _unknown_value,
    "const": _wrong_constant,
    "minimum": _out_of_range,
    "maximum": _out_of_range,
    "minItems": _wrong_length,
    "maxItems": _wrong_length,
    "maxLength": _too_long,
    "oneOf": _not_one,
}
