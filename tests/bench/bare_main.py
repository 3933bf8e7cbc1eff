"""The least that reading the manifests can cost: every byte through the fastest parsers, nothing done with it.

``bare_main.py PATH [nogc]``, a file or a directory; with ``nogc`` the cyclic garbage collector is off.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import orjson
import ryml


def parse(file: Path) -> object:
    """The documents of one file."""
    if file.suffix == ".json":
        return orjson.loads(file.read_bytes())
    buffer = bytearray(file.read_bytes())
    tree = ryml.parse_in_place(buffer)
    return orjson.loads(ryml.emit_json_malloc(tree, tree.root_id()))


def main() -> None:
    if "nogc" in sys.argv:
        gc.disable()
    path = Path(sys.argv[1])
    files = [found for found in path.rglob("*") if found.is_file()] if path.is_dir() else [path]
    for file in files:
        parse(file)


if __name__ == "__main__":
    main()
