"""The process behind `harness.explainer`: brings one cluster after the other to the maps, and explains.

The product's own functions run here, in the host's network namespace, many times a second: a command would
spend most of its time on starting. A cluster comes pickled, from the test that made it.
"""

from __future__ import annotations

import base64
import json
import pickle
import sys
import traceback
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from balancer.config import Settings
from balancer.desired.compute import compute
from balancer.desired.types import Host
from balancer.explain import file_resolve, live_resolve
from balancer.explanation import AskedBy
from balancer.kernel import host
from balancer.manifests import Manifests
from balancer.model.service import Protocol
from balancer.passes.reconcile import Reconciler
from balancer.report.jsonable import to_json
from balancer.views import Explanation, Loaded


class Work:
    """One instance and what was applied last."""

    def __init__(self, node: str, cgroup: str, bpffs: str, state: str) -> None:
        paths = {"cgroup": Path(cgroup), "bpffs": Path(bpffs), "state": Path(state)}
        self.settings = Settings(node=node, **paths)
        self.loaded: Loaded | None = None

    def ping(self) -> None:
        pass

    def apply(self, cluster: str, rules: str) -> None:
        known, under = (pickle.loads(base64.b64decode(text)) for text in (cluster, rules))
        self.settings = Settings(
            node=self.settings.node,
            cgroup=self.settings.cgroup,
            bpffs=self.settings.bpffs,
            state=self.settings.state,
            rules=under,
        )
        here = Host(node_name=self.settings.node, addresses=host.interface_addresses())
        manifests = Manifests(cluster=known, problems=(), files=(), ignored={})
        self.loaded = Loaded(manifests=manifests, desired=compute(known, here, under))
        with Reconciler(self.settings) as reconciler:
            reconciler.apply(self.loaded, allow_mass_delete=True)

    def explain(self, address: str, port: int, protocol: str, pid: int | None, live: bool) -> Any:
        """Every field of the explanation, by the maps or, without `live`, by the objects."""
        asked = (ip_address(address), port, Protocol(protocol))
        asked_by = None if pid is None else AskedBy(pid=pid)
        if live:
            found: Explanation = live_resolve(self.settings, *asked, asked_by)
        elif self.loaded is None:
            raise ValueError("nothing was applied")
        else:
            found = file_resolve(self.loaded, *asked, self.settings)
        return to_json(found)


def main() -> None:
    work = Work(*sys.argv[1:])
    operations = {"ping": work.ping, "apply": work.apply, "explain": work.explain}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": operations[request.pop("op")](**request)}
        except Exception:  # noqa: BLE001 - told to the test, which fails
            answer = {"traceback": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


main()
