"""Fewer searches for cycles of garbage while many objects are made that all stay.

Python looks at every young object each 700 allocations, and at all of them again and again while their number
grows: reading a large set of manifests, that costs more than parsing it. It is not turned off: the reference
readers leave cycles behind, of which a hostile file could make many.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Containers made between two searches: of the largest that a reader leaves behind, about 50 MB.
_MANY = 100_000
_RARELY = 50


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Collects seldom inside, in all threads. May be nested: the outermost one puts things back."""
    before = gc.get_threshold()
    if not gc.isenabled() or before[0] >= _MANY:
        yield
        return
    gc.set_threshold(_MANY, _RARELY, _RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def set_aside() -> None:
    """Ends with all that is alive now out of the collector's sight, after a last look for what is garbage.

    For a process that holds a large cluster for long: one search through all of that takes longer than many passes
    over a change. What is set aside goes as usual when nothing refers to it; only cycles wait for the next call.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
