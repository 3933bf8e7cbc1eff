"""What a policy sends connections to: pods of this node, pods anywhere, their nodes, or fixed addresses.

Decides from the policy, the pods and the nodes alone. A node is addressed by its Node object and never
by a pod's hostIP, so that a changed address is followed in the same pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from balancer.desired.answers import in_backend_order
from balancer.desired.dropped import Reason
from balancer.desired.redirect import entry_address
from balancer.desired.surroundings import Surroundings
from balancer.desired.types import Backend
from balancer.model.cluster import Cluster
from balancer.model.meta import IPAddress
from balancer.model.node import Node, Pod
from balancer.model.policy import (
    NODE_PROXY_ANNOTATION,
    FixedBackends,
    LocalRedirectPolicy,
    PodBackends,
    Policy,
    RedirectMode,
)


class Supply:
    """The backends of one policy on this host.

    `label` tells one way of choosing them from another in a group's name. `selected` are the pods that
    the endpointSelector accepts in any namespace and any condition, by namespace and name; empty for
    fixed addresses.
    """

    def __init__(self, policy: Policy, cluster: Cluster, around: Surroundings) -> None:
        source = source_of(policy)
        self._around = around
        self._fixed = source.addresses if isinstance(source, FixedBackends) else ()
        self.mode = source.mode if isinstance(source, PodBackends) else None
        self.local = isinstance(policy, LocalRedirectPolicy)
        self.label = "local" if self.local else self.mode.value if self.mode else "addresses"
        accepted: list[Pod] = []
        if isinstance(source, PodBackends):
            accepted = [pod for pod in cluster.pods if source.selector.accepts(pod.meta.labels)]
        self.selected = tuple(sorted(accepted, key=lambda pod: pod.meta.key))

    def backends(self, port: int, version: int) -> tuple[Backend, ...]:
        """The backends of one IP family (4 or 6) on `port`, each once and in `Backend.order`."""
        found = [Backend(address=address, port=port) for address in self._fixed if address.version == version]
        for pod, address in self.usable(version):
            found.append(Backend(address=address, port=port, node=pod.node_name or None))
        return in_backend_order(found)

    def usable(self, version: int) -> Iterator[tuple[Pod, IPAddress]]:
        """The pods that count in the family, and the address that stands for each."""
        for pod in self.selected:
            address = self._address(pod, version)
            if address is not None and self.fault(pod, version) is None:
                yield pod, address

    def fault(self, pod: Pod, version: int) -> Reason | None:
        """Why a selected pod does not count in the family, None when it does.

        balancing.elf.io/v1beta1: backends are ready and not terminating; a local redirect takes those of
        this node only.
        """
        if self.local and pod.node_name != self._around.node_name:
            return Reason.NOT_LOCAL
        if pod.terminating:
            return Reason.TERMINATING
        if not pod.ready:
            return Reason.NOT_READY
        if self._address(pod, version) is None:
            return Reason.OTHER_FAMILY if self.mode is RedirectMode.POD_ENDPOINT else Reason.NO_NODE
        return None

    def _address(self, pod: Pod, version: int) -> IPAddress | None:
        if self.mode is RedirectMode.POD_ENDPOINT:
            return next((address for address in pod.addresses if address.version == version), None)
        node = self._around.nodes.get(pod.node_name)
        if node is None:
            return None
        proxy = proxy_address(node, version) if self.mode is RedirectMode.NODE_PROXY else None
        return proxy or entry_address(node, version)


def all_policies(cluster: Cluster) -> tuple[Policy, ...]:
    return (*cluster.balancings, *cluster.local_redirects)


def source_of(policy: Policy) -> PodBackends | FixedBackends:
    """The policy's spec.backend; a local redirect selects pods as a balancing policy does."""
    if isinstance(policy, LocalRedirectPolicy):
        return PodBackends(selector=policy.selector, ports=policy.ports)
    return policy.backends


def proxy_address(node: Node, version: int) -> IPAddress | None:
    """The entry address that the node's annotation gives for the family, None without a valid one."""
    return None if proxy_fault(node, version) else _parse(_annotation(node, version))


def proxy_fault(node: Node, version: int) -> str:
    """What is wrong with the node's annotation for the family, "" when nothing is or it has none."""
    text = _annotation(node, version)
    if not text:
        return ""
    address = _parse(text)
    if address is None or address.version != version:
        return f"{text!r} is not an IPv{version} address"
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        return f"{text} is no address of a node"
    if address.version == 6 and address.is_link_local:
        return f"{text} is a link-local address, which means nothing without an interface"
    return ""


def _annotation(node: Node, version: int) -> str:
    return node.meta.annotations.get(NODE_PROXY_ANNOTATION[version], "").strip()


def _parse(text: str) -> IPAddress | None:
    """None for an address with a zone ("%eth0") too: it means nothing to another host."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None
