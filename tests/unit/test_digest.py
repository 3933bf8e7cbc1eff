"""The digest of a set of files, kept up to date file by file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from balancer.digest import Digest, digest_of
from balancer.manifests import FileObjects

FILES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("012"), max_size=6)


def files(contents: dict[str, str]) -> tuple[FileObjects, ...]:
    return tuple(FileObjects(path=f"/{name}", sha256=content) for name, content in sorted(contents.items()))


@given(st.lists(FILES, max_size=6))
def test_following_gives_what_one_look_gives(steps: list[dict[str, str]]) -> None:
    digest, known = Digest(), dict[tuple[str, str], FileObjects]()
    for step in steps:
        now = tuple(known.setdefault((file.path, file.sha256), file) for file in files(step))
        assert digest.of(now) == digest_of(now)


@given(FILES, FILES)
def test_it_is_another_for_another_set(one: dict[str, str], other: dict[str, str]) -> None:
    assert (digest_of(files(one)) == digest_of(files(other))) == (one == other)


def test_exchanged_contents_are_another_set() -> None:
    """A sum of names and contents each by themselves would not tell."""
    assert digest_of(files({"a": "1", "b": "2"})) != digest_of(files({"a": "2", "b": "1"}))
