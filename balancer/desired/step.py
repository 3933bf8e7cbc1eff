"""From one desired state to the next as a value, so that whoever knows the first need not look at all of it again.

Only says what changed; that it says all of it is the promise of `narrow.py`, which makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from balancer.desired.types import AddressFlags, Desired, Frontend
from balancer.model.meta import IPAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`before` is the very object that was current until now, `after` what `compute` gives for the cluster as it is.

    `whole`: everything may differ, and the fields below are empty. Otherwise `put` are the frontends of
    `after` that are new or differ from the one with the same key, `gone` those of `before` that are replaced or
    no more, both in `Frontend.order`. `addresses_put` and `addresses_gone` say the same of the gate: the
    new flags of each address that is new or has others, and the addresses that are no more, by address.
    Whatever else `after` holds (pods, policies, problems) is short, and not told apart here.
    """

    before: Desired
    after: Desired
    whole: bool = False
    put: tuple[Frontend, ...] = ()
    gone: tuple[Frontend, ...] = ()
    addresses_put: Mapping[IPAddress, AddressFlags] = field(default_factory=dict)
    addresses_gone: tuple[IPAddress, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no frontend and no address changed; pods, policies and problems may have."""
        return not (self.whole or self.put or self.gone or self.addresses_put or self.addresses_gone)
