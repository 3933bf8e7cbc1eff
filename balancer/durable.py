"""Small files that survive a crash: replaced as a whole, with a version and a checksum.

A reader sees the file before or the file after, never a part. A file that cannot be trusted is never
deleted: it is set aside for a person to look at. Nothing here knows what the text means.
"""

from __future__ import annotations

import contextlib
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


def read(path: Path, version: int) -> str | None:
    """The text, None when there is no file. Raises Damaged, and HostError for a file that cannot be read."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"cannot read the state file {path}: {error.strerror or error}") from None
    try:
        line, _, text = raw.partition(b"\n")
        header = json.loads(line)
        if header["version"] != version:
            raise Damaged(f"state file {path} is of version {header['version']}, expected {version}")
        text = text.removesuffix(b"\n")
        if header["sha256"] != _digest(text):
            raise Damaged(f"state file {path} is damaged: its checksum does not fit")
        return text.decode()
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"state file {path} is damaged: {error}") from None


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
