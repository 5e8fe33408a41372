"""One cluster with Envoy Gateway for all long proofs of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from on_kubernetes.cluster import Cluster, envoy_gateway


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with envoy_gateway() as running:
        yield running
