"""The exception tree, named by who has to act, with the exit code each ends a command with.

Every error carries a sentence of what went wrong and, in `hint`, the way out. Nothing in the
package raises a bare Exception for an expected condition, and nothing but `cli` turns one of these
into an exit.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from balancer.model.problem import Problem


class Exit(enum.IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INVALID_MANIFESTS = 3
    CHANGES_PENDING = 4
    BRAKE = 5
    HOST = 6


class BalancerError(Exception):
    """Base of every error that balancer itself raises. `str()` is the message without the hint."""

    exit_code: Exit = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(BalancerError):
    """The author of a file has to act."""

    exit_code = Exit.INVALID_MANIFESTS


class InvalidManifests(InputError):
    """At least one object was rejected; `problems` lists every one found, warnings included."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        errors = sum(1 for problem in problems if problem.is_error)
        super().__init__(
            f"{errors} error{'s' if errors != 1 else ''} in the manifests",
            hint="correct the places listed, or use --keep-going to apply everything else",
        )
        self.problems = tuple(problems)


class PathUnreadable(InputError):
    """A path given on the command line does not exist or cannot be read."""


class ConfigError(InputError):
    """The file given with --config is not valid."""

    exit_code = Exit.USAGE


class OperatorError(BalancerError):
    """Whoever runs the command has to decide."""


class BrakeEngaged(OperatorError):
    """A pass would remove so much that a person has to confirm it."""

    exit_code = Exit.BRAKE


class CapacityExceeded(OperatorError):
    """The desired state does not fit a map: nothing was written."""

    def __init__(self, *, map_name: str, need: int, limit: int) -> None:
        super().__init__(
            f"the desired state does not fit: map {map_name} needs {need} entries, the limit is {limit}",
            hint=f"raise map_limits.{map_name} in the config file, or export fewer objects",
        )
        self.map_name = map_name
        self.need = need
        self.limit = limit


class LockHeld(OperatorError):
    """Another reconciler works on the same pinned maps."""


class NotConverged(OperatorError):
    """What was read back after a write is not what was written."""


class HostError(BalancerError):
    """The owner of the host has to act: kernel, mounts, packages or permissions."""

    exit_code = Exit.HOST


class HostUnfit(HostError):
    """Something that the data plane needs is missing on this host."""


class NotLoaded(HostError):
    """A command needs the live maps, and none are pinned under the bpffs directory."""


class KernelCallFailed(HostError):
    """A system call on a map, program or link failed.

    `action` says what was attempted in words ("update map frontends"), `errno` is positive.
    """

    def __init__(self, action: str, errno: int, *, hint: str = "") -> None:
        super().__init__(f"cannot {action}: {os.strerror(errno)} (errno {errno})", hint=hint)
        self.action = action
        self.errno = errno


_FILE_ADVICE = {
    errno.EPERM: "run as root",
    errno.EACCES: "run as root",
    errno.ENOSPC: "make room on that file system",
    errno.EROFS: "that file system is read-only: mount it for writing, or name another place",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def of_os_error(error: OSError) -> HostError:
    """A HostError for a failed call on a file that nothing nearer to it could explain."""
    what = f"cannot use {error.filename}" if error.filename else "a system call failed"
    code = error.errno or 0
    hint = _FILE_ADVICE.get(code, "run the command again; if the error stays, see `balancer doctor`")
    return HostError(f"{what}: {error.strerror or error} (errno {code})", hint=hint)
