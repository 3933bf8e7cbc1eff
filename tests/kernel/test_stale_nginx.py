"""The complaint about every socket load balancer, with the real programs: nginx and a DNS pod that is replaced.

nginx keeps one connected UDP socket to its resolver's address for as long as it runs. When the DNS
server behind that address goes, the socket must be ended, or nginx asks a dead server until somebody
restarts it.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import pool
from harness.host import Host
from harness.objects import plain
from harness.patience import PATIENCE_SECONDS, until
from harness.servers import dnsmasq
from harness.tools import unpacked

VIP = pool.vip(20)[0]
NAME = "upstream.test"
FRONT = f"{pool.OWN[0]}:8098"

_CONFIG = """
daemon off;
master_process off;
user root;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{ listen {pool.ONE}:8099; return 200 one; }}
    server {{ listen {pool.TWO}:8099; return 200 two; }}
    server {{
        listen {front};
        resolver {vip} valid=1s ipv6=off;
        resolver_timeout 1s;
        location / {{ set $name {name}; proxy_pass http://$name:8099; }}
    }}
}}
"""


@pytest.fixture
def nginx(host: Host, tmp_path: Path) -> Iterator[Path]:
    """nginx in a cgroup of the host, with the service address as its resolver; gives its error log."""
    config = tmp_path / "nginx.conf"
    config.write_text(_CONFIG.format(directory=tmp_path, front=FRONT, vip=VIP, name=NAME, pool=pool))
    command = [str(unpacked("nginx")), "-e", str(tmp_path / "error.log"), "-c", str(config)]
    process = subprocess.Popen(host.place("nginx").command(command))
    try:
        yield tmp_path / "error.log"
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def _ask(host: Host) -> str:
    """What nginx answers, "" for an error or a time-out."""
    command = ["curl", "--silent", "--fail", "--noproxy", "*", "--max-time", "3", f"http://{FRONT}/"]
    place = host.place("curl")
    return subprocess.run(place.command(command), capture_output=True, text=True, check=False).stdout


def _until(host: Host, answer: str) -> None:
    answers: list[str] = []

    def is_so() -> bool:
        answers.append(_ask(host))
        return answers[-1] == answer

    until(is_so, lambda: f"never {answer}, but {answers}", pause=0.2)


def _serve(host: Host, address: str) -> int:
    host.balancer.write(plain("dns", VIP, [address], number=53, target=5353))
    shown = host.balancer.json("apply", "--allow-mass-delete", str(host.balancer.manifests))
    return int(shown["sockets_ended"])


def test_nginx_resolves_on_after_its_dns_server_was_replaced(host: Host, nginx: Path) -> None:
    """Both DNS servers give another address for the name, so that the answer tells which one was asked. The
    old one falls silent, as the address of a deleted pod does: no ICMP message tells nginx.
    """
    old = dnsmasq(host.place("dns"), address=pool.ONE, port=5353, records=[f"--address=/{NAME}/{pool.ONE}"])
    new = dnsmasq(host.place("dns"), address=pool.TWO, port=5353, records=[f"--address=/{NAME}/{pool.TWO}"])
    with old as deleted, new:
        _serve(host, pool.ONE)
        _until(host, "one")
        deleted.send_signal(signal.SIGSTOP)
        assert _serve(host, pool.TWO) == 1, nginx.read_text()
        _until(host, "two")
