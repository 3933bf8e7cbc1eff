"""Small files that survive a crash: replaced as a whole, with a version and a checksum.

A reader sees the file before or the file after, never a part. A file that cannot be trusted is never
deleted: it is set aside for a person to look at. Nothing here knows what the text means.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from balancer.errors import HostError

ASIDE = ".aside"
"""Ends the name of a file that was set aside."""
_LOOK_AGAIN = 0.01  # seconds


class Damaged(HostError):
    """The file is there and cannot be used; it may be set aside."""


def write(path: Path, version: int, text: str) -> None:
    """Replaces the file, with a header line before `text`. Raises HostError, and then nothing has changed.

    Only the owner may read it: it repeats what files of manifests say.
    """
    header = json.dumps({"version": version, "sha256": _digest(text.encode())})
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{header}\n{text}\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise HostError(
            f"cannot write the state file {path}: {error.strerror or error}",
            hint="name a writable place with --state",
        ) from None


def replace(path: Path, version: int, text: str) -> None:
    """Makes the file hold this text alone, and writes only if it does not; one that cannot be trusted is set
    aside. Raises HostError.
    """
    try:
        if read_all(path, version) == [text]:
            return
    except Damaged:
        set_aside(path)
    except HostError:
        pass  # what cannot be read may still be replaced
    write(path, version, text)


def append(path: Path, text: str) -> None:
    """Adds a record to a file that `write` made; `text` is one line. Raises HostError.

    A record is not waited for until it is on the disk: after a power failure the last ones may be missing.
    """
    record = f"{_digest(text.encode())} {text}\n".encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            if os.write(descriptor, record) != len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostError(
            f"cannot add to {path}: {error.strerror or error}", hint="name a writable place with --state"
        ) from None


def read(path: Path, version: int) -> str | None:
    """The text, None when there is no file. Raises Damaged, and HostError for a file that cannot be read."""
    found = _read(path, version)
    return None if found is None else _checked(path, found[0], found[1].removesuffix(b"\n"))


def read_all(path: Path, version: int) -> list[str] | None:
    """The same of a text that is one line, and the records added to it, as far as they are whole: what follows
    a torn one is not believed. Raises as `read` does, of the text alone.
    """
    found = _read(path, version)
    if found is None:
        return None
    text, _, rest = found[1].partition(b"\n")
    return [_checked(path, found[0], text), *_records(rest)]


def _read(path: Path, version: int) -> tuple[str, bytes] | None:
    """The checksum and what follows the header, None when there is no file."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"cannot read the state file {path}: {error.strerror or error}") from None
    try:
        line, _, rest = raw.partition(b"\n")
        header = json.loads(line)
        if header["version"] != version:
            raise Damaged(f"state file {path} is of version {header['version']}, expected {version}")
        return str(header["sha256"]), rest
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"state file {path} is damaged: {error}") from None


def _checked(path: Path, digest: str, text: bytes) -> str:
    if digest != _digest(text):
        raise Damaged(f"state file {path} is damaged: its checksum does not fit")
    try:
        return text.decode()
    except ValueError as error:
        raise Damaged(f"state file {path} is damaged: {error}") from None


def _records(raw: bytes) -> Iterator[str]:
    for record in raw.split(b"\n")[:-1]:  # what no line break ends was cut off
        digest, _, text = record.partition(b" ")
        if digest != _digest(text).encode():
            return
        yield text.decode()


@contextlib.contextmanager
def alone(directory: Path, *, seconds: float) -> Iterator[None]:
    """Keeps other processes out of their own `alone` of this directory, so that reading a file and replacing
    it is one step. After `seconds`, or where that cannot be, the block runs nevertheless.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        descriptor = -1
    try:
        deadline = time.monotonic() + seconds
        while descriptor >= 0 and not _locked(descriptor) and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def set_aside(path: Path) -> Path:
    """Renames the file, over one that was set aside before. Raises HostError."""
    aside = path.with_name(path.name + ASIDE)
    try:
        path.replace(aside)
    except OSError as error:
        raise HostError(f"cannot set {path} aside: {error.strerror or error}") from None
    return aside


def _remove_leftovers(path: Path) -> None:
    """What processes that were killed while they wrote left beside the file."""
    for left in path.parent.glob(f".{path.name}.*"):
        process = left.name.rpartition(".")[2]
        if process.isdigit() and not Path("/proc", process).exists():
            left.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Makes the new name last; without it a power failure may bring the old file back."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Another one when the file was replaced; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - Path.stat is the same and slower
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
