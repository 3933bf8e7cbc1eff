"""Label selectors, as Kubernetes defines them (metav1.LabelSelector)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Operator(enum.StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """`values` is non-empty for In and NotIn, and empty for the others."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Kubernetes: NotIn also accepts objects that lack the key."""
        present = self.key in labels
        match self.operator:
            case Operator.IN:
                return present and labels[self.key] in self.values
            case Operator.NOT_IN:
                return not present or labels[self.key] not in self.values
            case Operator.EXISTS:
                return present
            case Operator.DOES_NOT_EXIST:
                return not present


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """All requirements have to hold; matchLabels are In requirements of one value. None accepts all."""

    requirements: tuple[Requirement, ...] = ()

    def accepts(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.accepts(labels) for requirement in self.requirements)
