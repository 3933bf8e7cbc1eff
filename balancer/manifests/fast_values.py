"""JSON text to data and back, by orjson where it is installed, else by Python's own reader.

Both are strict here: what is no JSON by RFC 8259 raises ValueError.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

loads: Callable[[str], Any]
dumps: Callable[[Any], bytes]

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

    def dumps(data: Any) -> bytes:
        """The data as JSON without white space."""
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
else:
    loads, dumps = orjson.loads, orjson.dumps
