"""Makes samples/crds from the JSON schemas: ``python tests/crd_generator.py`` writes the files.

A CustomResourceDefinition needs a structural OpenAPI v3 schema: no references, one type for every
value, no null. What JSON Schema says beyond that is left to the checks of the reader.
"""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

Schema = dict[str, Any]
ROOT = Path(__file__).resolve().parents[1]
CRDS = ROOT / "samples" / "crds"
GROUP, VERSION = "balancing.elf.io", "v1beta1"
NAMES = {
    "LocalRedirectPolicy": ("localredirectpolicies", "lr"),
    "BalancingPolicy": ("balancingpolicies", "bl"),
}
COLUMNS = (
    ("serviceName", "string", ".spec.frontend.serviceMatcher.serviceName"),
    ("namespace", "string", ".spec.frontend.serviceMatcher.namespace"),
    ("addressMatcher", "string", ".spec.frontend.addressMatcher.ip"),
    ("enabled", "boolean", ".spec.enabled"),
    ("age", "date", ".metadata.creationTimestamp"),
)
COPIED = ("description", "default", "required", "minimum", "maximum", "minItems", "maxItems", "maxLength")
NO_NEWLINE = "(?!\n)"  # Python's $ stands before a final newline, too; that of Go's expressions does not


def load_schema(name: str) -> Schema:
    loaded: Schema = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    return loaded


def resolve(schema: Schema, common: Schema) -> Schema:
    """The schema with what it refers to; its own keywords win."""
    if "$ref" not in schema:
        return schema
    target = resolve(common["$defs"][schema["$ref"].rpartition("/")[2]], common)
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def structural(schema: Schema, common: Schema) -> Schema:
    """One JSON schema as a structural one."""
    whole = resolve(schema, common)
    made = {key: copy.deepcopy(whole[key]) for key in COPIED if key in whole}  # else YAML would use anchors
    made |= _type(whole)
    if "enum" in whole:
        made["enum"] = [value for value in whole["enum"] if value is not None]
    if "pattern" in whole:
        made["pattern"] = whole["pattern"].replace(NO_NEWLINE, "")
    if whole.get("format") == "ip":
        made["anyOf"] = [{"format": "ipv4"}, {"format": "ipv6"}]
    if "oneOf" in whole:
        made["oneOf"] = [{"required": [*branch["required"]]} for branch in whole["oneOf"]]
    if "properties" in whole:
        made["properties"] = {key: structural(value, common) for key, value in whole["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in whole:
            made[key] = structural(whole[key], common)
    return made


def _type(whole: Schema) -> Schema:
    names = whole.get("type", "string")  # an enum of strings has no type of its own
    kinds = sorted(name for name in ([names] if isinstance(names, str) else names) if name != "null")
    if kinds == ["integer", "string"]:
        return {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
        }
    (kind,) = kinds
    return {"type": kind}


def root_schema(kind: str) -> Schema:
    """The API server itself judges apiVersion, kind and metadata."""
    schema, common = load_schema(kind.lower()), load_schema("common")
    fields = {key: structural(schema["properties"][key], common) for key in ("spec", "status")}
    own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {"type": "object", "required": ["metadata", "spec"], "properties": {**own, **fields}}


def definition(kind: str) -> Schema:
    plural, short = NAMES[kind]
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": of, "jsonPath": path} for name, of, path in COLUMNS
        ],
        "schema": {"openAPIV3Schema": root_schema(kind)},
    }
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    names |= {"shortNames": [short], "categories": ["elf"]}
    spec = {"group": GROUP, "scope": "Cluster", "names": names, "versions": [version]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": spec,
    }


def file_of(kind: str) -> Path:
    return CRDS / f"{NAMES[kind][0]}.yaml"


def text_of(kind: str) -> str:
    """The file of a kind as it must be."""
    writer = YAML()
    writer.version = (1, 1)  # quotes what YAML 1.1 readers such as kubectl's would take for a boolean
    writer.width = 4096
    writer.indent(mapping=2, sequence=2, offset=0)
    stream = io.StringIO()
    writer.dump(definition(kind), stream)
    body = stream.getvalue().removeprefix("%YAML 1.1\n---\n")
    return f"# Made from schemas/{kind.lower()}.schema.json. Install: kubectl apply -f samples/crds\n{body}"


if __name__ == "__main__":
    CRDS.mkdir(exist_ok=True)
    for kind in NAMES:
        file_of(kind).write_text(text_of(kind), "utf-8")
