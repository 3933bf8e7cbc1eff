"""What of the contents in force is on disk already, and writing what is not: only what was touched since.

Knows names and contents. Which content is in force is decided in `lastgood`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from balancer.durable import Damaged
from balancer.errors import HostError
from balancer.lastgood.database import Content, Key

if TYPE_CHECKING:
    from balancer.manifests import FileObjects


class Kept(Protocol):
    """The contents on disk, as `LastGoodFile` has them."""

    path: Path

    def load(self) -> dict[Key, Content]: ...

    def save(self, wanted: Mapping[Key, str], contents: Mapping[Key, Content]) -> None: ...

    def change(self, put: Mapping[Key, Content], gone: Collection[Key], known: Mapping[Key, str]) -> None: ...

    def set_aside(self) -> Path: ...


class Keeper:
    """`wants_all`: what was saved is lost, and every content that can be read is to be noted again."""

    def __init__(self, kept: Kept) -> None:
        self.wants_all = False
        self._kept = kept
        self._saved: dict[Key, str] = {}
        self._unsaved: dict[Key, Content] = {}
        # Of the keys whose content in force may not be what is saved, the file, None for one that is gone.
        # None while that is so of all.
        self._touched: dict[Key, Path | None] | None = None

    @property
    def path(self) -> Path:
        return self._kept.path

    def load(self) -> dict[Key, Content]:
        """Raises HostError, then begins with nothing; a file that is damaged is set aside."""
        try:
            contents = self._kept.load()
        except Damaged as error:
            raise self._set_aside(error) from None
        self._saved = {key: content.sha256 for key, content in contents.items()}
        return contents

    def touch(self, key: Key, file: Path | None) -> None:
        """Under this key the file may have to be saved; None: nothing any more."""
        if self._touched is not None:
            self._touched[key] = file

    def note(self, key: Key, file: Path, raw: bytes, digest: str) -> None:
        """The file has this content now, and it is good."""
        self.touch(key, file)
        self._unsaved.pop(key, None)
        if self._saved.get(key) != digest:
            self._unsaved[key] = Content.of(raw)

    def save(
        self,
        files: Callable[[], Iterable[tuple[Key, Path]]],
        good: Mapping[Path, FileObjects],
        restored: Mapping[Path, Content],
    ) -> None:
        """Makes the disk hold what is in force: of `files`, the content of `good`, where it is at hand or there
        already. Raises HostError, and is then to do at the next time.
        """
        if self._saved and not self._kept.path.exists():
            self._lose()
        touched: Mapping[Key, Path | None] = dict(files()) if self._touched is None else self._touched
        contents = dict(self._unsaved)
        wanted = {}
        for key, file in touched.items():
            if file is None:
                continue
            if file in restored:
                contents.setdefault(key, restored[file])
            at_hand = {self._saved.get(key), contents[key].sha256 if key in contents else None}
            if file in good and good[file].sha256 in at_hand:
                wanted[key] = good[file].sha256
        try:
            if self._touched is None:
                self._save_all(wanted, contents)
            else:
                self._save_touched(wanted, contents, self._touched)
        except Damaged as error:
            raise self._set_aside(error) from None
        self._touched = {}
        self._unsaved.clear()

    def _save_all(self, wanted: dict[Key, str], contents: Mapping[Key, Content]) -> None:
        if wanted != self._saved:
            self._kept.save(wanted, contents)
        self._saved = wanted

    def _save_touched(
        self, wanted: Mapping[Key, str], contents: Mapping[Key, Content], touched: Collection[Key]
    ) -> None:
        put = {key: contents[key] for key in wanted if wanted[key] != self._saved.get(key)}
        gone = [key for key in touched if key not in wanted and key in self._saved]
        if put or gone:
            self._kept.change(put, gone, self._saved)
        self._saved |= {key: content.sha256 for key, content in put.items()}
        for key in gone:
            del self._saved[key]

    def _set_aside(self, error: Damaged) -> HostError:
        self._lose()
        aside = self._kept.set_aside()
        return HostError(f"{error}; it was set aside as {aside}", hint="remove it when you have looked at it")

    def _lose(self) -> None:
        self._saved = {}
        self._touched = None
        self.wants_all = True
