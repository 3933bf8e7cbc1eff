"""Paths to manifests, and places for the problems of later stages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from manifest_builders import write

from balancer.errors import PathUnreadable
from balancer.manifests import Manifests, load
from balancer.model.problem import Origin, Problem

SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  ports:
  - port: 80
  externalIPs:
  - 192.0.2.1
"""


def listed(*documents: str) -> str:
    items = ["- " + document.rstrip().replace("\n", "\n  ") + "\n" for document in documents]
    return "apiVersion: v1\nkind: List\nitems:\n" + "".join(items)


def later(manifests: Manifests, name: str, path: str) -> Problem:
    """What a later stage knows: the object's origin and a path."""
    (found,) = [one for one in manifests.cluster.services if one.meta.name == name]
    return Problem(origin=found.meta.origin, message="shadows a node", object=str(found.meta), path=path)


def test_load_reads_every_file_and_keeps_every_problem(tmp_path: Path) -> None:
    broken = SERVICE.format(name="b").replace("80", "0")
    write(tmp_path, {"a.yaml": SERVICE.format(name="a"), "b.yaml": broken, "c/d.yaml": "{", "e.txt": "{"})
    manifests = load([tmp_path])
    assert [one.meta.name for one in manifests.cluster.services] == ["a"]
    assert [Path(one.origin.file).name for one in manifests.problems] == ["b.yaml", "d.yaml"]
    assert [Path(one.path).name for one in manifests.files] == ["a.yaml", "b.yaml", "d.yaml"]


def test_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PathUnreadable):
        load([tmp_path / "gone"])


def test_problem_of_a_later_stage_gets_line_column_and_excerpt(tmp_path: Path) -> None:
    text = SERVICE.format(name="x") + "---\n" + listed(SERVICE.format(name="a"), SERVICE.format(name="b"))
    manifests = load([write(tmp_path, {"a.yaml": text})])
    (placed,) = manifests.locate([later(manifests, "b", "$.spec.externalIPs[0]")])
    assert text.splitlines()[placed.origin.line - 1] == placed.excerpt == "    - 192.0.2.1"
    assert placed.excerpt[placed.origin.column - 1 :] == "192.0.2.1"
    assert placed.origin.line == len(text.splitlines())


def test_problem_of_a_whole_object_stands_at_its_start(tmp_path: Path) -> None:
    manifests = load([write(tmp_path, {"a.yaml": listed(SERVICE.format(name="a"))})])
    (placed,) = manifests.locate([later(manifests, "a", "$")])
    assert (placed.origin.line, placed.origin.column, placed.excerpt) == (4, 3, "- apiVersion: v1")


def test_order_is_kept_and_what_cannot_be_placed_stays(tmp_path: Path) -> None:
    manifests = load([write(tmp_path, {"a.yaml": SERVICE.format(name="a")})])
    known = later(manifests, "a", "$.spec")
    unknown = Problem(origin=Origin(file="elsewhere.yaml", line=7), message="unknown")
    placed = manifests.locate([unknown, known])
    assert placed[0] == unknown
    assert placed[1].excerpt == "spec:"


def test_a_file_that_changed_since_places_nothing(tmp_path: Path) -> None:
    manifests = load([write(tmp_path, {"a.yaml": SERVICE.format(name="a")})])
    problem = later(manifests, "a", "$.spec")
    write(tmp_path, {"a.yaml": "# new\n" + SERVICE.format(name="a")})
    assert manifests.locate([problem]) == (problem,)


def test_problems_of_the_files_are_placed_already(tmp_path: Path) -> None:
    manifests = load([write(tmp_path, {"a.yaml": SERVICE.format(name="a") + "---\nkind: x\n"})])
    (problem,) = manifests.problems
    blank = replace(manifests.files[0], problems=(replace(problem, excerpt=""),))
    manifests = replace(manifests, files=(blank,), problems=blank.problems)
    assert manifests.locate(manifests.problems) == manifests.problems


def test_duplicates_are_placed_by_load(tmp_path: Path) -> None:
    other = SERVICE.format(name="a").replace("80", "81")
    manifests = load([write(tmp_path, {"a.yaml": SERVICE.format(name="a"), "b.yaml": other})])
    (problem,) = manifests.problems
    assert (problem.origin.line, problem.excerpt) == (1, "apiVersion: v1")
