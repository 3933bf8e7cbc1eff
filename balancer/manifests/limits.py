"""How much a manifest may ask of the reader. Files come from outside and are taken as hostile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Past a limit the file, or the document, is an error; nothing is cut off silently.

    `max_file_bytes`: size of one file. `max_depth`: nesting of mappings and lists, aliases
    expanded. `max_values`: keys and values of one document, each alias counted once.
    `max_alias_values`: values that all aliases of one document stand for. `max_key_chars`: length of
    one key. `max_documents`: YAML documents of one file. `max_problems`: problems listed for one file.
    """

    max_file_bytes: int = 64 * 1024 * 1024
    max_depth: int = 64
    max_values: int = 4_000_000
    max_alias_values: int = 100_000
    max_key_chars: int = 4096
    max_documents: int = 200_000
    max_problems: int = 10_000


DEFAULT_LIMITS = Limits()
