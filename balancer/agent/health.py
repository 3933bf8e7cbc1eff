"""Whether the agent is well: does the kernel do what the files ask for, and has it any effect?

The first half the loop knows. The second only a canary tells, which takes a process and a cgroup for a moment,
so it is sent when somebody asks, and not more than once in a few seconds however many ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from balancer.agent.journal import with_hint
from balancer.agent.lately import Lately
from balancer.observe.app import Health
from balancer.views import CanaryResult, Effect

if TYPE_CHECKING:
    from balancer.agent.standing import Standing
    from balancer.views import Status

EFFECT_SECONDS = 5.0
"""How long the answer of a canary counts, unless a pass ends meanwhile."""


class _Verdict(NamedTuple):
    effective: bool
    reason: str


class HealthCheck:
    """`standing` is how the loop stands, `busy` whether a pass is being made, `status` asks the kernel
    (`balancer.status.status`). May be called from any thread and never raises.
    """

    def __init__(
        self,
        standing: Callable[[], Standing],
        status: Callable[[], Status],
        clock: Callable[[], float],
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._standing = standing
        self._status = status
        self._verdict = Lately(
            self._examine,
            seconds=EFFECT_SECONDS,
            clock=clock,
            version=lambda: standing().attempts,
            busy=busy,
        )

    def __call__(self) -> Health:
        """Before the first pass is in force nothing is asked of the kernel."""
        now = self._standing()
        if not now.ready:
            return Health(converged=False, effective=False, ready=False, reason=now.reason)
        verdict = self._verdict()
        reason = "; ".join(filter(None, (now.reason, verdict.reason)))
        return Health(converged=now.converged, effective=verdict.effective, ready=True, reason=reason)

    def _examine(self) -> _Verdict:
        try:
            status = self._status()
        except Exception as error:  # noqa: BLE001 - that it cannot be told is the answer
            return _Verdict(effective=False, reason=f"whether it has effect is not known: {with_hint(error)}")
        return _Verdict(effective=status.effect is not Effect.INEFFECTIVE, reason=_why(status))


def _why(status: Status) -> str:
    """What is wrong with the effect, or keeps it from being shown; "" when it was shown."""
    if not status.loaded:
        return "nothing is loaded: the programs and maps were removed"
    missing = [item for item in status.attachments if not item.attached]
    if missing:
        hooks = ", ".join(item.hook for item in missing)
        return f"not attached: {hooks} ({missing[0].note})"
    return "" if status.canary.result is CanaryResult.WORKED else status.canary.note
