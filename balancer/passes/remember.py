"""What a pass that converged leaves in the state file. The kernel has converged whether it can be written or not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from balancer import state
from balancer.config import Settings
from balancer.desired.step import Step
from balancer.desired.types import Desired, Source
from balancer.digest import Digest, absolute
from balancer.errors import HostError
from balancer.model.problem import Problem
from balancer.passes.unchanged import unwritten
from balancer.plan.diff import Plan
from balancer.state.labels import Mark, Names, NamesChange, relabelled
from balancer.state.memo import Memo
from balancer.state.pod_names import PodsOfServices, pods_of_backends, pods_of_node
from balancer.tally import Ending
from balancer.views import LastPass, Loaded, PassResult


class Record:
    """The state file of one instance, as one process writes it pass by pass."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._digest = Digest()
        self._mark: Mark | None = None
        self._pods: PodsOfServices | None = None

    def names(self, loaded: Loaded, desired: Desired) -> Names:
        """Every name that is known of a desired state."""
        labels, nodes = state.label_frontends(desired)
        cluster = loaded.manifests.cluster
        return Names(
            labels=labels,
            nodes=nodes,
            pods=pods_of_node(cluster, self._settings.node),
            backend_pods=pods_of_backends(cluster, desired),
        )

    def passed(
        self,
        result: PassResult,
        loaded: Loaded,
        desired: Desired,
        names: Names,
        *,
        maps: str = "",
        said: tuple[Problem, ...] = (),
    ) -> PassResult:
        """Keeps the outcome and the names. With a digest of the `maps`, leaves a memo as well; `said` are the
        problems of the pass that the next one would have too. Returns the result, with a problem more if it could
        not be written.
        """
        kept = replace(
            self._outcome(result, loaded, desired),
            labels=names.labels,
            nodes=names.nodes,
            pods=names.pods,
            backend_pods=names.backend_pods,
        )
        if maps:
            kept = replace(kept, memo=_memo(loaded, kept, maps, said))
        self._mark = None
        self._pods = PodsOfServices(loaded.manifests.cluster) if loaded.step else None
        try:
            with state.changing(self._settings.state) as known:
                self._mark = state.save(self._settings.state, _counted(kept, known, result))
        except HostError as error:
            return replace(result, problems=(*result.problems, unwritten(self._settings, error)))
        return result

    def followed(self, result: PassResult, loaded: Loaded, step: Step) -> PassResult:
        """The same for a pass that followed the last one by a step: names are added to those that there are, where
        that can be.
        """
        mark, self._mark = self._mark, None
        change = self._renamed(loaded, step)
        if mark is None or change is None:
            return self.passed(result, loaded, step.after, self.names(loaded, step.after))
        kept = self._outcome(result, loaded, step.after)
        try:
            with state.changing(self._settings.state) as known:
                counted = _counted(kept, known, result)
                self._mark = state.save_change(self._settings.state, counted, change, mark)
        except HostError as error:
            return replace(result, problems=(*result.problems, unwritten(self._settings, error)))
        if self._mark:
            return result
        return self.passed(result, loaded, step.after, self.names(loaded, step.after))

    def audited(self, sockets: int, seconds: float, stages: Mapping[str, float]) -> None:
        """A pass that found everything as it was. What cannot be written is said by the next one that writes."""
        nothing = PassResult(
            plan=Plan(),
            loaded_programs=False,
            attached=True,
            seconds=seconds,
            sockets_ended=sockets,
            stages=stages,
        )
        with suppress(HostError), state.changing(self._settings.state) as known:
            if known.last_pass is not None and known.last_pass.converged:
                now = datetime.now(UTC)
                last = replace(known.last_pass, time=now, seconds=seconds, changes=0)
                tally = known.tally.converged(nothing, now)
                state.save_again(self._settings.state, replace(known, last_pass=last, tally=tally))

    def _renamed(self, loaded: Loaded, step: Step) -> NamesChange | None:
        """The names that are others now; None where all have to be looked at."""
        if self._pods is None or loaded.edit is None:
            return None
        owners = self._pods.follow(loaded.edit)
        if owners is None or any(item.source is not Source.SERVICE for item in (*step.put, *step.gone)):
            return None
        for item in step.put:
            namespace, _, name = item.object.partition(" ")[2].partition("/")
            owners.add((namespace, name))
        backends = (one for item in step.put for one in (*item.backends, *item.fallback))
        return relabelled(step.put, step.gone, self._pods.names(owners, backends))

    def _outcome(self, result: PassResult, loaded: Loaded, desired: Desired) -> state.State:
        last = LastPass(
            time=datetime.now(UTC),
            result=Ending.CONVERGED,
            seconds=result.seconds,
            frontends=len(desired.frontends),
            files=len(loaded.manifests.files),
            changes=len(result.plan.changes),
            paths=absolute(loaded.paths),
            digest=self._digest.of(loaded.manifests.files),
        )
        problems: set[Problem] = {*loaded.problems, *result.problems}
        return state.State(
            last_pass=last,
            policies=state.label_policies(loaded.manifests.cluster, desired),
            problems=tuple(sorted(problems, key=lambda item: item.order)),
            stale_files=loaded.stale_files,
        )


def _counted(kept: state.State, known: state.State, result: PassResult) -> state.State:
    """With the totals over all passes, and since when files are stale."""
    assert kept.last_pass is not None
    time = kept.last_pass.time
    return replace(
        kept,
        tally=known.tally.converged(result, time),
        stale_since=state.since(known, kept.stale_files, time),
    )


def _memo(loaded: Loaded, kept: state.State, maps: str, said: tuple[Problem, ...]) -> Memo:
    assert kept.last_pass is not None
    return Memo(
        files=kept.last_pass.digest,
        basis=loaded.basis,
        maps=maps,
        found=loaded.problems,
        said=said,
    )
