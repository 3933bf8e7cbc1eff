"""A step of the desired state as what it asks of the maps, at the cost of what is in the step."""

from __future__ import annotations

from collections.abc import Collection

from balancer.desired.step import Step
from balancer.desired.types import Desired
from balancer.plan.encode import encode
from balancer.plan.entries import address_bytes, frontend_key
from balancer.plan.keep import KUBERNETES
from balancer.plan.narrow import Asked, Unsure


def ask(step: Step, skipped_cgroups: Collection[int], owner_cgroups: Collection[tuple[str, int]]) -> Asked:
    """What a step asks; the cgroups are all that there are, as for `encode`. Raises Unsure for a step that is
    whole, or has a part in a rule that looks at the live maps (`keep`).
    """
    if step.whole or any(item.object == KUBERNETES for item in (*step.put, *step.gone)):
        raise Unsure("everything has to be looked at")
    part = Desired(frontends=step.put, addresses=step.addresses_put)
    put = encode(part, skipped_cgroups, owner_cgroups)
    if (len(put.frontends), len(put.addresses)) != (len(step.put), len(step.addresses_put)):
        raise Unsure("two forms of one address")
    gone = {frontend_key(item.address, item.port, item.protocol) for item in step.gone}
    return Asked(
        put=put,
        gone=frozenset(gone - put.frontends.keys()),
        addresses_gone=frozenset(map(address_bytes, step.addresses_gone)) - put.addresses.keys(),
        frontend_count=len(step.after.frontends),
        address_count=len(step.after.addresses),
    )
