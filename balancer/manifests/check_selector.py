"""What the fields of a label selector must be together, as the Kubernetes API's validation has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from balancer.manifests.fields import items, mapping
from balancer.manifests.finding import Finding
from balancer.manifests.paths import JsonPath
from balancer.model.problem import Severity
from balancer.model.selector import Operator

_WITH_VALUES = (Operator.IN, Operator.NOT_IN)


def check_selector(selector: Mapping[str, Any], path: JsonPath) -> Iterator[Finding]:
    """In and NotIn need values; Exists and DoesNotExist must have none."""
    for index, one in enumerate(items(selector, "matchExpressions")):
        operator, values = one["operator"], items(one, "values")
        where = (*path, "matchExpressions", index, "values")
        if operator in _WITH_VALUES and not values:
            yield Finding(path=where, message=f"{operator} has no values: expected at least one")
        if operator not in _WITH_VALUES and values:
            yield Finding(path=where, message=f"{operator} has values: expected none")


def warn_of_empty(selector: Mapping[str, Any], path: JsonPath) -> Iterator[Finding]:
    """A selector without any requirement is valid, and seldom meant for pods."""
    if not mapping(selector, "matchLabels") and not items(selector, "matchExpressions"):
        message = "accepts every pod: expected matchLabels or matchExpressions"
        yield Finding(path=path, message=message, severity=Severity.WARNING)
