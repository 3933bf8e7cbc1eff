"""The last good content of every manifest on disk, for a start without a readable directory.

Contents are kept as they were read, compressed, so that they go through the reader again with all of its
limits and checks. SQLite makes a change whole or not at all, whenever the process or the power goes, and
writes only what changed. Every row has a checksum of its own. A file that cannot be trusted is set aside
and nothing of it is used. What is kept here reaches the maps only by way of the agent's own files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from balancer import durable
from balancer.errors import HostError

VERSION = 1
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""SQLITE_ERROR: a table or column of ours is not there."""
_LOCK_SECONDS = 5.0
_JOURNAL = "-journal"
_SCHEMA = """
CREATE TABLE files (
    root BLOB NOT NULL, name BLOB NOT NULL, sha256 TEXT NOT NULL, content BLOB NOT NULL, seal BLOB NOT NULL,
    PRIMARY KEY (root, name)
)
"""

_DELETE = "DELETE FROM files WHERE root = ? AND name = ?"
_PUT = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)"


class Key(NamedTuple):
    """`root` is the absolute path that the agent was given, `name` the file below it; "" is the root itself."""

    root: str
    name: str


class Content(NamedTuple):
    """The bytes of one file, packed, and their sha256 in hex."""

    sha256: str
    packed: bytes

    @classmethod
    def of(cls, raw: bytes) -> Content:
        return cls(hashlib.sha256(raw).hexdigest(), zlib.compress(raw, 1))

    def unpack(self) -> bytes:
        return zlib.decompress(self.packed)


class LastGoodFile:
    """One file of last good contents. Nothing is held open between calls."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[Key, Content]:
        """Every content. Raises durable.Damaged, and HostError when it cannot be read."""
        if not self.path.exists():
            return {}
        with self._open("read") as database:
            self._adopt(database)
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise durable.Damaged(f"{self.path} is damaged: {verdict}")
            return dict(_sound(row, self.path) for row in database.execute("SELECT * FROM files"))

    def save(self, wanted: Mapping[Key, str], contents: Mapping[Key, Content]) -> None:
        """Makes the file hold the `wanted` sha256s; `contents` has at least those not in it yet.

        Raises durable.Damaged and HostError, and then nothing has changed.
        """
        self._create()
        with self._open("write") as database:
            self._adopt(database)
            rows = database.execute("SELECT root, name, sha256 FROM files")
            known = {_key(root, name): sha256 for root, name, sha256 in rows}
            if any(known.get(key) != wanted[key] for key in wanted.keys() - contents.keys()):
                raise durable.Damaged(f"{self.path} is damaged: contents are missing")
            gone = [_encoded(key) for key in known.keys() - wanted.keys()]
            changed = (key for key in wanted if known.get(key) != wanted[key] and key in contents)
            new = [_row(key, contents[key]) for key in changed]
            with database:
                database.executemany(_DELETE, gone)
                database.executemany(_PUT, new)

    def change(self, put: Mapping[Key, Content], gone: Collection[Key], known: Mapping[Key, str]) -> None:
        """Puts these contents and removes these keys; `known` are the sha256s of all that is there.

        Raises durable.Damaged, also when that is not what is there, and HostError; then nothing has changed.
        """
        self._create()
        with self._open("write") as database:
            self._adopt(database)
            (count,) = database.execute("SELECT count(*) FROM files").fetchone()
            if count != len(known) or any(_sha256(database, key) != known.get(key) for key in (*put, *gone)):
                raise durable.Damaged(f"{self.path} is damaged: it does not hold what was written")
            with database:
                database.executemany(_DELETE, map(_encoded, gone))
                database.executemany(_PUT, [_row(key, content) for key, content in put.items()])

    def set_aside(self) -> Path:
        """Renames the file, so that the next `save` begins a new one. Raises HostError."""
        aside = durable.set_aside(self.path)
        with contextlib.suppress(OSError):  # there is one only after a crash in the middle of a change
            journal = self.path.with_name(self.path.name + _JOURNAL)
            journal.replace(aside.with_name(aside.name + _JOURNAL))
        return aside

    def _create(self) -> None:
        """Only the owner may read it: manifests may hold what others must not see."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise _unusable("write", self.path, error.strerror or str(error)) from None

    @contextlib.contextmanager
    def _open(self, action: str) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(
                sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=_LOCK_SECONDS)
            ) as database:
                yield database
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                raise durable.Damaged(f"{self.path} is damaged: {error}") from None
            raise _unusable(action, self.path, str(error)) from None
        except (TypeError, ValueError) as error:
            raise durable.Damaged(f"{self.path} is damaged: {error}") from None

    def _adopt(self, database: sqlite3.Connection) -> None:
        """A file of ours and whole; an empty one becomes ours."""
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not version and not tables:
            with database:
                database.execute(_SCHEMA)
                database.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise durable.Damaged(f"{self.path} is of version {version}, expected {VERSION}")


def _encoded(key: Key) -> tuple[bytes, bytes]:
    """Names of files are bytes and need not be text."""
    return os.fsencode(key.root), os.fsencode(key.name)


def _sha256(database: sqlite3.Connection, key: Key) -> str | None:
    row = database.execute("SELECT sha256 FROM files WHERE root = ? AND name = ?", _encoded(key)).fetchone()
    return row[0] if row else None


def _key(root: bytes, name: bytes) -> Key:
    return Key(os.fsdecode(root), os.fsdecode(name))


def _row(key: Key, content: Content) -> tuple[bytes, bytes, str, bytes, bytes]:
    root, name = _encoded(key)
    return root, name, content.sha256, content.packed, _seal(root, name, content)


def _seal(root: bytes, name: bytes, content: Content) -> bytes:
    parts = (root, name, content.sha256.encode(), content.packed)
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _sound(row: tuple[bytes, bytes, str, bytes, bytes], path: Path) -> tuple[Key, Content]:
    root, name, sha256, packed, seal = row
    content = Content(sha256, packed)
    if _seal(root, name, content) != seal:
        raise durable.Damaged(f"{path} is damaged: a checksum does not fit")
    return _key(root, name), content


def _unusable(action: str, path: Path, reason: str) -> HostError:
    return HostError(
        f"cannot {action} the last good content in {path}: {reason}",
        hint="name a writable place with --state",
    )
