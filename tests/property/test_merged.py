"""A merge that is kept up to date is the merge of all files, whatever came before; and it says what changed."""

from __future__ import annotations

from dataclasses import replace

from builders import namespace, node, pod, service, slice_
from cluster_strategies import relaxed
from hypothesis import given
from hypothesis import strategies as st

from balancer.manifests import FileObjects, Manifests, merge
from balancer.manifests import merged as subject
from balancer.manifests.merged import Merged
from balancer.model.problem import Origin, Problem, Severity

MAKERS = [
    lambda name, number: service(name, cluster_ips=f"10.96.0.{number}"),
    lambda name, number: slice_(f"10.0.0.{number}", name=name),
    lambda name, number: node(name, f"192.168.0.{number}"),
    lambda name, number: pod(name, ip=f"10.1.0.{number}"),
    lambda name, _: namespace(name),
]
PATHS = ["a.yaml", "b.yaml", "c/a.yaml", "d.json"]


@st.composite
def objects(draw, path):
    """Objects at places of their own, as a reader finds them."""
    found = []
    for index in range(draw(st.integers(0, 3))):
        one = draw(st.sampled_from(MAKERS))(draw(st.sampled_from("xyz")), draw(st.integers(1, 2)))
        version = draw(st.sampled_from(["", "1", "2", "2"]))
        origin = Origin(file=path, line=1 + 10 * index + draw(st.integers(0, 1)), document=index)
        found.append(replace(one, meta=replace(one.meta, origin=origin, resource_version=version)))
    return tuple(found)


@st.composite
def files(draw, path):
    problems = st.builds(
        Problem,
        origin=st.builds(Origin, file=st.just(path), line=st.integers(1, 2)),
        message=st.sampled_from(["odd", "wrong"]),
        severity=st.sampled_from(Severity),
    )
    return FileObjects(
        path=path,
        sha256="",
        objects=draw(objects(path)),
        problems=tuple(draw(st.lists(problems, max_size=2))),
        ignored=draw(st.dictionaries(st.sampled_from(["Secret", "Job"]), st.integers(1, 2), max_size=1)),
    )


@st.composite
def sequences(draw):
    """Sets of files, each with most files of the one before: the same, equal ones, or others."""
    sets, now = [], {}
    for _ in range(draw(st.integers(1, 6))):
        for path in draw(st.lists(st.sampled_from(PATHS), max_size=3, unique=True)):
            match draw(st.sampled_from(["other", "other", "gone", "equal"])):
                case "other":
                    now[path] = draw(files(path))
                case "gone":
                    now.pop(path, None)
                case "equal" if path in now:
                    now[path] = replace(now[path], objects=tuple(map(replace, now[path].objects)))
        sets.append([now[path] for path in sorted(now)])
    return sets


def by_key(found: Manifests):
    cluster = found.cluster
    kinds = (cluster.services, cluster.slices, cluster.nodes, cluster.pods, cluster.namespaces)
    return {(one.meta.kind, *one.meta.key): one for kind in kinds for one in kind}


@relaxed
@given(sequences(), st.sampled_from([0, 500]))
def test_any_sequence_of_updates_gives_the_merge_of_the_last(sets, many):
    subject._MANY, usual = many, subject._MANY
    try:
        merged = Merged()
        for now in sets:
            merged.update(now)
            assert merged.manifests == merge(now)
    finally:
        subject._MANY = usual


@relaxed
@given(sequences())
def test_edits_lead_from_one_set_of_objects_to_the_next_and_hold_nothing_else(sets):
    merged, before = Merged(), {}
    for now in sets:
        edit, after = merged.update(now), by_key(merge(now))
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert edit.before == {key: before[key] for key in changed if key in before}
        assert edit.after == {key: after[key] for key in changed if key in after}
        before = after


@relaxed
@given(sequences())
def test_what_did_not_change_is_the_same_object(sets):
    merged = Merged()
    for now in sets:
        merged.update(now)
        before = merged.manifests
        assert merged.update(list(now)).empty
        assert merged.manifests is before
