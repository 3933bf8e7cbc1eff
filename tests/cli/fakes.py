"""A stand-in for the kernel side of the commands, and values for it to hand out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from balancer.config import Settings
from balancer.desired.types import Action, Backend, Desired, Frontend, FrontendKind, Source
from balancer.errors import BalancerError
from balancer.explanation import AskedBy, ObjectName
from balancer.manifests import FileObjects, Manifests
from balancer.model.cluster import Cluster
from balancer.model.meta import Meta
from balancer.model.problem import Origin, Problem, Severity
from balancer.model.service import Protocol, Service
from balancer.passes.unchanged import Unchanged
from balancer.plan.diff import Change, FrontendState, Plan, Verb, Write, WriteKind
from balancer.plan.entries import backend_bytes
from balancer.plan.steps import Step
from balancer.views import (
    Attachment,
    Canary,
    CanaryResult,
    ChainLink,
    Check,
    Destinations,
    Explanation,
    LastPass,
    Level,
    LiveAffinity,
    LiveBackend,
    LiveFrontend,
    LivePolicy,
    Loaded,
    MapFill,
    Outcome,
    PassResult,
    PolicyCount,
    Status,
    Use,
)

VIP = ip_address("10.96.0.10")
POD = ip_address("10.244.1.5")
ORIGIN = Origin(file="a.yaml", line=12)
BACKENDS = (Backend(address=POD, port=8080, node="n1"),)
WARNING = Problem(
    origin=ORIGIN, message="odd but fine", severity=Severity.WARNING, object="Service default/web"
)
ERROR = Problem(
    origin=ORIGIN, message="is not a port", object="Service default/bad", path="$.spec.ports[0].port"
)
FRONTEND = Frontend(
    address=VIP,
    port=80,
    protocol=Protocol.TCP,
    kind=FrontendKind.CLUSTER_IP,
    object="Service default/web",
    origin=ORIGIN,
    group="default/web:http/TCP/4/cluster",
    port_name="http",
    backends=BACKENDS,
)
LIVE = LiveFrontend(
    address=VIP,
    port=80,
    protocol=Protocol.TCP,
    action=Action.FORWARD,
    kind=FrontendKind.CLUSTER_IP,
    source=Source.SERVICE,
    object="Service default/web",
    port_name="http",
    file="a.yaml:12",
    affinity_seconds=10800,
    backends=BACKENDS,
    forwarded=7,
)
REDIRECT = LivePolicy(
    kind="LocalRedirectPolicy",
    name="dns",
    file="b.yaml:4",
    applies=True,
    target="Service default/web",
    frontends=("10.96.0.10:80/TCP",),
    backends=("10.244.1.5:8080",),
)
WAITING = LivePolicy(
    kind="BalancingPolicy", name="far", file="c.yaml:1", applies=False, reason="no such service", target=""
)
OLD = FrontendState(action=Action.FORWARD, packed_backends=(backend_bytes(ip_address("10.244.1.4"), 8080),))
NEW = FrontendState(action=Action.FORWARD, affinity_seconds=60, packed_backends=(backend_bytes(POD, 8080),))
SYNCHRONIZE = Write(step=Step.SYNCHRONIZE, kind=WriteKind.SYNCHRONIZE)


def link(use: Use, source: Source, name: str, **fields: Any) -> ChainLink:
    """A link of a chain that forwards to BACKENDS unless `fields` say otherwise."""
    known: dict[str, Any] = {"action": Action.FORWARD, "backends": BACKENDS, "port_name": ""} | fields
    return ChainLink(
        use=use, source=source, kind=FrontendKind.CLUSTER_IP, object=name, file="a.yaml:1", **known
    )


def change(verb: Verb, address: str = "10.96.0.10", protocol: Protocol = Protocol.TCP) -> Change:
    """A change of port 80 from OLD to NEW, as far as the verb has both sides."""
    return Change(
        verb=verb,
        address=ip_address(address),
        port=80,
        protocol=protocol,
        before=None if verb is Verb.ADD else OLD,
        after=None if verb is Verb.DELETE else NEW,
    )


def plan_of(*changes: Change) -> Plan:
    return Plan(changes=changes, writes=(SYNCHRONIZE,) if changes else ())


def loaded_of(*problems: Problem, files: int = 1, frontends: Sequence[Frontend] = (FRONTEND,)) -> Loaded:
    """One Service from one file, with these problems."""
    service = Service(meta=Meta(kind="Service", namespace="default", name="web", origin=ORIGIN))
    content = tuple(
        FileObjects(path=f"{number}.yaml", sha256="", objects=(), problems=(), ignored={})
        for number in range(files)
    )
    manifests = Manifests(
        cluster=Cluster(services=(service,)), problems=problems, files=content, ignored={"Secret": 2}
    )
    return Loaded(manifests=manifests, desired=Desired(frontends=tuple(frontends)), problems=problems)


@dataclass
class FakeReconciler:
    """Records what it was asked for; `failure` is raised instead of writing."""

    facade: FakeFacade
    settings: Settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.facade.calls.append("unlock")

    def begin(self, paths: Sequence[Path]) -> None:
        self.facade.begun = (*self.facade.calls, *map(str, paths))

    def plan(self, loaded: Loaded) -> Plan:
        return self.facade.plan

    def dry_run(self, loaded: Loaded, *, allow_mass_delete: bool) -> Plan:
        self.facade.calls.append(f"dry_run allow_mass_delete={allow_mass_delete}")
        self.facade.fail()
        return self.facade.plan

    def audit(self, waiting: Callable[[], bool]) -> bool:
        return waiting()

    def apply(
        self, loaded: Loaded, *, allow_mass_delete: bool, progress: Callable[[int, int], None] | None = None
    ) -> PassResult:
        self.facade.calls.append(f"apply allow_mass_delete={allow_mass_delete}")
        self.facade.fail()
        self.facade.after_apply(len([call for call in self.facade.calls if call.startswith("apply")]))
        return PassResult(plan=self.facade.plan, loaded_programs=True, attached=True, seconds=0.25)


@dataclass
class FakeFacade:
    """What `RealFacade` offers, with answers that a test may replace before it runs a command."""

    loaded: Loaded = field(default_factory=loaded_of)
    plan: Plan = field(default_factory=lambda: plan_of(change(Verb.ADD)))
    failure: BalancerError | None = None
    healthy: bool = True
    begun: tuple[str, ...] = ()
    canary: Canary = field(
        default_factory=lambda: Canary(result=CanaryResult.WORKED, note="a child was answered")
    )
    levels: tuple[Level, ...] = (Level.OK, Level.WARN)
    counters: Mapping[str, int] = field(default_factory=lambda: {"forward": 12, "refuse": 1})
    policies: tuple[LivePolicy, ...] = (REDIRECT, WAITING)
    frontend: LiveFrontend = LIVE
    chain: tuple[ChainLink, ...] = ()
    settings: Settings | None = None
    after_apply: Callable[[int], None] = lambda _count: None
    calls: list[str] = field(default_factory=list)
    same: Unchanged | None = None
    asked_by: AskedBy | None = None

    def fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def compute(
        self, files: Sequence[FileObjects] | None, paths: Sequence[Path], settings: Settings
    ) -> Loaded:
        self.calls.append("compute " + " ".join(str(path) for path in paths))
        self.settings = settings
        return self.loaded

    def continued(self) -> Callable[[Sequence[FileObjects], Sequence[Path], Settings], Loaded]:
        return self.compute

    def unchanged(self, paths: Sequence[Path], settings: Settings, *, look_only: bool) -> Unchanged | None:
        if self.same is not None:
            self.calls.append(f"unchanged look_only={look_only}")
        return self.same

    def Reconciler(self, settings: Settings) -> FakeReconciler:  # noqa: N802 - the name in the package
        self.settings = settings
        return FakeReconciler(self, settings)

    def note_failure(self, settings: Settings, loaded: Loaded | None, error: Exception) -> None:
        self.calls.append(f"note_failure {type(error).__name__}{'' if loaded else ' of nothing loaded'}")

    def live_frontends(self, settings: Settings) -> tuple[LiveFrontend, ...]:
        self.fail()
        unknown = replace(LIVE, address=ip_address("fd00::a"), kind=None, object="", port_name="", file="")
        return (LIVE, replace(unknown, action=Action.REFUSE, backends=(), forwarded=0, rejected=3))

    def live_backends(self, settings: Settings) -> tuple[LiveBackend, ...]:
        return (LiveBackend(address=POD, port=8080, frontends=("10.96.0.10:80/TCP",)),)

    def live_affinity(self, settings: Settings) -> tuple[LiveAffinity, ...]:
        record: dict[str, Any] = {"client": 4026531840, "group": FRONTEND.group, "address": POD, "port": 8080}
        return (
            LiveAffinity(**record, last_seen_seconds_ago=12.5, expires_in_seconds=100.0),
            LiveAffinity(**{**record, "group": ""}, last_seen_seconds_ago=99.0, expires_in_seconds=0.0),
        )

    def live_policies(self, settings: Settings) -> tuple[LivePolicy, ...]:
        self.fail()
        return tuple(replace(item, forwarded=9, fell_back=2, rate_limited=1) for item in self.policies)

    def file_policies(self, loaded: Loaded) -> tuple[LivePolicy, ...]:
        self.calls.append("file_policies")
        return self.policies

    def live_resolve(
        self,
        settings: Settings,
        address: Any,
        port: int,
        protocol: Protocol,
        asked_by: AskedBy | None = None,
    ) -> Explanation:
        self.asked_by = asked_by
        self.calls.append(f"live_resolve {address} {port} {protocol}")
        return Explanation(
            address=address, port=port, protocol=protocol, outcome=Outcome.PASS, reason="no address of ours"
        )

    def live_destinations(
        self, settings: Settings, asked: ObjectName, asked_by: AskedBy | None = None
    ) -> Destinations:
        self.asked_by = asked_by
        self.calls.append(f"live_destinations {asked.name or asked.address} {asked.port} {asked.protocol}")
        found = self.file_resolve(self.loaded, VIP, 80, Protocol.TCP)
        return Destinations(asked="default/web", destinations=(found,))

    def file_destinations(
        self,
        loaded: Loaded,
        asked: ObjectName,
        settings: Settings | None = None,
        asked_by: AskedBy | None = None,
    ) -> Destinations:
        return self.live_destinations(settings or Settings(), asked, asked_by)

    def file_resolve(
        self,
        loaded: Loaded,
        address: Any,
        port: int,
        protocol: Protocol,
        settings: Settings | None = None,
        asked_by: AskedBy | None = None,
    ) -> Explanation:
        self.asked_by = asked_by
        self.calls.append(f"file_resolve {address} {port} {protocol}")
        return Explanation(
            address=address,
            port=port,
            protocol=protocol,
            outcome=Outcome.FORWARD,
            reason="a ClusterIP of Service default/web",
            backends=self.frontend.backends,
            frontend=self.frontend,
            chain=self.chain,
            source_files=("a.yaml:12",),
            notes=("one endpoint is not ready",),
        )

    def status(self, settings: Settings) -> Status:
        return Status(
            loaded=True,
            build_id="3f2a",
            attachments=(
                Attachment(hook="connect4", attached=True, program_id=41, cgroup="/sys/fs/cgroup"),
                Attachment(hook="connect6", attached=self.healthy, note="" if self.healthy else "replaced"),
            ),
            canary=self.canary,
            maps=(MapFill(name="frontends", used=3, capacity=12),),
            last_pass=LastPass(
                time=datetime(2024, 5, 1, 12, tzinfo=UTC),
                result="converged",
                seconds=0.5,
                frontends=3,
                files=1,
                changes=2,
                paths=("/etc/balancer/manifests",),
            ),
            policies=PolicyCount(in_force=2, not_in_force=1),
            counters=self.counters,
            problems=(WARNING,),
            stale_files=("b.yaml",),
            stale_since={"b.yaml": datetime(2024, 5, 1, 12, tzinfo=UTC)},
            holder="pid 7 (balancer watch)",
        )

    def doctor(self, settings: Settings) -> tuple[Check, ...]:
        return tuple(
            Check(
                name=f"check {level}", level=level, found="6.1", advice="" if level is Level.OK else "upgrade"
            )
            for level in self.levels
        )

    def detach(self, settings: Settings) -> tuple[str, ...]:
        return ("link connect4", "map frontends")
