"""The commands themselves, on a real API server with Envoy Gateway; APIs and Gateway in two
namespaces.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import commands
from harness import DEFINITION, conf, curl, echo_backend, free_port
from on_kubernetes.cluster import Cluster, certificate, secret_of
from waiting import until

pytestmark = pytest.mark.long
APIS, EDGE = "apis", "edge"
OPEN = '- {target: "/items", verb: GET, secured: false}\n'
TWO = OPEN + '- {target: "/more", verb: GET, secured: false}\n'
LIMITED = TWO.replace("}", ", rateLimit: {requestsPerUnit: 2, unit: Hour}}", 1)
Kapi = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with echo_backend() as port:
        yield port


@pytest.fixture(scope="module")
def port(cluster: Cluster) -> Iterator[int]:
    """The Gateway's, in a namespace of its own."""
    for name in (APIS, EDGE):
        cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )
    made, key = certificate("*.gw.wso2.com")
    pair = {"tls.crt": made, "tls.key": key}
    cluster.apply(secret_of("kapi-tls", EDGE, pair, "kubernetes.io/tls"))
    yield free_port()
    gateways = f"/apis/gateway.networking.k8s.io/v1/namespaces/{EDGE}/gateways"
    cluster.ask(f"{gateways}/kapi", "DELETE")


@pytest.fixture
def kapi(cluster: Cluster, port: int, tmp_path: Path) -> Kapi:
    (tmp_path / "openapi.yaml").write_text(DEFINITION)

    def run(
        *arguments: str, text: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "api.apk-conf").write_text(text)
        own = {
            "KAPI_DATA_DIR": str(tmp_path / "data"),
            "KAPI_GATEWAY__PORT": str(port),
            "KAPI_KUBERNETES__NAMESPACE": APIS,
            "KAPI_KUBERNETES__GATEWAY_NAMESPACE": EDGE,
            "KUBECONFIG": str(cluster.kubeconfig),
            "NO_COLOR": "1",
        }
        files = (
            (str(tmp_path / "api.apk-conf"), str(tmp_path / "openapi.yaml"))
            if text
            else ()
        )
        command = (arguments[0], *files, *arguments[1:], "--target", "kubernetes")
        return commands.run(command, {**os.environ, **own, **more})

    return run


def status(port: int, path: str) -> int:
    host = "default.gw.wso2.com"
    return curl(f"https://{host}:{port}{path}", resolve=(host, port)).status


def serves(port: int, path: str, wanted: int) -> None:
    until(lambda: listens(port) and status(port, path) == wanted)


def listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_an_api_comes_changes_and_goes(
    kapi: Kapi, port: int, echo: int, cluster: Cluster
) -> None:
    text = conf("Whole", "/whole", port=echo, operations=OPEN)
    dry = kapi("deploy", "--dry-run", text=text)
    assert (dry.returncode, "create HTTPRoute apis/whole-1-0-0-" in dry.stdout) == (
        0,
        True,
    )
    made = kapi("deploy", text=text)
    assert made.returncode == 0, made.stderr
    assert "Envoy Gateway serves Whole 1.0.0" in made.stderr
    assert "Gateway kapi has no address yet" in made.stderr
    serves(port, "/whole/1.0.0/items", 200)
    assert status(port, "/whole/1.0.0/more") == 404

    same = kapi("deploy", "--diff", text=text)
    assert (same.stdout, "keep" in same.stderr) == ("", True)
    limited = conf("Whole", "/whole", port=echo, operations=LIMITED)
    diff = kapi("deploy", "--diff", text=limited)
    assert '+kind: "BackendTrafficPolicy"' in diff.stdout
    assert status(port, "/whole/1.0.0/more") == 404
    assert kapi("deploy", text=limited).returncode == 0
    serves(port, "/whole/1.0.0/more", 200)
    until(lambda: status(port, "/whole/1.0.0/items") == 429)

    back = kapi("deploy", text=text)
    assert (back.returncode, "to delete" in back.stderr) == (0, True), back.stderr
    serves(port, "/whole/1.0.0/more", 404)
    serves(port, "/whole/1.0.0/items", 200)
    gone = kapi("undeploy", made.stdout.strip())
    assert gone.returncode == 0, gone.stderr
    serves(port, "/whole/1.0.0/items", 404)
    routes = f"/apis/gateway.networking.k8s.io/v1/namespaces/{APIS}/httproutes"
    assert cluster.ask(routes)["items"] == []


def test_what_envoy_gateway_does_not_accept_is_told(kapi: Kapi, echo: int) -> None:
    extra = (
        "authentication:\n- {authType: OAuth2, enabled: false}\n"
        "- {authType: APIKey, required: mandatory}\n"
    )
    text = conf(
        "Keys",
        "/keys",
        port=echo,
        extra=extra,
        operations="- {target: /x, verb: GET}\n",
    )
    told = kapi("deploy", text=text)
    assert told.returncode == 6
    assert (
        "is not accepted: APIKeyAuth: secret apis/kapi-api-keys does not exist"
        in told.stderr
    )
    assert "does not serve all of them" in told.stderr


def test_what_the_api_server_refuses_changes_nothing(
    kapi: Kapi, echo: int, cluster: Cluster
) -> None:
    text = conf("Lost", "/lost", port=echo, operations=OPEN)
    refused = kapi("deploy", text=text, KAPI_KUBERNETES__NAMESPACE="nowhere")
    assert refused.returncode != 0
    assert 'namespaces "nowhere" not found' in refused.stderr
    assert "Create the namespace" in refused.stderr


def test_a_field_of_another_tool_is_taken_over_only_if_asked(
    kapi: Kapi, echo: int, cluster: Cluster
) -> None:
    text = conf("Shared", "/shared", port=echo, operations=OPEN)
    assert kapi("deploy", text=text).returncode == 0
    backends = f"/apis/gateway.envoyproxy.io/v1alpha1/namespaces/{APIS}/backends"
    (item,) = [
        one
        for one in cluster.ask(backends)["items"]
        if one["metadata"]["annotations"]["kapi/name"] == "Shared"
    ]
    item["spec"]["endpoints"] = [{"ip": {"address": "127.0.0.1", "port": 1}}]
    cluster.apply(
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "Backend",
            "metadata": {"name": item["metadata"]["name"], "namespace": APIS},
            "spec": {"endpoints": item["spec"]["endpoints"]},
        }
    )
    refused = kapi("deploy", text=text)
    assert (refused.returncode != 0, "conflict" in refused.stderr) == (True, True)
    assert "use --force" in refused.stderr
    forced = kapi("deploy", "--force", text=text)
    assert forced.returncode == 0, forced.stderr
