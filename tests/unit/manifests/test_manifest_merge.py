"""One object in several places, and the cluster that all files make up."""

from __future__ import annotations

from manifest_builders import Data, read_data, service, thing

from balancer.manifests import FileObjects, Manifests, merge


def at(name: str, *objects: Data) -> FileObjects:
    return read_data(*objects, name=name)


def used_ips(manifests: Manifests) -> list[str]:
    return [str(address) for one in manifests.cluster.services for address in one.cluster_ips]


def test_same_content_in_two_files_is_fine() -> None:
    manifests = merge([at("a.json", service(version="1")), at("b.json", service(version="2"))])
    assert manifests.problems == ()
    assert [one.meta.resource_version for one in manifests.cluster.services] == ["2"]


def test_higher_resource_version_wins_with_a_warning_naming_both() -> None:
    """Kubernetes: resourceVersion grows with every change (KEP-5504 makes it comparable)."""
    old, new = service(version="99", clusterIP="10.0.0.1"), service(version="100", clusterIP="10.0.0.2")
    manifests = merge([at("new.json", new), at("old.json", old)])
    assert used_ips(manifests) == ["10.0.0.2"]
    (problem,) = manifests.problems
    assert (problem.is_error, problem.origin.file, problem.object) == (
        False,
        "old.json",
        "Service default/web",
    )
    assert "new.json:1" in problem.message


def test_without_resource_version_it_is_an_error_and_the_first_is_kept() -> None:
    one, other = service(version="5", clusterIP="10.0.0.1"), service(clusterIP="10.0.0.2")
    manifests = merge([at("b.json", other), at("a.json", one)])
    assert used_ips(manifests) == ["10.0.0.1"]
    (problem,) = manifests.problems
    assert (problem.is_error, problem.origin.file) == (True, "b.json")
    assert "a.json:1" in problem.message


def test_one_version_with_two_contents_is_an_error() -> None:
    pair = [service(version="5", clusterIP=address) for address in ("10.0.0.1", "10.0.0.2")]
    (problem,) = merge([at("a.json", *pair)]).problems
    assert problem.is_error
    assert "the same resourceVersion" in problem.message


def test_every_further_place_is_named() -> None:
    files = [at(f"{n}.json", service(clusterIP=f"10.0.0.{n}")) for n in (1, 2, 3)]
    assert [one.origin.file for one in merge(files).problems] == ["2.json", "3.json"]


def test_same_name_in_other_namespace_or_kind_is_another_object() -> None:
    elsewhere = service()
    elsewhere["metadata"]["namespace"] = "shop"
    manifests = merge([at("a.json", service(), elsewhere, thing("Pod", "web"))])
    assert manifests.problems == ()
    assert len(manifests.cluster.services) == 2


def test_cluster_is_sorted_by_namespace_and_name() -> None:
    manifests = merge([at("b.json", service("b"), service("a")), at("a.json", service("c"))])
    assert [one.meta.name for one in manifests.cluster.services] == ["a", "b", "c"]


def test_ignored_kinds_and_problems_of_all_files_are_gathered() -> None:
    bad = service(ports=[{"port": 0}])
    manifests = merge([at("b.json", bad, thing("Secret", "a")), at("a.json", bad, thing("Secret", "b"))])
    assert manifests.ignored == {"Secret": 2}
    assert [one.origin.file for one in manifests.problems] == ["a.json", "b.json"]
