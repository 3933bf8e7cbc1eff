"""The samples directory, and the cluster sample read once for every test that looks at its objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from balancer.manifests import Manifests, load

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="session")
def cluster_sample() -> Manifests:
    return load([SAMPLES / "cluster" / "manifests"])
