"""What a plain YAML scalar stands for, by the rules of kubectl's own YAML reader.

kubectl reads YAML 1.1: `yes` and `on` are booleans, a leading 0 makes an octal number, and a date
is a string. Following YAML 1.2 instead would read a hand-written file differently from the cluster.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_TRUE = ("y", "yes", "true", "on")
_FALSE = ("n", "no", "false", "off")
_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
for _words, _value in ((_TRUE, True), (_FALSE, False)):
    for _word in _words:
        _WORDS |= dict.fromkeys((_word, _word.capitalize(), _word.upper()), _value)
for _word in (".inf", ".Inf", ".INF"):
    _WORDS |= {_word: float("inf"), f"+{_word}": float("inf"), f"-{_word}": float("-inf")}
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))

_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NUMERIC_START = frozenset("+-.0123456789")
_LONGEST_INTEGER = 20
_STR, _PREFIX = "tag:yaml.org,2002:str", "tag:yaml.org,2002:"
_TAG_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "null": (type(None),),
}


class TagFault(Exception):
    """A tag that is not understood, or that its text does not fit; `str()` is the message."""


def plain(text: str) -> Scalar:
    """The value of an unquoted scalar. Integers that fit no 64 bits become floats.

    Only ``.inf`` and ``.nan`` give floats that are not finite.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC_START:
        return text
    digits = text.replace("_", "")
    if _INTEGER.match(digits):
        number = _integer(digits)
        return text if number is None else _finite(number, text)
    if _FLOAT.match(digits):
        return _finite(float(digits), text)
    return text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag of YAML's own. `TagFault` for every other tag."""
    if tag in ("!", _STR):
        return text
    name = tag.removeprefix(_PREFIX)
    types = _TAG_TYPES.get(name) if tag.startswith(_PREFIX) else None
    if types is None:
        raise TagFault(f"the tag {short_tag(tag)} is not supported: expected a plain value")
    value = plain(text)
    if not isinstance(value, types) or (isinstance(value, bool) and name != "bool"):
        raise TagFault(f'"{text[:40]}" does not fit the tag {short_tag(tag)}: expected a value of that type')
    return value


def short_tag(tag: str) -> str:
    """The tag as an author writes it: ``!!int``, ``!Ref``."""
    return (f"!!{tag.removeprefix(_PREFIX)}" if tag.startswith(_PREFIX) else tag)[:60]


def _finite(number: float, text: str) -> int | float | str:
    """A number too large for a float stays text, as in Go."""
    return text if isinstance(number, float) and math.isinf(number) else number


def _integer(digits: str) -> int | float | None:
    """None for one that neither 64 bits nor a float hold: only decimal ones become floats."""
    body = digits.lstrip("+-").lower()
    if len(digits) > _LONGEST_INTEGER and body.isdigit():
        return float(digits)
    sign = -1 if digits[0] == "-" else 1
    octal = len(body) > 1 and body[0] == "0" and body[1].isdigit()
    value = sign * int(body, 8 if octal else 0)
    if abs(value) < 2**64:
        return value
    return float(value) if body.isdigit() and not octal else None
