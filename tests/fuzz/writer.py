"""Trees to text in ways that a tidy writer has not: anchors, aliases, merges, tags and every style of a scalar."""

from __future__ import annotations

import json
import random
from typing import Any

_TAGS = (
    "!!str ",
    "!!int ",
    "!!map ",
    "!!seq ",
    "!Ref ",
    "!!python/object/apply:os.system ",
    "! ",
    "!!binary ",
)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-_+")


def as_json(tree: Any) -> str:
    """Strict JSON; text beyond ASCII stands for itself."""
    return json.dumps(tree, ensure_ascii=False)


def as_yaml(rng: random.Random, tree: Any) -> str:
    """Block style outside, flow style inside, as the dice have it."""
    return _Writer(rng, spice=rng.choice((0.0, 0.0, 0.03, 0.15))).block(tree, 0).lstrip("\n") + "\n"


class _Writer:
    def __init__(self, rng: random.Random, spice: float) -> None:
        self._rng = rng
        self._spice = spice
        self._anchors: list[str] = []

    def block(self, value: Any, depth: int) -> str:
        """The value with what belongs between it and its key, from the space or line break on."""
        pad = "\n" + "  " * depth
        if depth > 12 or not value or not isinstance(value, dict | list) or self._rng.random() < self._spice:
            return " " + self._spiced(self._flow(value))
        anchor = f" {self._anchor()}" if self._often() else ""
        if isinstance(value, list):
            return anchor + "".join(f"{pad}-{self.block(item, depth + 1)}" for item in value)
        lines = [f"{pad}{self._key(key)}:{self.block(item, depth + 1)}" for key, item in value.items()]
        if self._anchors and self._often():
            names = self._rng.sample(self._anchors, min(len(self._anchors), 2))
            merged = (
                f"*{names[0]}" if self._rng.random() < 0.7 else f"[{', '.join('*' + name for name in names)}]"
            )
            lines.insert(self._rng.randrange(len(lines) + 1), f"{pad}<<: {merged}")
        if self._often():
            lines.append(self._rng.choice(lines))
        return anchor + "".join(lines)

    def _often(self) -> bool:
        return self._rng.random() < self._spice

    def _anchor(self) -> str:
        self._anchors.append(f"a{len(self._anchors)}" if self._rng.random() < 0.9 else "a0")
        return f"&{self._anchors[-1]}"

    def _spiced(self, text: str) -> str:
        if not self._often():
            return text
        kind = self._rng.randrange(3)
        if kind == 0:
            return f"{self._anchor()} {text}"
        if kind == 1 and self._anchors:
            return f"*{self._rng.choice([*self._anchors, 'gone'])}"
        return self._rng.choice(_TAGS) + text

    def _flow(self, value: Any) -> str:
        if isinstance(value, dict):
            return (
                "{" + ", ".join(f"{self._key(key)}: {self._flow(item)}" for key, item in value.items()) + "}"
            )
        if isinstance(value, list):
            return "[" + ", ".join(self._flow(item) for item in value) + "]"
        return self._scalar(value)

    def _scalar(self, value: Any) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        if self._rng.random() < 0.15 and value and set(value) <= _PLAIN:
            return value
        if self._rng.random() < 0.2 and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value)

    def _key(self, key: str) -> str:
        return key if key and set(key) <= _PLAIN and self._rng.random() < 0.9 else json.dumps(key)
