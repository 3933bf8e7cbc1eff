"""How `watch` logs: to stderr, one line a message, as text for people or as JSON for programs.

What is said, and when, is up to who says it; a record may carry the name of an event and fields
(`balancer.agent.journal`).
"""

from __future__ import annotations

import json
import logging
import os
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from balancer.config import LogFormat
from balancer.report.console import clean

if TYPE_CHECKING:
    from balancer.config import LogLevel

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""Of syslog(3), as sd-daemon(3) wants them in front of a line."""
_EVENTS = {"balancer.watch": "watching"}
"""Of loggers with a single subject."""


def log_to(
    stream: TextIO, *, form: LogFormat, level: LogLevel, environment: Mapping[str, str]
) -> logging.Logger:
    """The logger of the whole package, which from now on writes to `stream` and nowhere else."""
    journal = is_journal(stream, environment)
    formatter: logging.Formatter = _Text(timed=not journal) if form is LogFormat.TEXT else _Json()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Prioritised(formatter) if journal else formatter)
    log = logging.getLogger("balancer")
    log.handlers = [handler]
    log.setLevel(level.value.upper())
    log.propagate = False
    return log


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the stream goes to systemd's journal, which has its own times: $JOURNAL_STREAM is its
    device and inode, and is inherited by processes whose output goes elsewhere.
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def log_faults_of_threads(log: logging.Logger) -> None:
    """An exception that ends a thread is a message like any other."""

    def fault(what: threading.ExceptHookArgs) -> None:
        name = what.thread.name if what.thread else "unknown"
        log.error("thread %s ended with an error", name, exc_info=what.exc_value, extra={"event": "fault"})

    threading.excepthook = fault


class _Text(logging.Formatter):
    """`2026-01-02T03:04:05Z INFO message`; a traceback follows in the same line."""

    def __init__(self, *, timed: bool) -> None:
        super().__init__()
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        time = f"{_time(record, 'seconds')} " if self._timed else ""
        parts = [record.getMessage()]
        if record.exc_info:
            lines = (line.strip() for line in _traceback(record).splitlines())
            parts.append(" | ".join(filter(None, lines)))
        return f"{time}{record.levelname} " + clean(" | ".join(parts)).replace("\n", "\\n")


class _Json(logging.Formatter):
    """One object: `time`, `level`, `event`, `message`, then the fields of the event. Only ASCII, so that it is
    the same in any locale.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record, "milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", None) or _event_of(record),
            "message": clean(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = _traceback(record)
        return json.dumps(_clean(line), separators=(",", ":"), default=str)


class _Prioritised(logging.Formatter):
    """`<6>` in front of what another formatter makes: the journal takes it for the priority."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return f"<{PRIORITIES.get(record.levelno, 6)}>{self._inner.format(record)}"


def _event_of(record: logging.LogRecord) -> str:
    """For a record that does not say."""
    return _EVENTS.get(record.name, "fault" if record.levelno >= logging.ERROR else "note")


def _time(record: logging.LogRecord, precision: str) -> str:
    """RFC 3339, in UTC."""
    time = datetime.fromtimestamp(record.created, UTC)
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def _traceback(record: logging.LogRecord) -> str:
    return "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
