"""A command in a real terminal, as a person has one: keys in, a screen out.

The terminal is a pane of tmux with a server of its own, so that what is read from the screen is what a person
would see, whatever escape sequences made it.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.patience import PATIENCE_SECONDS, until


class Terminal:
    """A pane with a shell that runs one command and stays when it has ended."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
        ).stdout

    def start(
        self, command: Sequence[str], *, width: int, height: int, environment: Mapping[str, str]
    ) -> None:
        """Runs the command under a shell; afterwards the pane says how it ended and what the terminal is set to."""
        modes = "$(stty -a | tr ';' '\\n' | grep -w icanon)"
        script = (
            f'{shlex.join(command)}; code=$?; printf "\\n%s\\nended with %s\\n" "{modes}" $code; sleep 600'
        )
        size = ("-x", str(width), "-y", str(height))
        given = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        self._tmux("new-session", "-d", *size, *given, "sh", "-c", script)

    def keys(self, *keys: str) -> None:
        """Types keys, named as tmux names them: Enter, Escape, Down, or a character."""
        for key in keys:
            self._tmux("send-keys", key)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    @property
    def screen(self) -> str:
        """What is seen now, colours left out."""
        return self._tmux("capture-pane", "-p")

    @property
    def coloured(self) -> str:
        """The same with the escape sequences of its colours."""
        return self._tmux("capture-pane", "-p", "-e")

    @property
    def alternate(self) -> bool:
        """Whether a full-screen program has the terminal."""
        return self._tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def pid_of(self, word: str) -> int:
        """The process in the pane one of whose arguments is this word."""
        shell = int(self._tmux("display-message", "-p", "#{pane_pid}"))
        for child in Path(f"/proc/{shell}/task/{shell}/children").read_text().split():
            if word in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                return int(child)
        raise LookupError(f"no {word!r} runs in the terminal\n{self.screen}")

    def until(self, *texts: str, never: str = "\0") -> str:
        """The screen as soon as it has every one of these texts, and `never` is not on it."""
        return self.until_true(
            lambda seen: all(text in seen for text in texts) and never not in seen, str(texts)
        )

    def until_true(self, is_so: Callable[[str], bool], what: str = "what was waited for") -> str:
        seen = ""

        def shows() -> bool:
            nonlocal seen
            seen = self.screen
            return is_so(seen)

        until(shows, lambda: f"the screen never had {what}:\n{seen}")
        return seen


@contextlib.contextmanager
def terminal(
    command: Sequence[str],
    *,
    width: int = 100,
    height: int = 30,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """The command in a terminal of this size; whatever still runs in it is ended."""
    with tempfile.TemporaryDirectory(prefix="balancer-tty-") as directory:
        made = Terminal(Path(directory) / "tmux")
        given = {"LC_ALL": "C.UTF-8", **(environment or {})}
        made.start(command, width=width, height=height, environment=given)
        try:
            yield made
        finally:
            made._tmux("kill-server")
