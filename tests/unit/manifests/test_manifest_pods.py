"""Containers of pods, as their status tells them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import pod
from manifest_builders import messages, read_data, thing

from balancer.model.node import Pod

UID = "1858680e-b044-4fd5-9dd4-f137e30e2180"
ID = "ee3fc60554cd9eefdd745a10dda84e041a7883c0381d067e76185d342de64759"


def _pod(**status: Any) -> Pod:
    file = read_data(thing("Pod", "web-1", status=status))
    assert messages(file) == []
    (found,) = file.objects
    assert isinstance(found, Pod)
    return found


@pytest.mark.parametrize("runtime", ["containerd", "cri-o", "docker"])
@pytest.mark.parametrize("key", ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"])
def test_container_ids_have_names(runtime: str, key: str) -> None:
    """Kubernetes: ContainerStatus.containerID - "<type>://<container_id>"."""
    assert _pod(**{key: [{"name": "app", "containerID": f"{runtime}://{ID}"}]}).containers == ((ID, "app"),)


@pytest.mark.parametrize(
    "entry", [{"name": "app"}, {"name": "app", "containerID": ""}, {"name": "app", "containerID": None}]
)
def test_a_container_that_has_not_started_has_no_id(entry: dict[str, Any]) -> None:
    assert _pod(containerStatuses=[entry]).containers == ()


@pytest.mark.parametrize("statuses", [None, []])
def test_no_statuses(statuses: Any) -> None:
    assert _pod(containerStatuses=statuses, initContainerStatuses=statuses).containers == ()


@pytest.mark.parametrize(
    "statuses", ["app", [3], [{"containerID": ID}], [{"name": 3}], [{"name": "a", "containerID": 7}]]
)
def test_other_shapes_are_problems(statuses: Any) -> None:
    file = read_data(thing("Pod", "web-1", status={"containerStatuses": statuses}))
    assert "containerStatuses" in messages(file)[0]


@pytest.mark.parametrize("key", ["kubernetes.io/config.mirror", "kubernetes.io/config.hash"])
def test_a_static_pod_runs_under_the_hash_of_its_file(key: str) -> None:
    """Kubernetes: the mirror pod of a static pod names the UID that the kubelet uses in an annotation."""
    plain = pod("etcd-n1")
    known = replace(plain, meta=replace(plain.meta, uid=UID))
    mirrored = replace(known, meta=replace(known.meta, annotations={key: "b1e89a2fcc688644de3eb95aee8025ce"}))
    assert (known.running_uid, mirrored.running_uid) == (UID, "b1e89a2fcc688644de3eb95aee8025ce")
