"""Thousands of mutated files through the reader, each judged by a reader that shares no code with it."""

from __future__ import annotations

import pytest

from fuzz.cases import file_of
from fuzz.independent import documents
from fuzz.oracle import violations

pytestmark = pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")

BATCH = 250
IN_CI = range(0, 8 * BATCH, BATCH)
LONG = range(1_000_000, 1_000_000 + 400 * BATCH, BATCH)


def check(seeds: range) -> None:
    for seed in seeds:
        name, raw = file_of(seed)
        try:
            broken = list(violations(name, raw))
        except Exception as error:
            error.add_note(f"case {seed}: {name} {raw!r}")
            raise
        assert broken == [], f"case {seed}: {name} {raw!r}"


@pytest.mark.parametrize("start", IN_CI)
def test_nothing_is_raised_and_nothing_accepted_wrongly(start: int) -> None:
    check(range(start, start + BATCH))


@pytest.mark.stress
@pytest.mark.parametrize("start", LONG)
def test_nothing_is_raised_and_nothing_accepted_wrongly_in_the_long_run(start: int) -> None:
    check(range(start, start + BATCH))


def test_the_cases_are_worth_their_time() -> None:
    """Of the mutated files some keep an object, some lose one, and some cannot be read at all."""
    cases = [file_of(seed) for seed in range(BATCH)]
    kept = [sum(1 for _ in documents(name, raw)) for name, raw in cases]
    assert len(set(cases)) > 0.95 * BATCH
    assert 0.1 * BATCH < kept.count(0) < 0.9 * BATCH


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a.json", b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","name":"b"}}'),
        ("a.yaml", b"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  name: b\n"),
        ("a.yaml", b"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: !Ref a\n"),
        ("a.json", b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"A"}}'),
    ],
)
def test_the_oracle_notices_a_wrong_accept(monkeypatch: pytest.MonkeyPatch, name: str, raw: bytes) -> None:
    """A reader that takes what it must refuse is found out."""
    from balancer.manifests.reader import read_bytes_as
    from fuzz import oracle

    sound = read_bytes_as("a.yaml", b"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n")
    monkeypatch.setattr(oracle, "read_bytes_as", lambda *_: sound)
    assert any("was accepted" in broken for broken in oracle.violations(name, raw))
