"""validate, plan and apply: from files towards the kernel, each one step further than the last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from balancer.cli.options import example, option, output_option, paths_argument, with_settings
from balancer.errors import BalancerError, Exit, InputError, InvalidManifests
from balancer.report.console import emit_json, emit_lines, emit_table, message, progress_bar, show_problems

if TYPE_CHECKING:
    from balancer.cli.facade import Facade
    from balancer.config import Settings
    from balancer.model.problem import Problem
    from balancer.passes.unchanged import Unchanged
    from balancer.plan.diff import Plan
    from balancer.views import Loaded, PassResult


@click.command(
    short_help="Check manifests; needs no root.",
    epilog=example(
        "balancer validate /etc/balancer/manifests",
        "balancer validate -o json changed.yaml | jq '.problems[].message'",
    ),
)
@paths_argument
@with_settings
@output_option
@click.pass_context
def validate(ctx: click.Context, *, paths: tuple[Path, ...], settings: Settings, output: str) -> None:
    """Check manifests and list every problem with its file, line and column; needs no root.

    Exits 3 if there is at least one error; warnings alone exit 0.
    """
    from balancer.report.text import validate_line

    loaded = ctx.obj().compute(None, paths, settings)
    objects = _count_objects(loaded)
    ignored = dict(sorted(loaded.manifests.ignored.items()))
    if output == "json":
        emit_json(_validate_json(loaded, objects, ignored))
    else:
        show_problems(loaded.problems, to_stdout=True)
        emit_lines([validate_line(len(loaded.manifests.files), objects, ignored, loaded.problems)])
    if loaded.errors:
        ctx.exit(Exit.INVALID_MANIFESTS)


def _count_objects(loaded: Loaded) -> dict[str, int]:
    """Accepted objects by kind, in the order of the pipeline's own list of kinds."""
    cluster = loaded.manifests.cluster
    groups = (getattr(cluster, item.name) for item in fields(cluster))
    return dict(Counter(item.meta.kind for group in groups for item in group))


def _validate_json(loaded: Loaded, objects: dict[str, int], ignored: dict[str, int]) -> dict[str, Any]:
    from balancer.report.jsonable import problems_json

    return {
        "files": len(loaded.manifests.files),
        "objects": objects,
        "ignored": ignored,
        "errors": len(loaded.errors),
        "warnings": len(loaded.problems) - len(loaded.errors),
        "problems": problems_json(loaded.problems),
    }


@click.command(
    short_help="Show what apply would change.",
    epilog=example(
        "balancer plan /etc/balancer/manifests",
        "balancer plan --from-empty -o json --node edge-1 samples/quickstart",
    ),
)
@paths_argument
@option(
    "--from-empty", is_flag=True, help="Show the whole desired state instead of a difference; needs no root."
)
@option("--exit-code", is_flag=True, help="Exit 4 if there is anything to change.")
@with_settings
@output_option
@click.pass_context
def plan(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    from_empty: bool,
    exit_code: bool,
    settings: Settings,
    output: str,
) -> None:
    """Show what apply would change: + for a frontend that comes, ~ for one that changes, - for one that goes.

    Objects with errors are left out and reported, and the exit code is then 3.
    """
    same = None if from_empty else ctx.obj().unchanged(paths, settings, look_only=True)
    if same is not None:
        _show_plan(same.result.plan, same.problems, output)
        return
    loaded = ctx.obj().compute(None, paths, settings)
    if from_empty:
        changes = bool(loaded.desired.frontends)
        _show_desired(loaded, output)
    else:
        _refuse_nothing(loaded, paths)
        with ctx.obj().Reconciler(settings) as reconciler:
            found = reconciler.plan(loaded)
        changes = not found.empty
        _show_plan(found, loaded.problems, output)
    if loaded.errors:
        ctx.exit(Exit.INVALID_MANIFESTS)
    if exit_code and changes:
        ctx.exit(Exit.CHANGES_PENDING)


def _show_desired(loaded: Loaded, output: str) -> None:
    from balancer.report import jsonable, plans

    if output == "json":
        emit_json(jsonable.desired_json(loaded.desired, loaded.problems))
        return
    show_problems(loaded.problems)
    emit_table(plans.desired_table(loaded.desired))


def _show_plan(found: Plan, problems: Sequence[Problem], output: str) -> None:
    from balancer.report import jsonable, plans

    if output == "json":
        emit_json(jsonable.plan_json(found, problems))
        return
    show_problems(problems)
    emit_lines(plans.plan_lines(found))


@click.command(
    short_help="Make the kernel do what the manifests say, then end.",
    epilog=example(
        "balancer apply /etc/balancer/manifests", "balancer apply --dry-run --keep-going changed.yaml"
    ),
)
@paths_argument
@option("--dry-run", is_flag=True, help="Show what would be written, after every check, and write nothing.")
@option("--keep-going", is_flag=True, help="Leave objects with errors out and apply everything else.")
@option("--allow-mass-delete", is_flag=True, help="Let this run remove most or all of the frontends.")
@with_settings
@output_option
@click.pass_context
def apply(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    dry_run: bool,
    keep_going: bool,
    allow_mass_delete: bool,
    settings: Settings,
    output: str,
) -> None:
    """Make the kernel do what the manifests say, check that it does, and end; no process need stay.

    Any error in the manifests exits 3 and leaves the kernel as it is. With --keep-going the objects
    with errors are listed and left out, everything else is applied, and the exit code is 0.
    """
    facade: Facade = ctx.obj()
    with _noted(facade, settings, wanted=not dry_run) as seen:
        same = facade.unchanged(paths, settings, look_only=dry_run)
        if same is not None:
            _show_unchanged(same, output, dry_run=dry_run)
            return
        reconciler = facade.Reconciler(settings)
        if not dry_run:
            reconciler.begin(paths)
        loaded = facade.compute(None, paths, settings)
        seen.append(loaded)
        if not allow_mass_delete:
            _refuse_nothing(loaded, paths)
        if loaded.errors and not keep_going:
            if output == "json":
                emit_json(_apply_json("refused", None, None, loaded.problems))
            raise InvalidManifests(loaded.problems)
        if output == "text":
            show_problems(loaded.problems)
        with reconciler:
            if dry_run:
                found = reconciler.dry_run(loaded, allow_mass_delete=allow_mass_delete)
                _show_dry_run(found, loaded.problems, output)
                return
            with progress_bar(wanted=output == "text") as progress:
                result = reconciler.apply(loaded, allow_mass_delete=allow_mass_delete, progress=progress)
    _show_result(result, loaded.problems, output)


def _show_unchanged(same: Unchanged, output: str, *, dry_run: bool) -> None:
    """As if the files had been worked out: their warnings, and that there was nothing to do."""
    if output == "text":
        show_problems(same.problems)
    if dry_run:
        _show_dry_run(same.result.plan, same.problems, output)
    else:
        _show_result(same.result, same.problems, output)


@contextmanager
def _noted(facade: Facade, settings: Settings, *, wanted: bool) -> Iterator[list[Loaded]]:
    """Notes a pass that fails in the block; the block appends what it loaded to the list."""
    loaded: list[Loaded] = []
    try:
        yield loaded
    except (BalancerError, OSError) as error:
        if wanted:
            facade.note_failure(settings, loaded[0] if loaded else None, error)
        raise


def _refuse_nothing(loaded: Loaded, paths: tuple[Path, ...]) -> None:
    """An empty directory is far more often a failed mount or sync than a wish to remove everything."""
    if not loaded.manifests.files:
        raise InputError(
            f"no manifests in {' '.join(str(path) for path in paths)}: nothing is removed",
            hint="to remove everything, run balancer detach, or balancer apply --allow-mass-delete",
        )


def _show_dry_run(found: Plan, problems: Sequence[Problem], output: str) -> None:
    from balancer.report.plans import plan_lines

    if output == "json":
        emit_json(_apply_json("dry-run", found, None, problems))
    else:
        emit_lines(plan_lines(found))


def _show_result(result: PassResult, problems: Sequence[Problem], output: str) -> None:
    from balancer.report.plans import pass_line
    from balancer.report.text import problem_count

    if output == "json":
        word = "in-sync" if result.plan.empty else "applied"
        emit_json(_apply_json(word, result.plan, result, problems))
        return
    show_problems(_added(result, problems))
    if any(problem.is_error for problem in problems):
        message(f"balancer: applied without the objects that have errors: {problem_count(problems)}")
    emit_lines([pass_line(result)])


def _added(result: PassResult, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Those that came up in the pass."""
    return tuple(problem for problem in result.problems if problem not in problems)


def _apply_json(
    word: str, found: Plan | None, result: PassResult | None, problems: Sequence[Problem]
) -> dict[str, Any]:
    from balancer.report.jsonable import plan_json, problems_json

    extra = _added(result, problems) if result else ()
    nothing = {"summary": {"add": 0, "change": 0, "delete": 0}, "changes": []}
    return {
        "result": word,
        "loaded_programs": result.loaded_programs if result else False,
        "attached": result.attached if result else None,
        "seconds": result.seconds if result else None,
        "sockets_ended": result.sockets_ended if result else 0,
        **(nothing if found is None else plan_json(found, ())),
        "problems": problems_json((*problems, *extra)),
    }
