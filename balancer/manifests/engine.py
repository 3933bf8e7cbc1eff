"""The reference engine: text to documents, by extension JSON or YAML.

An engine is a function from a source text to its documents. This one is complete and exact; another
may be put before it for speed, and hands over to it whatever it does not want to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from balancer.manifests.chunks import chunks
from balancer.manifests.compose import compose
from balancer.manifests.document import Document
from balancer.manifests.finding import Finding
from balancer.manifests.json_events import json_events
from balancer.manifests.limits import Limits
from balancer.manifests.source import SourceText

Engine = Callable[[SourceText, Limits], Iterator[Document]]


def reference_documents(source: SourceText, limits: Limits) -> Iterator[Document]:
    """Every document, empty ones included, in order. Never raises for content."""
    return limited(_documents(source, limits), limits)


def limited(documents: Iterator[Document], limits: Limits) -> Iterator[Document]:
    """The documents, and a fault in place of those past `max_documents`."""
    for index, document in enumerate(documents):
        if index >= limits.max_documents:
            message = f"has too many documents: expected at most {limits.max_documents} in one file"
            offset = document.offset(())
            yield Document(None, offset, (Finding(path=(), message=message, at=offset),), complete=False)
            return
        yield document


def read_chunk(source: SourceText, start: int, end: int, limits: Limits) -> Iterator[Document]:
    """The documents of one part of a YAML file, as `chunks` cuts it."""
    from balancer.manifests.yaml_events import yaml_events  # it loads ruamel.yaml, which few files need

    text = source.text[start:end].strip()
    if text == "---":
        yield Document(None, start)
    elif text:
        yield from compose(yaml_events(source, start, end, limits.max_depth), source, limits)


def _documents(source: SourceText, limits: Limits) -> Iterator[Document]:
    if source.path.endswith(".json"):
        yield from compose(json_events(source), source, limits)
        return
    for start, end in chunks(source):
        yield from read_chunk(source, start, end, limits)
