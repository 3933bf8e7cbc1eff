"""Files to model objects: the only place that knows YAML, JSON and the schemas.

`discover` finds the files, `read_file` reads one, `merge` makes one cluster of all; `load` does all
three. Every problem of every file is kept as a value with its place; content never raises.

Inside: bytes become a `SourceText`, an engine makes `Document`s of it (the fast one accepts, the reference
explains), `split` takes the objects out
of lists, a schema and the checks of its kind judge each, and a decoder fills in the API's defaults.
No dictionary of YAML leaves this package, no tag builds an object, and nothing outside of the given
paths is opened.
"""

from balancer.manifests.discover import Found, discover, is_manifest_name, scan
from balancer.manifests.garbage import seldom_collected, set_aside
from balancer.manifests.limits import Limits
from balancer.manifests.load import load
from balancer.manifests.merge import merge
from balancer.manifests.objects import AnyObject, FileObjects, Manifests
from balancer.manifests.reader import read_file
from balancer.manifests.resources import schema_dir

__all__ = [
    "AnyObject",
    "FileObjects",
    "Found",
    "Limits",
    "Manifests",
    "discover",
    "is_manifest_name",
    "load",
    "merge",
    "read_file",
    "scan",
    "schema_dir",
    "seldom_collected",
    "set_aside",
]
