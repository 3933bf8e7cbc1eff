"""The metadata of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from balancer.manifests.fields import mapping, strings, text
from balancer.manifests.formats import parse_timestamp
from balancer.model.meta import Meta
from balancer.model.problem import Origin

DEFAULT_NAMESPACE = "default"


def decode_meta(kind: str, data: Mapping[str, Any], origin: Origin, *, namespaced: bool) -> Meta:
    """The metadata of validated data. A namespaced object without a namespace is in `default`."""
    meta = mapping(data, "metadata")
    created = text(meta, "creationTimestamp")
    return Meta(
        kind=kind,
        namespace=text(meta, "namespace", DEFAULT_NAMESPACE) if namespaced else "",
        name=meta["name"],
        origin=origin,
        uid=text(meta, "uid"),
        labels=strings(meta, "labels"),
        annotations=strings(meta, "annotations"),
        created=parse_timestamp(created) if created else None,
        resource_version=text(meta, "resourceVersion"),
    )
