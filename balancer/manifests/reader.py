"""One file to its objects and problems. Content never raises: whatever is wrong becomes a problem."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from balancer.manifests.decode_meta import decode_meta
from balancer.manifests.document import Document
from balancer.manifests.engine import Engine
from balancer.manifests.fast import chosen_engine
from balancer.manifests.fast_document import FastDocument
from balancer.manifests.files import read_bytes
from balancer.manifests.finding import Finding, SyntaxFault
from balancer.manifests.kinds import Identity, Kind, display_name, identify
from balancer.manifests.limits import DEFAULT_LIMITS, Limits
from balancer.manifests.objects import AnyObject, FileObjects
from balancer.manifests.paths import JsonPath
from balancer.manifests.placing import in_text, place, whole_file
from balancer.manifests.schema import check_shape, is_flawless
from balancer.manifests.source import SourceText, decode, decode_leniently
from balancer.manifests.split import RawObject, split
from balancer.model.problem import Origin, Problem, Severity


def read_file(path: Path, *, limits: Limits = DEFAULT_LIMITS, engine: Engine | None = None) -> FileObjects:
    """Every object of the file that has no error, and every problem of the file.

    Without an `engine`, the one that the environment chooses; all give the same.
    Never raises for content, nor for a file that cannot be opened: that is a problem, too.
    """
    name = str(path)
    try:
        raw = read_bytes(path, limits)
    except OSError as error:
        problem = whole_file(name, f"the file cannot be read: {error.strerror or error}")
        return FileObjects(path=name, sha256="", problems=(problem,))
    except SyntaxFault as fault:
        return FileObjects(path=name, sha256="", problems=(whole_file(name, fault.message),))
    return read_bytes_as(name, raw, limits=limits, engine=engine)


def read_bytes_as(
    name: str, raw: bytes, *, limits: Limits = DEFAULT_LIMITS, engine: Engine | None = None
) -> FileObjects:
    """The same for bytes that are at hand; `name` is the path they stand for. No effects."""
    digest = hashlib.sha256(raw).hexdigest()
    try:
        source = decode(name, raw)
    except SyntaxFault as fault:
        problem = in_text(decode_leniently(name, raw), fault)
        return FileObjects(path=name, sha256=digest, problems=(problem,))
    reading = _Reading(source, limits)
    for index, document in enumerate((engine or chosen_engine())(source, limits)):
        reading.document(index, document)
    return FileObjects(
        path=name,
        sha256=digest,
        objects=tuple(reading.objects),
        problems=reading.bounded_problems(),
        ignored=dict(sorted(reading.ignored.items())),
    )


@dataclass(slots=True)
class _Reading:
    """Work grows with the size of the text alone: nothing here compares every fault with every object."""

    source: SourceText
    limits: Limits
    unlisted: int = 0
    objects: list[AnyObject] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)

    def document(self, index: int, document: Document) -> None:
        parts = split(document.data)
        whole = RawObject(data=document.data)
        around, inside = _by_owner(document.findings, parts.objects)
        self._report([*around, *parts.findings], whole, index, document)
        # What stands in a list with a fault of its own may not be what was meant.
        sound = document.complete and not any(one.is_error for one in around)
        for raw in parts.objects:
            if sound:
                self._object(raw, inside.get(raw.path, ()), index, document)
            else:
                self._report(inside.get(raw.path, ()), raw, index, document)

    def _object(self, raw: RawObject, syntax: Sequence[Finding], index: int, document: Document) -> None:
        identity = identify(raw.data)
        if identity.kind and not syntax and _is_flawless(identity.kind, raw.data):
            self._keep(identity.kind, raw, index, document)
            return
        findings = self._judge(identity, raw, syntax)
        if isinstance(document, FastDocument) and findings:
            raw = replace(raw, data=_completed(document.precise(raw.path), raw.data))
            identity = identify(raw.data)
            findings = self._judge(identity, raw, syntax)
        if identity.ignored_as:
            self.ignored[identity.ignored_as] = self.ignored.get(identity.ignored_as, 0) + 1
            self._report([replace(one, severity=Severity.WARNING) for one in syntax], raw, index, document)
            return
        self._report(findings, raw, index, document)
        if identity.kind and not any(one.is_error for one in findings):
            self._keep(identity.kind, raw, index, document)

    def _keep(self, kind: Kind, raw: RawObject, index: int, document: Document) -> None:
        line, column = self.source.position(document.start(raw.path))
        origin = Origin(file=self.source.path, line=line, column=column, document=index, item=raw.item)
        meta = decode_meta(kind.name, raw.data, origin, namespaced=kind.namespaced)
        self.objects.append(kind.decode(meta, raw.data))

    def _judge(self, identity: Identity, raw: RawObject, syntax: Sequence[Finding]) -> list[Finding]:
        """What is wrong with an object that is this."""
        findings = [*syntax, *identity.findings]
        if identity.kind:
            faulty = {fault.path for fault in syntax}
            checked = islice(_check(identity.kind, raw, self._most), self._most)
            findings.extend(one for one in checked if _prefix_in(one.path, faulty) is None)
        return findings

    def _report(self, findings: Sequence[Finding], raw: RawObject, index: int, document: Document) -> None:
        if not findings:
            return
        if len(self.problems) >= self.limits.max_problems:
            self.unlisted += len(findings)
            return
        name = display_name(raw.data)
        placed = [
            place(
                one,
                source=self.source,
                document=document,
                index=index,
                item=raw.item,
                base=raw.path,
                name=name,
            )
            for one in findings
        ]
        room = self.limits.max_problems - len(self.problems)
        self.problems.extend(sorted(placed, key=lambda problem: problem.origin)[:room])
        self.unlisted += max(0, len(placed) - room)

    @property
    def _most(self) -> int:
        """One more than is listed of all, so that a cut is always told."""
        return self.limits.max_problems + 1

    def bounded_problems(self) -> tuple[Problem, ...]:
        if not self.unlisted:
            return tuple(self.problems)
        message = f"at least {self.unlisted} more problems of this file are not listed"
        return (*self.problems, whole_file(self.source.path, message))


def _is_flawless(kind: Kind, data: Any) -> bool:
    """Whether there is nothing at all to say about the data, as far as a quick look tells."""
    return is_flawless(kind.name.lower(), data) and next(kind.check(data), None) is None


def _check(kind: Kind, raw: RawObject, most: int) -> Iterator[Finding]:
    """The shape first; contradictions between fields only in data of the right shape."""
    findings = check_shape(kind.name.lower(), raw.data, most)
    yield from findings
    if not any(finding.is_error for finding in findings):
        yield from kind.check(raw.data)


def _completed(data: Any, given: Any) -> Any:
    """An item with what its typed list says for it."""
    return {**given, **data} if isinstance(data, dict) and len(given) > len(data) else data


def _by_owner(
    findings: Sequence[Finding], objects: Iterable[RawObject]
) -> tuple[list[Finding], Mapping[JsonPath, Sequence[Finding]]]:
    """The findings outside of all objects, and by an object's path those inside it, relative to it."""
    paths = {raw.path for raw in objects} if findings else set()
    around: list[Finding] = []
    inside: defaultdict[JsonPath, list[Finding]] = defaultdict(list)
    for one in findings:
        owner = _prefix_in(one.path, paths)
        if owner is None:
            around.append(one)
        else:
            inside[owner].append(replace(one, path=one.path[len(owner) :]))
    return around, inside


def _prefix_in(path: JsonPath, paths: AbstractSet[JsonPath]) -> JsonPath | None:
    """The first of the paths that leads to the path or to something around it."""
    starts = (path[:length] for length in range(len(path) + 1)) if paths else ()
    return next((start for start in starts if start in paths), None)
