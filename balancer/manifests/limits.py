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

    What kubectl prints of 10,000 Services with 100,000 endpoints is 92 MB of JSON with 3.8 million values, and
    takes 0.4 GB to read. A file as hostile as these limits let it be takes up to 2.3 GB.
    """

    max_file_bytes: int = 128 * 1024 * 1024
    max_depth: int = 64
    max_values: int = 6_000_000
    max_alias_values: int = 100_000
    max_key_chars: int = 4096
    max_documents: int = 200_000
    max_problems: int = 10_000


DEFAULT_LIMITS = Limits()
