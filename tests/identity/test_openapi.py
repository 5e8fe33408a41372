"""The OpenAPI documents: they contain everything that is registered, and nothing else; they are
valid.
"""

from __future__ import annotations

import base64
import hashlib
import html
import inspect
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from idp import call, identity_app, provider_of
from kapi.front.web.openapi.catalogue import CATALOGUE as SYSTEM_CATALOGUE
from kapi.identity.endpoints import ENDPOINTS
from kapi.identity.endpoints.documents.openapi import described
from kapi.identity.grants import GRANTS, Grant
from kapi.identity.openapi import CATALOGUE, NOT_DESCRIBED
from kapi.identity.token_endpoint import PATHS
from kapi.settings import Settings
from kapi.store import Store

SETTINGS = Settings(Path("/nowhere"))
META = {
    "type": "object",
    "required": ["openapi", "info", "paths"],
    "properties": {
        "openapi": {"const": "3.1.0"},
        "paths": {
            "patternProperties": {
                "^/": {
                    "patternProperties": {
                        "^(get|put|post|delete|patch)$": {
                            "required": ["summary", "responses"],
                            "properties": {
                                "responses": {
                                    "minProperties": 1,
                                    "patternProperties": {
                                        "^.": {"required": ["description"]}
                                    },
                                }
                            },
                        }
                    },
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("openapi") / "kapi.db")


def test_every_endpoint_is_described_and_nothing_else(store: Store) -> None:
    provider = provider_of(SETTINGS, store)
    document = described(provider.published, ENDPOINTS)
    found = {
        (path.replace("{client_id}", ""), method.upper())
        for path, item in document["paths"].items()
        for method in item
    }
    wanted = {(path, "POST") for path in PATHS}
    names = set()
    for endpoint in ENDPOINTS:
        name = endpoint.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
        names.add(name)
        if name not in NOT_DESCRIBED:
            paths = endpoint.paths(provider.published)
            wanted |= {(path, method) for path in paths for method in endpoint.methods}
    assert found == wanted
    described_names = {name.partition(" ")[0] for name in CATALOGUE.operations}
    assert names | {"token"} == described_names | NOT_DESCRIBED


def token_fields(settings: Settings, store: Store) -> set[str]:
    document = described(provider_of(settings, store).published, ENDPOINTS)
    (body,) = document["paths"]["/oauth2/token"]["post"]["requestBody"][
        "content"
    ].values()
    return set(body["schema"]["properties"])


def test_parameters_of_a_grant_are_described_while_it_is_offered(store: Store) -> None:
    identity = replace(SETTINGS.identity, password_grant=True)
    more = token_fields(replace(SETTINGS, identity=identity), store)
    usual = token_fields(SETTINGS, store)
    assert more - usual == {"username", "password", "organization"}
    assert {"code", "assertion", "requested_token_type", "scope"} <= usual


@pytest.mark.parametrize(
    "grant", GRANTS, ids=[grant.facts.grant_type for grant in GRANTS]
)
def test_a_grant_describes_each_parameter_that_it_reads(grant: Grant) -> None:
    source = inspect.getsource(sys.modules[grant.__name__])  # type: ignore[attr-defined]
    read = set(re.findall(r"""form\.(?:get|need)\("(\w+)"\)""", source))
    of_all = {"scope", "resource", "authorization_details"}
    refused = {"actor_token", "actor_token_type"}
    assert read - of_all - refused <= set(grant.facts.parameters), (
        "name it in `parameters` of the facts of the grant"
    )


def test_the_document_is_valid_and_both_forms_are_the_same(store: Store) -> None:
    app: Any = identity_app(SETTINGS, store, lambda: 1_800_000_000)
    as_json, as_yaml = (
        call(app, "GET", "/openapi.json"),
        call(app, "GET", "/openapi.yaml"),
    )
    assert as_json.json() == yaml.safe_load(as_yaml.body)
    assert as_yaml.headers["content-type"] == "application/yaml"
    jsonschema.validate(as_json.json(), META)
    for item in as_json.json()["paths"].values():
        for operation in item.values():
            assert operation["summary"]
    assert (
        call(app, "GET", "/openapi.json", if_none_match=as_json.headers["etag"]).status
        == 304
    )


def test_refusals_are_said_by_their_statuses(store: Store) -> None:
    document = described(provider_of(SETTINGS, store).published, ENDPOINTS)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            refused = {status for status in operation["responses"] if status >= "4"}
            assert all(status.isdigit() for status in refused), (path, method)
            assert refused >= {"401" for _ in operation.get("security", ())}, (
                path,
                method,
            )
            assert refused or method == "get", (path, method)
    token = document["paths"]["/oauth2/token"]["post"]["responses"]
    assert set(token) == {"200", "400", "401", "408", "413", "429"}
    shown = token["400"]["content"]["application/json"]
    assert shown["schema"] == {"$ref": "#/components/schemas/OAuthError"}
    assert (
        shown["examples"]["authorization_pending"]["value"]["error"]
        == "authorization_pending"
    )


def test_people_read_it_on_a_page(store: Store) -> None:
    app: Any = identity_app(SETTINGS, store, lambda: 1_800_000_000)
    page, document = (
        call(app, "GET", "/openapi.html"),
        call(app, "GET", "/openapi.json").json(),
    )
    text = page.body.decode()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'; base-uri 'none'" in policy
    assert (
        page.headers["x-frame-options"],
        page.headers["x-content-type-options"],
    ) == (
        "DENY",
        "nosniff",
    )
    assert "<script" not in text
    assert " style=" not in text
    assert "Non-production" in text
    assert text.count("<h1>") == 1
    assert "http" not in re.sub(
        r"https://idp\.am\.wso2\.com|https?://\S+\.example",
        "",
        re.sub(r"(?s)<style>.*</style>|<pre>.*?</pre>", "", text),
    )
    style = re.search(r"(?s)<style>(.*)</style>", text)
    assert style is not None
    assert (
        base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in policy
    )
    for path, item in document["paths"].items():
        assert f"<code>{path}</code>" in text, path
        for operation in item.values():
            assert operation["summary"].replace("`", "") in html.unescape(
                re.sub("</?code>", "", text)
            )
    for reference in re.findall(r'href="#([^"]+)"', text):
        assert text.count(f'id="{reference}"') == 1, reference
    assert (
        call(app, "GET", "/openapi.html", if_none_match=page.headers["etag"]).status
        == 304
    )
    assert (
        call(app, "GET", "/.well-known/openid-configuration")
        .json()["service_documentation"]
        .endswith("/openapi.html")
    )


def test_every_row_of_the_system_apis_has_a_method() -> None:
    methods = {name.partition(" ")[0] for name in SYSTEM_CATALOGUE.operations}
    assert methods <= {"GET", "POST", "PUT", "PATCH", "DELETE"}
