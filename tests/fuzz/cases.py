"""A case is what a number stands for: the same number gives the same bytes on every machine."""

from __future__ import annotations

import random
from pathlib import Path

from fuzz import raw, trees, writer
from fuzz.corpus import texts

_NAMES = ("a.yaml", "b.json", "c.yml", "sub/d.yaml", "sub/deep/e.json")


def file_of(seed: int) -> tuple[str, bytes]:
    """A name and a content: a mutated tree as JSON or YAML, or mutated text of either."""
    rng = random.Random(seed)
    match seed % 4:
        case 0:
            return "a.json", writer.as_json(trees.mutated(rng)).encode()
        case 1:
            return "a.yaml", writer.as_yaml(rng, trees.mutated(rng)).encode()
        case 2:
            return "a.yaml", raw.mutated(rng, rng.choice(texts()))
        case _:
            return "a.json", raw.mutated(rng, writer.as_json(trees.mutated(rng)).encode())


def directory_of(seed: int, directory: Path) -> Path:
    """A cluster: whole objects of the samples, with mutated ones between them."""
    rng = random.Random(seed)
    for name in rng.sample(_NAMES, rng.randint(1, len(_NAMES))):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(rng, name))
    return directory


def _content(rng: random.Random, name: str) -> bytes:
    parts = [
        writer.as_json(trees.mutated(rng) if rng.random() < 0.5 else trees.plain(rng)).encode()
        for _ in range(rng.randint(1, 12))
    ]
    if rng.random() < 0.1:
        parts.append(raw.mutated(rng, rng.choice(texts())))
    return (b"\n" if name.endswith(".json") else b"\n---\n").join(parts)
