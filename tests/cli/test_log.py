"""How messages are written: text, JSON, and for systemd's journal."""

from __future__ import annotations

import json
import logging
import os
import threading
from io import StringIO

import pytest
from harness import schemas

from balancer.cli.log import is_journal, log_faults_of_threads, log_to
from balancer.config import LogFormat, LogLevel


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    """Other tests have the logger as it was."""
    log = logging.getLogger("balancer")
    before = log.handlers, log.level, log.propagate
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield
    log.handlers, log.level, log.propagate = before


@pytest.fixture
def stream():
    return StringIO()


@pytest.fixture
def text(stream):
    return log_to(stream, form=LogFormat.TEXT, level=LogLevel.INFO, environment={})


@pytest.fixture
def as_json(stream):
    return log_to(stream, form=LogFormat.JSON, level=LogLevel.INFO, environment={})


def parsed(stream: StringIO) -> dict:
    """The one line, which is as published."""
    [line] = stream.getvalue().splitlines()
    assert line.isascii()
    value = json.loads(line)
    schemas.check("log", value)
    return value


def raised(message: str) -> Exception:
    """An error with a traceback."""
    try:
        int(message)
    except ValueError as error:
        return RuntimeError(message).with_traceback(error.__traceback__)
    raise AssertionError


def at_noon(log: logging.Logger, message: str, **more) -> None:
    record = log.makeRecord(log.name, logging.INFO, "", 0, message, (), None, **more)
    record.created = 1767355200.5
    log.handle(record)


def test_text_is_time_level_and_message(text, stream):
    at_noon(text, "start: in sync")
    assert stream.getvalue() == "2026-01-02T12:00:00Z INFO start: in sync\n"


def test_text_is_one_line_whatever_the_message_holds(text, stream):
    text.warning("a\nb\x1b[31m \udcff")
    assert stream.getvalue().endswith("Z WARNING a\\nb\\x1b[31m \\udcff\n")


def test_a_traceback_stays_in_the_line(text, stream):
    text.error("pass failed", exc_info=raised("a bug"))
    [line] = stream.getvalue().splitlines()
    assert "ERROR pass failed | Traceback (most recent call last): | File " in line
    assert line.endswith("RuntimeError: a bug")


def test_json_is_an_object_a_line_with_the_fields_of_its_event(as_json, stream):
    extra = {"event": "listening", "fields": {"url": "http://127.0.0.1:1", "serves": "metrics"}}
    at_noon(as_json, "metrics at \x07", extra=extra)
    assert parsed(stream) == {
        "time": "2026-01-02T12:00:00.500Z",
        "level": "info",
        "event": "listening",
        "message": "metrics at \\x07",
        "url": "http://127.0.0.1:1",
        "serves": "metrics",
    }


def test_json_with_an_error_has_its_traceback(as_json, stream):
    as_json.error("cannot answer /metrics", exc_info=raised("a bug \udcff"))
    value = parsed(stream)
    assert (value["event"], value["level"]) == ("fault", "error")
    assert value["traceback"].startswith("Traceback (most recent call last):\n")
    assert value["traceback"].endswith("RuntimeError: a bug \\udcff\n")


@pytest.mark.parametrize(("name", "event"), [("balancer.watch", "watching"), ("balancer.other", "note")])
def test_messages_of_other_parts_have_an_event_too(as_json, stream, name, event):
    logging.getLogger(name).warning("cannot watch (%s)", "no space")
    assert parsed(stream)["event"] == event


def test_what_is_below_the_level_is_not_logged(stream):
    log = log_to(stream, form=LogFormat.TEXT, level=LogLevel.ERROR, environment={})
    log.warning("odd")
    log.error("bad")
    assert [line.partition("Z ")[2] for line in stream.getvalue().splitlines()] == ["ERROR bad"]


def test_an_error_of_a_thread_is_a_message(as_json, stream):
    log_faults_of_threads(as_json)
    thread = threading.Thread(target=lambda: [][1], name="watcher")
    thread.start()
    thread.join()
    value = parsed(stream)
    assert (value["event"], value["message"]) == ("fault", "thread watcher ended with an error")
    assert "IndexError" in value["traceback"]


@pytest.mark.parametrize("form", LogFormat)
def test_the_journal_has_times_of_its_own_and_wants_priorities(tmp_path, form):
    """sd-daemon(3): <4> in front of a line; systemd.exec(5): $JOURNAL_STREAM is device:inode."""
    with (tmp_path / "journal").open("w+") as journal:
        found = os.fstat(journal.fileno())
        environment = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        log_to(journal, form=form, level=LogLevel.INFO, environment=environment).warning("odd")
        journal.seek(0)
        line = journal.read()
    assert line.startswith("<4>WARNING odd\n" if form is LogFormat.TEXT else '<4>{"time":')


def test_a_stream_beside_the_journal_is_none(tmp_path):
    """A child of a service inherits the variable, whatever its output is redirected to."""
    with (tmp_path / "log").open("w") as stream:
        assert not is_journal(stream, {"JOURNAL_STREAM": "1:1"})
        assert not is_journal(stream, {})
    assert not is_journal(StringIO(), {"JOURNAL_STREAM": "1:1"})
