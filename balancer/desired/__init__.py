"""What the maps should say: frontends, addresses and their backends, worked out from the cluster.

Pure. One file per subject; `compute.py` is the entry point. Every rule cites where it comes from.
"""
