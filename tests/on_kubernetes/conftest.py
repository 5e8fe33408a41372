"""One cluster with Envoy Gateway for all long proofs of this folder, and one kapi beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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


HERE = Path(__file__).parent
FIRST = "test_deploy_command_on_envoy_gateway.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests with a Gateway of their own come first.

    Envoy Gateway gives each Gateway of a host an Envoy with the same ports of administration, so
    there may be one at a time, and that of `platform` lives until the end.
    """
    places = [number for number, item in enumerate(items) if item.path.parent == HERE]
    ordered = sorted(
        (items[number] for number in places), key=lambda item: item.path.name != FIRST
    )
    for number, item in zip(places, ordered, strict=True):
        items[number] = item
