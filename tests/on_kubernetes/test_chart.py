"""The Helm chart: linted, rendered by helm, and admitted by a real API server with the restricted
profile for pods.
"""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import yaml

from on_kubernetes.cluster import HERE, Cluster, program
from waiting import until

pytestmark = pytest.mark.long
CHART = HERE.parents[1] / "deploy" / "helm" / "kapi"
VERSION = ("--kube-version", "1.36.0")
SPACE = "restricted"
EVERYTHING = {
    "replicas": 2,
    "image": {"repository": "registry.example/kapi", "pullSecrets": ["registry"]},
    "tls": {
        "secret": "kapi-tls",
        "certManager": {"enabled": True, "issuer": {"name": "main"}},
    },
    "environment": [{"name": "KAPI_GATEWAY__CONCURRENCY", "value": "2"}],
    "secretFiles": ["clients"],
    "gatewayRoute": {"enabled": True, "namespace": "edge", "listener": "passthrough"},
    "autoscaling": {"enabled": True},
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"name": "edge"}}}],
        "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    },
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "x", "operator": "Exists"}],
}
Manifest = dict[str, Any]


def helm(
    *arguments: str, values: Manifest | None = None
) -> subprocess.CompletedProcess[str]:
    given = ("--values", "-") if values is not None else ()
    return subprocess.run(
        [program("helm"), *arguments, *VERSION, *given],
        capture_output=True, text=True, check=False, timeout=60, input=json.dumps(values or {}),
    )  # fmt: skip


def rendered(values: Manifest, release: str = "prod") -> list[Manifest]:
    done = helm("template", release, str(CHART), "--namespace", SPACE, values=values)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def of_kind(items: list[Manifest], kind: str) -> Manifest:
    (found,) = [item for item in items if item["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Cluster:
    """With cert-manager's CRD, and a namespace that admits only restricted pods."""
    crd = json.loads((HERE / "certificates.cert-manager.io.json").read_text("utf-8"))
    cluster.apply(crd)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": SPACE, "labels": labels}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    group = "/apis/cert-manager.io/v1"
    until(lambda: answers(cluster, group))
    return cluster


def answers(cluster: Cluster, path: str) -> bool:
    with contextlib.suppress(urllib.error.HTTPError):
        return bool(cluster.ask(path)["resources"])
    return False


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_it_is_linted(values: Manifest) -> None:
    done = helm("lint", "--strict", str(CHART), values=values)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("release", "values"), [("defaults", {}), ("everything", EVERYTHING)]
)
def test_the_api_server_admits_every_object(
    server: Cluster, release: str, values: Manifest
) -> None:
    for item in rendered(values, release):
        item["metadata"].setdefault("namespace", SPACE)
        server.apply(item)
        if item["kind"] in {"Deployment", "Job"}:
            # The controllers that make pods do not run here.
            template = copy.deepcopy(item["spec"]["template"])
            name = f"{item['metadata']['name']}-pod"
            metadata = {**template["metadata"], "name": name, "namespace": SPACE}
            pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}
            server.apply(pod, dry_run=True)


def test_the_profile_refuses_a_pod_with_more_rights(server: Cluster) -> None:
    deployment = of_kind(rendered({}), "Deployment")
    template = deployment["spec"]["template"]
    template["spec"]["securityContext"]["runAsUser"] = 0
    template["metadata"] |= {"name": "root", "namespace": SPACE}
    with pytest.raises(AssertionError, match="PodSecurity"):
        server.apply({"apiVersion": "v1", "kind": "Pod", **template}, dry_run=True)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"replicas": 0}, "/replicas"),
        ({"replica": 2}, "replica"),
        ({"hosts": {"identity": "Not A Host"}}, "/hosts/identity"),
        ({"tls": {"certManager": {"enabled": True}}}, "name"),
        (
            {
                "tls": {
                    "secret": "",
                    "certManager": {"enabled": True, "issuer": {"name": "x"}},
                }
            },
            "secret",
        ),
        ({"service": {"type": "Anything"}}, "/service/type"),
        ({"database": {"secret": ""}}, "/database/secret"),
    ],
)
def test_wrong_values_are_refused_by_the_schema(values: Manifest, fault: str) -> None:
    done = helm("template", "prod", str(CHART), values=values)
    assert done.returncode != 0
    assert fault in done.stderr


def test_each_value_is_described(server: Cluster) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    assert undescribed(values, schema) == []


def undescribed(values: Manifest, schema: Manifest, place: str = "") -> list[str]:
    found = []
    for name, value in values.items():
        of = schema["properties"].get(name)
        if of is None or not ("description" in of or "enum" in of):
            found.append(f"{place}/{name}")
        elif isinstance(value, dict) and "properties" in of:
            found += undescribed(value, of, f"{place}/{name}")
    return found


def test_two_pods_are_replaced_one_after_the_other() -> None:
    two = of_kind(rendered({}), "Deployment")["spec"]
    assert (two["replicas"], two["strategy"]["rollingUpdate"]["maxUnavailable"]) == (
        2,
        0,
    )
    scaled = rendered(EVERYTHING)
    assert "replicas" not in of_kind(scaled, "Deployment")["spec"]
    assert of_kind(scaled, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2


def test_the_settings_are_those_of_kapi(tmp_path: Path) -> None:
    """Variables and file of the container, read by kapi itself."""
    from kapi.identity.settings import read_settings

    items = rendered({"publicPort": 8443})
    (container,) = of_kind(items, "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    environ = {
        item["name"]: item.get("value", "postgresql://db/kapi")
        for item in container["env"]
    }
    file = tmp_path / "kapi.toml"
    file.write_text(of_kind(items, "ConfigMap")["data"]["kapi.toml"], "utf-8")
    given = {"gateway.listen": "0.0.0.0", "gateway.port": 9095}
    settings = read_settings(
        given, {**environ, "KAPI_CONFIG": str(file)}, tmp_path, None
    )
    assert (settings.gateway.public_port, settings.gateway.domain) == (
        8443,
        "gw.wso2.com",
    )
    assert settings.gateway.certificate_file == "/etc/kapi/tls/tls.crt"
    assert settings.store.database == "postgresql://db/kapi"
    assert not settings.identity.well_known_client
