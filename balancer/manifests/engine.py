"""The reference engine: text to documents, by extension JSON or YAML.

An engine is a function from a source text to its documents. This one is complete and exact; another
may be put before it for speed, and hands over to it whatever it does not want to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from balancer.manifests.compose import compose
from balancer.manifests.document import Document
from balancer.manifests.finding import Finding
from balancer.manifests.json_events import json_events
from balancer.manifests.limits import Limits
from balancer.manifests.source import SourceText
from balancer.manifests.yaml_events import chunks, yaml_events

Engine = Callable[[SourceText, Limits], Iterator[Document]]


def reference_documents(source: SourceText, limits: Limits) -> Iterator[Document]:
    """Every document, empty ones included, in order. Never raises for content."""
    for index, document in enumerate(_documents(source, limits)):
        if index >= limits.max_documents:
            message = f"has too many documents: expected at most {limits.max_documents} in one file"
            offset = document.offset(())
            yield Document(None, offset, (Finding(path=(), message=message, at=offset),), complete=False)
            return
        yield document


def _documents(source: SourceText, limits: Limits) -> Iterator[Document]:
    if source.path.endswith(".json"):
        yield from compose(json_events(source), source, limits)
        return
    for start, end in chunks(source):
        text = source.text[start:end].strip()
        if text == "---":
            yield Document(None, start)
        elif text:
            yield from compose(yaml_events(source, start, end, limits.max_depth), source, limits)
