"""The one real `Facade`: each call imports the module that answers it, and no command those of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balancer.config import Settings
    from balancer.explanation import AskedBy, ObjectName
    from balancer.manifests import FileObjects
    from balancer.model.meta import IPAddress
    from balancer.model.service import Protocol
    from balancer.passes.reconcile import Reconciler
    from balancer.passes.unchanged import Unchanged
    from balancer.views import (
        Check,
        Destinations,
        Explanation,
        LiveAffinity,
        LiveBackend,
        LiveFrontend,
        LivePolicy,
        Loaded,
        Status,
    )


class RealFacade:
    """`Facade` by the rest of the package; what a call does is told where it is done."""

    def Reconciler(self, settings: Settings) -> Reconciler:  # noqa: N802 - the class of that name
        from balancer.passes.reconcile import Reconciler

        return Reconciler(settings)

    def compute(
        self, files: Sequence[FileObjects] | None, paths: Sequence[Path], settings: Settings
    ) -> Loaded:
        from balancer.passes.loading import compute

        return compute(files, paths, settings)

    def continued(self) -> Callable[[Sequence[FileObjects], Sequence[Path], Settings], Loaded]:
        from balancer.passes.continued import Continued

        return Continued().compute

    def unchanged(self, paths: Sequence[Path], settings: Settings, *, look_only: bool) -> Unchanged | None:
        from balancer.passes.unchanged import look_unchanged, pass_unchanged

        return look_unchanged(settings, paths) if look_only else pass_unchanged(settings, paths)

    def note_failure(self, settings: Settings, loaded: Loaded | None, error: Exception) -> None:
        from balancer.passes.reconcile import note_failure

        note_failure(settings, loaded, error)

    def live_frontends(self, settings: Settings) -> tuple[LiveFrontend, ...]:
        from balancer.live import live_frontends

        return live_frontends(settings)

    def live_backends(self, settings: Settings) -> tuple[LiveBackend, ...]:
        from balancer.live import live_backends

        return live_backends(settings)

    def live_affinity(self, settings: Settings) -> tuple[LiveAffinity, ...]:
        from balancer.live import live_affinity

        return live_affinity(settings)

    def live_policies(self, settings: Settings) -> tuple[LivePolicy, ...]:
        from balancer.live import live_policies

        return live_policies(settings)

    def file_policies(self, loaded: Loaded) -> tuple[LivePolicy, ...]:
        from balancer.live import file_policies

        return file_policies(loaded)

    def live_resolve(
        self,
        settings: Settings,
        address: IPAddress,
        port: int,
        protocol: Protocol,
        asked_by: AskedBy | None = None,
    ) -> Explanation:
        from balancer.explain import live_resolve

        return live_resolve(settings, address, port, protocol, asked_by)

    def live_destinations(
        self, settings: Settings, asked: ObjectName, asked_by: AskedBy | None = None
    ) -> Destinations:
        from balancer.explain import live_destinations

        return live_destinations(settings, asked, asked_by)

    def file_resolve(
        self,
        loaded: Loaded,
        address: IPAddress,
        port: int,
        protocol: Protocol,
        settings: Settings | None = None,
        asked_by: AskedBy | None = None,
    ) -> Explanation:
        from balancer.explain import file_resolve

        return file_resolve(loaded, address, port, protocol, settings, asked_by)

    def file_destinations(
        self,
        loaded: Loaded,
        asked: ObjectName,
        settings: Settings | None = None,
        asked_by: AskedBy | None = None,
    ) -> Destinations:
        from balancer.explain import file_destinations

        return file_destinations(loaded, asked, settings, asked_by)

    def status(self, settings: Settings) -> Status:
        from balancer.status import status

        return status(settings)

    def doctor(self, settings: Settings) -> tuple[Check, ...]:
        from balancer.status import doctor

        return doctor(settings)

    def detach(self, settings: Settings) -> tuple[str, ...]:
        from balancer.status import detach

        return detach(settings)
