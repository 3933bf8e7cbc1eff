"""What the commands need of the rest of the package, so that a test can put something else in its place.

`RealFacade` is the one real implementation. Each call may raise any `BalancerError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from balancer.config import Settings
    from balancer.explanation import AskedBy, ObjectName
    from balancer.manifests import FileObjects
    from balancer.model.meta import IPAddress
    from balancer.model.service import Protocol as IPProtocol
    from balancer.passes.unchanged import Unchanged
    from balancer.plan.diff import Plan
    from balancer.views import (
        Check,
        Destinations,
        Explanation,
        LiveAffinity,
        LiveBackend,
        LiveFrontend,
        LivePolicy,
        Loaded,
        PassResult,
        Status,
    )


class Pass(Protocol):
    """One reconciler holding the lock between enter and exit."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def begin(self, paths: Sequence[Path]) -> None: ...

    def plan(self, loaded: Loaded) -> Plan: ...

    def apply(
        self,
        loaded: Loaded,
        *,
        allow_mass_delete: bool,
        progress: Callable[[int, int], None] | None = None,
    ) -> PassResult: ...

    def audit(self, waiting: Callable[[], bool]) -> bool: ...

    def dry_run(self, loaded: Loaded, *, allow_mass_delete: bool) -> Plan: ...


class Facade(Protocol):
    """The functions of the package that commands call."""

    def Reconciler(self, settings: Settings) -> Pass: ...  # noqa: N802 - the class of that name

    def compute(
        self, files: Sequence[FileObjects] | None, paths: Sequence[Path], settings: Settings
    ) -> Loaded: ...

    def continued(self) -> Callable[[Sequence[FileObjects], Sequence[Path], Settings], Loaded]: ...

    def unchanged(
        self, paths: Sequence[Path], settings: Settings, *, look_only: bool
    ) -> Unchanged | None: ...

    def note_failure(self, settings: Settings, loaded: Loaded | None, error: Exception) -> None: ...

    def live_frontends(self, settings: Settings) -> tuple[LiveFrontend, ...]: ...

    def live_backends(self, settings: Settings) -> tuple[LiveBackend, ...]: ...

    def live_affinity(self, settings: Settings) -> tuple[LiveAffinity, ...]: ...

    def live_policies(self, settings: Settings) -> tuple[LivePolicy, ...]: ...

    def file_policies(self, loaded: Loaded) -> tuple[LivePolicy, ...]: ...

    def live_resolve(
        self,
        settings: Settings,
        address: IPAddress,
        port: int,
        protocol: IPProtocol,
        asked_by: AskedBy | None = None,
    ) -> Explanation: ...

    def live_destinations(
        self, settings: Settings, asked: ObjectName, asked_by: AskedBy | None = None
    ) -> Destinations: ...

    def file_resolve(
        self,
        loaded: Loaded,
        address: IPAddress,
        port: int,
        protocol: IPProtocol,
        settings: Settings | None = None,
        asked_by: AskedBy | None = None,
    ) -> Explanation: ...

    def file_destinations(
        self,
        loaded: Loaded,
        asked: ObjectName,
        settings: Settings | None = None,
        asked_by: AskedBy | None = None,
    ) -> Destinations: ...

    def status(self, settings: Settings) -> Status: ...

    def doctor(self, settings: Settings) -> tuple[Check, ...]: ...

    def detach(self, settings: Settings) -> tuple[str, ...]: ...
