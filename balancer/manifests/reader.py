"""One file to its objects and problems. Content never raises: whatever is wrong becomes a problem."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from balancer.manifests.decode_meta import decode_meta
from balancer.manifests.document import Document
from balancer.manifests.engine import Engine, reference_documents
from balancer.manifests.files import read_bytes
from balancer.manifests.finding import Finding, SyntaxFault
from balancer.manifests.kinds import Kind, display_name, identify
from balancer.manifests.limits import DEFAULT_LIMITS, Limits
from balancer.manifests.objects import AnyObject, FileObjects
from balancer.manifests.placing import in_text, place, whole_file
from balancer.manifests.schema import check_shape
from balancer.manifests.source import SourceText, decode, decode_leniently
from balancer.manifests.split import RawObject, split
from balancer.model.problem import Origin, Problem, Severity


def read_file(
    path: Path, *, limits: Limits = DEFAULT_LIMITS, engine: Engine = reference_documents
) -> FileObjects:
    """Every object of the file that has no error, and every problem of the file.

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
    name: str, raw: bytes, *, limits: Limits = DEFAULT_LIMITS, engine: Engine = reference_documents
) -> FileObjects:
    """The same for bytes that are at hand; `name` is the path they stand for. No effects."""
    digest = hashlib.sha256(raw).hexdigest()
    try:
        source = decode(name, raw)
    except SyntaxFault as fault:
        problem = in_text(decode_leniently(name, raw), fault)
        return FileObjects(path=name, sha256=digest, problems=(problem,))
    reading = _Reading(source)
    for index, document in enumerate(engine(source, limits)):
        reading.document(index, document)
    return FileObjects(
        path=name,
        sha256=digest,
        objects=tuple(reading.objects),
        problems=_bounded(reading.problems, name, limits),
        ignored=dict(sorted(reading.ignored.items())),
    )


@dataclass(slots=True)
class _Reading:
    source: SourceText
    objects: list[AnyObject] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def document(self, index: int, document: Document) -> None:
        parts = split(document.data)
        whole = RawObject(data=document.data)
        if not document.complete:
            for finding in document.findings:
                owner = next((raw for raw in parts.objects if _within(finding, raw)), whole)
                self._report([_relative(finding, owner)], owner, index, document)
            return
        around = [one for one in document.findings if not any(_within(one, raw) for raw in parts.objects)]
        self._report([*around, *parts.findings], whole, index, document)
        for raw in parts.objects:
            own = [_relative(one, raw) for one in document.findings if _within(one, raw)]
            self._object(raw, own, index, document)

    def _object(self, raw: RawObject, syntax: list[Finding], index: int, document: Document) -> None:
        identity = identify(raw.data)
        if identity.ignored_as:
            self.ignored[identity.ignored_as] += 1
            self._report([replace(one, severity=Severity.WARNING) for one in syntax], raw, index, document)
            return
        findings = [*syntax, *identity.findings]
        if identity.kind:
            checked = _check(identity.kind, raw)
            findings.extend(one for one in checked if not any(_covers(fault, one) for fault in syntax))
        self._report(findings, raw, index, document)
        if identity.kind and not any(one.is_error for one in findings):
            line, column = self.source.position(document.start(raw.path))
            origin = Origin(file=self.source.path, line=line, column=column, document=index, item=raw.item)
            kind = identity.kind
            meta = decode_meta(kind.name, raw.data, origin, namespaced=kind.namespaced)
            self.objects.append(kind.decode(meta, raw.data))

    def _report(self, findings: Iterable[Finding], raw: RawObject, index: int, document: Document) -> None:
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
        self.problems.extend(sorted(placed, key=lambda problem: problem.origin))


def _check(kind: Kind, raw: RawObject) -> Iterator[Finding]:
    """The shape first; contradictions between fields only in data of the right shape."""
    findings = check_shape(kind.name.lower(), raw.data)
    yield from findings
    if not any(finding.is_error for finding in findings):
        yield from kind.check(raw.data)


def _within(finding: Finding, raw: RawObject) -> bool:
    return finding.path[: len(raw.path)] == raw.path


def _covers(fault: Finding, other: Finding) -> bool:
    """A value with a fault of its own is not judged a second time."""
    return other.path[: len(fault.path)] == fault.path


def _relative(finding: Finding, raw: RawObject) -> Finding:
    return replace(finding, path=finding.path[len(raw.path) :])


def _bounded(problems: list[Problem], name: str, limits: Limits) -> tuple[Problem, ...]:
    if len(problems) <= limits.max_problems:
        return tuple(problems)
    left = len(problems) - limits.max_problems
    return (
        *problems[: limits.max_problems],
        whole_file(name, f"{left} more problems of this file are not listed"),
    )
