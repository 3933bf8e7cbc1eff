"""The exact place of a problem that a later stage found, by reading its file once more.

Positions are not kept from the first reading: they would cost more memory than the objects.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from balancer.manifests.document import Document
from balancer.manifests.fast import chosen_engine
from balancer.manifests.files import read_bytes
from balancer.manifests.finding import SyntaxFault
from balancer.manifests.limits import Limits
from balancer.manifests.paths import JsonPath, parse_path
from balancer.manifests.source import SourceText, decode
from balancer.manifests.split import split
from balancer.model.problem import Origin, Problem

_Slot = tuple[int, int]


def locate(problems: Iterable[Problem], digests: Mapping[str, str], limits: Limits) -> tuple[Problem, ...]:
    """The problems in their order; `digests` maps the files that may be read again to their sha256."""
    listed = list(problems)
    wanted: dict[str, list[int]] = defaultdict(list)
    for index, problem in enumerate(listed):
        if not problem.excerpt and digests.get(problem.origin.file):
            wanted[problem.origin.file].append(index)
    for path, indexes in wanted.items():
        source = _unchanged(path, digests[path], limits)
        if source is not None:
            slots = {(listed[i].origin.document, listed[i].origin.item) for i in indexes}
            found = dict(_objects(source, slots, limits))
            for i in indexes:
                listed[i] = _placed(listed[i], source, found)
    return tuple(listed)


def _unchanged(path: str, sha256: str, limits: Limits) -> SourceText | None:
    try:
        raw = read_bytes(Path(path), limits)
        return decode(path, raw) if hashlib.sha256(raw).hexdigest() == sha256 else None
    except (OSError, SyntaxFault):
        return None


def _objects(
    source: SourceText, slots: set[_Slot], limits: Limits
) -> Iterator[tuple[_Slot, tuple[Document, JsonPath]]]:
    documents = {document for document, _ in slots}
    for index, document in enumerate(chosen_engine()(source, limits)):
        if index in documents:
            for raw in split(document.data).objects:
                if (index, raw.item) in slots:
                    yield (index, raw.item), (document, raw.path)


def _placed(
    problem: Problem, source: SourceText, found: Mapping[_Slot, tuple[Document, JsonPath]]
) -> Problem:
    slot = (problem.origin.document, problem.origin.item)
    if slot not in found:
        return problem
    document, base = found[slot]
    path = parse_path(problem.path)
    offset = document.offset((*base, *path)) if path else document.start(base)
    line, column = source.position(offset)
    excerpt, first = source.excerpt(offset)
    origin = Origin(file=source.path, line=line, column=column, document=slot[0], item=slot[1])
    return replace(problem, origin=origin, excerpt=excerpt, excerpt_column=first)
