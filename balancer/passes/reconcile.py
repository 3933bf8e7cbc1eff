"""One pass: files to objects, objects to the desired state, the difference to the maps, and a check.

The only place that joins the stages. What was done before is read back from the maps; what is kept from one pass to the
next only tells what need not be read again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from balancer import state
from balancer.config import Settings
from balancer.desired.step import Step
from balancer.desired.types import Desired
from balancer.errors import BalancerError, CapacityExceeded, HostError, LockHeld
from balancer.kernel import dataplane, host
from balancer.kernel.beside import beside
from balancer.kernel.compiler import CompiledAhead, compile_text
from balancer.kernel.maps import PinnedMaps, read_setting, synchronize
from balancer.kernel.mend import mend
from balancer.kernel.pins import Generation
from balancer.kernel.stale import Ended, end_stale_sockets
from balancer.manifests.discover import how_much
from balancer.manifests.garbage import seldom_collected
from balancer.model.problem import Origin, Problem
from balancer.passes.following import Kept, Waiting, follow, is_as_kept
from balancer.passes.instance import Instance
from balancer.passes.loading import compute as compute
from balancer.passes.placement import Placement, place_pods
from balancer.passes.remember import Record
from balancer.passes.unchanged import maps_digest, unseen
from balancer.passes.writing import play, require_same
from balancer.plan.actual import Actual, read_actual
from balancer.plan.brakes import check_brake
from balancer.plan.capacity import needs
from balancer.plan.diff import Plan, make_plan
from balancer.plan.encode import Wanted, encode
from balancer.plan.entries import MapName, Setting
from balancer.plan.keep import keep_kubernetes
from balancer.plan.narrow import Live, Unsure
from balancer.plan.serving import LookUp, serves
from balancer.plan.sizes import choose_sizes
from balancer.plan.vips import vip_settings
from balancer.state.labels import Names
from balancer.tally import Stage, Stopwatch
from balancer.views import Loaded, PassResult

MUCH = 4 << 20
"""Bytes of manifests that are worth a compilation that may prove to be for nothing."""
_UNLIMITED: Mapping[MapName, int] = dict.fromkeys(MapName, 1 << 31)  # entries


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

    A context manager: the first `apply` takes the lock of the bpffs directory, leaving releases it; it can be
    entered again. `plan` and `dry_run` only read, and take no lock.

    After a pass over something that follows from what it was (`Loaded.step`), it knows what the maps hold, and the
    next one looks at what the next step touches alone (`following`).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._instance = Instance(settings)
        self._record = Record(settings)
        self._stack = ExitStack()
        self._locked = False
        self._kept: Kept | None = None
        self._compiled: Callable[[], Any] = compile_text
        self._number = secrets.randbits(64) or 1
        """Whose writes these are (`Setting.LAST_WRITER`)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._locked = False

    def begin(self, paths: Sequence[Path]) -> None:
        """To be called before the manifests at `paths` are read, if `apply` is to follow: where nothing is live yet
        and there is much to read, the programs are compiled meanwhile. Raises nothing: `apply` will.
        """
        with suppress(BalancerError, OSError):
            if dataplane.must_load(self._instance.pins) and how_much(paths) >= MUCH:
                self._compiled = CompiledAhead()

    @seldom_collected()
    def plan(self, loaded: Loaded) -> Plan:
        """What `apply` would change; maps that are not there count as empty."""
        actual = self._instance.read_live()
        desired = keep_kubernetes(loaded.desired, actual)
        wanted, _ = self._encode(desired, self._instance.cgroup())
        choose_sizes(needs(wanted), {}, self._settings.map_limits)
        return make_plan(wanted, actual, _UNLIMITED)

    def dry_run(self, loaded: Loaded, *, allow_mass_delete: bool) -> Plan:
        """Everything `apply` does up to the first write, brake and limits included."""
        plan = self.plan(loaded)
        check_brake(plan, self._instance.read_live(), allow_mass_delete=allow_mass_delete)
        return plan

    @seldom_collected()
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
        started = time.monotonic()
        self._take_lock()
        kept, self._kept = self._kept, None  # whatever goes wrong, the next pass looks at everything
        if kept is not None and loaded.step is not None:
            with suppress(Unsure):
                return self._follow(kept, loaded, loaded.step, started)
        return self._converge(loaded, started, progress, allow_mass_delete=allow_mass_delete)

    def audit(self, waiting: Waiting = lambda: False) -> bool:
        """Whether everything is still as the last pass left it: every entry of the live maps, the programs at
        every hook; stale sockets are looked for, too. False: the next pass has to look at everything, and
        will. Gives way, with True, to something that is `waiting`. Counts as a pass that converged, if it came
        to its end. Raises any BalancerError.
        """
        if self._kept is None:
            return False
        started, watch = time.monotonic(), Stopwatch(time.monotonic)
        with ExitStack() as stack:
            if not self._locked:
                stack.enter_context(self._instance.locked())
            kept, self._kept = self._kept, None
            with watch.stage(Stage.VERIFY):
                if not is_as_kept(kept, self._instance, waiting):
                    return False
            self._kept = kept
            if waiting():
                return True
            with watch.stage(Stage.SOCKETS):
                ended = self._end_stale_sockets(kept.generation, kept.live.logical.get)
            kept.look_again = bool(ended.sockets or ended.failures)
            self._record.audited(ended.sockets, time.monotonic() - started, watch.seconds)
        return True

    def _follow(self, kept: Kept, loaded: Loaded, step: Step, started: float) -> PassResult:
        """A pass over what a step touches. Raises Unsure before anything is written."""
        watch = Stopwatch(time.monotonic)
        done = follow(kept, self._instance, step, watch)
        with watch.stage(Stage.LOAD):
            dataplane.commit(self._instance.pins, kept.generation, self._instance.cgroup())
        with watch.stage(Stage.SOCKETS):
            ended = Ended()
            if done.took_away or kept.look_again:
                ended = self._end_stale_sockets(kept.generation, kept.live.logical.get)
        kept.look_again = bool(ended.sockets or ended.failures)
        self._kept = kept
        result = PassResult(
            plan=done.plan,
            loaded_programs=False,
            attached=True,
            seconds=time.monotonic() - started,
            sockets_ended=ended.sockets,
            problems=(*done.placement.problems, *unseen(ended)),
            stages={**loaded.stages, **watch.seconds},
        )
        return self._record.followed(result, loaded, step)

    def _converge(
        self,
        loaded: Loaded,
        started: float,
        progress: Callable[[int, int], None] | None,
        *,
        allow_mass_delete: bool,
    ) -> PassResult:
        """A pass that looks at everything."""
        watch, pins, cgroup = Stopwatch(time.monotonic), self._instance.pins, self._instance.cgroup()
        with watch.stage(Stage.INSPECT):
            mend(pins)
            live = self._instance.read_live()
            desired = keep_kubernetes(loaded.desired, live)
            wanted, placement = self._encode(desired, cgroup)
            draft = self._draft(wanted, live)
            check_brake(draft.plan, live, allow_mass_delete=allow_mass_delete)
        collect_names: Callable[[], Names] = partial(self._record.names, loaded, desired)
        with watch.stage(Stage.LOAD):
            ready = generation = dataplane.ready(pins, draft.sizes)
            if generation is None:  # the kernel verifies programs meanwhile, for a good part of a second
                collect_names = beside(collect_names).result
                generation = dataplane.load(pins, draft.sizes, cgroup, self._take_compiled)
        names = collect_names()
        written = self._write(generation, wanted, draft, placement.levels, progress, watch)
        with watch.stage(Stage.LOAD):
            dataplane.commit(pins, generation, cgroup)
        with watch.stage(Stage.SOCKETS):
            ended = self._end_stale_sockets(generation, wanted.frontends.get)
        problems = (*desired.problems[len(loaded.desired.problems) :], *placement.problems)
        result = PassResult(
            plan=replace(written.plan, changes=draft.plan.changes),
            loaded_programs=ready is None,
            attached=True,
            seconds=time.monotonic() - started,
            sockets_ended=ended.sockets,
            problems=(*problems, *unseen(ended)),
            stages={**loaded.stages, **watch.seconds},
        )
        if loaded.step is not None and desired is loaded.desired:
            self._keep(desired, generation, wanted, written, ended)
        maps = self._digest_of_maps(generation) if _may_be_repeated(loaded) else ""
        return self._record.passed(result, loaded, desired, names, maps=maps, said=problems)

    def _keep(
        self,
        desired: Desired,
        generation: Generation,
        wanted: Wanted,
        written: Written,
        ended: Ended,
    ) -> None:
        """What the next pass can follow from. Nothing where two forms of one address were made one."""
        if (len(wanted.frontends), len(wanted.addresses)) != (len(desired.frontends), len(desired.addresses)):
            return
        synchronize()  # from here on what is free is nobody's
        self._kept = Kept(
            generation=generation,
            desired=desired,
            live=Live(wanted, written.actual, written.slots),
            settings=written.settings,
            number=self._number,
            look_again=bool(ended.sockets or ended.failures),
        )

    def _take_compiled(self) -> Any:
        compiled, self._compiled = self._compiled, compile_text
        return compiled()

    def _take_lock(self) -> None:
        if not self._locked:
            self._stack.enter_context(self._instance.locked())
            self._locked = True

    def _encode(self, desired: Desired, cgroup: Path) -> tuple[Wanted, Placement]:
        placement = place_pods(desired, cgroup)
        return encode(desired, placement.skipped, placement.owners), placement

    def _draft(self, wanted: Wanted, live: Actual) -> Draft:
        """Raises CapacityExceeded."""
        generation = self._instance.pins.live()
        sizes = generation.sizes() if generation else {}
        need = dict(needs(wanted))
        while True:
            chosen = choose_sizes(need, sizes, self._settings.map_limits)
            try:
                plan = make_plan(wanted, live, {name: chosen.get(name, 0) for name in MapName})
                return Draft(plan=plan, live=live, sizes=chosen)
            except CapacityExceeded as error:
                # The state fits, but not old and new side by side: a larger map, or beyond its limit.
                need[MapName(error.map_name)] = error.need

    def _write(
        self,
        generation: Generation,
        wanted: Wanted,
        draft: Draft,
        levels: int,
        progress: Callable[[int, int], None] | None,
        watch: Stopwatch,
    ) -> Written:
        settings = {
            Setting.BUILD_ID: generation.build_id,
            Setting.HOST_NETNS: host.netns_cookie(),
            Setting.CGROUP_LEVELS: levels,
            **vip_settings(wanted.addresses),
        }
        with PinnedMaps(generation.maps) as store:
            with watch.stage(Stage.INSPECT):
                sizes = {name: store.capacity(name) for name in MapName}
                actual = read_actual(store)
                plan = draft.plan if draft.fits(actual, sizes) else make_plan(wanted, actual, sizes)
                writer = read_setting(store, Setting.LAST_WRITER)
            with watch.stage(Stage.WRITE):
                settings[Setting.LAST_WRITER] = writer if plan.empty and writer else self._number
                play(store, plan, settings, progress)
            with watch.stage(Stage.VERIFY):
                if not plan.empty:
                    actual = read_actual(store)
                    require_same(wanted, actual)
        return Written(plan=plan, actual=actual, slots=sizes[MapName.SLOTS], settings=settings)

    def _end_stale_sockets(self, generation: Generation, look_up: LookUp) -> Ended:
        """Whatever the pass changed, unless it followed another one: a pass that was killed may have left some."""

        def is_live(vip: bytes, protocol: int, backend: bytes) -> bool:
            return serves(look_up, vip, protocol, backend)

        return end_stale_sockets(generation, is_live, tcp=self._settings.close_stale_tcp)

    def _digest_of_maps(self, generation: Generation) -> str:
        with PinnedMaps(generation.maps) as store:
            return maps_digest(store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The plan against what is `live`, and the `sizes` of maps that it was made for and takes."""

    plan: Plan
    live: Actual
    sizes: dict[str, int]

    def fits(self, actual: Actual, sizes: Mapping[MapName, int]) -> bool:
        """Whether the plan for these maps would be the same."""
        as_made_for = all(size == self.sizes[name] for name, size in sizes.items() if name in self.sizes)
        return as_made_for and actual == self.live


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """`actual` is what the maps hold after the plan was played, `slots` the size of that map, `settings` what the
    settings are.
    """

    plan: Plan
    actual: Actual
    slots: int
    settings: dict[Setting, int]


def _may_be_repeated(loaded: Loaded) -> bool:
    """Whether a pass over the same is known to be the same: pods' cgroups may come and go at any time."""
    pods = (*loaded.desired.skipped_pods, *loaded.desired.redirect_pods)
    return bool(loaded.basis and not loaded.errors and not loaded.stale_files and not pods)
