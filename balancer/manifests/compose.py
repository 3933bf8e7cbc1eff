"""Events to documents: data, places, and everything wrong below the level of any schema.

Iterative, so that no nesting can exhaust the stack. Depth and alias expansion are bounded: an alias
shares the data it stands for, and is counted as often as it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from balancer.manifests.document import Document, Node, Place, start_of
from balancer.manifests.events import Event, EventKind
from balancer.manifests.finding import Finding, SyntaxFault, too_deep
from balancer.manifests.limits import Limits
from balancer.manifests.paths import JsonPath
from balancer.manifests.scalars import Scalar
from balancer.manifests.source import SourceText


def compose(events: Iterable[Event], source: SourceText, limits: Limits) -> Iterator[Document]:
    """The documents of a stream of events. Where the text breaks off, the last one is incomplete."""
    builder = _Builder(source, limits)
    try:
        for event in events:
            if event.kind is EventKind.DOCUMENT:
                builder = _Builder(source, limits, at=event.at)
            elif event.kind is EventKind.DOCUMENT_END:
                yield builder.document()
                builder = _Builder(source, limits, at=event.at)
            else:
                builder.feed(event)
    except SyntaxFault as fault:
        builder.findings.append(Finding(path=builder.path(), message=fault.message, at=fault.at))
        yield builder.document(complete=False)


@dataclass(slots=True)
class _Value:
    """A value on its way into the tree."""

    data: Any
    place: Place
    merge: bool = False
    fault: bool = False

    @property
    def faulty(self) -> bool:
        return self.fault or (isinstance(self.place, Node) and self.place.faulty)

    @property
    def size(self) -> int:
        return self.place.size if isinstance(self.place, Node) else 1

    @property
    def height(self) -> int:
        return self.place.height + 1 if isinstance(self.place, Node) else 0


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is still open. `key` is set between a key and its value."""

    node: Node
    is_mapping: bool
    anchor: str | None
    key: str | None = None
    key_at: int = -1
    key_merges: bool = False
    merged: list[Node] = field(default_factory=list)

    @property
    def awaits_key(self) -> bool:
        return self.is_mapping and self.key is None

    def part(self, *, innermost: bool) -> str | int | None:
        """The key or index that is being filled; a list already counts an item that is still open."""
        return self.key if self.is_mapping else len(self.node.items) - (0 if innermost else 1)


class _Builder:
    def __init__(self, source: SourceText, limits: Limits, at: int = 0) -> None:
        self._source = source
        self._limits = limits
        self._root = _Value(None, at)
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Value | None] = {}
        self._alias_values = 0
        self._values = 0
        self.findings: list[Finding] = []

    def document(self, *, complete: bool = True) -> Document:
        return Document(
            data=self._root.data, place=self._root.place, findings=tuple(self.findings), complete=complete
        )

    def path(self) -> JsonPath:
        """Where the next value will go; ends early at a mapping whose key is not read yet."""
        parts = [frame.part(innermost=frame is self._stack[-1]) for frame in self._stack]
        return tuple(part for part in parts if part is not None)

    def feed(self, event: Event) -> None:
        if event.kind is EventKind.END:
            self._close()
            return
        self._count(event)
        if event.kind in (EventKind.MAPPING, EventKind.SEQUENCE):
            self._open(event)
        elif event.kind is EventKind.ALIAS:
            self._add(self._aliased(event), event.at)
        else:
            at = self._place_of(event)
            value = _Value(event.value, at, merge=event.merge, fault=bool(event.fault))
            self._note_tag(event, at)
            if event.anchor:
                self._anchors[event.anchor] = value
            self._add(value, at)

    def _count(self, event: Event) -> None:
        self._values += 1
        if self._values > self._limits.max_values:
            message = f"the document is too large: expected at most {self._limits.max_values} keys and values"
            raise SyntaxFault(self._place_of(event), message)

    def _note(self, message: str, at: int) -> None:
        """A fault that leaves the rest readable; a text full of them is given up."""
        self.findings.append(Finding(path=self.path(), message=message, at=at))
        for frame in self._stack:
            frame.node.faulty = True
        if len(self.findings) > self._limits.max_problems:
            raise SyntaxFault(at, "has too many faults before this place: expected a file of manifests")

    def _place_of(self, event: Event) -> int:
        """A value that was left out stands where its key does."""
        if event.at >= 0:
            return event.at
        if not self._stack:
            return start_of(self._root.place)
        frame = self._stack[-1]
        return frame.key_at if frame.key is not None else frame.node.at

    def _note_tag(self, event: Event, at: int) -> None:
        if event.fault:
            self._note(event.fault, at)

    def _open(self, event: Event) -> None:
        if self._stack and self._stack[-1].awaits_key:
            raise SyntaxFault(event.at, "a mapping or list cannot be a key: expected a string")
        if len(self._stack) >= self._limits.max_depth:
            raise self._too_deep(event.at)
        self._note_tag(event, event.at)
        is_mapping = event.kind is EventKind.MAPPING
        node = Node.mapping(event.at) if is_mapping else Node.sequence(event.at)
        node.faulty = bool(event.fault)
        if event.anchor:
            self._anchors[event.anchor] = None
        # Attached before it is full: a text that breaks off still shows what was read of it.
        self._add(_Value(node.data, node), event.at, opening=True)
        self._stack.append(_Frame(node=node, is_mapping=is_mapping, anchor=event.anchor))

    def _close(self) -> None:
        frame = self._stack.pop()
        for source in frame.merged:
            self._merge(frame.node, source)
        if frame.anchor:
            self._anchors[frame.anchor] = _Value(frame.node.data, frame.node)
        if self._stack:
            outer = self._stack[-1]
            outer.node.size += frame.node.size
            outer.node.height = max(outer.node.height, frame.node.height + 1)
            self._finish_pair(outer, frame.node)

    def _add(self, value: _Value, at: int, *, opening: bool = False) -> None:
        if not self._stack:
            self._root = value
            return
        frame = self._stack[-1]
        if frame.awaits_key:
            self._start_pair(frame, value, at)
            return
        self._attach(frame, value)
        if not opening:
            frame.node.size += value.size
            frame.node.height = max(frame.node.height, value.height)
            self._finish_pair(frame, value.place)

    def _attach(self, frame: _Frame, value: _Value) -> None:
        node = frame.node
        if not frame.is_mapping:
            node.data.append(value.data)
            node.items.append(value.place)
        elif frame.key is not None and not frame.key_merges and frame.key not in node.fields:
            node.data[frame.key] = value.data
            node.fields[frame.key] = value.place
            node.keys[frame.key] = frame.key_at

    def _start_pair(self, frame: _Frame, value: _Value, at: int) -> None:
        if isinstance(value.place, Node):
            raise SyntaxFault(at, "a mapping or list cannot be a key: expected a string")
        frame.key = self._key_text(value.data, at)
        frame.key_at = at
        frame.key_merges = value.merge
        if frame.key in frame.node.keys and not value.merge:
            first, _ = self._source.position(frame.node.keys[frame.key])
            message = f'"{frame.key[:60]}" is given twice, first on line {first}: expected every key once'
            self._note(message, at)

    def _key_text(self, key: Scalar, at: int) -> str:
        """Numbers and booleans that are keys become strings, as in kubectl."""
        if isinstance(key, str) and len(key) > self._limits.max_key_chars:
            raise SyntaxFault(
                at, f"a key is too long: expected at most {self._limits.max_key_chars} characters"
            )
        if isinstance(key, bool):
            return "true" if key else "false"
        if key is None:
            raise SyntaxFault(at, "a key is missing: expected a string")
        return str(key)

    def _finish_pair(self, frame: _Frame, place: Place) -> None:
        if frame.is_mapping and frame.key_merges:
            self._note_merge(frame, place)
        frame.key = None
        frame.key_merges = False

    def _note_merge(self, frame: _Frame, place: Place) -> None:
        sources: list[Place] = [place]
        if isinstance(place, Node) and isinstance(place.data, list):
            sources = place.items
        found = [item for item in sources if isinstance(item, Node) and isinstance(item.data, dict)]
        if len(found) != len(sources) or not sources:
            raise SyntaxFault(
                frame.key_at, '"<<" has nothing to merge: expected a mapping or a list of mappings'
            )
        frame.merged.extend(found)

    @staticmethod
    def _merge(node: Node, source: Node) -> None:
        """Keys given in place win over merged ones, and earlier merges over later ones."""
        for key, place in source.fields.items():
            if key not in node.fields:
                node.fields[key] = place
                node.keys[key] = source.keys[key]
                node.data[key] = source.data[key]

    def _aliased(self, event: Event) -> _Value:
        name = str(event.value)
        if name not in self._anchors:
            raise SyntaxFault(
                event.at,
                f'the alias "*{name[:60]}" has no anchor before it: expected "&{name[:60]}" further up',
            )
        value = self._anchors[name]
        if value is None:
            raise SyntaxFault(event.at, f'the alias "*{name[:60]}" contains itself: expected a finite value')
        self._alias_values += value.size
        if self._alias_values > self._limits.max_alias_values:
            limit = self._limits.max_alias_values
            raise SyntaxFault(
                event.at, f"aliases expand too far: expected at most {limit} values behind aliases"
            )
        if len(self._stack) + value.height > self._limits.max_depth:
            raise self._too_deep(event.at)
        if value.faulty:
            self._note(
                f'the alias "*{name[:60]}" stands for a value with a fault: expected a sound one', event.at
            )
        if not isinstance(value.place, Node):
            return _Value(value.data, event.at, fault=value.fault)
        return value

    def _too_deep(self, at: int) -> SyntaxFault:
        return SyntaxFault(at, too_deep(self._limits.max_depth))
