"""What became of one policy on this host, as `get policies` shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from balancer.desired.conflicts import Key
from balancer.desired.policy_standing import Destination, Standing
from balancer.desired.priority import chain
from balancer.desired.types import Frontend, PolicyStatus
from balancer.desired.wording import endpoint_text, first_and_more
from balancer.model.policy import LocalRedirectPolicy, Policy


def status_of(standing: Standing, final: Mapping[Key, Frontend]) -> PolicyStatus:
    """`final` is the frontend of every destination after priority is settled."""
    meta = standing.policy.meta
    answers = [(item, final[item.key]) for item in standing.destinations]
    decided = [frontend for _, frontend in answers if frontend.object == str(meta)]
    backends = {backend.order: backend for frontend in decided for backend in frontend.backends}
    return PolicyStatus(
        kind=meta.kind,
        name=meta.name,
        origin=meta.origin,
        applies=bool(standing.destinations),
        reason=standing.refusal or "; ".join(_obstacles(standing.policy, answers)),
        frontends=tuple(
            f"{endpoint_text(item.address, item.port)}/{item.protocol}"
            for item in sorted(decided, key=lambda item: item.order)
        ),
        backends=tuple(endpoint_text(backends[order].address, order[2]) for order in sorted(backends)),
    )


def _obstacles(policy: Policy, answers: list[tuple[Destination, Frontend]]) -> Iterator[str]:
    """Why some destinations are not decided by the policy, or are refused by it."""
    local = isinstance(policy, LocalRedirectPolicy)
    none: dict[int, list[str]] = {}
    above: dict[str, list[str]] = {}
    for destination, frontend in answers:
        if not _has_backends(policy, frontend):
            none.setdefault(destination.address.version, []).append(str(destination))
        elif frontend.object != str(policy.meta):
            above.setdefault(frontend.object, []).append(str(destination))
    for version, places in none.items():
        words = "no ready pod of this node" if local else "no usable backend"
        yield f"{words} in IPv{version} for {first_and_more(places)}"
    for name, places in above.items():
        yield f"{name} goes first for {first_and_more(places)}"


def _has_backends(policy: Policy, frontend: Frontend) -> bool:
    """Whether the policy's own answer, decisive or beneath another one, has backends."""
    own = [item for item in (frontend, *chain(frontend)) if item.object == str(policy.meta)]
    return bool(own and own[0].backends)
