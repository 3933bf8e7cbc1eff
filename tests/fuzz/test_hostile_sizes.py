"""Files as large as the limits allow, full of what costs most: slow, but in bounded memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.limited import read

MEMORY = 3 << 30  # bytes of address space
SIZE = 120 << 20  # bytes of one file, just within the limit


def filled(start: str, unit: str, end: str) -> str:
    return start + unit * ((SIZE - len(start) - len(end)) // len(unit)) + end


@pytest.mark.stress
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("start", "unit", "end"),
    [
        ("[", "[],", "[]]"),
        ("[", "{},", "{}]"),
        ("[", '{"a":0},', "0]"),
        ("{", '"a":0,', '"b":0}'),
        ('{"kind":"List","apiVersion":"v1","items":[', "0,", "0]}"),
        ('{"a":"', "\\u0061", '"}'),
        ('{"a":', "9", "}"),
    ],
    ids=["lists", "mappings", "pairs", "one-key", "items", "escapes", "digits"],
)
def test_a_file_as_large_as_allowed_ends_within_the_memory(
    tmp_path: Path, start: str, unit: str, end: str
) -> None:
    (tmp_path / "a.json").write_text(filled(start, unit, end))
    reading = read(tmp_path, memory=MEMORY, seconds=1500)
    assert (reading.kept, list(reading.errors)) == (0, ["a.json"])
