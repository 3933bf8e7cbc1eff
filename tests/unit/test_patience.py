"""A file that goes while others come: its objects stay until what replaces it is there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from balancer.manifests import Found
from balancer.manifests.patience import LONGEST_SECONDS, Patience

A, B, C = Path("a.yaml"), Path("b.yaml"), Path("c.yaml")


class World:
    """The files that are there, the clock, and whether something is being written."""

    def __init__(self) -> None:
        self.files = [A, B]
        self.busy = False
        self.asked = 0
        self.now = 0.0
        self.patience = Patience(scan=self.scan, read=self.read, bustle=self, clock=lambda: self.now)

    def scan(self, _paths):
        return Found(files=tuple(self.files))

    def read(self, file):
        if file not in self.files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return b"content"

    def is_busy(self):
        return self.busy

    def look_again(self):
        self.asked += 1

    def seen(self):
        return self.patience.scan([Path()]).files


@pytest.fixture
def world():
    made = World()
    assert made.seen() == (A, B)
    return made


def test_a_file_that_goes_in_a_quiet_moment_is_gone_at_once(world):
    world.files = [B]
    assert world.seen() == (B,)
    assert world.asked == 0


def test_a_file_that_goes_while_others_are_written_is_kept_and_looked_for_again(world):
    world.files, world.busy = [B], True
    assert world.seen() == (A, B)
    assert world.asked == 1
    with pytest.raises(OSError, match="is gone") as caught:
        world.patience.read(A)
    assert caught.value.errno == errno.ETXTBSY
    world.files, world.busy = [B, C], False
    assert world.seen() == (B, C)


def test_it_is_not_kept_for_ever(world):
    world.files, world.busy = [B], True
    assert world.seen() == (A, B)
    world.now += LONGEST_SECONDS
    assert world.seen() == (B,)


def test_a_file_that_comes_back_may_go_again(world):
    world.busy = True
    for files in ([B], [A, B], [B]):
        world.files = files
        world.now += LONGEST_SECONDS - 1
        assert world.seen() == (A, B)


def test_a_file_that_goes_between_the_listing_and_the_reading_is_looked_for_again(world):
    world.files = [B]
    with pytest.raises(OSError, match="is gone"):
        world.patience.read(A)
    assert world.asked == 1
    assert world.patience.read(B) == b"content"
