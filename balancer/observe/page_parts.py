"""What the status page shows, as JSON: one function for each part, from values of `views`, `live` and `state`.

The page draws what it is given and works nothing out about traffic, so all that it says of a destination is
decided here, by what the maps hold. Nothing here reads a map or a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from balancer.desired.types import Action, Backend, Source
from balancer.kernel.reasons import FORWARDING, REJECTING, Reason
from balancer.live import by_reason
from balancer.model.problem import Problem
from balancer.model.render import render_problem
from balancer.plan.changes import destination
from balancer.report.jsonable import problem_json
from balancer.state import Label, State
from balancer.views import LiveFrontend, Status, Use

Json = dict[str, Any]


class Backends:
    """Each backend once; frontends name them by number, so that ten thousand services that share some stay
    small.
    """

    def __init__(self, pods: Mapping[str, str]) -> None:
        self._pods = pods
        self._numbers: dict[tuple[str, int], int] = {}
        self.rows: list[list[str | int]] = []
        """Address, port, node and "namespace/name" of the pod; "" for what is not known."""

    def numbers(self, backends: Iterable[Backend]) -> list[int]:
        """The numbers of these, in their order."""
        return [self._number(backend) for backend in backends]

    def _number(self, backend: Backend) -> int:
        address, port = str(backend.address), backend.port
        found = self._numbers.get((address, port))
        if found is None:
            found = self._numbers[address, port] = len(self.rows)
            host = f"[{address}]" if ":" in address else address
            pod = self._pods.get(f"{host}:{port}") or self._pods.get(address, "")
            self.rows.append([address, port, backend.node or "", pod])
        return found


def frontend_part(item: LiveFrontend, names: State, backends: Backends, beneath: Action) -> Json:
    """One entry of the frontends map. `chain` is there where something lies beneath; `beneath` is then what
    the maps say of the highest of these.
    """
    name = destination(item.address, item.port, item.protocol)
    part: Json = {
        "name": name,
        "address": str(item.address),
        "port": item.port,
        "protocol": item.protocol.value,
        "kind": item.kind.value if item.kind else "",
        "source": item.source.value if item.source else "",
        "object": item.object,
        "port_name": item.port_name,
        "file": item.file,
        "action": item.action.value,
        "backends": backends.numbers(item.backends),
    }
    if item.affinity_seconds:
        part["affinity_seconds"] = item.affinity_seconds
    if item.rate:
        part["rate"] = item.rate
    label = names.labels.get(name)
    lower = label.beneath if label else None
    if lower or item.fallback:
        part["fallback"] = backends.numbers(item.fallback)
        part["chain"] = _chain(item.source, lower, beneath)
    return part


def _chain(top: Source | None, label: Label | None, action: Action) -> list[Json]:
    """What lies beneath, from the highest down; only a redirect ever falls back while it is in force."""
    if label is None:
        return [{"object": "", "source": "", "file": "", "action": action.value, "use": Use.FALLBACK.value}]
    links = []
    use = Use.FALLBACK if top is Source.LOCAL_REDIRECT else Use.UNUSED
    while label is not None:
        links.append(
            {
                "object": label.object,
                "source": label.source.value,
                "file": label.file,
                "action": action.value,
                "use": use.value,
            }
        )
        label, use = label.beneath, Use.UNUSED
        action = label.action if label else action
    return links


def counts_part(counters: Sequence[bytes | None]) -> dict[str, list[int]]:
    """Forwarded, rejected, fell back and rate-limited, by the place in `counters`: entries of the counters
    map. Those that have counted nothing are left out, unlooked at; that is most of them.
    """
    found = {}
    for index, raw in enumerate(counters):
        if raw and any(raw):
            counts = by_reason(raw)
            forwarded = sum(counts[reason] for reason in FORWARDING)
            rejected = sum(counts[reason] for reason in REJECTING)
            found[str(index)] = [forwarded, rejected, counts[Reason.FALLBACK], counts[Reason.RATE_LIMITED]]
    return found


def problem_part(problem: Problem) -> Json:
    """The problem with its line and, below that, blanks and a caret ("" where the line is not known)."""
    _, _, below = render_problem(problem).partition("\n")
    return {**problem_json(problem), "excerpt": below}


def health_part(status: Status) -> Json:
    """Whether it works, how the last pass went, and how full the maps are."""
    last = status.last_pass
    return {
        "loaded": status.loaded,
        "effect": status.effect.value,
        "canary": status.canary.note,
        "build_id": status.build_id,
        "hooks": [
            {"hook": item.hook, "attached": item.attached, "note": item.note} for item in status.attachments
        ],
        "maps": [{"name": item.name, "used": item.used, "capacity": item.capacity} for item in status.maps],
        "last_pass": {
            "time": last.time.isoformat(),
            "result": last.result,
            "seconds": last.seconds,
            "frontends": last.frontends,
            "files": last.files,
            "changes": last.changes,
        }
        if last
        else None,
        "counters": dict(status.counters),
    }
