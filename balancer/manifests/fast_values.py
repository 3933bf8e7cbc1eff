"""JSON text to data and back, by orjson where it is installed, else by Python's own reader.

Both are strict here: what is no JSON by RFC 8259 raises ValueError.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

loads: Callable[[str], Any]
colons: Callable[[Any], int]

try:
    import orjson
except ImportError:

    def _refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    def _finite(text: str) -> float:
        number = float(text)
        return _refuse(text) if math.isinf(number) else number

    _decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
    loads = _decoder.decode

    def colons(data: Any) -> int:
        """How many colons the data has as JSON text, those inside of strings included."""
        return json.dumps(data, ensure_ascii=False).count(":")
else:
    loads = orjson.loads

    def colons(data: Any) -> int:
        """How many colons the data has as JSON text, those inside of strings included."""
        return orjson.dumps(data).count(b":")
