"""The fast engine: it accepts what is plainly sound, and leaves the rest to the reference engine.

Chosen unless the environment says BALANCER_ENGINE=reference. Both give the same objects, places and
problems for every text; this one only takes less time.
"""

from __future__ import annotations

from collections.abc import Iterator

from balancer.manifests.choice import prefers_reference
from balancer.manifests.chunks import chunks
from balancer.manifests.document import Document
from balancer.manifests.engine import Engine, limited, read_chunk, reference_documents
from balancer.manifests.fast_json import json_documents
from balancer.manifests.fast_yaml import yaml_document
from balancer.manifests.limits import Limits
from balancer.manifests.source import SourceText

# No key that the fast engine accepts has more characters.
_LONGEST_KEY = 1024


def chosen_engine() -> Engine:
    """The engine for reading files; the environment is asked each time."""
    return reference_documents if prefers_reference() else fast_documents


def fast_documents(source: SourceText, limits: Limits) -> Iterator[Document]:
    """As `reference_documents`."""
    if limits.max_key_chars < _LONGEST_KEY:
        return reference_documents(source, limits)
    if source.path.endswith(".json"):
        found = json_documents(source, limits)
        return reference_documents(source, limits) if found is None else limited(iter(found), limits)
    return limited(_yaml_documents(source, limits), limits)


def _yaml_documents(source: SourceText, limits: Limits) -> Iterator[Document]:
    for start, end in chunks(source):
        document = yaml_document(source, start, end, limits)
        if document is None:
            yield from read_chunk(source, start, end, limits)
        else:
            yield document
