"""Files that somebody is writing to are left alone until they are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from balancer.manifests import listing


def test_a_file_open_for_writing_is_not_read_before_it_is_closed(tmp_path, watch, bell):
    """Its first half may well be a valid manifest with fewer objects."""
    file = tmp_path / "a.yaml"
    file.write_text("old")
    watcher = watch(tmp_path)
    read = watcher.whole(Path.read_bytes)
    with file.open("w") as stream:
        stream.write("half")
        stream.flush()
        assert bell.silent()
        with pytest.raises(OSError, match="written to"):
            read(file)
        (tmp_path / "b.yaml").write_text("other")
        assert bell.rung()
        assert read(tmp_path / "b.yaml") == b"other"
        stream.write(" whole")
    assert bell.rung()
    assert read(file) == b"half whole"


def test_a_file_that_is_open_is_known_by_any_of_its_names(tmp_path, watch, bell):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    file = tmp_path / "link" / "a.yaml"
    watcher = watch(tmp_path / "link", file)
    with file.open("w") as stream:
        stream.write("half")
        stream.flush()
        bell.settle()
        with pytest.raises(OSError, match="written to"):
            watcher.whole(Path.read_bytes)(file)


def test_it_is_busy_while_a_temporary_is_written_and_wakes_when_that_ends(tmp_path, watch, bell):
    watcher = watch(tmp_path)
    assert not watcher.is_busy()
    with (tmp_path / ".a.yaml.x1").open("w") as stream:
        stream.write("half")
        stream.flush()
        bell.settle()
        assert watcher.is_busy()
        watcher.look_again()
        assert bell.silent()
    assert bell.rung()
    assert not watcher.is_busy()


def test_links_of_both_kinds_are_no_files_being_written(tmp_path, watch, bell):
    """They are made at once, and no closing follows."""
    (tmp_path / "a.yaml").write_text("a")
    watcher = watch(tmp_path)
    (tmp_path / "soft").symlink_to("a.yaml")
    (tmp_path / "hard").hardlink_to(tmp_path / "a.yaml")
    assert bell.rung()
    assert not watcher.is_busy()


def test_asking_to_look_again_when_it_is_quiet_wakes(tmp_path, watch, bell):
    watch(tmp_path).look_again()
    assert bell.rung()


@pytest.fixture
def listing_of(tmp_path, monkeypatch):
    """A listing of tmp_path that a test makes step by step."""
    monkeypatch.setattr(listing, "LISTING_SECONDS", 0)
    return listing.Listing([tmp_path])


def test_a_listing_waits_until_a_file_is_left_alone(tmp_path, listing_of):
    file = tmp_path / "a.yaml"
    for part in ("a", "ab", "abc"):
        file.write_text(part)
        assert not listing_of.wait()
        assert listing_of.is_written(file)
    assert listing_of.wait()
    assert not listing_of.is_written(file)
    assert not listing_of.wait()


def test_a_file_without_rest_does_not_hide_the_others_in_a_listing(tmp_path, listing_of):
    woken = []
    (tmp_path / "b.yaml").write_text("b")
    for number in range(listing.LONGEST_WAIT_LISTINGS):
        (tmp_path / "a.yaml").write_text("x" * number)
        woken.append(listing_of.wait())
    assert woken[-1]
    assert (listing_of.is_written(tmp_path / "a.yaml"), listing_of.is_written(tmp_path / "b.yaml")) == (
        True,
        False,
    )
