"""The joined C source and the build id."""

from __future__ import annotations

from balancer.kernel import source

SIZES = {"frontends": 4096, "slots": 16384}


def test_every_file_is_joined_once() -> None:
    text = source.joined_source()
    assert '#include "' not in text
    for name in ("reasons.h", "types.h", "maps.h", "select.h", "translate.h"):
        assert text.count(f'#line 1 "{name}"') == 1


def test_build_id_changes_with_what_it_must() -> None:
    """A pinned program can be used exactly if source, flags and map sizes are those it was built from."""
    first = source.build_id(SIZES, ("-DA",))
    assert first == source.build_id(dict(reversed(SIZES.items())), ("-DA",))
    assert first != source.build_id({**SIZES, "slots": 1}, ("-DA",))
    assert first != source.build_id(SIZES, ())
    assert 0 < first < 1 << 64
