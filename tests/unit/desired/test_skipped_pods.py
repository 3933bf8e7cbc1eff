"""Pods that opted out of translation."""

from __future__ import annotations

from builders import pod

from balancer.model.node import SKIP_KEY

from .asking import desired

SKIP = {SKIP_KEY: "true"}


def names(*pods) -> list[str]:  # type: ignore[no-untyped-def]
    return [item.name for item in desired(*pods).skipped_pods]


def test_label_and_annotation_both_opt_out() -> None:
    """balancing.elf.io/skip "true" as label or annotation leaves the pod untranslated."""
    assert names(pod("a", labels=SKIP), pod("b", annotations=SKIP), pod("c")) == ["a", "b"]


def test_other_values_do_not_opt_out() -> None:
    """Only the text "true" counts."""
    assert names(pod("a", labels={SKIP_KEY: "false"}), pod("b", labels={SKIP_KEY: ""})) == []


def test_pods_of_other_nodes_and_ending_pods_are_left_out() -> None:
    """Only cgroups of this node exist here, and an ending pod's goes away."""
    assert names(pod("a", labels=SKIP, node="n2"), pod("b", labels=SKIP, terminating=True)) == []


def test_the_uid_finds_the_pods_cgroup() -> None:
    """The kubelet names a pod's cgroup after its uid."""
    (found,) = desired(pod("a", labels=SKIP)).skipped_pods
    assert (found.namespace, found.uid) == ("default", "uid-pod-default-a")


def test_a_static_pod_is_found_by_the_hash_of_its_file() -> None:
    """The kubelet names a static pod's cgroup after it, not after the uid of the API's copy."""
    annotations = SKIP | {"kubernetes.io/config.mirror": "b1e89a2fcc688644de3eb95aee8025ce"}
    (found,) = desired(pod("a", annotations=annotations)).skipped_pods
    assert found.uid == "b1e89a2fcc688644de3eb95aee8025ce"
