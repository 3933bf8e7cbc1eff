"""Services and their EndpointSlices in the shape that kubectl exports them, written without keeping them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import addresses

Object = dict[str, Any]
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9./-]*|\d+(\.\d+){3}|[0-9a-f]+(-[0-9a-f]+){4}")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_CREATED = "2026-01-01T00:00:00Z"


def service(number: int) -> Object:
    """A Service as ``kubectl get -o json`` shows it."""
    name, address = f"s{number}", addresses.vip(number)
    port = {"name": "main", "port": 80, "protocol": addresses.protocol(number), "targetPort": 8080}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"apiVersion":"v1"}\n'},
            "creationTimestamp": _CREATED,
            "labels": {"app": name},
            "name": name,
            "namespace": _namespace(number),
            "resourceVersion": str(1000 + number),
            "uid": f"00000000-0000-0000-0000-{number:012d}",
        },
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [port],
            "selector": {"app": name},
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }


def endpoint_slice(number: int, endpoints: int) -> Object:
    """Its EndpointSlice, likewise."""
    name = f"s{number}"
    return {
        "addressType": "IPv4",
        "apiVersion": "discovery.k8s.io/v1",
        "endpoints": [_endpoint(number, index, endpoints) for index in range(endpoints)],
        "kind": "EndpointSlice",
        "metadata": {
            "creationTimestamp": _CREATED,
            "generateName": f"{name}-",
            "generation": 1,
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": name,
            },
            "name": f"{name}-abcde",
            "namespace": _namespace(number),
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "blockOwnerDeletion": True,
                    "controller": True,
                    "kind": "Service",
                    "name": name,
                    "uid": f"00000000-0000-0000-0000-{number:012d}",
                }
            ],
            "resourceVersion": str(2000 + number),
            "uid": f"00000000-0000-0000-0002-{number:012d}",
        },
        "ports": [{"name": "main", "port": 8080, "protocol": addresses.protocol(number)}],
    }


def _namespace(number: int) -> str:
    return f"ns{number % 50}"


def _endpoint(number: int, index: int, endpoints: int) -> Object:
    whole = number * endpoints + index
    return {
        "addresses": [addresses.backend(number, index, endpoints=endpoints)],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{whole % 100}",
        "targetRef": {
            "kind": "Pod",
            "name": f"s{number}-{index}",
            "namespace": _namespace(number),
            "uid": f"00000000-0000-0000-0001-{whole:012d}",
        },
        "zone": f"z{whole % 3}",
    }


def yaml(value: Any, indent: int = 0) -> str:
    """Block YAML as kubectl writes it: sorted keys, lists at their key's indentation, quotes where needed."""
    pad = " " * indent
    if isinstance(value, dict):
        return "".join(f"{pad}{key}:{_after(value[key], indent)}" for key in sorted(value))
    return "".join(f"{pad}- {yaml(item, indent + 2).removeprefix(pad + '  ')}" for item in value)


def _after(value: Any, indent: int) -> str:
    """What follows a key and its colon."""
    if isinstance(value, dict) and value:
        return "\n" + yaml(value, indent + 2)
    if isinstance(value, list) and value:
        if isinstance(value[0], dict):
            return "\n" + yaml(value, indent)
        pad = " " * indent
        return "\n" + "".join(f"{pad}- {_scalar(item)}\n" for item in value)
    if isinstance(value, str) and value.endswith("\n"):
        return f" |\n{' ' * (indent + 2)}{value}"
    return f" {_scalar(value)}\n"


def _scalar(value: Any) -> str:
    """A string is quoted, as JSON quotes it, unless it can be nothing but a string."""
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else json.dumps(value)


def write_yaml(file: Path, objects: Iterable[Object]) -> None:
    """One file with a List, as ``kubectl get -o yaml`` gives it."""
    with file.open("w") as out:
        out.write("apiVersion: v1\nitems:\n")
        out.writelines(yaml([item]) for item in objects)
        out.write('kind: List\nmetadata:\n  resourceVersion: ""\n')


def write_json(file: Path, objects: Iterable[Object]) -> None:
    """The same as ``kubectl get -o json`` gives it."""
    with file.open("w") as out:
        out.write('{\n    "apiVersion": "v1",\n    "items": [')
        for number, item in enumerate(objects):
            text = json.dumps(item, indent=4).replace("\n", "\n        ")
            out.write(f"{',' if number else ''}\n        {text}")
        out.write(
            '\n    ],\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}\n'
        )


def write_tree(directory: Path, objects: Iterable[Object]) -> None:
    """A file for each object, in a directory for each namespace."""
    directory.mkdir()
    for item in objects:
        meta = item["metadata"]
        folder = directory / meta["namespace"]
        folder.mkdir(exist_ok=True)
        (folder / f"{item['kind'].lower()}-{meta['name']}.yaml").write_text(yaml(item))


def exported(services: int, endpoints: int) -> Iterable[Object]:
    """Services and slices in turn, as the API server sorts none of them."""
    for number in range(services):
        yield service(number)
        yield endpoint_slice(number, endpoints)
