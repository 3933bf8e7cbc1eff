"""What an instance has in the kernel and in its directories, to be compared before and after."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from typing import Any

from harness.balancer import Balancer
from harness.host import Host
from harness.patience import PATIENCE_SECONDS

_HELD = ("addresses", "frontends", "slots", "members", "cgroups", "owners")


def _bpftool(*arguments: str) -> list[dict[str, Any]]:
    shown = subprocess.run(["bpftool", "-j", *arguments], capture_output=True, check=True).stdout
    found = json.loads(shown.strip() or b"[]")
    return found if isinstance(found, list) else []


def pins(instance: Balancer) -> list[str]:
    """Every pin below the bpffs directory; names of generations, 16 hexadecimal digits, as a star."""
    paths = (path.relative_to(instance.bpffs) for path in instance.bpffs.rglob("*"))
    return sorted("/".join("*" if len(part) == 16 else part for part in path.parts) for path in paths)


def used(instance: Balancer) -> dict[str, int]:
    """Entries in use of each map that a pass writes."""
    maps = {item["name"]: item["used"] for item in instance.json("status")["maps"]}
    return {name: maps[name] for name in _HELD}


def referenced_slots(instance: Balancer) -> int:
    """Slots that the live frontends need: one for each backend of each distinct list."""
    frontends = instance.json("get", "frontends")["frontends"]
    lists = {
        tuple((backend["address"], backend["port"]) for backend in item[field])
        for item in frontends
        for field in ("backends", "fallback")
    }
    return sum(map(len, lists))


def links(host: Host) -> Counter[str]:
    """Links attached to the instance's cgroup, by attach type."""
    number = host.cgroup.stat().st_ino
    return Counter(
        str(item["attach_type"]) for item in _bpftool("link", "show") if item.get("cgroup_id") == number
    )


def programs(host: Host) -> Counter[str]:
    """Programs attached to the instance's cgroup, by name."""
    return Counter(str(item.get("name")) for item in _bpftool("cgroup", "show", str(host.cgroup)))


def orphans(instance: Balancer) -> set[tuple[str, int, str]]:
    """Maps and programs named like ours that nothing pins. What another run is just about to pin, or still
    holds, gets time to be pinned or to go.
    """
    names = {path.name for path in instance.bpffs.rglob("*") if not path.is_dir()}
    found = _unpinned(names)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while found and time.monotonic() < deadline:
        time.sleep(0.25)
        found &= _unpinned(names)
    return found


def _unpinned(names: set[str]) -> set[tuple[str, int, str]]:
    return {
        (kind, item["id"], item["name"])
        for kind in ("map", "prog")
        for item in _bpftool("-f", kind, "show")
        if item.get("name") in names and not item.get("pinned")
    }
