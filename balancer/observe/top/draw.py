"""Small pictures in text: bars, trends, and lines that fit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

_STEPS = "▁▂▃▄▅▆▇█"
_PARTS = " ▏▎▍▌▋▊▉█"


def trend(values: Sequence[float], width: int) -> str:
    """The latest `width` values as columns, the highest of them at full height; `·` for none at all."""
    latest = list(values[-width:])
    top = max(latest, default=0.0)
    drawn = "".join("·" if not value else _STEPS[_step(value, top)] for value in latest)
    return drawn.rjust(width)


def _step(value: float, top: float) -> int:
    return min(int(value / top * len(_STEPS)), len(_STEPS) - 1)


def bar(share: float, width: int) -> str:
    """`share` (0 to 1) of `width` cells."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_PARTS[rest] if rest else "")).ljust(width)


def fit(text: str, width: int) -> str:
    """Cut to `width`, with an ellipsis where something was cut."""
    if len(text) <= width:
        return text
    return text[: width - 1] + "…" if width > 0 else ""


def as_many(parts: Iterable[Text], width: int, between: str = "  ") -> Text:
    """The parts in one line, as many as fit whole; the first is cut if it has to be."""
    line = Text(no_wrap=True)
    for part in parts:
        if not part.plain:
            continue
        if not line.plain:
            line.append_text(part)
            line.truncate(width, overflow="ellipsis")
        elif len(line.plain) + len(between) + len(part.plain) <= width:
            line.append(between)
            line.append_text(part)
    return line
