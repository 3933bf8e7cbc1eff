"""A pass over files that have not changed since the last one, at the cost of reading them.

Most runs of `apply`, by a timer or a deployment tool, find nothing to do. What such a run would work out is known
from the memo of the last pass as long as the files, everything else that decides and the live maps are what they
were: every byte of the files and of the maps is looked at, and nothing is parsed. Whatever does not fit, and every
error, means that the pass has to be made in full.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from balancer import state
from balancer.config import Settings
from balancer.digest import absolute, digest_of_contents
from balancer.errors import BalancerError, HostError, LockHeld
from balancer.kernel import compiler, dataplane, host
from balancer.kernel.maps import PinnedMaps, read_setting
from balancer.kernel.pins import Generation, require_access
from balancer.kernel.source import build_id
from balancer.kernel.stale import Ended, end_stale_sockets
from balancer.manifests.discover import scan
from balancer.manifests.files import read_bytes
from balancer.manifests.finding import SyntaxFault
from balancer.manifests.limits import DEFAULT_LIMITS
from balancer.model.problem import Origin, Problem, Severity
from balancer.passes.basis import basis, installed
from balancer.passes.instance import Instance
from balancer.plan.actual import read_frontend
from balancer.plan.diff import Plan
from balancer.plan.entries import INDEX, MapName, Setting
from balancer.plan.serving import serves
from balancer.plan.sizes import choose_sizes
from balancer.state.memo import Memo
from balancer.tally import Ending, Stage, Stopwatch
from balancer.views import LastPass, PassResult

_MAPS = (MapName.ADDRESSES, MapName.FRONTENDS, MapName.MEMBERS, MapName.CGROUPS, MapName.OWNERS)
_SETTINGS = (
    Setting.BUILD_ID,
    Setting.HOST_NETNS,
    Setting.CGROUP_LEVELS,
    Setting.LAST_WRITER,
    Setting.VIPS_IPV4,
    Setting.VIPS_IPV6,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """What the pass would have given: `result` is its result, `problems` are those of the files."""

    result: PassResult
    problems: tuple[Problem, ...] = ()


def look_unchanged(settings: Settings, paths: Sequence[Path]) -> Unchanged | None:
    """Whether a pass over `paths` would find nothing to do, without the lock and without doing anything; None
    where that is not known.
    """
    try:
        watch = Stopwatch(time.monotonic)
        with watch.stage(Stage.READ):
            memo = _fitting_memo(settings, paths)
        if memo is None or _fitting_maps(Instance(settings), memo) is None:
            return None
    except (BalancerError, OSError, SyntaxFault):
        return None
    return Unchanged(result=_result(memo, 0.0, Ended(), watch), problems=memo.found)


def pass_unchanged(settings: Settings, paths: Sequence[Path]) -> Unchanged | None:
    """Makes the pass over `paths`, if it has nothing to do but what every pass does: see to the attachments, end
    stale sockets and keep how it went. None, and nothing is done, where it may have more to do. Raises
    LockHeld.
    """
    watch = Stopwatch(time.monotonic)
    try:
        with watch.stage(Stage.READ):
            memo = _fitting_memo(settings, paths)
        started = time.monotonic()
        instance = Instance(settings)
        if memo is None or instance.pins.live() is None:
            return None
        with instance.locked():
            return _converge(instance, memo, paths, started, watch)
    except LockHeld:
        raise
    except (BalancerError, OSError, SyntaxFault):
        return None


def _fitting_memo(settings: Settings, paths: Sequence[Path]) -> Memo | None:
    """The memo of the last pass, if everything is as it was but for the maps, which were not looked at."""
    package = installed()
    known = state.outcome(settings.state)
    if known.memo is None or known.stale_files or not known.last_pass or not known.last_pass.converged:
        return None
    found = scan(paths)
    addresses = host.interface_addresses()
    now = basis(settings, paths, addresses=addresses, passed_over=found.problems, package=package)
    if not found.files or now != known.memo.basis or state.names_digest(settings.state) != known.memo.names:
        return None
    files = digest_of_contents(
        (str(path), hashlib.sha256(read_bytes(path, DEFAULT_LIMITS)).hexdigest()) for path in found.files
    )
    return known.memo if files == known.memo.files else None


def _fitting_maps(instance: Instance, memo: Memo) -> Generation | None:
    """The live generation, if it is this version's and its maps are as the memo says."""
    require_access(instance.pins.root)
    live = instance.pins.live()
    if live is None or not live.complete:
        return None
    sizes = choose_sizes({}, live.sizes(), instance.settings.map_limits)
    if build_id(sizes, compiler.flags()) != live.build_id:
        return None
    with PinnedMaps(live.maps) as store:
        here = read_setting(store, Setting.HOST_NETNS) == host.netns_cookie()
        return live if here and maps_digest(store) == memo.maps else None


def maps_digest(store: PinnedMaps) -> str:
    """Stands for every byte of the maps that passes write, as they lie there.

    The order in which a hash map gives its entries is the same as long as nothing is written to it; another one
    only means that the next pass is made in full.
    """
    digest = hashlib.sha256()
    for name in _MAPS:
        for part in store.content(name):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    digest.update(store.content(MapName.SLOTS)[1])
    for raw in store.read(MapName.SETTINGS, [INDEX.pack(index) for index in _SETTINGS]):
        digest.update(raw or b"")
    return digest.hexdigest()


def _converge(
    instance: Instance, memo: Memo, paths: Sequence[Path], started: float, watch: Stopwatch
) -> Unchanged | None:
    with watch.stage(Stage.INSPECT):
        generation = _fitting_maps(instance, memo)
    if generation is None:
        return None
    with watch.stage(Stage.LOAD):
        dataplane.commit(instance.pins, generation, instance.cgroup())
    with watch.stage(Stage.SOCKETS):
        ended = _end_stale_sockets(generation, tcp=instance.settings.close_stale_tcp)
    result = _result(memo, time.monotonic() - started, ended, watch)
    return Unchanged(result=_remember(instance.settings, memo, paths, result), problems=memo.found)


def _end_stale_sockets(generation: Generation, *, tcp: bool) -> Ended:
    """By the frontends that the maps have, one look-up for each socket that is translated."""
    with PinnedMaps(generation.maps) as store:

        def is_live(vip: bytes, protocol: int, backend: bytes) -> bool:
            return serves(lambda key: read_frontend(store, key), vip, protocol, backend)

        return end_stale_sockets(generation, is_live, tcp=tcp)


def unseen(ended: Ended) -> tuple[Problem, ...]:
    """Warnings of what could not be looked at for stale sockets."""
    return tuple(
        Problem(
            origin=Origin(file="", line=0),
            severity=Severity.WARNING,
            message=f"stale sockets may be left in a network namespace: {failure}",
        )
        for failure in ended.failures
    )


def _result(memo: Memo, seconds: float, ended: Ended, watch: Stopwatch) -> PassResult:
    """Every stage counts, as in any pass; some had nothing to do."""
    return PassResult(
        plan=Plan(),
        loaded_programs=False,
        attached=True,
        seconds=seconds,
        sockets_ended=ended.sockets,
        problems=(*memo.said, *unseen(ended)),
        stages={str(stage): watch.seconds.get(stage, 0.0) for stage in Stage},
    )


def _remember(settings: Settings, memo: Memo, paths: Sequence[Path], result: PassResult) -> PassResult:
    """Writes the state file; what cannot be written is a problem, the kernel has converged anyway."""
    try:
        with state.changing(settings.state) as known:
            last = LastPass(
                time=datetime.now(UTC),
                result=Ending.CONVERGED,
                seconds=result.seconds,
                frontends=known.last_pass.frontends if known.last_pass else 0,
                files=known.last_pass.files if known.last_pass else 0,
                changes=0,
                paths=absolute(paths),
                digest=memo.files,
            )
            problems = tuple(sorted({*memo.found, *result.problems}, key=lambda item: item.order))
            tally = known.tally.converged(result, last.time)
            state.save_again(
                settings.state, replace(known, last_pass=last, tally=tally, problems=problems, memo=memo)
            )
    except HostError as error:
        return replace(result, problems=(*result.problems, unwritten(settings, error)))
    return result


def unwritten(settings: Settings, error: HostError) -> Problem:
    """The warning that the state file could not be written."""
    origin = Origin(file=str(settings.state), line=0)
    return Problem(origin=origin, severity=Severity.WARNING, message=f"{error}; {error.hint}")
