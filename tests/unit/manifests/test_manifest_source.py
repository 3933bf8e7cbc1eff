"""Bytes to text, and offsets to lines and columns."""

from __future__ import annotations

import pytest

from balancer.manifests.finding import SyntaxFault
from balancer.manifests.source import SourceText, decode, decode_leniently


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_in_an_editor(end: str) -> None:
    source = SourceText("a", f"ab{end}cd")
    assert source.position(source.text.index("d")) == (2, 2)
    assert source.excerpt(source.text.index("d")) == ("cd", 1)
    assert source.offset(2, 2) == source.text.index("d")


def test_offset_past_the_end_is_the_end() -> None:
    source = SourceText("a", "ab\n")
    assert source.position(99) == (2, 1)
    assert source.offset(99, 1) == 3


def test_a_very_long_line_is_shown_around_the_place_only() -> None:
    source = SourceText("a", "x" * 5000 + "HERE" + "y" * 5000)
    text, first = source.excerpt(5000)
    assert len(text) <= 202
    assert text[5001 - first :].startswith("HERE")


def test_byte_order_mark_counts_in_no_column() -> None:
    assert decode("a", b"\xef\xbb\xbfkind").text == "kind"


@pytest.mark.parametrize(
    ("raw", "at", "message"),
    [
        (b"ok: \xff", 4, "byte 0xff is not valid UTF-8"),
        (b"\xef\xbb\xbfok: \xff", 4, "byte 0xff is not valid UTF-8"),
        (b"a\x00b", 1, "a NUL byte is not text"),
        ("kind".encode("utf-16"), 0, "the file is UTF-16 text"),
    ],
)
def test_bytes_that_are_no_text_are_refused_at_their_place(raw: bytes, at: int, message: str) -> None:
    with pytest.raises(SyntaxFault, match=message) as caught:
        decode("a", raw)
    assert caught.value.at == at


def test_lenient_text_has_every_line() -> None:
    assert decode_leniently("a", b"a: \xff\nb").text == "a: \ufffd\nb"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\r", "\r\n\n"])
def test_places_near_the_start_are_counted_as_any_other(end: str) -> None:
    text, before = end.join(["abc"] * 400), "x" * 9000 + "\n"
    near, far = SourceText("a", text), SourceText("a", before + text)
    for offset in range(len(text) + 1):
        line, column = far.position(len(before) + offset)
        assert near.position(offset) == (line - 1, column)
