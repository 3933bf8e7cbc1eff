"""Short builders of manifest texts, and reading without a disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from balancer.manifests import FileObjects, Limits
from balancer.manifests.reader import read_bytes_as

Data = dict[str, Any]


def read(text: str | bytes, name: str = "a.yaml", limits: Limits | None = None) -> FileObjects:
    """What reading a file with this content gives."""
    raw = text if isinstance(text, bytes) else text.encode()
    return read_bytes_as(name, raw, limits=limits or Limits())


def read_data(*objects: Data, name: str = "a.json") -> FileObjects:
    return read("\n".join(json.dumps(one) for one in objects), name)


def messages(file: FileObjects) -> list[str]:
    """Every problem as ``line:column path message``."""
    return [f"{one.origin.line}:{one.origin.column} {one.path} {one.message}" for one in file.problems]


def thing(
    kind: str, name: str, /, *, api: str = "v1", namespace: str = "", version: str = "", **fields: Any
) -> Data:
    meta: Data = {"name": name}
    meta |= {"namespace": namespace} if namespace else {}
    meta |= {"resourceVersion": version} if version else {}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **fields}


def service(name: str = "web", /, *, version: str = "", status: Data | None = None, **spec: Any) -> Data:
    """A Service with port 80; keyword arguments are fields of its spec."""
    whole = {"ports": [{"port": 80}], **spec}
    extra = {"status": status} if status else {}
    return thing("Service", name, version=version, spec=whole, **extra)


def endpoint_slice(*endpoints: Data, name: str = "web-1", address_type: str = "IPv4", **fields: Any) -> Data:
    data = thing("EndpointSlice", name, api="discovery.k8s.io/v1", addressType=address_type, **fields)
    data["endpoints"] = list(endpoints)
    data["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
    return data


POLICIES = "balancing.elf.io/v1beta1"
SELECT_WEB: Data = {"matchLabels": {"app": "web"}}


def to_port(number: int | str = 80, name: str = "", protocol: str = "TCP") -> Data:
    """An item of toPorts."""
    return {"port": number, "protocol": protocol} | ({"name": name} if name else {})


def address_matcher(ip: str = "169.254.10.1", ports: Sequence[Data] = (to_port(),)) -> Data:
    return {"addressMatcher": {"ip": ip, "toPorts": list(ports)}}


def service_matcher(ports: Sequence[Data] = (), name: str = "web", namespace: str = "shop") -> Data:
    """Without ports, all ports of the Service."""
    extra = {"toPorts": list(ports)} if ports else {}
    return {"serviceMatcher": {"namespace": namespace, "serviceName": name, **extra}}


def policy(
    kind: str, frontend: Data, backend: Data, /, *, annotations: Data | None = None, **spec: Any
) -> Data:
    """A policy named `p`; keyword arguments are further fields of its spec."""
    data = thing(kind, "p", api=POLICIES, spec={"frontend": frontend, "backend": backend, **spec})
    data["metadata"] |= {"annotations": annotations} if annotations else {}
    return data


def local_redirect(
    frontend: Data | None = None, ports: Sequence[Data] = (to_port(8080),), /, **fields: Any
) -> Data:
    """A LocalRedirectPolicy for 169.254.10.1:80, to the pods with app: web."""
    backend = {"endpointSelector": SELECT_WEB, "toPorts": list(ports)}
    return policy("LocalRedirectPolicy", frontend or address_matcher(), backend, **fields)


def balancing(
    frontend: Data | None = None, ports: Sequence[Data] = (to_port(8080),), /, **fields: Any
) -> Data:
    """A BalancingPolicy for 169.254.10.1:80, to the pods with app: web."""
    backend = {"serviceEndpoint": {"endpointSelector": SELECT_WEB, "toPorts": list(ports)}}
    return policy("BalancingPolicy", frontend or address_matcher(), backend, **fields)


def fixed_balancing(*addresses: str, frontend: Data | None = None, port: Data | None = None) -> Data:
    """A BalancingPolicy for 169.254.10.1:80, to fixed addresses."""
    backend = {"addressEndpoint": {"addresses": list(addresses), "toPorts": [port or to_port(8080)]}}
    return policy("BalancingPolicy", frontend or address_matcher(), backend)


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory
