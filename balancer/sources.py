"""Which manifests the last pass worked from, and reading them again to answer questions about it.

The maps do not hold what was left out of them; only the manifests know. What is read here may have changed
since the pass, so every answer says whether it is still what the pass saw. Nothing here may decide what is
written to the maps, and nothing read here may be shown as what the kernel does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from balancer import manifests
from balancer.config import Settings
from balancer.desired.compute import compute
from balancer.desired.types import Desired, Host
from balancer.digest import absolute as absolute
from balancer.digest import digest_of as digest_of
from balancer.digest import digest_of_contents
from balancer.durable import Damaged
from balancer.errors import HostError, PathUnreadable
from balancer.explanation import SourceState
from balancer.kernel import host
from balancer.manifests.files import read_bytes
from balancer.manifests.finding import SyntaxFault
from balancer.manifests.limits import DEFAULT_LIMITS
from balancer.manifests.reader import read_bytes_as
from balancer.model.cluster import Cluster
from balancer.state import last_good_path
from balancer.views import LastPass

MOST_BYTES = 2 * 1024 * 1024
"""More manifests than this are not read for one answer: whoever asks is waiting."""
_ALWAYS = rb"""kind["']?\s*:\s*["']?(?:Node|LocalRedirectPolicy|BalancingPolicy)(?:List)?\b"""
_WITH_POLICIES = rb"""kind["']?\s*:\s*["']?Pod(?:List)?\b"""
_POLICIES = re.compile(rb"LocalRedirectPolicy|BalancingPolicy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the manifests say, worked out for `host`; empty where there is nothing to read.

    `complete` reads the rest, where only the files were read that have a part in the answer.
    """

    state: SourceState
    cluster: Cluster
    host: Host
    desired: Desired
    complete: Callable[[], Sources] | None = None


def read_again(settings: Settings, last: LastPass | None, words: Collection[str] = ()) -> Sources:
    """The manifests of the last pass that converged, as they are on disk now, or, where that is no more what
    the pass worked from, as the agent kept them. Never raises for what is on disk.

    With `words`, names and addresses, the files that have none of them are not taken apart, but for those
    with nodes and policies.
    """
    if last is None or not last.paths or not last.digest:
        return _worked_out(settings, {}, SourceState.UNKNOWN)
    try:
        found: dict[str, bytes] | None = _read([Path(path) for path in last.paths])
    except (PathUnreadable, OSError, SyntaxFault):
        found = None
    if found is not None and _digest(found) == last.digest:
        return _relevant(settings, found, SourceState.UNCHANGED, words)
    kept = _with_last_good(settings, last.paths, found or {})
    if _digest(kept) == last.digest:
        return _relevant(settings, kept, SourceState.LAST_GOOD, words)
    if found is None:
        return _worked_out(settings, {}, SourceState.UNREADABLE)
    return _relevant(settings, found, SourceState.CHANGED, words)


def _read(paths: Sequence[Path]) -> dict[str, bytes]:
    return {str(path): read_bytes(path, DEFAULT_LIMITS) for path in manifests.scan(paths).files}


def _digest(contents: Mapping[str, bytes]) -> str:
    return digest_of_contents((path, hashlib.sha256(raw).hexdigest()) for path, raw in contents.items())


def _with_last_good(settings: Settings, roots: Sequence[str], found: Mapping[str, bytes]) -> dict[str, bytes]:
    """The contents found, each with its last good content in its place where the agent kept one."""
    from balancer.lastgood.database import LastGoodFile  # it loads SQLite, which most answers do without

    files = dict(found)
    try:
        contents = LastGoodFile(last_good_path(settings.state)).load()
    except (Damaged, HostError):
        contents = {}
    for key, content in contents.items():
        if key.root in roots:
            files[str(Path(key.root) / key.name) if key.name else key.root] = content.unpack()
    return files


def _relevant(
    settings: Settings, contents: Mapping[str, bytes], state: SourceState, words: Collection[str]
) -> Sources:
    """What is worked out from the files with a part in the answer; SKIPPED if even these are too many."""

    def complete() -> Sources:
        if sum(map(len, contents.values())) > MOST_BYTES:
            return _worked_out(settings, {}, SourceState.SKIPPED)
        return _worked_out(settings, contents, state)

    if not words:
        return complete()
    kinds = _ALWAYS
    if any(_POLICIES.search(raw) for raw in contents.values()):
        kinds += b"|" + _WITH_POLICIES
    pattern = re.compile(b"|".join((kinds, *(re.escape(word.encode()) for word in words))))
    chosen = {path: raw for path, raw in contents.items() if pattern.search(raw)}
    if len(chosen) == len(contents) or sum(map(len, chosen.values())) > MOST_BYTES:
        return complete()
    return replace(_worked_out(settings, chosen, state), complete=complete)


def _worked_out(settings: Settings, contents: Mapping[str, bytes], state: SourceState) -> Sources:
    files = [read_bytes_as(path, contents[path]) for path in sorted(contents)]
    here = Host(node_name=settings.node, addresses=host.interface_addresses() if files else ())
    cluster = manifests.merge(files).cluster if files else Cluster()
    return Sources(state=state, cluster=cluster, host=here, desired=compute(cluster, here, settings.rules))
