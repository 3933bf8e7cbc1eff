"""What must not happen: half-applied faults, mass deletion, work without need."""

from __future__ import annotations

import json
import subprocess

import pytest
from harness import pool
from harness.client import Client
from harness.host import Host
from harness.objects import Object, plain

VIP = pool.vip(1)[0]
MANY = 14


def _services(count: int) -> list[list[Object]]:
    return [plain(f"s{number}", pool.vip(number)[0], (pool.ONE,)) for number in range(1, count + 1)]


def _kernel_objects(host: Host) -> dict[str, object]:
    """The programs attached to the instance's cgroup, with their identity and load time."""
    shown = subprocess.run(
        ["bpftool", "-j", "cgroup", "show", str(host.cgroup)], capture_output=True, check=True
    )
    return {entry["attach_type"]: entry["id"] for entry in json.loads(shown.stdout)}


HALF_WRITTEN = "apiVersion: v1\nkind: Service\nmetadata: {name: half"
BAD_VALUE = "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 99999}]}\n"


@pytest.mark.parametrize("text", [HALF_WRITTEN, BAD_VALUE], ids=["half-written", "bad-value"])
def test_a_broken_file_leaves_the_kernel_untouched(host: Host, client: Client, text: str) -> None:
    """Apply refuses the whole directory, exit 3, and names the file; what worked goes on working."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    host.balancer.write(plain("web", VIP, (pool.TWO,)))
    (host.balancer.manifests / "zz-broken.yaml").write_text(text)
    result = host.balancer.run("apply", str(host.balancer.manifests), code=3)
    assert "zz-broken.yaml:" in result.stderr + result.stdout
    assert set(client.tally(VIP, 80)) == {"one"}


def test_keep_going_applies_everything_else(host: Host, client: Client) -> None:
    """--keep-going skips the broken file alone."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    host.balancer.write(plain("web", VIP, (pool.TWO,)))
    (host.balancer.manifests / "zz-broken.yaml").write_text("kind: [")
    host.balancer.run("apply", "--keep-going", str(host.balancer.manifests))
    assert client.tcp(VIP, 80) == "two"


def test_the_brake_holds_a_mass_deletion(host: Host, client: Client) -> None:
    """A pass that would remove more than half of the frontends, and more than ten, needs a person: exit 5."""
    host.balancer.apply(*_services(MANY))
    host.balancer.write(*_services(2))
    host.balancer.run("apply", str(host.balancer.manifests), code=5)
    assert client.tcp(pool.vip(MANY)[0], 80) == "one"
    host.balancer.run("apply", "--allow-mass-delete", str(host.balancer.manifests))
    assert client.tcp(pool.vip(MANY)[0], 80) == "ENETUNREACH"


def test_an_empty_or_missing_directory_removes_nothing(host: Host, client: Client) -> None:
    """A sync that went wrong must not take every service away."""
    host.balancer.apply(*_services(MANY))
    host.balancer.write()
    (host.balancer.manifests / "objects.yaml").unlink()
    for path in (host.balancer.manifests, host.balancer.manifests / "missing"):
        host.balancer.run("apply", str(path), code=3)
        assert client.tcp(VIP, 80) == "one"


def test_a_dry_run_changes_nothing(host: Host, client: Client) -> None:
    """--dry-run shows what would change and leaves the kernel as it is."""
    host.balancer.apply(plain("web", VIP, (pool.ONE,)))
    host.balancer.write(plain("web", VIP, (pool.TWO,)))
    host.balancer.run("apply", "--dry-run", str(host.balancer.manifests))
    assert client.tcp(VIP, 80) == "one"
    host.balancer.run("plan", "--exit-code", str(host.balancer.manifests), code=4)


def test_a_second_apply_does_nothing(host: Host) -> None:
    """In sync means no write and no reload: the very same programs stay attached."""
    host.balancer.apply(*_services(3))
    before = _kernel_objects(host)
    host.balancer.run("plan", "--exit-code", str(host.balancer.manifests))
    result = host.balancer.json("apply", str(host.balancer.manifests))
    assert result["changes"] == []
    assert _kernel_objects(host) == before
    assert len(before) == 8


def test_options_on_the_command_line_are_those_of_the_environment(host: Host) -> None:
    """Every common option also exists as an option; both name the same instance."""
    host.balancer.apply(*_services(3))
    instance = host.balancer
    options = [
        "--cgroup",
        str(instance.cgroup),
        "--bpffs",
        str(instance.bpffs),
        "--state",
        str(instance.state),
    ]
    result = instance.json("apply", *options, "--node", instance.node, str(instance.manifests))
    assert result["changes"] == []
