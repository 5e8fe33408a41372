"""kapi as the identity provider, and Envoy Gateway as the gateway: a platform as live tests use
one.

`deploy` exports to the cluster, requests to hosts of APIs go to Envoy Gateway's Envoy, and all
others to kapi.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import Answer, Platform, curl, free_port
from kapi.apis.compile import compile_api
from kapi.errors import Problem
from kapi.front.cli.kubernetes import manifests_of
from kapi.gateway.kubernetes.cluster.client import connect
from kapi.gateway.kubernetes.cluster.deployment import Target, awaited, deployed
from kapi.gateway.kubernetes.export import NotExpressible
from kapi.identity.settings import read_settings
from kapi.policies import POLICIES
from kapi.settings import Settings
from on_kubernetes.cluster import Cluster, secret_of
from waiting import until

SPACE = "live"
OWN_HOSTS = ("idp.am.wso2.com", "api.am.wso2.com")


@dataclass(slots=True)
class OnEnvoyGateway(Platform):
    """`port` is that of Envoy Gateway's Envoy; kapi's own is `kapi.port`."""

    kapi: Any = None
    target: Any = None
    settings: Any = None
    not_possible: dict[str, str] = field(default_factory=dict)
    """Name of an API → why it is not in the cluster."""

    def request(self, host: str, path: str, *arguments: str) -> Answer:
        port = self.kapi.port if host in OWN_HOSTS else self.port
        return curl(f"https://{host}:{port}{path}", *arguments, resolve=(host, port))

    def deploy(self, conf: str, definition: str, token: str | None = None) -> Answer:
        """As the system API answers; 200 also for what is not possible, which is noted."""
        content = (conf.encode(), definition.encode())
        try:
            made = compile_api(*content, organization="default", policies=POLICIES).api
            manifests = manifests_of(made, self.settings, with_secrets=True)
        except NotExpressible as error:
            name = next(line for line in conf.splitlines() if line.startswith("name:"))
            self.not_possible[name.partition(":")[2].strip(' "')] = error.detail
            return Answer(200, {}, b"{}")
        except Problem as error:
            return Answer(
                error.status, {}, json.dumps({"description": error.detail}).encode()
            )
        changes = deployed(self.target, made.id, manifests)
        said = awaited(self.target, manifests, 60)
        assert all(item.state == "ready" for item in said), [item.line for item in said]
        # The conditions are written before Envoy has the routes.
        if any(change.what != "keep" for change in changes):
            time.sleep(0.7)
        return Answer(200, {}, json.dumps({"id": made.id}).encode())

    def cli(self, *arguments: str, **more: Any) -> Any:
        if arguments[0] != "deploy":
            return self.kapi.cli(*arguments, **more)
        conf, definition = (Path(name).read_text("utf-8") for name in arguments[1:3])
        return self.deploy(conf, definition)


@contextlib.contextmanager
def on_envoy_gateway(
    cluster: Cluster, folder: Path, **changes: Any
) -> Iterator[OnEnvoyGateway]:
    """A running kapi, and a namespace whose Gateway trusts its tokens."""
    kapi = Platform(free_port(), folder / "data")
    kapi.start()
    try:
        made = OnEnvoyGateway(free_port(), kapi.data_dir, kapi=kapi)
        made.settings = _settings(made, changes)
        made.target = Target(connect(cluster.kubeconfig, ""), SPACE)
        _prepare(cluster, made)
        yield made
    finally:
        kapi.stop()


def _settings(made: OnEnvoyGateway, changes: dict[str, Any]) -> Settings:
    given = {
        "data_dir": made.data_dir,
        "gateway.port": made.port,
        "kubernetes.namespace": SPACE,
        "kubernetes.jwks_backend": f"127.0.0.1:{made.kapi.port}",
        "kubernetes.jwks_ca": "kapi-ca",
        **changes,
    }
    return read_settings(given, {}, made.data_dir.parent, None)


def _prepare(cluster: Cluster, made: OnEnvoyGateway) -> None:
    tls = made.data_dir / "tls"
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    )
    head, mark, key = (
        (tls / "edge.pem").read_bytes().partition(b"-----BEGIN PRIVATE KEY-----")
    )
    pair = {"tls.crt": head, "tls.key": mark + key}
    cluster.apply(secret_of("kapi-tls", SPACE, pair, "kubernetes.io/tls"))
    cluster.apply(secret_of("kapi-api-keys", SPACE, {"shop": b"the-key-of-shop"}))
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kapi-ca", "namespace": SPACE},
            "data": {"ca.crt": (tls / "ca.pem").read_text()},
        }
    )


def serves(platform: OnEnvoyGateway, path: str, status: int = 200) -> None:
    """Wait until Envoy answers so."""
    until(lambda: platform.request("default.gw.wso2.com", path).status == status)
