"""Validated Kubernetes objects as frozen values, and the cluster they make up.

Pure: no files, clock, sockets, logging or dictionaries of YAML. Everything here has already passed
its schema, and defaults of the Kubernetes API are already filled in.
"""
