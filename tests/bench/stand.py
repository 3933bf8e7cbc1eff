"""The contenders: each in a network namespace of its own, all alike but for what turns services into backends."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import cgroups, names
from harness.balancer import Balancer
from harness.bpffs import bpffs
from harness.netns import add_local_ranges, namespace
from harness.objects import (
    Object,
    balancing,
    endpoint_slice,
    local_redirect,
    pod,
    port,
    service,
    to_service,
)
from harness.place import Place
from harness.tools import unpacked

from . import addresses, manifests, rulesets
from .tools import Aim, Attached, BenchError, Traffic

LIMIT_SECONDS = 600
NODE = "bench"
BACKENDS = (1, 10, 100, 1000)
_AFFINITY, _POLICY, _REDIRECT = 1_000_000, 1_000_001, 1_000_002
_MANY = 1_000_010


def _aim(number: int) -> Aim:
    return Aim(address=addresses.vip(number), port=addresses.PORT)


AFFINITY, POLICY, REDIRECT = _aim(_AFFINITY), _aim(_POLICY), _aim(_REDIRECT)
SIX = Aim(address=addresses.SIX_VIP, port=addresses.PORT)
MANY = {backends: _aim(_MANY + index) for index, backends in enumerate(BACKENDS)}


@dataclass(slots=True, kw_only=True, eq=False)
class Contender:
    """One way to reach a backend. `services` is how many there are, 0 where there are none.

    `direct` is true where clients name the backend itself.
    """

    name: str
    kind: str
    services: int
    traffic: Traffic
    place: Place
    instance: Balancer | None = None
    setup_seconds: float = 0.0
    extra: dict[str, Aim] = field(default_factory=dict)

    def hot(self, protocol: str = "TCP", *, like: int = 0) -> Aim:
        """One service half-way down; its backend where there are no services (`like` as many as there)."""
        number = addresses.middle(self.services or like, protocol)
        return self._aim(number, spread=1)

    def spread(self, *, like: int = 0) -> Aim:
        """All TCP services."""
        return self._aim(0, spread=max(1, (self.services or like) // 2))

    def _aim(self, number: int, *, spread: int) -> Aim:
        if self.kind == "haproxy":
            return Aim(address=addresses.PROXY, port=addresses.PORT)
        if not self.services:
            return Aim(address=addresses.backend(number), port=addresses.TARGET, spread=spread, stride=2)
        return Aim(address=addresses.vip(number), port=addresses.PORT, spread=spread, stride=2)

    def http(self) -> tuple[str, int]:
        return self._served(addresses.HTTP_VIP, 80, addresses.HTTP_TARGET)

    def bulk(self) -> tuple[str, int]:
        return self._served(addresses.BULK_VIP, addresses.BULK_TARGET, addresses.BULK_TARGET)

    def _served(self, vip: str, port: int, target: int) -> tuple[str, int]:
        if self.kind == "haproxy":
            return addresses.PROXY, target + 1000
        return (vip, port) if self.services else (addresses.HTTP, target)


def small_objects(services: int) -> Iterator[Object]:
    """Services with an endpoint each, and the HTTP and the bulk one: what every contender serves."""
    for number in range(services):
        main = port(addresses.PORT, "main", protocol=addresses.protocol(number))
        target = port(addresses.TARGET, "main", protocol=addresses.protocol(number))
        yield service(f"s{number}", main, ips=(addresses.vip(number),))
        yield endpoint_slice(f"s{number}", [addresses.backend(number)], target)
    for name, vip, number, target_number in (
        ("http", addresses.HTTP_VIP, 80, addresses.HTTP_TARGET),
        ("bulk", addresses.BULK_VIP, addresses.BULK_TARGET, addresses.BULK_TARGET),
    ):
        yield service(name, port(number, "main"), ips=(vip,))
        yield endpoint_slice(name, [addresses.HTTP], port(target_number, "main"))


def affinity_objects() -> Iterator[Object]:
    """A TCP service with affinity, one over IPv6, and one for each number of backends."""
    yield from _extra("affinity", _AFFINITY, 3, affinity=10800)
    yield service("six", port(80, "main"), ips=(addresses.SIX_VIP,))
    yield endpoint_slice("six", [addresses.SIX_BACKEND], port(addresses.TARGET, "main"))
    for index, backends in enumerate(BACKENDS):
        yield from _extra(f"many-{backends}", _MANY + index, backends)


def policy_objects() -> Iterator[Object]:
    """A service with a BalancingPolicy, and one that is redirected to a pod of this node."""
    yield from _extra("policy", _POLICY, 1)
    main = port(addresses.TARGET, "main")
    yield balancing("policy", to_service("policy"), main, addresses=[addresses.PLAIN])
    yield from _extra("redirect", _REDIRECT, 1)
    yield pod("local", NODE, addresses.PLAIN, labels={"app": "local"})
    yield local_redirect("redirect", to_service("redirect"), main, labels={"app": "local"})


def _extra(name: str, number: int, backends: int, affinity: int | None = None) -> list[Object]:
    addressed = [addresses.backend(2_000_000 + index) for index in range(backends)]
    return [
        service(name, port(80, "main"), ips=(addresses.vip(number),), affinity=affinity),
        endpoint_slice(name, addressed, port(addresses.TARGET, "main")),
    ]


def rules(services: int) -> list[rulesets.Rule]:
    """The same as `small_objects`, for the rulesets."""
    made = [
        rulesets.Rule(
            name=f"s{number}",
            vip=addresses.vip(number),
            port=addresses.PORT,
            protocol=addresses.protocol(number),
            targets=[addresses.backend(number)],
            target=addresses.TARGET,
            short=services > 10_000 and number % 20 > 1 and number != addresses.middle(services),
        )
        for number in range(services)
    ]
    http = rulesets.Rule(
        name="http",
        vip=addresses.HTTP_VIP,
        port=80,
        protocol="TCP",
        targets=[addresses.HTTP],
        target=addresses.HTTP_TARGET,
    )
    bulk = rulesets.Rule(
        name="bulk",
        vip=addresses.BULK_VIP,
        port=addresses.BULK_TARGET,
        protocol="TCP",
        targets=[addresses.HTTP],
        target=addresses.BULK_TARGET,
    )
    return [*made, http, bulk]


class Stand:
    """Makes contenders, and takes everything down at the end of its stack."""

    def __init__(self, stack: contextlib.ExitStack, tools: Path, scratch: Path) -> None:
        self._stack = stack
        self.tools = tools
        self.scratch = scratch
        self._server: set[str] = set()

    def namespace(self, label: str) -> str:
        """A namespace in which backends answer and services have a route."""
        netns = self._stack.enter_context(namespace(label, addresses=[addresses.OWN]))
        add_local_ranges(netns, addresses.LOCAL)
        route = ["route", "add", addresses.VIPS, "dev", "lo", "src", addresses.OWN]
        subprocess.run(["ip", "-n", netns, *route], check=True)
        return netns

    def _contender(
        self, name: str, kind: str, services: int, netns: str, cgroup: Path | None = None
    ) -> Contender:
        traffic = self._stack.enter_context(Traffic(self.tools, netns, cgroup, addresses.TARGET))
        place = Place(netns=netns, cgroup=cgroup)
        return Contender(name=name, kind=kind, services=services, traffic=traffic, place=place)

    def direct(self) -> Contender:
        """Clients that name the backend, with nothing in between."""
        return self._contender("direct", "direct", 0, self.namespace("direct"))

    def empty(self) -> Contender:
        """The same with programs attached that do nothing."""
        netns, cgroup = self.namespace("empty"), self.cgroup("empty")
        self._stack.enter_context(Attached(Place(), str(self.tools / "empty"), str(cgroup)))
        return self._contender("empty program", "empty", 0, netns, cgroup)

    def cgroup(self, label: str) -> Path:
        return self._stack.enter_context(cgroups.cgroup(label))

    def instance(self, label: str, netns: str) -> Balancer:
        """The product, with nothing applied yet."""
        pins = self._stack.enter_context(bpffs()) / "balancer"
        directory = self.scratch / names.fresh(label)
        directory.mkdir()
        cgroup = self.cgroup(label)
        return Balancer(netns=netns, cgroup=cgroup, bpffs=pins, directory=directory, node=NODE)

    def ours(self, name: str, services: int, more: Iterable[Object] = ()) -> Contender:
        """The product with so many services, and `more` objects."""
        netns = self.namespace("ours")
        made = self.instance("ours", netns)
        objects = (item for group in (small_objects(services), more) for item in group)
        manifests.write_yaml(made.manifests / "all.yaml", objects)
        start = time.monotonic()
        run(made, "apply", str(made.manifests))
        contender = self._contender(name, "ours", services, netns, made.cgroup)
        contender.instance, contender.setup_seconds = made, time.monotonic() - start
        return contender

    def follow_events(self, contender: Contender) -> None:
        """Have every decision of ours written to nowhere, until the end."""
        assert contender.instance is not None
        process = contender.instance.start("events", "-o", "json")
        self._stack.callback(_end, process)
        assert process.stderr is not None
        assert process.stdout is not None
        line = process.stderr.readline()
        if "listening" not in line:
            raise BenchError(f"balancer events: {line}")
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        self._stack.callback(_end, drain)

    def nftables(self, services: int) -> Contender:
        """kube-proxy's ruleset for nftables."""
        load = rulesets.nftables(rules(services))
        return self._ruleset("nftables", services, ["nft", "-f", "-"], load)

    def iptables(self, services: int) -> Contender:
        """kube-proxy's ruleset for iptables."""
        load = ["\n".join([*rulesets.iptables(rules(services)), ""])]
        return self._ruleset("iptables", services, ["iptables-legacy-restore"], load)

    def _ruleset(self, kind: str, services: int, command: Sequence[str], texts: Iterable[str]) -> Contender:
        netns = self.namespace(kind)
        start = time.monotonic()
        for text in texts:
            subprocess.run(Place(netns=netns).command(command), input=text, text=True, check=True)
        _forget_soon(netns)
        contender = self._contender(f"{kind} {services:,}", kind, services, netns)
        contender.setup_seconds = time.monotonic() - start
        return contender

    def haproxy(self) -> Contender:
        """A user-space proxy in TCP mode."""
        netns = self.namespace("haproxy")
        contender = self._contender("haproxy", "haproxy", 0, netns)
        config = self.scratch / "haproxy.cfg"
        config.write_text(_haproxy_config())
        command = [str(unpacked("haproxy")), "-db", "-q", "-f", str(config)]
        self._serve(netns, command, addresses.PROXY, addresses.PORT)
        return contender

    def serve_http(self, contender: Contender) -> None:
        """nginx and iperf3 in the contender's namespace, outside of its cgroup."""
        assert contender.place.netns is not None
        netns = contender.place.netns
        if netns in self._server:
            return
        self._server.add(netns)
        prefix = self.scratch / names.fresh("nginx")
        (prefix / "logs").mkdir(parents=True)
        (prefix / "nginx.conf").write_text(_NGINX.format(port=addresses.HTTP_TARGET, prefix=prefix))
        nginx = [str(unpacked("nginx")), "-p", str(prefix), "-e", "stderr", "-c", str(prefix / "nginx.conf")]
        self._serve(netns, nginx, addresses.HTTP, addresses.HTTP_TARGET)
        bulk = ["iperf3", "-s", "-p", str(addresses.BULK_TARGET)]
        self._serve(netns, bulk, addresses.HTTP, addresses.BULK_TARGET)

    def _serve(self, netns: str, command: Sequence[str], address: str, port: int) -> None:
        log = self.scratch / names.fresh("log")
        with log.open("w") as out:
            process = subprocess.Popen(Place(netns=netns).command(command), stdout=out, stderr=out)
        self._stack.callback(_end, process)
        complaint = f"{command[0]} does not listen on {address}:{port}"
        _wait_for(lambda: _listens(netns, port), lambda: f"{complaint}: {log.read_text()}")


def run(instance: Balancer, *arguments: str) -> None:
    """Any command of the product, however long it takes. Raises BenchError with what it said."""
    with instance.start(*arguments) as process:
        _, errors = process.communicate(timeout=LIMIT_SECONDS)
    if process.returncode:
        raise BenchError(f"balancer {' '.join(arguments)}: exit {process.returncode}: {errors[-2000:]}")


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    process.wait(timeout=30)
    for stream in (process.stdout, process.stderr, process.stdin):
        if stream is not None:
            stream.close()


def _listens(netns: str, port: int) -> bool:
    found = subprocess.run(
        Place(netns=netns).command(["cat", "/proc/net/tcp", "/proc/net/tcp6"]),
        capture_output=True,
        text=True,
        check=True,
    )
    return any(f":{port:04X} " in line and " 0A " in line for line in found.stdout.splitlines())


def _wait_for(holds: Callable[[], bool], complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline:
            raise BenchError(complaint())
        time.sleep(0.02)


def _forget_soon(netns: str) -> None:
    """Connection tracking forgets at once what is over, or full tables would be measured; this helps them."""
    timeouts = ("tcp_timeout_close", "udp_timeout", "udp_timeout_stream")
    settings = [f"net.netfilter.nf_conntrack_{name}=1" for name in timeouts]
    subprocess.run(Place(netns=netns).command(["sysctl", "-q", "-w", *settings]), check=True)


def _haproxy_config() -> str:
    listens = (
        ("main", addresses.PORT, addresses.backend(0), addresses.TARGET),
        ("http", addresses.HTTP_TARGET + 1000, addresses.HTTP, addresses.HTTP_TARGET),
        ("bulk", addresses.BULK_TARGET + 1000, addresses.HTTP, addresses.BULK_TARGET),
    )
    head = f"global\n  nbthread {os.cpu_count()}\n  maxconn 4096\ndefaults\n  mode tcp\n"
    head += "  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
    return head + "".join(
        f"listen {name}\n  bind {addresses.PROXY}:{port}\n  server one {to}:{target}\n"
        for name, port, to, target in listens
    )


_NGINX = """\
daemon off;
worker_processes 1;
pid {prefix}/pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {prefix}/body;
  proxy_temp_path {prefix}/proxy;
  fastcgi_temp_path {prefix}/fastcgi;
  uwsgi_temp_path {prefix}/uwsgi;
  scgi_temp_path {prefix}/scgi;
  keepalive_requests 1000000000;
  server {{
    listen {port} reuseport;
    location / {{ return 200 "a short answer\\n"; }}
  }}
}}
"""
