"""Looking at the files that events name alone gives what looking at everything gives, whatever was done to them."""

from __future__ import annotations

import contextlib
import errno
import itertools
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from cluster_strategies import relaxed
from hypothesis import example, given
from hypothesis import strategies as st
from watch_world import Reader

from balancer.lastgood.content import LastGood, Snapshot
from balancer.manifests import scan
from balancer.manifests.discover import Scanner
from balancer.manifests.heard import ELSEWHERE, EVERYTHING, NOTHING
from balancer.manifests.patience import Patience
from balancer.manifests.watch import Watcher

NAMES = [
    "a.yaml",
    "b.yaml",
    "sub/a.yaml",
    "sub/c.json",
    "sub/deep/a.yaml",
    ".new",
    ".hidden/a.yaml",
    "notes.txt",
]
MANIFESTS = NAMES[:5]
TEXTS = ["one", "two", "bad one", "odd two", "", "crash"]
LATER_NANOSECONDS = 60_000_000_000
SECONDS = 60.0


class Shelf:
    """Contents that are kept, without a disk to wait for. Whoever writes knows what is there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents: dict = {}

    def save(self, wanted, contents):
        have = {key: content for key, content in self.contents.items() if wanted.get(key) == content.sha256}
        self.contents = {key: have[key] if key in have else contents[key] for key in wanted}

    def change(self, put, gone, known):
        assert known == {key: content.sha256 for key, content in self.contents.items()}
        for key in gone:
            del self.contents[key]
        self.contents |= put


class World:
    """A directory that is watched, and two who look at it: `near` at what is heard of, `far` at everything."""

    def __init__(self, place: Path) -> None:
        self.top = place / "manifests"
        self.other = place / "other"
        self.other.mkdir()
        (self.other / "o.yaml").write_text("other")
        place.chmod(0o755)  # what every user may write to counts where every user comes
        for name in MANIFESTS:
            write(self, name, "begin")
        self.paths = [self.top, self.other]
        self.numbers = itertools.count()
        self.open: list = []
        self.forbidden: set[Path] = set()
        self.watcher = Watcher(self.paths, lambda: None, quiet_seconds=0)
        self.watcher.start()
        self.scans = Counter()
        self.shelves = {"near": Shelf(place), "far": Shelf(place)}
        self.near = self._looker("near", Scanner().scan)
        self.far = self._looker("far", scan)

    def _looker(self, name, scan_) -> LastGood:
        def counted(paths):
            self.scans[name] += 1
            return scan_(paths)

        def allowed(file):
            if file in self.forbidden:
                raise PermissionError(errno.EACCES, "Permission denied")
            return file.read_bytes()

        read = self.watcher.whole(allowed)
        patience = Patience(scan=counted, read=read, bustle=self.watcher, clock=time.monotonic)
        return LastGood(
            scan=patience.scan,
            glance=patience.glance,
            read=patience.read,
            parse=Reader(),
            kept=self.shelves[name],
            clock=lambda: time.time_ns() + LATER_NANOSECONDS,
        )

    def look(self, by_timer: bool) -> tuple[Snapshot, Snapshot]:
        self.watcher.refresh()
        heard = self.heard() | (ELSEWHERE if by_timer else NOTHING)
        near = self.near.refresh(self.paths, heard)
        far = self.far.refresh(self.paths, EVERYTHING)
        for looker in (self.near, self.far):
            looker.keep(self.paths)
        return near, far

    def heard(self):
        """All events of what was done before: the kernel tells of them in order. The mark is a link, which nobody
        writes to: a file would be told of while it is open, and be in the way of the look that follows.
        """
        mark = self.other / f".mark{next(self.numbers)}"
        mark.symlink_to("nowhere")
        mark.unlink()
        heard, deadline = NOTHING, time.monotonic() + SECONDS
        while str(mark) not in heard.files and not heard.lost:
            assert time.monotonic() < deadline, "an event was never told"
            time.sleep(0.001)
            heard |= self.watcher.heard()
        return heard

    def end(self) -> None:
        for file in self.open:
            file.close()
        self.watcher.stop()


def write(world, name, text):
    (world.top / name).parent.mkdir(parents=True, exist_ok=True)
    (world.top / name).write_text(text)


def put(world, name, text):
    """As editors and git do."""
    write(world, ".new", text)
    (world.top / name).parent.mkdir(parents=True, exist_ok=True)
    (world.top / ".new").replace(world.top / name)


def begin(world, name, text):
    """Somebody who takes their time."""
    (world.top / name).parent.mkdir(parents=True, exist_ok=True)
    file = (world.top / name).open("w")
    file.write(text + "?")
    file.flush()
    world.open.append(file)


def finish(world, _name, _text):
    while world.open:
        world.open.pop().close()


def delete(world, name, _text):
    (world.top / name).unlink()


def prune(world, name, _text):
    """The directory it is in, and all of it if that is the topmost."""
    shutil.rmtree((world.top / name).parent)


def move(world, name, _text):
    (world.top / name).parent.rename(world.top.parent / f"away{next(world.numbers)}")


def into(world, name, text):
    """A directory that was filled elsewhere."""
    away = world.top.parent / f"full{next(world.numbers)}"
    away.mkdir()
    (away / Path(name).name).write_text(text)
    away.rename(world.top / f"dir{next(world.numbers) % 2}")


def link(world, name, _text):
    (world.top / "link.yaml").symlink_to(name)


def unlink(world, _name, _text):
    (world.top / "link.yaml").unlink()


def alias(world, name, _text):
    """A second name of the same file."""
    (world.top / "z.yaml").hardlink_to(world.top / name)


def outside(world, name, text):
    """Written to by a name that is not watched: only the timer brings it to light."""
    away = world.top.parent / "alias"
    away.unlink(missing_ok=True)
    away.hardlink_to(world.top / name)
    away.write_text(text)


def open_up(world, name, _text):
    (world.top / name).chmod(0o666)


def forbid(world, name, _text):
    """Permissions that no event tells of, such as those of a security module."""
    world.forbidden ^= {world.top / name}


def touch(world, name, _text):
    (world.top / name).touch()


USUAL = [write, write, put, put, delete]
DEEDS = [*USUAL, *USUAL, begin, finish, prune, move, into, link, unlink, alias, open_up, touch]
steps = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from(DEEDS), st.sampled_from(NAMES), st.sampled_from(TEXTS)), max_size=4
        ),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=8,
)


def played(story) -> Counter:
    """Looks after each step; how often there was a scan."""
    with tempfile.TemporaryDirectory() as place:
        world = World(Path(place))
        try:
            world.look(by_timer=False)
            for deeds, by_timer in story:
                for deed, name, text in deeds:
                    with contextlib.suppress(OSError):  # not there, or there already
                        deed(world, name, text)
                near, far = world.look(by_timer)
                assert near == far
                assert world.shelves["near"].contents == world.shelves["far"].contents
        finally:
            world.end()
        return world.scans


@relaxed
@given(steps)
@example([([(delete, name, "") for name in MANIFESTS], False)])
@example([([(delete, name, "") for name in MANIFESTS], False), ([(put, "a.yaml", "one")], False)])
@example([([(prune, "sub/a.yaml", "")], False), ([(put, "sub/a.yaml", "one")], False)])
@example([([(alias, "a.yaml", "")], False), ([(write, "z.yaml", "two")], False)])
@example([([(begin, "a.yaml", "")], False), ([(put, "b.yaml", "two")], False), ([(finish, "", "")], False)])
@example([([(begin, "a.yaml", ""), (delete, "b.yaml", "")], False), ([(finish, "", "")], False)])
@example(
    [([(outside, "a.yaml", "two")], True), ([(outside, "a.yaml", "one"), (put, "b.yaml", "one")], False)]
)
@example([([(forbid, "a.yaml", ""), (touch, "a.yaml", "")], False), ([(forbid, "a.yaml", "")], False)])
@example([([(open_up, "a.yaml", "")], False), ([(put, "a.yaml", "two")], False)])
def test_what_is_in_force_is_the_same_as_after_a_look_at_everything(story):
    played(story)


@relaxed
@given(
    st.lists(
        st.tuples(st.sampled_from([write, put]), st.sampled_from(MANIFESTS), st.sampled_from(TEXTS)),
        max_size=6,
    )
)
def test_changed_files_need_no_scan(deeds):
    scans = played([([deed], False) for deed in deeds])
    assert scans == {"near": 2, "far": 2 * (1 + len(deeds))}
