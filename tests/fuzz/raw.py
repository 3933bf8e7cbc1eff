"""Mutations of text and bytes that know nothing of structure, and a few that know a little."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from fuzz.corpus import texts

_TOKENS = (
    b"---\n", b"\n---\n", b"...\n", b"%YAML 1.2\n", b"%TAG ! tag:x,2000:\n", b"&a ", b"*a", b"<<: *a\n", b"!!python/object:x ",
    b"!Ref ", b"!!str ", b"? ", b": ", b"- ", b"| \n", b">-\n", b"|9\n", b"{", b"}", b"[", b"]", b",", b"'", b'"', b"#", b"\t",
    b"\0", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x80\xa8", b"\xc2\x85",
    b"\r", b"\r\n", b"\x1b[2J", b"\x7f", b'"\\ud83d"', b'"\\ud83d\\ude00"', b'"\\U00110000"', b'"\\x41"', b'"\\0"', b".inf", b".nan",
    b"1e999", b"0x" + b"f" * 40, b"9" * 400, b"0" * 50, b"[" * 70, b"{a: " * 70, b"- " * 70, b"[" * 300, b"? " * 300, b"a" * 5000,
    b"kind: List\n", b"items:\n", b"apiVersion: v1\n", b"name: a\n", b"\xd9\xa1\xd9\xa0", b"\xf0\x9f\x98\x80", b"null", b"~", b"yes",
)  # fmt: skip
_NUMBER = re.compile(rb"\d+")
_LINE = re.compile(rb"[^\n]*\n?")
_KEY = re.compile(rb'"\w+": ?')


def mutated(rng: random.Random, raw: bytes) -> bytes:
    """The bytes changed in one to five places; never much longer."""
    for _ in range(rng.randint(1, 5)):
        raw = rng.choice(_CHANGES)(rng, raw)[:30_000]
    return raw


def _place(rng: random.Random, raw: bytes) -> int:
    return rng.randint(0, len(raw))


def _insert(rng: random.Random, raw: bytes) -> bytes:
    at = _place(rng, raw)
    return raw[:at] + rng.choice(_TOKENS) + raw[at:]


def _truncate(rng: random.Random, raw: bytes) -> bytes:
    return raw[: _place(rng, raw)]


def _cut(rng: random.Random, raw: bytes) -> bytes:
    at = _place(rng, raw)
    return raw[:at] + raw[at + rng.randint(1, 40) :]


def _flip(rng: random.Random, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 3) if raw else 0):
        changed[rng.randrange(len(changed))] = rng.choice((rng.randrange(256), rng.randrange(32, 127)))
    return bytes(changed)


def _move_line(rng: random.Random, raw: bytes) -> bytes:
    """A line twice, elsewhere, or gone: twice at one place is a duplicate key."""
    lines = _LINE.findall(raw)
    at = rng.randrange(len(lines))
    line = lines[at] if rng.random() < 0.6 else lines.pop(at)
    lines.insert(at if rng.random() < 0.6 else rng.randint(0, len(lines)), line)
    return b"".join(lines)


def _indent(rng: random.Random, raw: bytes) -> bytes:
    lines = _LINE.findall(raw)
    at = rng.randrange(len(lines))
    lines[at] = rng.choice((b" ", b"  ", b"\t")) + lines[at] if rng.random() < 0.6 else lines[at].lstrip(b" ")
    return b"".join(lines)


def _number(rng: random.Random, raw: bytes) -> bytes:
    numbers = rng.choice((b"0", b"-1", b"65536", b"080", b"8e1", b"80.0", b"1_0", b"9" * 30, b"0o17", b"0b1"))
    found = list(_NUMBER.finditer(raw))
    if not found:
        return raw
    match = rng.choice(found)
    return raw[: match.start()] + numbers + raw[match.end() :]


def _duplicate_key(rng: random.Random, raw: bytes) -> bytes:
    found = list(_KEY.finditer(raw))
    if not found:
        return raw
    match = rng.choice(found)
    return raw[: match.start()] + match[0] + b"null, " + raw[match.start() :]


def _splice(rng: random.Random, raw: bytes) -> bytes:
    other = rng.choice(texts())
    start = _place(rng, other)
    at = _place(rng, raw)
    return raw[:at] + other[start : start + rng.randint(1, 300)] + raw[at:]


def _join(rng: random.Random, raw: bytes) -> bytes:
    return raw + rng.choice((b"", b"\n", b"\n---\n", b"\n...\n")) + rng.choice(texts())


def _encode(rng: random.Random, raw: bytes) -> bytes:
    text = raw.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-8-sig", "utf-16", "utf-32", "latin-1")), "replace")


def _line_ends(rng: random.Random, raw: bytes) -> bytes:
    return raw.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n")))


_CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _insert, _insert, _insert, _truncate, _cut, _cut, _flip, _flip, _move_line, _move_line, _indent, _number,
    _number, _duplicate_key, _duplicate_key, _splice, _join, _encode, _line_ends,
)  # fmt: skip
