"""Explanations as lines: the outcome first, then why, then what else there is and where it is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from balancer.desired.types import Action, Backend, Source
from balancer.explanation import LiveMaps, Neighbour, Unused
from balancer.plan.changes import destination
from balancer.report.plans import backends_text, endpoint_text, object_text, rate_text
from balancer.views import ChainLink, Destinations, Explanation, LiveFrontend, Use

_SHOWN = 20
_JSON = "balancer explain -o json"


def destinations_lines(found: Destinations) -> Iterator[str]:
    """One explanation after the other, with an empty line between."""
    for number, item in enumerate(found.destinations):
        if number:
            yield ""
        yield from explanation_lines(item)


def explanation_lines(found: Explanation) -> Iterator[str]:
    """The outcome first, then why, then where it is written."""
    yield f"{destination(found.address, found.port, found.protocol)}: {found.outcome}"
    yield _field("because", found.reason)
    if found.asker is not None:
        yield _field("asker", f"{found.asker.name}: {found.asker.words}")
        if found.asker.cgroup:
            yield _field("", f"in {found.asker.cgroup}")
    if found.frontend is not None:
        yield from _frontend_fields(found, found.frontend)
    yield from _unused_lines(found.unused, several=len(found.chain) > 1)
    yield from _chain_lines(found)
    yield from _neighbour_lines(found.neighbours)
    if found.maps is not None:
        yield from _map_lines(found.maps)
    for text in found.differences:
        yield _field("differs", text)
    for place in found.source_files:
        yield _field("source", place)
    for note in found.notes:
        yield _field("note", note)


def _frontend_fields(found: Explanation, frontend: LiveFrontend) -> Iterator[str]:
    name = destination(frontend.address, frontend.port, frontend.protocol)
    yield _field("frontend", f"{name} ({frontend.kind})" if frontend.kind else name)
    if frontend.object:
        yield _field("object", object_text(frontend.object, frontend.port_name))
    for backend in found.backends:
        yield _field("backend", _backend(found, backend))
    if frontend.affinity_seconds:
        yield _field("affinity", f"one client stays on one backend for {frontend.affinity_seconds} s")
    if frontend.forwarded or frontend.rejected:
        yield _field("counted", _counted(found, frontend))


def _backend(found: Explanation, backend: Backend) -> str:
    target = endpoint_text(backend.address, backend.port)
    pod = f", pod {found.pods[target]}" if target in found.pods else ""
    return target + (f" on {backend.node}" if backend.node else "") + pod


def _counted(found: Explanation, frontend: LiveFrontend) -> str:
    said = f"{frontend.forwarded} forwarded, {frontend.rejected} rejected"
    if frontend.source is Source.LOCAL_REDIRECT:
        return said + f"; {frontend.fell_back} of its own backends, {frontend.rate_limited} above the rate"
    counters = found.maps.entry.counters if found.maps and found.maps.entry else {}
    reasons = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counters.items())
    return f"{said} ({reasons})" if len(counters) > 1 else said


def _unused_lines(unused: Sequence[Unused], *, several: bool) -> Iterator[str]:
    """By object where there are several: an endpoint may be out of one and in another."""
    by_object: dict[str, list[Unused]] = defaultdict(list)
    for item in unused:
        by_object[item.object].append(item)
    for name, items in by_object.items():
        if several or len(by_object) > 1:
            yield _field("unused", f"of {name}:")
        for item in items[:_SHOWN]:
            yield _field("unused", _unused(item))
        if len(items) > _SHOWN:
            yield _field("", f"{len(items) - _SHOWN} more: {_JSON}")


def _unused(item: Unused) -> str:
    target = endpoint_text(item.address, item.port) if item.port else str(item.address)
    pod = f", pod {item.pod}" if item.pod else ""
    node = f" on {item.node}" if item.node and not item.words.startswith("on node") else ""
    return f"{target}{node}{pod}: {item.words} ({item.file})"


def _neighbour_lines(neighbours: Sequence[Neighbour]) -> Iterator[str]:
    for number, item in enumerate(neighbours[:_SHOWN]):
        place = f" ({item.file})" if item.file else ""
        name = object_text(item.object, item.port_name)
        yield _field(
            "" if number else "answers", f"{item.port}/{item.protocol} of {name}: {item.action}{place}"
        )
    if len(neighbours) > _SHOWN:
        yield _field("", f"{len(neighbours) - _SHOWN} more: {_JSON}")


def _map_lines(maps: LiveMaps) -> Iterator[str]:
    yield _field("map", f"gate: {', '.join(maps.gate).lower() or 'not looked up'}")
    entry = maps.entry
    if entry is None:
        return
    said = f"entry: {entry.action}, slots {_slots(entry.slot_base, entry.slot_length)}"
    if entry.fallback_length or entry.redirect:
        slots = _slots(entry.fallback_base, entry.fallback_length)
        said += f", fallback {entry.fallback_action} {slots}"
    if entry.redirect:
        said += f", local redirect ({rate_text(entry.rate)})"
    if entry.affinity_seconds:
        said += f", affinity {entry.affinity_seconds} s"
    yield _field("", f"{said}, counter {entry.counter}")
    if entry.group_id:
        yield _field("", f"group: {entry.group or 'unknown'} (id {entry.group_id:016x})")


def _slots(base: int, length: int) -> str:
    return f"{base}-{base + length - 1}" if length > 1 else str(base) if length else "none"


def _chain_lines(found: Explanation) -> Iterator[str]:
    """Each object that answers here, the one that is used first; nothing where no policy has a part."""
    top = found.chain[0] if found.chain else None
    redirect = top is not None and top.source is Source.LOCAL_REDIRECT
    if len(found.chain) < 2 and not redirect:
        return
    rate = found.frontend.rate if found.frontend else 0
    for number, link in enumerate(found.chain, start=1):
        who = f"{link.source or 'unknown'}: {object_text(link.object, link.port_name)}"
        yield _field("chain" if number == 1 else "", f"{number}. {who}{_place(link)}: {_answer(link)}")
        yield _field("", f"   {link.use}: {_use_text(link.use, redirect=redirect, rate=rate)}")
    if redirect and len(found.chain) == 1:
        yield _field("", f"   {Use.FALLBACK}: {_use_text(Use.FALLBACK, redirect=True, rate=rate)}: refuse")


def _place(link: ChainLink) -> str:
    return f" ({link.file})" if link.file else ""


def _answer(link: ChainLink) -> str:
    if link.action is not Action.FORWARD or link.backends is None:
        return link.action.value
    return f"{link.action} to {backends_text(link.backends)}"


def _use_text(use: Use, *, redirect: bool, rate: int) -> str:
    """Which connections get a link of the chain; `redirect` says whether a local redirect is on top."""
    limit = rate_text(rate)
    if use is Use.UNUSED:
        return "no connections, as long as what is above decides"
    if use is Use.FALLBACK:
        return "connections of the redirect's own backends" + (f" and those above {limit}" if rate else "")
    if not redirect:
        return "all connections"
    return (f"connections up to {limit}" if rate else "all connections") + " but those of its own backends"


def _field(label: str, value: str) -> str:
    return f"  {label:<9} {value}"
