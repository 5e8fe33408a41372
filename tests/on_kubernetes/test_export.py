"""The order of matches, what cannot be expressed, and secrets: on the objects themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kapi.apis.compile import compile_api
from kapi.apis.secrets import Secrets
from kapi.gateway.kubernetes.context import export_context
from kapi.gateway.kubernetes.export import NotExpressible, export_api
from kapi.gateway.kubernetes.files import as_files, as_zip
from kapi.policies import POLICIES
from kapi.policies.kubernetes import KeyAddress
from kapi.settings import KubernetesSettings, Settings

HEAD = """
name: Pets
basePath: /pets
version: 1.0.0
type: REST
defaultVersion: true
endpointConfigurations: {production: {endpoint: "http://backend:8080"}}
"""
DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)
Manifest = dict[str, Any]


def exported(conf: str, **changes: Any) -> tuple[Manifest, ...]:
    compiled = compile_api(
        conf.encode(), DEFINITION, organization="default", policies=POLICIES
    )
    target = changes.pop("target", KubernetesSettings())
    settings = Settings(Path("/data"), kubernetes=target)
    return export_api(compiled.api, export_context(settings, **changes))


def of_kind(objects: tuple[Manifest, ...], kind: str) -> list[Manifest]:
    return [item for item in objects if item["kind"] == kind]


def taken_by(objects: tuple[Manifest, ...], method: str, path: str) -> str:
    """The rule that Envoy Gateway takes: exact paths, the longest expression, the method."""
    found = []
    for route in of_kind(objects, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for match in rule["matches"]:
                value, exact = match["path"]["value"], match["path"]["type"] == "Exact"
                fits = value == path if exact else re.fullmatch(value, path)
                if fits and match.get("method", method) == method:
                    found.append((exact, len(value), "method" in match, rule["name"]))
    return max(found)[-1].rpartition("-")[0] if found else "none"


@pytest.mark.parametrize(
    ("method", "path", "rule"),
    [
        ("GET", "/pets/1.0.0/pets/mine", "get-pets-mine"),
        ("GET", "/pets/1.0.0/pets/mine/", "get-pets-mine"),
        ("GET", "/pets/1.0.0/pets/7", "get-pets-id"),
        ("POST", "/pets/1.0.0/pets/7", "nothing-else-pets-1-0-0"),
        ("HEAD", "/pets/pets/7", "get-pets-id"),
        (
            "GET",
            "/pets/1.0.0/pets/toys/x",
            "get-pets-toys-a-rather-long-name-of-a-parameter",
        ),
        ("GET", "/pets/1.0.0/pets/7/toys", "get-pets-id-toys"),
        ("GET", "/pets/1.0.0/pets/7/anything", "get-pets"),
        ("DELETE", "/pets/1.0.0/a/b", "delete-a-x"),
        ("DELETE", "/pets/1.0.0/z/b", "delete-x-b"),
        ("GET", "/pets/1.0.0/api-definition", "definition"),
        ("GET", "/pets/1.0.0/nothing", "nothing-else-pets-1-0-0"),
    ],
)
def test_a_call_is_for_the_operation_that_it_is_for_in_envoy(
    method: str, path: str, rule: str
) -> None:
    targets = ("/pets/mine", "/pets/{id}", "/pets/{id}/toys", "/pets/*")
    targets += ("/pets/toys/{a_rather_long_name_of_a_parameter}",)
    listed = "".join(f'- {{target: "{item}", verb: GET}}\n' for item in targets)
    more = '- {target: "/{x}/b", verb: DELETE}\n- {target: "/a/{x}", verb: DELETE}\n'
    assert (
        taken_by(exported(f"{HEAD}operations:\n{listed}{more}"), method, path) == rule
    )


def test_a_path_that_passes_for_a_secured_one_gets_404() -> None:
    operations = (
        'operations:\n- {target: "/pets/{id}", verb: GET, secured: false}\n'
        '- {target: "/pets/mine", verb: GET, scopes: [a]}\n'
    )
    made = exported(HEAD + operations)
    assert taken_by(made, "GET", "/pets/1.0.0/pets/MINE").startswith("disguised")
    assert taken_by(made, "GET", "/pets/1.0.0/pets/yours") == "get-pets-id"


def test_all_that_is_not_possible_is_said_at_once() -> None:
    stream = "stream: {type: WebSocket, messagesPerSecond: 1}"
    operations = f'operations:\n- {{target: "/x", verb: GET, {stream}}}\n'
    conf = f"{HEAD}subscriptionValidation: true\n{operations}"
    with pytest.raises(NotExpressible) as error:
        exported(conf)
    assert len(error.value.faults) == 2
    assert "subscriptions" in error.value.detail
    assert "messagesPerSecond" in error.value.detail


def test_without_a_trusted_issuer_a_secured_operation_is_not_exported() -> None:
    conf = f'{HEAD}operations:\n- {{target: "/x", verb: GET}}\n'
    other = KeyAddress("other", "https://other.example", "", organizations=("acme",))
    compiled = compile_api(
        conf.encode(), DEFINITION, organization="default", policies=POLICIES
    )
    settings = Settings(Path("/data"))
    for issuers, fault in (((), "no issuer"), ((other,), "no issuer")):
        context = export_context(settings, issuers)
        alone = type(context)(settings, issuers)
        with pytest.raises(NotExpressible, match=fault):
            export_api(compiled.api, alone)


SECRETS = Secrets(
    {("default", "backend", "user"): "me", ("default", "backend", "password"): "pw"}
)
WITH_PASSWORD = HEAD.replace(
    '"http://backend:8080"}',
    '"http://backend:8080", endpointSecurity: {enabled: true, securityType: '
    "{secretName: backend, userNameKey: user, passwordKey: password}}}",
)


def test_credentials_are_written_only_if_asked_for() -> None:
    conf = f'{WITH_PASSWORD}operations:\n- {{target: "/x", verb: GET}}\n'
    without = exported(conf, secrets=SECRETS)
    assert not of_kind(without, "Secret")
    filters = of_kind(without, "HTTPRouteFilter")
    named = [
        item["spec"]["credentialInjection"]["credential"]["valueRef"]["name"]
        for item in filters
        if "credentialInjection" in item["spec"]
    ]
    (secret,) = of_kind(exported(conf, secrets=SECRETS, with_secrets=True), "Secret")
    assert set(named) == {secret["metadata"]["name"]}
    assert secret["stringData"] == {"credential": "Basic bWU6cHc="}


def test_a_gateway_in_another_namespace_is_named_and_granted() -> None:
    conf = f'{HEAD}operations:\n- {{target: "/x", verb: GET}}\n'
    target = KubernetesSettings(
        namespace="apis", gateway_namespace="edge", jwks_backend="keys.kapi:9095"
    )
    made = exported(conf, target=target)
    (gateway,) = of_kind(made, "Gateway")
    assert gateway["metadata"]["namespace"] == "edge"
    (grant,) = of_kind(made, "ReferenceGrant")
    assert grant["spec"]["from"][0]["namespace"] == "apis"
    parents = {
        item["spec"]["parentRefs"][0]["namespace"]
        for item in of_kind(made, "HTTPRoute")
    }
    assert parents == {"edge"}


def test_a_shared_limit_is_one_count_of_the_rate_limit_service() -> None:
    conf = (
        f"{HEAD}rateLimit: {{requestsPerUnit: 5, unit: Minute}}\n"
        'operations:\n- {target: "/x", verb: GET}\n- {target: "/y", verb: GET}\n'
    )
    with pytest.raises(NotExpressible, match="limit of the whole API"):
        exported(conf)
    made = exported(conf, target=KubernetesSettings(rate_limits="global"))
    (policy,) = of_kind(made, "BackendTrafficPolicy")
    assert policy["spec"]["rateLimit"]["global"]["rules"][0]["shared"] is True
    assert len(policy["spec"]["targetRefs"]) == 4


def test_the_same_api_gives_the_same_bytes() -> None:
    conf = f'{HEAD}operations:\n- {{target: "/x", verb: GET}}\n'
    made = exported(conf)
    assert as_zip(made) == as_zip(exported(conf))
    assert set(as_files(made)) == {f"{item['metadata']['name']}.yaml" for item in made}
