"""A process that does nothing but connect(), so often that a gap of microseconds in the translation is seen."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections import Counter

from harness.patience import PATIENCE_SECONDS
from harness.place import Place

# UDP, so that no packet is sent; one socket, again and again, until standard input ends. The short rests
# leave some processor to what is tested.
_SCRIPT = """
import collections, json, select, socket, sys
address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
probe, codes = socket.socket(family, socket.SOCK_DGRAM), collections.Counter()
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.0005)[0]:
    codes.update(probe.connect_ex((address, port)) for _ in range(200))
print(json.dumps(codes))
"""


class Hammer:
    """Runs in `place` until `rest`, with a socket of the address's family."""

    def __init__(self, place: Place, address: str, port: int) -> None:
        script = [sys.executable, "-I", "-S", "-c", _SCRIPT, address, str(port)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(place.command(script), stdin=pipe, stdout=pipe, text=True)
        if self._process.stdout is None or not self._process.stdout.readline():
            raise RuntimeError("the hammer did not start")

    def rest(self) -> Counter[str]:
        """End it; how often connect() succeeded ("ok") and each error was seen."""
        shown, _ = self._process.communicate(timeout=PATIENCE_SECONDS)
        codes: dict[str, int] = json.loads(shown)
        return Counter({errno.errorcode.get(int(code), "ok"): count for code, count in codes.items()})
