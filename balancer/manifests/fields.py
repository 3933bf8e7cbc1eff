"""Look-ups in validated data, where null and absent mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(data: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The mapping at the path, empty when it or a parent is unset."""
    for key in path:
        data = data.get(key) or {}
    return data


def items(data: Mapping[str, Any], key: str) -> list[Any]:
    """The list under the key, empty when unset."""
    return data.get(key) or []


def text(data: Mapping[str, Any], key: str, default: str = "") -> str:
    """The string under the key; unset and empty give the default."""
    return data.get(key) or default


def strings(data: Mapping[str, Any], key: str) -> dict[str, str]:
    """A mapping of strings, such as labels; a null value is an empty string."""
    return {name: value or "" for name, value in mapping(data, key).items()}
