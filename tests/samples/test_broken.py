"""Every file of samples/broken has one fault, named by the file and reported as its sidecar says."""

from __future__ import annotations

from pathlib import Path

import pytest

from balancer.manifests import load
from balancer.model.problem import Problem
from balancer.model.render import render_problem

BROKEN = Path(__file__).parents[2] / "samples" / "broken"
SAMPLES = sorted(path for path in BROKEN.iterdir() if path.suffix != ".expected")


def problems_of(sample: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Problem, ...]:
    monkeypatch.chdir(BROKEN)
    return load([Path(sample.name)]).problems


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_message_is_the_expected_one(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(render_problem(problem) + "\n" for problem in problems_of(sample, monkeypatch))
    assert text == (BROKEN / f"{sample.stem}.expected").read_text("utf-8")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_one_fault_each_with_its_line(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = problems_of(sample, monkeypatch)
    assert problem.excerpt
    assert ": expected " in problem.message


def test_there_are_enough_and_none_is_left_over() -> None:
    assert len(SAMPLES) >= 100
    assert {path.stem for path in BROKEN.glob("*.expected")} == {path.stem for path in SAMPLES}
