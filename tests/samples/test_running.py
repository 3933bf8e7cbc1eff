"""The systemd units: accepted by systemd itself, ordered as they promise, and as restricted as their README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from harness.samples import SAMPLES
from harness.units import UNITS, setting

from balancer.cli import main

COMMAND = Path(sys.executable).with_name("balancer")
SCRIPTS = {path.name: path for path in SAMPLES.glob("sync/*/*.sh")}
FILES = sorted(path for kind in ("service", "timer") for path in SAMPLES.rglob(f"*.{kind}"))
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
RESTRICTIONS = re.compile(
    r"^(?:CapabilityBoundingSet|NoNewPrivileges|Protect|Private|Lock|Memory|Restrict|SystemCall|UMask|StateDirectory).*",
    re.M,
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units as they would be installed, with an instance of each template and the commands of this tree."""
    directory = tmp_path_factory.mktemp("units")
    for path in FILES:
        text = path.read_text().replace("/usr/local/bin/balancer", str(COMMAND))
        for name, script in SCRIPTS.items():
            text = text.replace(f"/usr/local/lib/balancer/{name}", str(script))
        (directory / path.name.replace("@.", "@edge.")).write_text(text)
    return directory


def verify(*units: Path) -> tuple[int, str]:
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return result.returncode, result.stderr


def test_there_are_units() -> None:
    assert len(FILES) == 12


@pytest.mark.parametrize("name", [path.name.replace("@.", "@edge.") for path in FILES])
def test_systemd_has_nothing_to_say_about_a_unit(installed: Path, name: str) -> None:
    assert verify(installed / name) == (0, "")


@pytest.mark.parametrize(
    "fault", ["Restart=sometimes", "ProtectSistem=strict", "ExecStart=/usr/local/bin/nothing"]
)
def test_systemd_would_have_noticed(installed: Path, tmp_path: Path, fault: str) -> None:
    text = (installed / "balancer.service").read_text()
    (tmp_path / "balancer.service").write_text(text.replace("[Service]\n", f"[Service]\n{fault}\n"))
    assert verify(tmp_path / "balancer.service") != (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_little_is_exposed(installed: Path, name: str) -> None:
    """systemd's own score goes from 0 (nothing) to 10 (everything); a service without restrictions has 9.6."""
    unit = installed / name.replace("@.", "@edge.")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=40", "--no-pager", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout


def test_every_unit_has_the_same_restrictions() -> None:
    """What is tested for the agent on a real kernel holds for the others."""
    found = {name: sorted(RESTRICTIONS.findall((UNITS / name).read_text())) for name in SERVICES}
    assert found["balancer-apply.service"] == found["balancer.service"] == found["balancer-apply@.service"]
    assert len(found["balancer.service"]) >= 20


def test_services_are_in_force_before_clients_start() -> None:
    """systemd.special(7): units that need the network are ordered after network-online.target."""
    unit = "balancer-apply.service"
    assert {"network-online.target", "kubelet.service"} <= set(setting(unit, "Before"))
    assert setting(unit, "Type") == ("oneshot",)
    assert setting(unit, "RemainAfterExit") == ("yes",)
    after = set(setting(unit, "After"))
    assert {"local-fs.target", "systemd-networkd-wait-online.service"} <= after
    assert not any("network-online" in word for word in after)


def test_a_timer_can_start_its_service_again() -> None:
    """systemd.timer(5): OnUnitInactiveSec= counts from when the service ended, so it has to end."""
    assert setting("balancer-apply@.service", "RemainAfterExit") == ()
    assert setting("balancer-apply@.timer", "OnUnitInactiveSec") == ("5min",)


@pytest.mark.parametrize("name", SERVICES)
def test_pins_are_never_lost_in_a_mount_of_the_unit(name: str) -> None:
    """A bpf file system mounted in the unit's own namespace would go with it, and the services too."""
    assert setting(name, "AssertPathIsMountPoint") == setting(name, "RequiresMountsFor") == ("/sys/fs/bpf",)


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_runs_a_command_that_there_is(name: str) -> None:
    program, command, paths = setting(name, "ExecStart")
    assert (program, paths) == ("/usr/local/bin/balancer", "${MANIFESTS}")
    assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


def test_the_readme_names_each_capability() -> None:
    text = (UNITS / "README.md").read_text()
    named = re.findall(r"^\| `(CAP_\w+)` \|", text, re.M)
    assert sorted(named) == sorted(setting("balancer.service", "CapabilityBoundingSet"))


def test_the_example_of_settings_is_one() -> None:
    """systemd.exec(5), EnvironmentFile=: NAME=value lines; each option of the command has a variable."""
    lines = [line for line in (UNITS / "edge.env").read_text().splitlines() if not line.startswith("#")]
    names = [line.partition("=")[0] for line in lines]
    options = {f"BALANCER_{item.name.upper()}" for item in main.commands["apply"].params if item.name}
    assert names[0] == "MANIFESTS"
    assert set(names[1:]) <= options
