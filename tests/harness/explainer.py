"""Two processes of a host: one that applies clusters and explains, one that tells where it was reached."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.host import Host
from harness.lines import Lines
from harness.place import Place

_HERE = Path(__file__).parent


class Explainer(Lines):
    """The product's functions, run in the host's network namespace for the host's instance."""

    def __init__(self, host: Host) -> None:
        balancer = host.balancer
        arguments = map(str, (balancer.node, balancer.cgroup, balancer.bpffs, balancer.state))
        self._process = subprocess.Popen(
            Place(netns=host.netns).command(
                [sys.executable, "-P", str(_HERE / "explain_main.py"), *arguments]
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.request("ping")

    def apply(self, cluster: object, rules: object) -> None:
        """Make the maps of the host what this cluster asks for."""
        cluster_text, rules_text = (
            base64.b64encode(pickle.dumps(item)).decode() for item in (cluster, rules)
        )
        self.request("apply", cluster=cluster_text, rules=rules_text)

    def explain(
        self, address: str, port: int, protocol: str, *, pid: int | None = None, live: bool = True
    ) -> Any:
        """The explanation as its JSON, from the maps or, without `live`, from what was applied."""
        return self.request("explain", address=address, port=port, protocol=protocol, pid=pid, live=live)


class Reached(Lines):
    """A server on every address of the namespace, which answers "ADDRESS PORT" as it was reached."""

    def __init__(self, host: Host, ports: Sequence[int]) -> None:
        super().__init__(_HERE / "reached_main.py", Place(netns=host.netns))
        self.request("listen", ports=list(ports))
