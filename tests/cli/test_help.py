"""Help, version, completion and start-up cost."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

import balancer
from balancer.cli import events, main, top, watch
from balancer.config import LogFormat, LogLevel
from balancer.kernel.reasons import Reason
from balancer.traffic import Column

SLOW = (
    *("ruamel", "jsonschema", "rich", "psutil", "bcc", "watchdog"),
    *("textual", "prometheus_client", "wsgiref", "http.server", "ssl", "sqlite3"),
)


def commands(group: click.Group = main, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found.append((*prefix, name))
        if isinstance(command, click.Group):
            found += commands(command, (*prefix, name))
    return found


@pytest.mark.parametrize("command", [(), *commands()], ids=lambda names: " ".join(names) or "main")
def test_every_help_has_a_sentence_and_an_example(run, command):
    out = run(*command, "--help").stdout
    sentence = out.split("\n\n")[1]
    assert sentence.rstrip().endswith(".") or "." in sentence
    assert f"Example:\n    {' '.join(('balancer', *command))}" in out.replace("  Example:", "Example:")


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_option_is_a_variable(run, command):
    found: click.Command = main
    for name in command:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    options = [item for item in found.params if isinstance(item, click.Option)]
    for option in options:
        long = next(name for name in option.opts if name.startswith("--"))
        assert option.envvar == "BALANCER_" + long[2:].replace("-", "_").upper()
        assert option.show_envvar


@pytest.mark.parametrize(
    ("words", "members"),
    [
        (top.COLUMNS, [column.value for column in Column]),
        (watch.FORMATS, [form.value for form in LogFormat]),
        (watch.LEVELS, [level.value for level in LogLevel]),
        (events.REASONS, [reason.name.lower() for reason in Reason if reason is not Reason.SOCKET]),
    ],
)
def test_the_words_of_an_option_are_those_of_its_type(words, members):
    """They are spelled out, so that help need not import the type. A datagram of a socket that stays with its
    backend is counted, and is no event.
    """
    assert sorted(words) == sorted(members)


def test_the_commands_are_those_of_the_manual():
    assert set(main.commands) == {
        *("validate", "plan", "apply", "watch", "status", "get", "explain", "doctor", "detach", "completion"),
        *("events", "metrics", "top"),
    }


def test_version(run):
    assert run("--version").stdout == f"balancer, version {balancer.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(run, shell):
    out = run("completion", shell).stdout
    assert f"_BALANCER_COMPLETE={shell}_complete" in out


def test_completion_completes_commands_and_options():
    env = {"_BALANCER_COMPLETE": "bash_complete", "COMP_WORDS": "balancer plan --from", "COMP_CWORD": "2"}
    code = "from balancer.cli import main; main(prog_name='balancer')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,--from-empty\n"


def test_an_unknown_command_exits_2(run):
    assert "No such command 'frobnicate'" in run("frobnicate", code=2).stderr


def test_help_imports_nothing_slow():
    code = (
        "import sys\nfrom balancer.cli import main\n"
        "try: main(['plan', '--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {SLOW!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
