"""Kubernetes Service load balancing in eBPF for any Linux host, from a directory of YAML.

The packages are the stages of one pipeline, and imports follow it:

    manifests -> model -> desired -> plan -> kernel

`reconcile` runs one pass over them; `agent` repeats passes; `cli` and `report` face the user.
"""

__version__ = "0.1.0"
