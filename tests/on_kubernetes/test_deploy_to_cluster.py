"""`kapi deploy --target kubernetes` and `kapi undeploy`, against an API server in memory."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import commands
from kapi.gateway.kubernetes.cluster.changes import Change
from on_kubernetes.fake_api_server import FakeApiServer, fake_api_server

CONF = """
name: Pets
basePath: /pets
version: 1.0.0
type: REST
endpointConfigurations: {production: {endpoint: "http://backend:8080"}}
operations:
- {target: /pets, verb: GET, secured: false}
"""
DEFINITION = '{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
LIMITED = CONF.replace(
    "secured: false", "secured: false, rateLimit: {requestsPerUnit: 1, unit: Day}"
)
SECURED = CONF.replace(", secured: false", "")
Kapi = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeApiServer]:
    with fake_api_server(tmp_path) as running:
        yield running


@pytest.fixture
def kapi(tmp_path: Path) -> Kapi:
    (tmp_path / "openapi.json").write_text(DEFINITION)

    def run(*arguments: str, conf: str = CONF) -> subprocess.CompletedProcess[str]:
        (tmp_path / "pets.apk-conf").write_text(conf)
        environment = {
            **os.environ,
            "KAPI_DATA_DIR": str(tmp_path / "data"),
            "KAPI_KUBERNETES__WAIT_SECONDS": "1",
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "NO_COLOR": "1",
        }
        files = [str(tmp_path / "pets.apk-conf"), str(tmp_path / "openapi.json")]
        given = [
            *arguments[:1],
            *(files if arguments[0] == "deploy" else ()),
            *arguments[1:],
        ]
        return commands.run((*given, "--target", "kubernetes"), environment)

    return run


def test_objects_are_applied_awaited_pruned_and_removed(
    server: FakeApiServer, kapi: Kapi
) -> None:
    first = kapi("deploy", conf=LIMITED)
    assert first.returncode == 0, first.stderr
    assert "Envoy Gateway serves Pets 1.0.0" in first.stderr
    (limit,) = [path for path in server.objects if "/backendtrafficpolicies/" in path]
    applied = [
        line
        for line in server.requests
        if line.startswith("PATCH") and "dry" not in line
    ]
    assert applied.index(f"PATCH {limit}") < len(applied) - 1, (
        "a policy comes before its route"
    )
    again = kapi("deploy", conf=CONF)
    assert again.returncode == 0, again.stderr
    assert limit not in server.objects
    assert "to delete" in again.stderr
    gone = kapi("undeploy", first.stdout.strip())
    assert gone.returncode == 0, gone.stderr
    assert server.names() == {"kapi", "kapi-clients"}
    assert kapi("undeploy", first.stdout.strip()).returncode == 5


def test_a_dry_run_and_a_diff_change_nothing(server: FakeApiServer, kapi: Kapi) -> None:
    dry = kapi("deploy", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "create HTTPRoute default/pets-1-0-0-" in dry.stdout
    assert server.objects == {}
    kapi("deploy")
    before = dict(server.objects)
    diff = kapi("deploy", "--diff", conf=CONF.replace("backend:8080", "backend:9090"))
    assert diff.returncode == 0, diff.stderr
    assert "+      port: 9090" in diff.stdout
    assert "-      port: 8080" in diff.stdout
    assert server.objects == before
    same = kapi("deploy", "--diff")
    assert (same.stdout, "to keep" in same.stderr) == ("", True)


def test_what_envoy_gateway_says_is_told_in_plain_words(
    server: FakeApiServer, kapi: Kapi
) -> None:
    server.says["HTTPRoute"] = {
        "type": "ResolvedRefs",
        "status": "False",
        "reason": "BackendNotFound",
        "message": "no Backend default/x",
    }
    told = kapi("deploy")
    assert told.returncode == 6
    assert "has a backend that is not there: no Backend default/x" in told.stderr


def test_a_gateway_without_an_address_is_mentioned_and_no_failure(
    server: FakeApiServer, kapi: Kapi
) -> None:
    server.says["Gateway"] = {
        "type": "Programmed",
        "status": "False",
        "reason": "AddressNotAssigned",
        "message": "",
    }
    told = kapi("deploy")
    assert (told.returncode, "Gateway kapi has no address yet" in told.stderr) == (
        0,
        True,
    )


def test_an_object_of_another_owner_is_not_taken_over(
    server: FakeApiServer, kapi: Kapi
) -> None:
    kapi("deploy")
    for item in server.objects.values():
        if item["kind"] == "Gateway":
            item["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    refused = kapi("deploy")
    assert refused.returncode != 0
    assert "Gateway default/kapi is there, and it is not kapi's" in refused.stderr


@pytest.mark.parametrize(
    ("refusal", "hint"),
    [
        ((409, 'conflict with "argocd": .spec.rules'), "--force"),
        ((403, "tests cannot patch"), "Use a kubeconfig whose user may"),
        ((404, 'namespaces "default" not found'), "Create the namespace"),
        (
            (404, "the server could not find the requested resource"),
            "Install Envoy Gateway",
        ),
    ],
)
def test_what_the_api_server_refuses_has_a_hint(
    server: FakeApiServer, kapi: Kapi, refusal: tuple[int, str], hint: str
) -> None:
    server.refuses = refusal
    refused = kapi("deploy")
    assert refused.returncode != 0
    assert refusal[1] in refused.stderr
    assert hint in refused.stderr
    assert server.objects == {}


def test_a_kubeconfig_that_is_not_there(kapi: Kapi, tmp_path: Path) -> None:
    refused = kapi("deploy", "--kubeconfig", str(tmp_path / "other"))
    assert "--kubeconfig FILE" in refused.stderr
    (tmp_path / "kubeconfig").write_text("")
    assert "No cluster by this kubeconfig" in kapi("deploy").stderr


def test_an_api_that_cannot_be_expressed_changes_nothing(
    server: FakeApiServer, kapi: Kapi
) -> None:
    refused = kapi("deploy", conf=f"{SECURED}subscriptionValidation: true\n")
    assert refused.returncode == 3
    assert "subscriptions" in refused.stderr
    assert server.requests == []


def test_a_diff_hides_secrets_and_says_that_they_differ() -> None:
    def secret(value: str) -> dict[str, Any]:
        metadata = {"name": "keys", "namespace": "apis"}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "data": {"key": value},
        }

    diff = Change(secret("aHVudGVyMg=="), secret("aHVudGVyMw==")).diff()
    before, after = (
        line.split()[-1] for line in diff.splitlines() if "  key: " in line
    )
    assert before != after, diff
    digests = {
        hashlib.sha256(text.encode()).hexdigest()[:8]
        for text in ("aHVudGVyMg==", "hunter2")
    }
    assert "aHVudGVy" not in diff
    assert not digests & {before.rpartition(":")[2], before}
    assert Change(secret("aHVudGVyMg=="), secret("aHVudGVyMg==")).what == "keep"
