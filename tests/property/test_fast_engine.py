"""The fast engine and the reference engine give the same for every text: objects, places, problems, counts."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest
from fuzz import cases, printed
from fuzz.corpus import objects
from hypothesis import given, settings
from hypothesis import strategies as st

from balancer.manifests import FileObjects, Limits, fast_forms, load
from balancer.manifests.choice import ENVIRONMENT
from balancer.manifests.engine import reference_documents
from balancer.manifests.fast import fast_documents
from balancer.manifests.fast_document import FastDocument
from balancer.manifests.reader import read_bytes_as
from balancer.manifests.source import decode

pytestmark = pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")

BATCH = 50
IN_CI = range(0, 3 * BATCH, BATCH)
LONG = range(1_000_000, 1_000_000 + 400 * BATCH, BATCH)
FEW = settings(max_examples=80, deadline=None)
SAMPLES = Path(__file__).parents[2] / "samples"
LARGEST = 60_000  # bytes; the reference takes its time
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "  ", "    ", "- ", "  - ", "-", "      "]),
        st.sampled_from(["a:", "b:", "kind:", "items:", "metadata:", "", "a", "y:", "8:"]),
        st.sampled_from(
            ["", " x", " 'x'", ' "x"', " 1", " |", " |-", " {}", " []", " x y", " yes", " x:", "x"]
        ),
    ).map("".join),
    max_size=9,
).map(lambda lines: "\n".join(lines) + "\n")


def both(name: str, raw: bytes, limits: Limits | None = None) -> tuple[FileObjects, FileObjects]:
    """What the reference alone reads, schemas included, and what the fast engine and it read together."""
    limits = limits or Limits()
    with mock.patch.dict(os.environ, {ENVIRONMENT: "reference"}):
        alone = read_bytes_as(name, raw, limits=limits, engine=reference_documents)
    # What has been seen once is recognised as a whole from then on, which else takes more than these tests have.
    with mock.patch.multiple(fast_forms, _kept=fast_forms._Kept(), _OFTEN=1):
        return alone, read_bytes_as(name, raw, limits=limits, engine=fast_documents)


def check_printed(seeds: range) -> None:
    for seed in seeds:
        name, raw, limits = printed.file_of(seed)
        alone, together = both(name, raw, limits)
        assert alone == together, f"case {seed}: {name} {limits} {raw!r}"


def check_mutated(seeds: range) -> None:
    for seed in seeds:
        name, raw = cases.file_of(seed)
        alone, together = both(name, raw)
        assert alone == together, f"case {seed}: {name} {raw!r}"


@pytest.mark.parametrize("start", IN_CI)
def test_printed_files_are_read_alike(start: int) -> None:
    check_printed(range(start, start + BATCH))


@pytest.mark.parametrize("start", IN_CI)
def test_mutated_files_are_read_alike(start: int) -> None:
    check_mutated(range(start, start + BATCH))


@pytest.mark.stress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("start", LONG)
def test_files_are_read_alike_in_the_long_run(start: int) -> None:
    check_printed(range(start, start + BATCH))
    check_mutated(range(start, start + BATCH))


@pytest.mark.parametrize("folder", ["samples", "samples/broken", "tests/unit/manifests"])
def test_files_of_the_samples_are_read_alike(folder: str) -> None:
    below = SAMPLES.parent / folder
    found = [path for end in ("yaml", "yml", "json") for path in sorted(below.rglob(f"*.{end}"))]
    files = [(str(path), path.read_bytes()) for path in found if path.stat().st_size <= LARGEST]
    assert files
    for name, raw in files:
        alone, together = both(name, raw)
        assert alone == together


@FEW
@given(st.lists(TREES, max_size=4), st.sampled_from(printed.WRITERS))
def test_any_data_is_the_same_in_a_list_and_alone(trees: list[object], writer: printed.NamedWriter) -> None:
    name, write = writer
    for tree in ({"apiVersion": "v1", "items": trees, "kind": "List"}, *trees):
        try:
            raw = write(tree).encode()
        except UnicodeEncodeError:
            return
        alone, together = both(name, raw)
        assert alone == together


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_any_lines_of_block_yaml_have_the_same_data(text: str) -> None:
    """Every accepted document, whatever it is about."""
    source = decode("a.yaml", text.encode())
    accepted = list(fast_documents(source, Limits()))
    expected = list(reference_documents(source, Limits()))
    assert [(one.data, one.complete, one.offset(())) for one in accepted] == [
        (one.data, one.complete, one.offset(())) for one in expected
    ]
    assert [one.findings for one in accepted] == [one.findings for one in expected]


@pytest.mark.parametrize(("name", "write"), printed.WRITERS)
def test_what_programs_print_is_accepted(name: str, write: printed.Writer) -> None:
    """Else these tests would compare the reference with itself. An odd item leaves the others alone."""
    tree = {"apiVersion": "v1", "items": list(objects()[:200]), "kind": "List"}
    (document,) = fast_documents(decode(name, write(tree).encode()), Limits())
    assert isinstance(document, FastDocument)
    assert len(document.starts) == len(tree["items"]) > 50
    assert len(document.read) <= 0.03 * len(tree["items"])


def test_problems_of_later_stages_are_placed_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(12):
        cases.directory_of(seed, tmp_path / str(seed))
    together = load([tmp_path])
    monkeypatch.setenv(ENVIRONMENT, "reference")
    assert load([tmp_path]) == together
