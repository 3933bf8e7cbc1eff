"""What the status page is told by a server that made it all up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

KEPT = {"version", "action", "use", "time", "source", "effect", "severity"}
"""What the page takes for words of its own."""


def made_up(services: int) -> dict[str, Any]:
    """What the page is told of an instance with this many services."""
    frontends, backends = [], []
    for number in range(services):
        name = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:80/TCP"
        top = {"name": name, "address": name[:-7], "port": 80, "protocol": "TCP", "kind": "ClusterIP"}
        top |= {
            "source": "service",
            "object": f"Service ns-{number % 10}/service-{number}",
            "port_name": "http",
        }
        link = {
            "object": "Service a/b",
            "source": "balancing",
            "file": "f.yaml:1",
            "action": "refuse",
            "use": "unused",
        }
        top |= {"file": f"f.yaml:{number}", "action": "forward", "chain": [link] if services < 9 else []}
        frontends.append({**top, "backends": [2 * number, 2 * number + 1]})
        backends += [[f"10.200.0.{number}", port, f"node-{port}", f"ns/pod-{number}"] for port in (1, 2)]
    policy = {
        "kind": "LocalRedirectPolicy",
        "name": "p",
        "file": "p.yaml:1",
        "applies": True,
        "reason": "because",
    }
    policy |= {"target": "Service a/b", "frontends": [frontends[0]["name"]], "backends": ["10.0.0.1:80"]}
    problem = {"file": "p.yaml", "line": 1, "column": 2, "object": "o", "path": "$.x", "severity": "error"}
    last = {
        "time": datetime.now(UTC).isoformat(),
        "result": "converged",
        "seconds": 1,
        "frontends": 1,
        "files": 1,
    }
    health = {
        "loaded": True,
        "effect": "effective",
        "canary": "it worked",
        "build_id": "b",
        "last_pass": last,
    }
    health |= {"hooks": [{"hook": "connect4", "attached": True, "note": "n"}], "counters": {"forwarded": 5}}
    health |= {"maps": [{"name": "frontends", "used": 1, "capacity": 2}]}
    return {
        "version": "1",
        "host": {"node": "node1", "name": "host1", "version": "1", "resync_seconds": 60},
        "frontends": frontends,
        "backends": backends,
        "policies": [policy],
        "problems": [{**problem, "message": "m", "excerpt": "x: y\n   ^"}],
        "stale_files": ["s.yaml"],
        "live": {"version": "1", "health": health, "counts": {"0": [1, 1, 0, 0]}},
    }
