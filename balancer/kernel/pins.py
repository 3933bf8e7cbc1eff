"""What is pinned where below the bpffs directory.

    <bpffs>/<build id>/maps/<map>          one generation of maps ...
    <bpffs>/<build id>/programs/<hook>     ... and the programs that use them
    <bpffs>/links/<hook>                   the attachment of each hook

A generation never changes its programs. An upgrade makes a new one beside it, fills it, moves the
links over one by one and then removes the old one; maps of equal shape are pinned in both, so that
what programs recorded is kept. Which generation is live is not written down anywhere: it is the one
whose programs the links run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from balancer.errors import HostUnfit, KernelCallFailed
from balancer.kernel import libbpf
from balancer.kernel.hooks import Hook
from balancer.plan.entries import MapName

T = TypeVar("T")

# Maps whose entries no pass writes or reads, besides those of MapName.
PROGRAM_MAPS = ("peers", "udp_sockets", "udp_rejected", "events", "random", "recent")
ALL_MAPS = (*(str(name) for name in MapName), *PROGRAM_MAPS)


@dataclass(frozen=True, slots=True)
class Generation:
    """One set of maps and programs; `build_id` is its name in the directory."""

    directory: Path

    @property
    def build_id(self) -> int:
        return int(self.directory.name, 16)

    @property
    def maps(self) -> Path:
        return self.directory / "maps"

    @property
    def programs(self) -> Path:
        return self.directory / "programs"

    @property
    def complete(self) -> bool:
        """Whether every map and program is pinned; false for one whose loading was cut short."""
        return all((self.maps / name).exists() for name in ALL_MAPS) and all(
            (self.programs / hook).exists() for hook in Hook
        )

    def program_ids(self) -> dict[Hook, int]:
        """The kernel's ids of the pinned programs."""
        return {
            hook: _ask(libbpf.program_id, self.programs / hook)
            for hook in Hook
            if (self.programs / hook).exists()
        }

    def map_infos(self) -> dict[str, libbpf.MapInfo]:
        """The shapes of the pinned maps, by name."""
        return {
            name: _ask(libbpf.map_info, self.maps / name) for name in ALL_MAPS if (self.maps / name).exists()
        }

    def sizes(self) -> dict[str, int]:
        """max_entries of the pinned maps, by name."""
        return {name: info.max_entries for name, info in self.map_infos().items()}

    def remove(self) -> None:
        shutil.rmtree(self.directory)


@dataclass(frozen=True, slots=True)
class Pins:
    """The bpffs directory of one instance. It need not exist yet."""

    root: Path

    @property
    def links(self) -> Path:
        return self.root / "links"

    def generation(self, build_id: int) -> Generation:
        return Generation(self.root / f"{build_id:016x}")

    def generations(self) -> tuple[Generation, ...]:
        """Every generation that is pinned, complete or not, sorted by name."""
        if not self.root.is_dir():
            return ()
        names = sorted(entry.name for entry in self.root.iterdir())
        return tuple(Generation(self.root / name) for name in names if len(name) == 16)

    def linked(self) -> dict[Hook, libbpf.LinkInfo]:
        """What each pinned link says of itself."""
        return {
            hook: _ask(libbpf.link_info, self.links / hook) for hook in Hook if (self.links / hook).exists()
        }

    def live(self) -> Generation | None:
        """The generation whose programs are attached; None when nothing is."""
        links = self.linked()
        for generation in self.generations():
            programs = generation.program_ids()
            if any(links[hook].program_id == programs.get(hook) for hook in links):
                return generation
        return None

    def remove(self) -> tuple[str, ...]:
        """Detaches and unpins everything; returns the paths removed. The directory itself stays if it
        is a mount point.
        """
        removed = []
        for hook in Hook:  # connect first: nothing new is translated while the rest goes
            if (self.links / hook).exists():
                (self.links / hook).unlink()
                removed.append(str(self.links / hook))
        for generation in self.generations():
            generation.remove()
            removed.append(str(generation.directory))
        if self.links.is_dir():
            for left in self.links.iterdir():  # of an attachment that was cut short
                left.unlink()
            self.links.rmdir()
        if self.root.is_dir() and not os.path.ismount(self.root):
            self.root.rmdir()
        return tuple(removed)


def require_access(root: Path) -> None:
    """Raises HostUnfit when the bpffs directory is there but this process may not look into it."""
    try:
        allowed = not root.exists() or os.access(root, os.R_OK | os.X_OK)
    except PermissionError:
        allowed = False
    if not allowed:
        raise HostUnfit(f"no permission to read {root}", hint="run as root")


def _ask(question: Callable[[int], T], path: Path) -> T:
    fd = libbpf.obj_get(path)
    try:
        return question(fd)
    finally:
        os.close(fd)


def share(name: str, old: Generation, new: Generation) -> None:
    """Pins a map of `old` in `new` as well: both generations then use the very same map."""
    fd = libbpf.obj_get(old.maps / name)
    try:
        libbpf.obj_pin(fd, new.maps / name)
    except KernelCallFailed as error:
        raise KernelCallFailed(f"share map {name}: {error.action}", error.errno, hint=error.hint) from None
    finally:
        os.close(fd)
