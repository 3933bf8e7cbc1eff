"""Which content of a file is in force, in one run of the agent and from one run to the next."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest
from watch_world import Stage, contents

from balancer import state
from balancer.lastgood.database import LastGoodFile
from balancer.manifests.watch import Wake


@pytest.fixture
def stage(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "test-lastgood")
    made = Stage(tmp_path / "manifests", logging.getLogger("test-lastgood"))
    made.write("a.yaml", "a1")
    made.write("b.yaml", "b1")
    return made


@pytest.fixture
def restarted(stage):
    """One run has been, with both files good; another agent is about to start."""
    stage.run()
    stage.restart()
    return stage


BOTH = {"a.yaml": "a1", "b.yaml": "b1"}


@pytest.mark.parametrize("vanish", [Stage.empty, Stage.remove])
def test_a_start_without_a_directory_brings_everything_back(restarted, caplog, vanish):
    """After a reboot the sync tool may not have run yet, or may never run."""
    vanish(restarted)
    restarted.run()
    assert restarted.kernel.passes == [BOTH]
    assert restarted.kernel.loaded[0].stale_files == (str(restarted.directory),)
    messages = [problem.message for problem in restarted.kernel.loaded[0].problems]
    assert any("its last known manifests stay in force" in message for message in messages)
    assert any("before the agent started is still used for" in message for message in messages)
    assert any("1 stale, 2 restored" in record.getMessage() for record in caplog.records)


def test_a_start_with_a_broken_file_brings_its_content_back(restarted):
    restarted.write("a.yaml", "bad a2")
    restarted.write("b.yaml", "b2")
    restarted.run()
    assert restarted.kernel.passes == [{"a.yaml": "a1", "b.yaml": "b2"}]
    assert restarted.kernel.loaded[0].stale_files == (str(restarted.directory / "a.yaml"),)


def test_what_is_good_on_disk_is_not_taken_from_the_state(restarted):
    restarted.write("a.yaml", "a2")
    restarted.run()
    assert restarted.kernel.passes == [{"a.yaml": "a2", "b.yaml": "b1"}]
    assert restarted.kernel.loaded[0].problems == ()
    assert restarted.reader.parsed == ["a.yaml", "b.yaml"]


def test_a_file_deleted_while_the_agent_was_down_is_gone(restarted):
    (restarted.directory / "a.yaml").unlink()
    restarted.run()
    assert restarted.kernel.passes == [{"b.yaml": "b1"}]
    assert [key.name for key in restarted.kept.load()] == ["b.yaml"]


def test_a_directory_that_comes_back_takes_over(restarted, caplog):
    restarted.remove()
    restarted.then(lambda: restarted.write("c.yaml", "c1"))
    restarted.run()
    assert restarted.kernel.passes == [BOTH, {"c.yaml": "c1"}]
    assert restarted.kernel.loaded[-1].problems == ()
    assert any("solved: " in record.getMessage() for record in caplog.records)


def test_what_was_restored_is_kept_for_the_start_after_next(restarted):
    restarted.remove()
    restarted.run()
    restarted.restart()
    restarted.run()
    assert restarted.kernel.passes == [BOTH]


def test_only_what_a_pass_put_in_force_is_kept(restarted):
    restarted.kernel.errors = [OSError(5, "Input/output error")]
    restarted.write("a.yaml", "a2")
    restarted.run()
    restarted.remove()
    restarted.restart()
    restarted.run()
    assert restarted.kernel.passes == [BOTH]


def test_an_idle_pass_writes_nothing(stage):
    stage.then(None, Wake.TIMER)
    before = []
    stage.then(lambda: before.append(stage.kept.path.stat()), Wake.TIMER)
    stage.run()
    after = stage.kept.path.stat()
    assert (before[0].st_mtime_ns, before[0].st_ino) == (after.st_mtime_ns, after.st_ino)


def test_an_idle_pass_does_not_even_open_the_file_of_contents(stage, monkeypatch):
    saved = []
    opened = LastGoodFile._open
    monkeypatch.setattr(LastGoodFile, "_open", lambda *given: (saved.append(given), opened(*given))[1])
    stage.then(None, Wake.TIMER)
    stage.then(lambda: stage.write("a.yaml", "a2"))
    stage.run()
    assert (stage.kernel.attempts, len(saved)) == (3, 2)


def test_what_was_restored_survives_the_loss_of_the_file_of_contents(restarted):
    restarted.remove()
    restarted.then(lambda: restarted.kept.path.unlink(), Wake.TIMER)
    restarted.run()
    restarted.restart()
    restarted.run()
    assert restarted.kernel.passes == [BOTH]


def test_a_lost_file_of_contents_is_written_anew(stage):
    """As if somebody had cleaned up the directory of the state file."""
    stage.then(lambda: stage.kept.path.unlink(), Wake.TIMER)
    stage.then(None, Wake.TIMER)
    stage.run()
    assert len(stage.kept.load()) == 2


@pytest.mark.parametrize("when", ["at the start", "while running"])
def test_a_damaged_file_is_set_aside_and_written_anew(stage, caplog, when):
    def damage():
        stage.kept.path.write_bytes(b"garbage" * 1000)

    if when == "at the start":
        stage.run()
        damage()
        stage.restart()
    else:
        stage.then(damage)
        stage.then(lambda: stage.write("a.yaml", "a2"))
        stage.then(None, Wake.TIMER)
    stage.run()
    aside = stage.kept.path.with_name(stage.kept.path.name + ".aside")
    assert aside.read_bytes() == b"garbage" * 1000
    assert len(stage.kept.load()) == 2
    assert any(f"set aside as {aside}" in record.getMessage() for record in caplog.records)
    assert str(aside) in state.load(stage.settings.state)[1]


def test_damage_and_no_directory_change_nothing(restarted):
    """What may be in the maps is unknown then, and stays."""
    restarted.kept.path.write_bytes(b"garbage")
    restarted.remove()
    restarted.run()
    assert restarted.kernel.attempts == 0


def test_paths_that_are_not_given_any_more_are_forgotten(restarted):
    other = restarted.directory.with_name("other")
    other.mkdir()
    (other / "c.yaml").write_text("c1")
    restarted.paths = [other]
    restarted.run()
    assert restarted.kernel.passes == [{"c.yaml": "c1"}]
    assert [key.root for key in restarted.kept.load()] == [str(other)]


def test_a_path_is_the_same_however_it_is_written(restarted, monkeypatch):
    restarted.remove()
    monkeypatch.chdir(restarted.directory.parent)
    restarted.paths = [restarted.paths[0].relative_to(restarted.directory.parent)]
    restarted.run()
    assert restarted.kernel.passes == [BOTH]


def test_a_file_given_itself_comes_back(stage):
    stage.paths = [stage.directory / "a.yaml"]
    stage.run()
    stage.remove()
    stage.restart()
    stage.run()
    assert stage.kernel.passes == [{"a.yaml": "a1"}]


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_truncated_file_keeps_its_objects(stage, text):
    """An editor that writes in place, and a crash, leave an empty file for a while."""
    stage.then(lambda: stage.write("a.yaml", text))
    stage.then(lambda: stage.write("a.yaml", "a2"))
    stage.run()
    assert [applied["a.yaml"] for applied in stage.kernel.passes] == ["a1", "a1", "a2"]
    assert "until it is filled or deleted" in stage.kernel.loaded[1].problems[0].message


def test_a_file_that_was_always_empty_is_no_problem(stage):
    stage.write("a.yaml", "")
    stage.run()
    assert stage.kernel.loaded[0].problems == ()


def test_a_reader_that_crashes_costs_one_file(stage):
    stage.then(lambda: (stage.write("a.yaml", "crash"), stage.write("b.yaml", "b2")))
    stage.run()
    assert stage.kernel.passes[-1] == {"a.yaml": "a1", "b.yaml": "b2"}
    assert "RecursionError: too deep" in stage.kernel.loaded[-1].problems[0].message


def test_files_that_vanish_between_listing_and_reading_remove_nothing(stage):
    """A directory that a sync tool is replacing may be listed and then be empty."""

    def gone(path):
        raise FileNotFoundError(2, "No such file or directory", str(path))

    files = stage.files()
    assert contents(files.refresh(stage.paths).files) == BOTH
    stage.read = gone
    snapshot = files.refresh(stage.paths)
    assert contents(snapshot.files) == BOTH
    assert snapshot.stale == (str(stage.directory),)


def busy(path):
    raise OSError(errno.ETXTBSY, "it is being written to")


def test_a_path_whose_only_file_is_being_written_at_the_start_is_waited_for(stage):
    """What it holds is as unknown as with no file at all, and may be in the maps from an earlier run."""
    (stage.directory / "b.yaml").unlink()
    stage.read = busy
    stage.then(lambda: setattr(stage, "read", Path.read_bytes))
    stage.run()
    assert stage.kernel.passes == [{"a.yaml": "a1"}]
    assert stage.script.waits == [60, 60]


def test_what_was_in_force_before_is_not_waited_for(restarted):
    restarted.read = busy
    restarted.run()
    assert restarted.kernel.passes == [BOTH]


def test_a_file_that_goes_before_it_was_ever_read_leaves_nothing_known(stage):
    files = stage.files()
    stage.read = busy
    assert not files.refresh(stage.paths).complete
    stage.empty()
    snapshot = files.refresh(stage.paths)
    assert not snapshot.complete
    assert "nothing is changed until it is there" in snapshot.problems[0].message
