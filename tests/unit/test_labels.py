"""The file of names: a whole, and records of what passes changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan_builders import desired, frontend

from balancer import durable
from balancer.state.labels import (
    Mark,
    Names,
    NamesChange,
    add_names,
    label_frontends,
    read_names,
    relabelled,
    save_names,
)

ONE = frontend("10.96.0.1:80", "10.0.0.1:80")
TWO = frontend("10.96.0.2:80", "10.0.0.2:80", name="Service default/two")
NAMES = Names(labels=label_frontends(desired(ONE))[0], nodes={"10.0.0.1": "n1"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.json.names"


def labels(path: Path) -> dict[str, str]:
    """The object of each frontend that the file names."""
    found = read_names(path)
    assert found is not None
    return {name: label.object for name, label in found.labels.items()}


def added(path: Path, change: NamesChange, mark: Mark) -> Mark:
    found = add_names(path, change, mark)
    assert found is not None
    return found


def test_records_are_applied_in_order(path: Path) -> None:
    mark = save_names(path, NAMES)
    mark = added(path, relabelled([TWO], [], {"10.0.0.2": "default/two-1"}), mark)
    added(path, relabelled([], [ONE], {}), mark)
    assert labels(path) == {"10.96.0.2:80/TCP": "Service default/two"}
    found = read_names(path)
    assert found is not None
    assert (found.nodes, found.backend_pods) == ({"10.0.0.1": "n1"}, {"10.0.0.2": "default/two-1"})


def test_a_replaced_frontend_has_its_new_label(path: Path) -> None:
    other = frontend("10.96.0.1:80", "10.0.0.1:80", name="Service default/other")
    added(path, relabelled([other], [ONE], {}), save_names(path, NAMES))
    assert labels(path) == {"10.96.0.1:80/TCP": "Service default/other"}


@pytest.mark.parametrize("cut", [1, 5, 70])
def test_a_torn_record_is_left_out(path: Path, cut: int) -> None:
    added(path, relabelled([TWO], [], {}), save_names(path, NAMES))
    path.write_bytes(path.read_bytes()[:-cut])
    assert labels(path) == {"10.96.0.1:80/TCP": "Service default/web"}


def test_what_follows_a_damaged_record_is_left_out(path: Path) -> None:
    """It may be about what the damaged one said."""
    mark = added(path, relabelled([TWO], [], {}), save_names(path, NAMES))
    added(path, relabelled([], [ONE], {}), mark)
    path.write_bytes(path.read_bytes().replace(b"default/two", b"default/twx"))
    assert labels(path) == {"10.96.0.1:80/TCP": "Service default/web"}


def test_nothing_is_added_to_a_file_that_somebody_else_wrote(path: Path) -> None:
    mark = save_names(path, NAMES)
    save_names(path, Names())
    assert add_names(path, relabelled([TWO], [], {}), mark) is None
    assert labels(path) == {}


def test_records_do_not_outgrow_the_whole(path: Path) -> None:
    mark: Mark | None = save_names(path, NAMES)
    for _ in range(20):
        last, mark = mark, add_names(path, relabelled([TWO], [], {}), mark) if mark else None
    assert (mark, last) == (None, None)
    assert len(durable.read_all(path, 4) or ()) < 10
    save_names(path, NAMES)
    assert durable.read_all(path, 4) == (durable.read_all(path, 4) or [])[:1]


def test_a_whole_that_says_the_same_is_written_over_records(path: Path) -> None:
    added(path, relabelled([], [ONE], {}), save_names(path, NAMES))
    save_names(path, NAMES)
    assert labels(path) == {"10.96.0.1:80/TCP": "Service default/web"}


def test_an_empty_change_writes_nothing(path: Path) -> None:
    mark = save_names(path, NAMES)
    before = path.read_bytes()
    assert added(path, NamesChange(), mark) == mark
    assert path.read_bytes() == before
