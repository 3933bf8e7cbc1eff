"""Opening the live maps while a pass replaces one generation by another."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from balancer import live
from balancer.config import Settings
from balancer.errors import KernelCallFailed, NotLoaded
from balancer.kernel.pins import Generation
from balancer.kernel.reasons import Reason

FOUND = Generation(Path("/pins/00000000000000ab"))
GONE = KernelCallFailed("open a map", errno.ENOENT)
Answer = Generation | Exception | None


class FakePins:
    """Answers with one of `answers` after the other."""

    def __init__(self, *answers: Answer, linked: bool = True) -> None:
        self.answers = list(answers)
        self.links = {"connect4": 1} if linked else {}

    def live(self) -> Generation | None:
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def linked(self) -> dict[str, int]:
        return self.links


Open = Callable[..., Generation]


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Open:
    """`opening(pins, failures)` gives the generation that was opened; `failures` are those of its maps."""

    def call(pins: FakePins, failures: int = 0) -> Generation:
        left = [GONE] * failures

        def maps(_directory: Path) -> nullcontext[None]:
            if left:
                raise left.pop()
            return nullcontext()

        monkeypatch.setattr(live, "Pins", lambda _: pins)
        monkeypatch.setattr(live, "PinnedMaps", maps)
        monkeypatch.setattr(live, "_BETWEEN_TRIES", 0.0)
        with live.opened(Settings(bpffs=tmp_path)) as (generation, store):
            assert isinstance(store, nullcontext)
            return generation

    return call


@pytest.mark.parametrize("first", [GONE, FileNotFoundError(errno.ENOENT, "gone"), None])
def test_what_is_gone_for_an_instant_is_looked_for_again(opening: Open, first: Answer) -> None:
    """A directory that is removed meanwhile, a link that is switched before its programs are seen."""
    assert opening(FakePins(first, FOUND)) == FOUND


def test_maps_that_are_removed_before_they_are_opened(opening: Open) -> None:
    assert opening(FakePins(FOUND, FOUND, FOUND), failures=2) == FOUND


def test_without_links_nothing_is_loaded(opening: Open) -> None:
    with pytest.raises(NotLoaded):
        opening(FakePins(None, FOUND, linked=False))


def test_links_whose_programs_never_come_are_not_waited_for_forever(opening: Open) -> None:
    with pytest.raises(NotLoaded):
        opening(FakePins(*[None] * 100))


def test_every_other_error_is_one(opening: Open) -> None:
    with pytest.raises(KernelCallFailed, match="errno 1"):
        opening(FakePins(KernelCallFailed("open a map", errno.EPERM), FOUND))


def test_counts_of_all_processors_add_up() -> None:
    """Two of them, each with its eight counts in a row."""
    one, other = range(1, 9), (2**40 + number for number in range(8))
    raw = b"".join(number.to_bytes(8, sys.byteorder) for number in (*one, *other))
    assert live.counts_of(raw) == tuple(2**40 + 2 * number + 1 for number in range(8))
    assert live.by_reason(raw)[Reason.AFFINITY] == 2**40 + 3


@pytest.mark.parametrize("raw", [None, b"", bytes(128)])
def test_nothing_counted(raw: bytes | None) -> None:
    assert live.counts_of(raw) == (0,) * len(Reason)
