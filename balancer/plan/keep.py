"""The one Service that does not lose its last endpoint: the way to the API server.

`default/kubernetes` is what everything else is repaired through. Its endpoints vanish for a moment
when an API server restarts or an export is taken at the wrong time; clients are then better served by
the last known addresses than by a refusal. This must not keep a Service that was deleted.
"""

from __future__ import annotations

from dataclasses import replace

from balancer.desired.types import Action, Backend, Desired, Frontend
from balancer.model.problem import Problem, Severity
from balancer.plan.actual import Actual
from balancer.plan.changes import address_port, destination
from balancer.plan.encode import BackendList
from balancer.plan.entries import ACTION_NUMBER, backend_parts, frontend_key

KUBERNETES = "Service default/kubernetes"


def keep_kubernetes(desired: Desired, actual: Actual) -> Desired:
    """`desired`, where frontends of Service default/kubernetes that would refuse for want of an endpoint
    keep the backends that the live maps give them now, with a warning for each.

    The same value comes back if there is nothing to keep.
    """
    frontends = tuple(_kept(item, actual) if _refuses(item) else item for item in desired.frontends)
    kept = [new for new, old in zip(frontends, desired.frontends, strict=True) if new is not old]
    if not kept:
        return desired
    return replace(desired, frontends=frontends, problems=(*desired.problems, *map(_warning, kept)))


def _refuses(frontend: Frontend) -> bool:
    return frontend.object == KUBERNETES and frontend.action is Action.REFUSE


def _kept(frontend: Frontend, actual: Actual) -> Frontend:
    key = frontend_key(frontend.address, frontend.port, frontend.protocol)
    if key not in actual.frontends:
        return frontend
    live = actual.logical(key)
    if live.action != ACTION_NUMBER[Action.FORWARD] or not live.backends:
        return frontend
    return replace(
        frontend,
        action=Action.FORWARD,
        backends=_backends(live.backends),
    )


def _backends(raw: BackendList) -> tuple[Backend, ...]:
    return tuple(Backend(address=address, port=port) for address, port in map(backend_parts, raw))


def _warning(frontend: Frontend) -> Problem:
    name = destination(frontend.address, frontend.port, frontend.protocol)
    known = ", ".join(address_port(item.address, item.port) for item in frontend.backends)
    return Problem(
        origin=frontend.origin,
        severity=Severity.WARNING,
        object=frontend.object,
        message=f"no endpoint is left for {name}: the last ones known, {known}, are kept",
    )
