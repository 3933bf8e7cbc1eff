"""What the fuzzers start from: the real sample files, and the objects in them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_ROOT = Path(__file__).parents[2]
_TESTS = _ROOT / "tests/unit/manifests"
# A case has to stay cheap, so that there can be thousands.
_LARGEST_FILE = 4000  # bytes
_LARGEST_OBJECT = 2000  # bytes of JSON
_LARGEST_LIST = 8


@functools.cache
def texts() -> tuple[bytes, ...]:
    """The small files of every sample, the deliberately broken ones included."""
    found = [path for folder in (_ROOT / "samples", _TESTS) for path in sorted(folder.rglob("*.yaml"))]
    contents = [path.read_bytes() for path in found if path.stat().st_size <= _LARGEST_FILE]
    assert len(contents) > 60
    return tuple(contents)


@functools.cache
def objects() -> tuple[Any, ...]:
    """The small objects of the samples, out of their Lists, by a reader that is not ours."""
    found: list[Any] = []
    for path in (*sorted(_ROOT.glob("samples/*/manifests/**/*.yaml")), *sorted(_TESTS.glob("*.yaml"))):
        reader = YAML(typ="safe", pure=True)
        if path.stat().st_size <= 10 * _LARGEST_FILE:
            for document in reader.load_all(path.read_text()):
                found.extend(_small(one) for one in (document or {}).get("items", [document])[:_LARGEST_LIST])
    small = [one for one in found if one and len(json.dumps(one)) <= _LARGEST_OBJECT]
    assert len({one["kind"] for one in small}) >= 7
    return tuple(small)


def _small(data: Any) -> Any:
    """JSON data with short lists; ruamel.yaml takes times for more than text."""
    if isinstance(data, dict):
        return {str(key): _small(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_small(item) for item in data[:_LARGEST_LIST]]
    return data if isinstance(data, str | int | float | bool | None) else f"{data.isoformat()}Z"
