"""What is recognised as a whole is what would be recognised line by line, and means the same."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from balancer.manifests import fast_forms
from balancer.manifests.fast_forms import as_json
from balancer.manifests.fast_values import loads

FRAMES = (
    "a: {}\n",
    "- {}\n",
    "- a: {}\n  b: {}\n",
    "a:\n  b: {}\nc:\n- {}\n",
    "a:\n- b: {}\n  c: {}\n- b: {}\n",
)
BLOCKS = (
    "|\n   x",
    '|-\n    x y: "\\',
    "|\n   x\n    y\n\n   z",
    "|\n   # x",
    "|\n  - x",
    "|\n   é",
    "|\n   x ",
    "|\n x",
)
VALUES = (
    "x", "yes", "y", "f", "no", "on", "nope", "True", "null", "true", "false", "~", "a b", "a: b", "a:b", "a:", "a #b", "a#b", "x_y",
    "1", "0", "-1", "01", "0x1F", "0b1", "0o7", "1.5", "1.", "1e3", "1E-5", "1_000", "1_0a", ".5", "+1", "-", "- x", "1234567890123456789",
    "10.0.0.1", "1.2.3", "1.2.3.4.5", "fd00::1", "::1", "1:2", "12:30:45", "2026-01-01", "2026-01-01T00:00:00Z", "10.0.0.1:80", "1 2",
    "00000000-0000-0000-0000-000000000001", "1234567e-1234-1", "12345678-1234", "f0000000-0000-0", "e-1", "aaaaaaaa-0000-yes",
    "'x'", "''", "'it''s'", "'a\"b'", "'a\\b'", "'a\n\n   b'", "'a\n   b '", "'é'", "'x' ", "'x'y", "'x", '"x"', '""', '"a\'b"',
    '"\\n"', '"\\u00e9"', '"\\ud800"', '"\\q"', '"x" #', "{}", "[]", "{a}", "[a]", "&a x", "*a", "!x", "%", "@", "`", "é", "x é", "/x", "$x",
    "<", ">", ">\n   x", "?", "? x", "x\ty", "x ", "", *BLOCKS,
)  # fmt: skip
EXAMPLES = settings(max_examples=800, deadline=None)


def both_ways(first: str, second: str) -> tuple[object, object]:
    """The second text's data, line by line and as known from the first one; None for what is not judged."""
    with mock.patch.object(fast_forms, "_kept", fast_forms._Kept()):
        alone = as_json(second)
    with mock.patch.multiple(fast_forms, _kept=fast_forms._Kept(), _OFTEN=1):
        as_json(first)
        known = as_json(second)
    for found in (alone, known):
        assert found is None or found[1].length > 0
    return alone and loads(alone[0]), known and loads(known[0])


@EXAMPLES
@given(st.sampled_from(FRAMES), st.data())
def test_a_known_frame_changes_no_value(frame: str, data: st.DataObject) -> None:
    values = st.sampled_from(VALUES)
    gaps = frame.count("{}") - frame.count("{}\n- ")
    texts = [frame.format(*(data.draw(values) for _ in range(gaps + 2))) for _ in range(2)]
    alone, known = both_ways(*texts)
    assert alone == known


@pytest.mark.parametrize(
    "kind", ["x", "1", "10.0.0.1", "'x'", "'a b'", '"x"', "a b", "a:b", "fd00::1", *BLOCKS]
)
def test_every_value_after_every_kind_of_value(kind: str) -> None:
    for value in VALUES:
        alone, known = both_ways(f"a: {kind}\nb: c\n", f"a: {value}\nb: c\n")
        assert alone == known, value


@EXAMPLES
@given(
    st.text("af01y:. -_'\"\\|\n#é", max_size=9), st.sampled_from(["x", "1.2.3.4", "'x'", "a b", '"x"', "1"])
)
@example("1_0", "x")
@example("0:", "a b")
def test_any_text_after_any_kind_of_value(value: str, kind: str) -> None:
    alone, known = both_ways(f"a: {kind}\nb: c\n", f"a: {value}\nb: c\n")
    assert alone == known


def test_a_repeated_text_is_recognised_as_a_whole() -> None:
    """Else these tests would compare one thing with itself."""
    with mock.patch.multiple(fast_forms, _kept=fast_forms._Kept(), _OFTEN=1):
        as_json("a: x\nb: 'it''s'\nc: |\n  d\n")
        with mock.patch.object(fast_forms, "find_lines", side_effect=AssertionError):
            found = as_json("a: z\nb: 'isn''t'\nc: |\n  e\n")
    assert found
    assert loads(found[0]) == {"a": "z", "b": "isn't", "c": "e\n"}
