"""One pass: files to objects, objects to the desired state, the difference to the maps, and a check.

The only place that joins the stages. It holds no state of its own between passes: what was done before
is read back from the maps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from balancer import manifests, state
from balancer.config import Settings
from balancer.desired.compute import compute as compute_desired
from balancer.desired.types import Desired, Host
from balancer.errors import CapacityExceeded, HostError, LockHeld, NotConverged
from balancer.explain import file_destinations, file_resolve, live_destinations, live_resolve
from balancer.kernel import dataplane, host, lock, mounts
from balancer.kernel.maps import PinnedMaps
from balancer.kernel.pins import Generation, Pins, require_access
from balancer.kernel.stale import Ended, end_stale_sockets
from balancer.live import file_policies, live_affinity, live_backends, live_frontends, live_policies
from balancer.manifests.garbage import seldom_collected
from balancer.model.problem import Origin, Problem, Severity
from balancer.placement import Placement, place_pods
from balancer.plan.actual import Actual, read_actual
from balancer.plan.brakes import check_brake
from balancer.plan.capacity import needs
from balancer.plan.diff import Plan, make_plan
from balancer.plan.encode import Wanted, encode
from balancer.plan.entries import MapName, Setting
from balancer.plan.execute import execute
from balancer.plan.keep import keep_kubernetes
from balancer.plan.serving import serves
from balancer.plan.sizes import choose_sizes
from balancer.plan.verify import verify
from balancer.pod_names import pods_of_backends, pods_of_node
from balancer.sources import absolute, digest_of
from balancer.status import detach, doctor, status
from balancer.tally import Ending, Stage, Stopwatch
from balancer.views import LastPass, Loaded, PassResult

__all__ = [
    "Reconciler",
    "compute",
    "detach",
    "doctor",
    "file_destinations",
    "file_policies",
    "file_resolve",
    "live_affinity",
    "live_backends",
    "live_destinations",
    "live_frontends",
    "live_policies",
    "live_resolve",
    "note_failure",
    "status",
]

_UNLIMITED: Mapping[MapName, int] = dict.fromkeys(MapName, 1 << 31)  # entries
_SHOWN_DIFFERENCES = 5


def compute(
    files: Sequence[manifests.FileObjects] | None, paths: Sequence[Path], settings: Settings
) -> Loaded:
    """What these files (None: those found at `paths`) ask of this host. Needs no root.

    Problems of content are in the result; raises PathUnreadable.
    """
    watch = Stopwatch(time.monotonic)
    if files is None:
        with watch.stage(Stage.READ):
            read = manifests.load(paths)
    with watch.stage(Stage.COMPUTE), seldom_collected():
        found = read if files is None else manifests.merge(files)
        here = Host(node_name=settings.node, addresses=host.interface_addresses())
        desired = compute_desired(found.cluster, here, settings.rules)
        problems = set(found.locate((*found.problems, *desired.problems)))
    return Loaded(
        manifests=found,
        desired=desired,
        problems=tuple(sorted(problems, key=_order)),
        paths=tuple(paths),
        stages=watch.seconds,
    )


def _order(problem: Problem) -> tuple[Origin, str, str]:
    return (problem.origin, problem.path, problem.message)


def _unseen(failure: str) -> Problem:
    message = f"stale sockets may be left in a network namespace: {failure}"
    return Problem(origin=Origin(file="", line=0), severity=Severity.WARNING, message=message)


def note_failure(settings: Settings, loaded: Loaded | None, error: Exception) -> None:
    """Keeps for `balancer status` and the metrics that a single pass failed, and why. Whoever did not get the
    lock says nothing of the pass that has it, and is only counted. Never raises HostError: a state file that
    cannot be written must not hide the error itself.
    """
    with suppress(HostError, OSError):
        if isinstance(error, LockHeld):
            state.count_failure(settings.state)
            return
        hint = getattr(error, "hint", "")
        failure = f"{error} (hint: {hint})" if hint else str(error)
        place = Origin(file=str(loaded.paths[0]) if loaded and loaded.paths else "", line=1 if loaded else 0)
        problem = Problem(origin=place, message=f"pass failed: {failure}")
        state.note(
            settings.state,
            problems=(*loaded.problems, problem) if loaded else (problem,),
            stale_files=None,
            failure=failure,
            time=datetime.now(UTC),
        )


class Reconciler:
    """Brings the pinned maps of one instance in line with what is loaded.

    A context manager: the first `apply` takes the lock of the bpffs directory, leaving releases it.
    `plan` and `dry_run` only read, and take no lock.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pins = Pins(settings.bpffs)
        self._stack = ExitStack()
        self._locked = False
        self._settled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._locked = self._settled = False

    def plan(self, loaded: Loaded) -> Plan:
        """What `apply` would change; maps that are not there count as empty."""
        actual = self._read_live()
        desired = keep_kubernetes(loaded.desired, actual)
        wanted, _ = self._encode(desired, self._cgroup())
        choose_sizes(needs(wanted), {}, self._settings.map_limits)
        return make_plan(wanted, actual, _UNLIMITED)

    def dry_run(self, loaded: Loaded, *, allow_mass_delete: bool) -> Plan:
        """Everything `apply` does up to the first write, brake and limits included."""
        plan = self.plan(loaded)
        check_brake(plan, self._read_live(), allow_mass_delete=allow_mass_delete)
        return plan

    def apply(
        self,
        loaded: Loaded,
        *,
        allow_mass_delete: bool,
        progress: Callable[[int, int], None] | None = None,
    ) -> PassResult:
        """Converges the kernel and checks that it did. Raises any BalancerError; a pass that fails leaves
        every frontend whole, with its old or its new backends.
        """
        started, watch = time.monotonic(), Stopwatch(time.monotonic)
        cgroup = self._cgroup()
        self._take_lock()
        with watch.stage(Stage.INSPECT):
            live = self._read_live()
            desired = keep_kubernetes(loaded.desired, live)
            wanted, placement = self._encode(desired, cgroup)
            first, sizes = self._size(wanted, live)
            check_brake(first, live, allow_mass_delete=allow_mass_delete)
        with watch.stage(Stage.LOAD):
            generation, fresh = dataplane.prepare(self._pins, sizes, cgroup)
        plan = self._write(generation, wanted, placement.levels, progress, watch)
        with watch.stage(Stage.LOAD):
            dataplane.commit(self._pins, generation, cgroup)
        self._settled = True
        with watch.stage(Stage.SOCKETS):
            ended = self._end_stale_sockets(generation, wanted)
        problems = (*desired.problems[len(loaded.desired.problems) :], *placement.problems)
        problems += tuple(_unseen(failure) for failure in ended.failures)
        result = PassResult(
            plan=replace(plan, changes=first.changes),
            loaded_programs=fresh,
            attached=True,
            seconds=time.monotonic() - started,
            sockets_ended=ended.sockets,
            problems=problems,
            stages={**loaded.stages, **watch.seconds},
        )
        return self._remember(result, loaded, desired)

    def _cgroup(self) -> Path:
        return mounts.resolve_cgroup(self._settings.cgroup)

    def _take_lock(self) -> None:
        if self._locked:
            return
        host.require_capabilities()
        mounts.prepare_bpffs(self._pins.root)
        require_access(self._pins.root)
        self._stack.enter_context(
            lock.exclusive(self._pins.root, timeout=self._settings.lock_timeout_seconds)
        )
        self._locked = True

    def _read_live(self) -> Actual:
        require_access(self._pins.root)
        live = self._pins.live()
        if live is None:
            return Actual()
        with PinnedMaps(live.maps) as store:
            return read_actual(store)

    def _encode(self, desired: Desired, cgroup: Path) -> tuple[Wanted, Placement]:
        placement = place_pods(desired, cgroup)
        return encode(desired, placement.skipped, placement.owners), placement

    def _size(self, wanted: Wanted, live: Actual) -> tuple[Plan, dict[str, int]]:
        """The plan against what is live, and the map sizes it takes. Raises CapacityExceeded."""
        generation = self._pins.live()
        sizes = generation.sizes() if generation else {}
        need = dict(needs(wanted))
        while True:
            chosen = choose_sizes(need, sizes, self._settings.map_limits)
            try:
                return self._plan(wanted, live, {name: chosen.get(name, 0) for name in MapName}), chosen
            except CapacityExceeded as error:
                # The state fits, but not old and new side by side: a larger map, or beyond its limit.
                need[MapName(error.map_name)] = error.need

    def _plan(self, wanted: Wanted, actual: Actual, sizes: Mapping[MapName, int]) -> Plan:
        return make_plan(wanted, actual, sizes, settled=self._settled)

    def _write(
        self,
        generation: Generation,
        wanted: Wanted,
        levels: int,
        progress: Callable[[int, int], None] | None,
        watch: Stopwatch,
    ) -> Plan:
        settings = {
            Setting.BUILD_ID: generation.build_id,
            Setting.HOST_NETNS: host.netns_cookie(),
            Setting.CGROUP_LEVELS: levels,
        }
        with PinnedMaps(generation.maps) as store:
            with watch.stage(Stage.INSPECT):
                sizes = {name: store.capacity(name) for name in MapName}
                plan = self._plan(wanted, read_actual(store), sizes)
            self._settled = False
            with watch.stage(Stage.WRITE):
                # A pod's rule counts as soon as a frontend may need it, and until none does any more.
                before = dataplane.read_setting(store, Setting.CGROUP_LEVELS)
                dataplane.write_settings(store, settings | {Setting.CGROUP_LEVELS: before | levels})
                execute(plan, store, progress)
                dataplane.write_settings(store, settings)
            with watch.stage(Stage.VERIFY):
                differences = () if plan.empty else verify(wanted, read_actual(store))
        if differences:
            shown = "; ".join(differences[:_SHOWN_DIFFERENCES])
            raise NotConverged(
                f"{len(differences)} entries read back differ from what was written: {shown}",
                hint="another process may be writing these maps: run apply again",
            )
        return plan

    def _end_stale_sockets(self, generation: Generation, wanted: Wanted) -> Ended:
        """In every pass, whatever it changed: a pass that was killed may have left some behind."""

        def is_live(vip: bytes, protocol: int, backend: bytes) -> bool:
            return serves(wanted, vip, protocol, backend)

        return end_stale_sockets(generation, is_live, tcp=self._settings.close_stale_tcp)

    def _remember(self, result: PassResult, loaded: Loaded, desired: Desired) -> PassResult:
        """Writes the state file; what cannot be written is a problem, the kernel has converged anyway."""
        labels, nodes = state.label_frontends(desired)
        last = LastPass(
            time=datetime.now(UTC),
            result=Ending.CONVERGED,
            seconds=result.seconds,
            frontends=len(desired.frontends),
            files=len(loaded.manifests.files),
            changes=len(result.plan.changes),
            paths=absolute(loaded.paths),
            digest=digest_of(loaded.manifests.files),
        )
        problems = tuple(sorted({*loaded.problems, *result.problems}, key=_order))
        kept = state.State(
            last_pass=last,
            labels=labels,
            nodes=nodes,
            pods=pods_of_node(loaded.manifests.cluster, self._settings.node),
            backend_pods=pods_of_backends(loaded.manifests.cluster, desired),
            policies=state.label_policies(loaded.manifests.cluster, desired),
            problems=problems,
            stale_files=loaded.stale_files,
        )
        try:
            with state.changing(self._settings.state) as known:
                tally = known.tally.converged(result, last.time)
                stale_since = state.since(known, kept.stale_files, last.time)
                state.save(self._settings.state, replace(kept, tally=tally, stale_since=stale_since))
        except HostError as error:
            origin = Origin(file=str(self._settings.state), line=0)
            problem = Problem(origin=origin, severity=Severity.WARNING, message=f"{error}; {error.hint}")
            return replace(result, problems=(*result.problems, problem))
        return result
