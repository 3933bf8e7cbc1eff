"""JSON paths as text and as tuples: ``$.spec.ports[0].port`` is ("spec", "ports", 0, "port")."""

from __future__ import annotations

import re

JsonPath = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def format_path(path: JsonPath) -> str:
    """The path as text; a key that is no plain word is written as ``['a/b']``."""
    return "$" + "".join(_step(part) for part in path)


def parse_path(text: str) -> JsonPath:
    """The inverse of `format_path`. Text that is no path is read as far as it is one."""
    parts: list[str | int] = []
    at = 1 if text.startswith("$") else 0
    while match := _STEP.match(text, at):
        word, index, quoted = match.groups()
        if index is not None:
            parts.append(int(index))
        else:
            parts.append(word if word is not None else _ESCAPE.sub(r"\1", quoted))
        at = match.end()
    return tuple(parts)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if _PLAIN_KEY.match(part):
        return f".{part}"
    quoted = part.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"
