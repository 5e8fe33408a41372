"""The OpenAPI documents: everything that is registered stands in them, and nothing else; they are valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from idp import call, identity_app, provider_of
from kapi.front.web.openapi_api import ROWS as SYSTEM_ROWS
from kapi.identity.descriptions import NOT_DESCRIBED, ROWS
from kapi.identity.endpoints import ENDPOINTS
from kapi.identity.endpoints.openapi import described
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
                            "properties": {"responses": {"minProperties": 2, "patternProperties": {"^.": {"required": ["description"]}}}},
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
    document = described(provider)
    found = {(path.replace("{client_id}", ""), method.upper()) for path, item in document["paths"].items() for method in item}
    wanted = {(path, "POST") for path in PATHS}
    names = set()
    for endpoint in ENDPOINTS:
        name = endpoint.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
        names.add(name)
        if name not in NOT_DESCRIBED:
            wanted |= {(path, method) for path in endpoint.paths(provider) for method in endpoint.methods}
    assert found == wanted
    assert names == set(ROWS) | NOT_DESCRIBED


def test_the_document_is_valid_and_both_forms_are_the_same(store: Store) -> None:
    app: Any = identity_app(SETTINGS, store, lambda: 1_800_000_000)
    as_json, as_yaml = call(app, "GET", "/openapi.json"), call(app, "GET", "/openapi.yaml")
    assert as_json.json() == yaml.safe_load(as_yaml.body)
    assert as_yaml.headers["content-type"] == "application/yaml"
    jsonschema.validate(as_json.json(), META)
    for item in as_json.json()["paths"].values():
        for operation in item.values():
            assert operation["summary"]
    assert call(app, "GET", "/openapi.json", if_none_match=as_json.headers["etag"]).status == 304


def test_every_row_of_the_system_apis_has_a_method() -> None:
    assert {method for method, _ in SYSTEM_ROWS} <= {"GET", "POST", "PUT", "PATCH", "DELETE"}
