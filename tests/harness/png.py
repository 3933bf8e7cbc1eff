"""Makes a screenshot small enough for a repository: at most 256 colours, packed as tightly as deflate can.

Only what Chromium writes: eight bits a channel, RGB or RGBA, not interlaced (PNG specification, chapters 4, 9 and 11).
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256
_CHANNELS = {2: 3, 6: 4}
Colour = tuple[int, ...]


def shrink(png: bytes) -> bytes:
    """The same picture with a palette; colours that are rare become the most similar frequent one."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, kind in _CHANNELS) == (8, True), "not a screenshot"
    packed = b"".join(body for name, body in chunks if name == b"IDAT")
    rows = [list(row) for row in _rows(zlib.decompress(packed), width, height, _CHANNELS[kind])]
    counts = Counter(colour for row in rows for colour in row)
    palette = _palette(counts)
    places = {colour: _nearest(colour, palette) for colour in counts}
    body = b"".join(b"\0" + bytes([places[colour] for colour in row]) for row in rows)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(bytes(colour) for colour in palette)),
        (b"IDAT", zlib.compress(body, 9)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(_chunk(name, part) for name, part in parts)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    while place < len(png):
        size, name = struct.unpack_from(">I4s", png, place)
        yield name, png[place + 8 : place + 8 + size]
        place += 12 + size


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _rows(raw: bytes, width: int, height: int, channels: int) -> Iterator[Iterator[Colour]]:
    """The colours of each line, its filter undone."""
    size = width * channels
    above = bytearray(size)
    for start in range(0, height * (size + 1), size + 1):
        line = bytearray(raw[start + 1 : start + 1 + size])
        _unfilter(raw[start], line, above, channels)
        yield zip(line[0::channels], line[1::channels], line[2::channels], strict=True)
        above = line


def _unfilter(kind: int, line: bytearray, above: bytearray, channels: int) -> None:
    for place in range(len(line) if kind else 0):
        left = line[place - channels] if place >= channels else 0
        corner = above[place - channels] if place >= channels else 0
        guess = (0, left, above[place], (left + above[place]) // 2, _paeth(left, above[place], corner))[kind]
        line[place] = (line[place] + guess) & 0xFF


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _palette(counts: Counter[Colour]) -> list[Colour]:
    """The most frequent colours that differ enough from each other, so that a rare red is not lost to greys."""
    apart = 0
    while True:
        palette: list[Colour] = []
        for colour, _ in counts.most_common():
            if all(_distance(colour, other) > apart for other in palette):
                palette.append(colour)
            if len(palette) > _COLOURS:
                break
        else:
            return palette
        apart = 2 * apart + 16


def _nearest(colour: Colour, palette: list[Colour]) -> int:
    return min(range(len(palette)), key=lambda place: _distance(colour, palette[place]))


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
