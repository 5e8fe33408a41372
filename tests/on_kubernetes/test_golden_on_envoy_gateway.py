"""Every golden `kubernetes.yaml` on a real API server, and what Envoy Gateway says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import free_port
from kapi.gateway.kubernetes.cluster.client import connect
from kapi.gateway.kubernetes.cluster.deployment import (
    Target,
    awaited,
    deployed,
    removed,
)
from kapi.gateway.kubernetes.names import API_LABEL
from on_kubernetes.cluster import Cluster, certificate, secret_of
from waiting import until

pytestmark = pytest.mark.long
GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/kubernetes.yaml"))
SPACE = "golden"
GATEWAY = f"/apis/gateway.networking.k8s.io/v1/namespaces/{SPACE}/gateways/kapi"
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def target(cluster: Cluster) -> Iterator[Target]:
    """A namespace with what an installation has: the certificate of its hosts, and API keys."""
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    )
    made, key = certificate("*.gw.wso2.com")
    tls = {"tls.crt": made, "tls.key": key}
    cluster.apply(secret_of("kapi-tls", SPACE, tls, "kubernetes.io/tls"))
    cluster.apply(secret_of("kapi-api-keys", SPACE, {"shop": b"a key"}))
    yield Target(connect(cluster.kubeconfig, ""), SPACE)
    cluster.ask(GATEWAY, "DELETE")


@pytest.fixture(scope="module")
def port() -> int:
    """Of the Gateway, which Envoy serves on this machine."""
    return free_port()


def manifests(case: str, port: int) -> list[Manifest]:
    text = (GOLDEN / case / "kubernetes.yaml").read_text("utf-8")
    found = list(yaml.load_all(text, yaml.CSafeLoader))
    for item in found:
        item["metadata"]["namespace"] = SPACE
        if item["kind"] == "Gateway":
            item["spec"]["listeners"][0]["port"] = port
    return found


def credentials(items: list[Manifest]) -> list[str]:
    """Names of the Secrets that an administrator makes."""
    injected = [item.get("spec", {}).get("credentialInjection") for item in items]
    return [item["credential"]["valueRef"]["name"] for item in injected if item]


@pytest.mark.parametrize("case", CASES)
def test_envoy_gateway_accepts_each_object(
    case: str, target: Target, cluster: Cluster, port: int
) -> None:
    items = manifests(case, port)
    for name in credentials(items):
        cluster.apply(secret_of(name, SPACE, {"credential": b"Basic eDp5"}))
    api = next(
        item["metadata"]["labels"][API_LABEL]
        for item in items
        if API_LABEL in item["metadata"]["labels"]
    )
    deployed(target, api, items)
    said = awaited(target, items, 60)
    assert [item.line for item in said if item.state != "ready"] == []
    assert removed(target, api)
    # Once in 60 times an object that was back at once got no condition.
    until(lambda: attached_routes(cluster) == 0)


def attached_routes(cluster: Cluster) -> int:
    listeners = cluster.ask(GATEWAY)["status"]["listeners"]
    return int(sum(item["attachedRoutes"] for item in listeners))
