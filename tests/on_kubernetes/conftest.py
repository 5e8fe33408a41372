"""One cluster with Envoy Gateway for all long proofs of this folder, and one kapi beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from on_kubernetes.cluster import Cluster, envoy_gateway
from on_kubernetes.live_platform import OnEnvoyGateway, on_envoy_gateway


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with envoy_gateway() as running:
        yield running


@pytest.fixture(scope="session")
def platform(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnEnvoyGateway]:
    with on_envoy_gateway(cluster, tmp_path_factory.mktemp("kapi")) as running:
        yield running
