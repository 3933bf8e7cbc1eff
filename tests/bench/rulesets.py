"""Rulesets of the alternatives in the shape that kube-proxy gives them.

nftables: one verdict map from address, protocol and port to a chain for each service, which picks one
of the chains of its endpoints by a random number. iptables: a rule for each service in one chain, tried one
after the other; then a chain for each service with a rule of falling probability for each endpoint. Both
with the masquerade marks and the checks of the filter hooks, which a connection passes as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_CLUSTER = "10.244.0.0/16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One service port; `targets` are addresses, all on `target`. `protocol` is TCP or UDP.

    `short`: with nftables, go straight to the only endpoint. The random choice needs a map of its own, and
    the kernel takes a time in proportion to the maps there are to name another one: 10,000 take 15
    seconds, 50,000 some minutes. Leaving it out makes that ruleset slightly faster, never slower.
    """

    name: str
    vip: str
    port: int
    protocol: str
    targets: Sequence[str]
    target: int
    short: bool = False


def nftables(rules: Iterable[Rule], *, step: int = 5000) -> Iterator[str]:
    """The ruleset as files for ``nft -f``, to be loaded in this order; joined they are one valid file too.

    The hooks come last: the kernel checks everything that a hook can reach with every change.
    """
    rules = list(rules)
    yield "\n".join([*_NFT_HEAD, ""])
    for start in range(0, len(rules), step):
        lines = ["table ip kube-proxy {"]
        for rule in rules[start : start + step]:
            lines.extend(_nft_chains(rule))
        yield "\n".join([*lines, "}", ""])
    for start in range(0, len(rules), step):
        part = rules[start : start + step]
        verdicts = ", ".join(
            f"{rule.vip} . {rule.protocol.lower()} . {rule.port} : goto service-{_nft_name(rule)}"
            for rule in part
        )
        addresses = ", ".join(dict.fromkeys(rule.vip for rule in part))
        yield f"add element ip kube-proxy service-ips {{ {verdicts} }}\n"
        yield f"add element ip kube-proxy cluster-ips {{ {addresses} }}\n"
    yield "\n".join(["table ip kube-proxy {", *_NFT_TAIL, ""])


def _nft_name(rule: Rule) -> str:
    return f"default/{rule.name}/{rule.protocol.lower()}/main"


def _nft_chains(rule: Rule) -> Iterator[str]:
    name, proto = _nft_name(rule), rule.protocol.lower()
    for target in rule.targets:
        yield f"  chain endpoint-{name}__{target}/{rule.target} {{"
        yield f"    ip saddr {target} jump mark-for-masquerade"
        yield f"    meta l4proto {proto} dnat to {target}:{rule.target}"
        yield "  }"
    yield f"  chain service-{name} {{"
    yield f"    ip daddr {rule.vip} {proto} dport {rule.port} ip saddr != {_CLUSTER} jump mark-for-masquerade"
    if rule.short:
        yield f"    goto endpoint-{name}__{rule.targets[0]}/{rule.target}"
        yield "  }"
        return
    choices = ", ".join(
        f"{number} : goto endpoint-{name}__{target}/{rule.target}"
        for number, target in enumerate(rule.targets)
    )
    yield f"    numgen random mod {len(rule.targets)} vmap {{ {choices} }}"
    yield "  }"


_NFT_HEAD = """\
table ip kube-proxy {
  comment "rules for kube-proxy"
  chain mark-for-masquerade {
    mark set mark or 0x4000
  }
  map no-endpoint-services {
    type ipv4_addr . inet_proto . inet_service : verdict
    comment "vmap to drop or reject packets to services with no endpoints"
  }
  map no-endpoint-nodeports {
    type inet_proto . inet_service : verdict
  }
  map firewall-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
  }
  map service-nodeports {
    type inet_proto . inet_service : verdict
  }
  set nodeport-ips {
    type ipv4_addr
    elements = { 192.0.2.1 }
  }
  map service-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
    comment "ClusterIP, ExternalIP and LoadBalancer IP traffic"
  }
  set cluster-ips {
    type ipv4_addr
  }
}""".splitlines()

_NFT_TAIL = """\
  chain service-endpoints-check {
    ip daddr . meta l4proto . th dport vmap @no-endpoint-services
  }
  chain nodeport-endpoints-check {
    ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
  }
  chain firewall-check {
    ip daddr . meta l4proto . th dport vmap @firewall-ips
  }
  chain cluster-ips-check {
    ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
  }
  chain services {
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }
  chain masquerading {
    mark and 0x4000 == 0 return
    mark set mark xor 0x4000
    masquerade fully-random
  }
  chain filter-prerouting {
    type filter hook prerouting priority -110; policy accept;
    ct state new jump firewall-check
  }
  chain filter-input {
    type filter hook input priority -110; policy accept;
    ct state new jump nodeport-endpoints-check
    ct state new jump service-endpoints-check
  }
  chain filter-output {
    type filter hook output priority -110; policy accept;
    ct state new jump service-endpoints-check
    ct state new jump firewall-check
  }
  chain filter-output-post-dnat {
    type filter hook output priority -90; policy accept;
    ct state new jump cluster-ips-check
  }
  chain nat-prerouting {
    type nat hook prerouting priority -100; policy accept;
    jump services
  }
  chain nat-output {
    type nat hook output priority -100; policy accept;
    jump services
  }
  chain nat-postrouting {
    type nat hook postrouting priority 100; policy accept;
    jump masquerading
  }
}""".splitlines()


def iptables(rules: Iterable[Rule]) -> Iterator[str]:
    """The lines of a file for ``iptables-restore``."""
    rules = list(rules)
    yield from _IPTABLES_FILTER
    yield from _IPTABLES_NAT
    for number, rule in enumerate(rules):
        yield f":KUBE-SVC-{number:016X} - [0:0]"
        for endpoint in range(len(rule.targets)):
            yield f":KUBE-SEP-{number:08X}{endpoint:08X} - [0:0]"
    yield from _IPTABLES_JUMPS
    for number, rule in enumerate(rules):
        yield from _iptables_service(number, rule)
    nodes = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"
    yield f'-A KUBE-SERVICES -m comment --comment "{nodes}" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS'
    yield "COMMIT"


def _iptables_service(number: int, rule: Rule) -> Iterator[str]:
    chain, proto = f"KUBE-SVC-{number:016X}", rule.protocol.lower()
    comment = f'-m comment --comment "default/{rule.name}:main'
    match = f"-d {rule.vip}/32 -p {proto} -m {proto} --dport {rule.port}"
    yield f'-A KUBE-SERVICES {match} {comment} cluster IP" -j {chain}'
    yield f'-A {chain} {match} ! -s {_CLUSTER} {comment} cluster IP" -j KUBE-MARK-MASQ'
    left = len(rule.targets)
    for endpoint, target in enumerate(rule.targets):
        own = f"KUBE-SEP-{number:08X}{endpoint:08X}"
        chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
        note = f'{comment} -> {target}:{rule.target}"'
        yield f"-A {chain} {note} {chance}-j {own}"
        yield f'-A {own} -s {target}/32 {comment}" -j KUBE-MARK-MASQ'
        yield f'-A {own} -p {proto} -m {proto} {comment}" -j DNAT --to-destination {target}:{rule.target}'
        left -= 1


_IPTABLES_FILTER = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m conntrack --ctstate NEW -m comment --comment "external services" -j KUBE-EXTERNAL-SERVICES
-A FORWARD -m comment --comment "forwarding rules" -j KUBE-FORWARD
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "service portals" -j KUBE-SERVICES
COMMIT""".splitlines()

_IPTABLES_NAT = """\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]""".splitlines()

_IPTABLES_JUMPS = """\
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000""".splitlines()
