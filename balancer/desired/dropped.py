"""Why something that could have been a backend is none: the words that `why` and policies share."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from balancer.model.endpoints import Endpoint
from balancer.model.problem import Origin


class Reason(enum.StrEnum):
    """The first test that the endpoint failed."""

    OTHER_FAMILY = "other_family"
    NO_PORT = "no_port"
    NOT_LOCAL = "not_local"
    TERMINATING = "terminating"
    NOT_READY = "not_ready"
    OTHER_ZONE = "other_zone"
    NO_NODE = "no_node"
    NO_NODE_PORT = "no_node_port"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """`port` is the endpoint's own port number, None where it has none for this service port.

    OTHER_ZONE covers node hints as well. NO_NODE and NO_NODE_PORT are for backends that stand for nodes: the
    endpoint's node has no known address, the service no node port. `words` says it in full, `origin` is the slice, Endpoints object or pod.
    """

    endpoint: Endpoint
    port: int | None
    reason: Reason
    words: str
    origin: Origin
