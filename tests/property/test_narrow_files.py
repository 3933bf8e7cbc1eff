"""Files edited again and again: what is kept up says of them what working out all of them says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster_strategies import mostly, relaxed, rules
from edit_strategies import beginnings, objects, surrounding_objects
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balancer.config import Settings
from balancer.desired.types import Rules
from balancer.manifests import FileObjects
from balancer.model.problem import Origin, Problem, Severity
from balancer.passes.continued import Continued
from balancer.passes.reconcile import compute

PATHS = [Path("a"), Path("b")]
NAMES = ["a/1.yaml", "a/2.yaml", "a/3.yaml", "b/1.yaml"]
Contents = dict[str, tuple[Any, ...]]
several = settings(parent=relaxed, max_examples=120, suppress_health_check=list(HealthCheck))

names = st.sampled_from(NAMES)
additions = st.tuples(names, mostly(objects, surrounding_objects).flatmap(lambda which: which))
files_now = st.tuples(names, st.sampled_from(["gone", "emptied", "again"]))
edits = st.lists(st.lists(additions | additions | files_now, max_size=3), min_size=1, max_size=5)


def file_of(path: str, found: tuple[Any, ...]) -> FileObjects:
    """The objects at lines of their own; a file with many of them has a problem as well."""
    placed = tuple(
        replace(one, meta=replace(one.meta, origin=Origin(file=path, line=10 * index + 1, document=index)))
        for index, one in enumerate(found)
    )
    odd = Problem(origin=Origin(file=path, line=1), message="odd", severity=Severity.WARNING)
    return FileObjects(
        path=path,
        sha256="",
        objects=placed,
        problems=(odd,) if len(found) > 4 else (),
        ignored={"Secret": len(found)},
    )


def edited(files: Mapping[str, FileObjects], edit: list[tuple[str, Any]]) -> dict[str, FileObjects]:
    """The files afterwards; those without a change are the same objects."""
    now = dict(files)
    for path, what in edit:
        if what == "gone":
            now.pop(path, None)
        elif what == "emptied":
            now[path] = file_of(path, ())
        elif what == "again":
            now[path] = file_of(path, now[path].objects if path in now else ())
        else:
            held = [
                one for one in (now[path].objects if path in now else ()) if one.meta.key != what.meta.key
            ]
            now[path] = file_of(path, (what, *held))
    return now


@several
@given(beginnings, edits, mostly(Rules(), Rules(redirect_qos_limit=7)), rules)
def test_edited_files_ask_for_what_all_of_them_ask_for(
    found: list[Any], changes: list[list[tuple[str, Any]]], at_last: Rules, under: Rules
) -> None:
    """Objects in several files, moved, repeated, or gone with their file; other settings at the end."""
    files = {path: file_of(path, tuple(found[index :: len(NAMES)])) for index, path in enumerate(NAMES)}
    subject, before = Continued(strict=True), None
    for index, change in enumerate([[], *changes]):
        files = edited(files, change)
        listed = tuple(files[path] for path in sorted(files))
        on = Settings(node="n1", rules=under if index < len(changes) else at_last)
        loaded, full = subject.compute(listed, PATHS, on), compute(listed, PATHS, on)
        assert loaded.manifests == full.manifests
        assert loaded.desired == full.desired
        assert loaded.problems == full.problems
        assert loaded.paths == full.paths
        assert loaded.step is not None
        assert loaded.step.after is loaded.desired
        assert before is None or loaded.step.before is before
        before = loaded.desired
