"""Collections of requests for Postman and Bruno, made from OpenAPI documents."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kapi.apis.collections.bruno import bruno
from kapi.apis.collections.drafts import drafts
from kapi.apis.collections.postman import postman
from kapi.apis.collections.requests import (
    Called,
    Collection,
    Request,
    declared,
    requests_of,
    secured,
)

PETSTORE: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "examples/petstore/openapi.yaml").read_text("utf-8")
)


def _collection(*requests: Request) -> Collection:
    return Collection(
        name="Petstore",
        version="1.0.0",
        base_url="https://gw.example/petstore/1.0.0",
        token_url="https://idp.example/oauth2/token",
        client_id="shop",
        scopes=("read", "write"),
        requests=requests,
    )


def _one(operation: dict[str, Any], path: str = "/a", **members: Any) -> Request:
    document = {"openapi": "3.0.3", "paths": {path: {"post": operation}}, **members}
    (made,) = requests_of(document, secured(document))
    return made


def test_each_operation_is_a_request_in_the_folder_of_its_tag() -> None:
    collection = _collection(*requests_of(PETSTORE, secured(PETSTORE)))
    assert {name: len(found) for name, found in collection.folders.items()} == {
        "pet": 8,
        "user": 7,
        "store": 4,
    }
    assert not any(request.is_open for request in collection.requests)
    assert any(request.is_open for request in requests_of(PETSTORE, declared(PETSTORE)))


def test_postman_gets_tokens_with_variables_and_no_secret() -> None:
    made = json.loads(postman(_collection(*requests_of(PETSTORE, secured(PETSTORE)))))
    auth = {item["key"]: item["value"] for item in made["auth"]["oauth2"]}
    assert auth["grant_type"] == "client_credentials"
    assert (auth["clientSecret"], auth["accessTokenUrl"]) == (
        "{{clientSecret}}",
        "{{tokenUrl}}",
    )
    variables = {item["key"]: item["value"] for item in made["variable"]}
    assert variables == {
        "baseUrl": "https://gw.example/petstore/1.0.0",
        "tokenUrl": "https://idp.example/oauth2/token",
        "clientId": "shop",
        "scope": "read write",
        "clientSecret": "",
        "accessToken": "",
    }
    pet = {item["name"]: item["request"] for item in made["item"][0]["item"]}
    added = pet["Add a pet"]
    assert json.loads(added["body"]["raw"])["name"] == "doggie"
    assert {"key": "Content-Type", "value": "application/json"} in added["header"]
    shown = pet["Show one pet"]["url"]
    assert (shown["raw"], shown["path"]) == (
        "{{baseUrl}}/pet/:petId",
        ["pet", ":petId"],
    )
    assert shown["variable"] == [{"key": "petId", "value": "0"}]


def test_bruno_gets_a_file_for_each_request_and_an_environment() -> None:
    files = bruno(_collection(*requests_of(PETSTORE, secured(PETSTORE))))
    values = {name: yaml.safe_load(text) for name, text in files.items()}
    root = values["opencollection.yml"]
    assert root["opencollection"] == "1.0.0"
    assert root["request"]["auth"]["credentials"]["clientSecret"] == "{{clientSecret}}"
    assert {"name": "clientSecret", "secret": True} in values["environments/kapi.yml"][
        "variables"
    ]
    added = values["pet/Add a pet.yml"]
    assert json.loads(added["http"]["body"]["data"])["status"] == "available"
    assert added["http"]["auth"] == "inherit"
    assert values["pet/folder.yml"]["info"] == {"name": "pet", "type": "folder"}
    assert len(files) == 2 + 3 + 19


def test_an_operation_for_all_is_called_without_a_token() -> None:
    requests = requests_of(PETSTORE, [Called("GET", "/pet/{id}", is_open=True)])
    assert requests[0].path == "/pet/:petId"
    made = json.loads(postman(_collection(*requests)))
    assert made["item"][0]["item"][0]["request"]["auth"] == {"type": "noauth"}
    assert (
        "auth"
        not in yaml.safe_load(bruno(_collection(*requests))["pet/Show one pet.yml"])[
            "http"
        ]
    )


def test_an_operation_that_the_document_lacks_has_its_verb_and_path() -> None:
    (request,) = requests_of(PETSTORE, [Called("PATCH", "/else/*")])
    assert (request.name, request.path, request.body) == (
        "PATCH /else/*",
        "/else/*",
        None,
    )


@pytest.mark.parametrize(
    ("media_type", "mode", "kind"),
    [
        ("application/x-www-form-urlencoded", "urlencoded", "form-urlencoded"),
        ("multipart/form-data", "formdata", "multipart-form"),
    ],
)
def test_forms_have_fields(media_type: str, mode: str, kind: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "example": 3},
            "id": {"type": "string", "readOnly": True},
        },
    }
    request = _one({"requestBody": {"content": {media_type: {"schema": schema}}}})
    made = json.loads(postman(_collection(request)))["item"][0]["request"]
    assert made["body"][mode] == [{"key": "n", "value": "3", "type": "text"}]
    assert made["header"] == []
    body = yaml.safe_load(bruno(_collection(request))["POST a.yml"])["http"]["body"]
    assert (body["type"], [item["name"] for item in body["data"]]) == (kind, ["n"])


def test_swagger_2_bodies_and_forms() -> None:
    body = {
        "name": "b",
        "in": "body",
        "schema": {"type": "object", "example": {"a": 1}},
    }
    assert _one({"parameters": [body]}).body.text == '{\n  "a": 1\n}'
    field = {"name": "f", "in": "formData", "type": "string", "default": "x"}
    made = _one({"parameters": [field]}).body
    assert [(item.name, item.value) for item in made.fields] == [("f", "x")]


def test_parameters_that_are_not_required_are_switched_off() -> None:
    given = [
        {
            "name": "q",
            "in": "query",
            "required": True,
            "schema": {"type": "string"},
            "example": "x",
        },
        {
            "name": "list",
            "in": "query",
            "schema": {"type": "array", "example": ["a", "b"]},
        },
        {"name": "X-Way", "in": "header", "schema": {"type": "string", "enum": ["up"]}},
        {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
        {
            "name": "id",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "example": "7",
        },
    ]
    request = _one({"parameters": given}, "/a/v{id}.json/{id}")
    assert request.path == "/a/v7.json/:id"
    made = json.loads(postman(_collection(request)))["item"][0]["request"]
    assert made["url"]["raw"] == "{{baseUrl}}/a/v7.json/:id?q=x"
    assert made["url"]["query"] == [
        {"key": "q", "value": "x"},
        {"key": "list", "value": "a", "disabled": True},
        {"key": "list", "value": "b", "disabled": True},
    ]
    assert made["header"] == [{"key": "X-Way", "value": "up", "disabled": True}]


def test_a_document_refers_to_no_variable_of_the_client() -> None:
    example = {"a": "{{process.env.HOME}}"}
    media_type = {"application/json": {"example": example}}
    request = _one(
        {"summary": "{{clientSecret}}", "requestBody": {"content": media_type}}
    )
    for text in (postman(_collection(request)), *bruno(_collection(request)).values()):
        assert "{{process" not in text
    assert request.name == "{ {clientSecret}}"


def test_names_of_files_stay_in_the_folder_and_are_unique() -> None:
    names = ("../../x", "../../X", "..", "a/b")
    requests = [Request(name, "..", "GET", "/a") for name in names]
    assert not any(request.is_open for request in requests)
    files = bruno(_collection(*requests))
    assert len(files) == 2 + 1 + len(names)
    assert not any(".." in Path(name).parts for name in files)
    assert all(len(Path(name).parts) <= 2 for name in files)
    assert len({name.lower() for name in files}) == len(files)


NOTE = {
    "summary": "Leave a note – ünüsual",
    "description": "As text.",
    "parameters": [
        {"name": "Accept", "in": "header", "schema": {"type": "string"}},
        {"name": "session", "in": "cookie", "schema": {"type": "string"}},
        {
            "name": "X-Way",
            "in": "header",
            "description": "Where",
            "schema": {"enum": ["up"]},
        },
        {"name": "q", "in": "query", "schema": {"type": "string", "example": "x"}},
    ],
    "requestBody": {"content": {"text/plain": {"example": "two\nlines"}}},
}


def test_the_whole_of_a_bruno_collection() -> None:
    files = bruno(_collection(_one(NOTE), _one({"summary": "Second"})))
    assert list(files) == [
        "opencollection.yml",
        "environments/kapi.yml",
        "Leave a note ünüsual.yml",
        "Second.yml",
    ]
    assert "– ünüsual" in files["Leave a note ünüsual.yml"]
    assert "data: |-\n" in files["Leave a note ünüsual.yml"]
    values = {name: yaml.safe_load(text) for name, text in files.items()}
    assert values["opencollection.yml"]["bundled"] is False
    assert "docs" not in values["opencollection.yml"]
    assert values["environments/kapi.yml"] == {
        "name": "kapi",
        "variables": [
            {"name": "baseUrl", "value": "https://gw.example/petstore/1.0.0"},
            {"name": "tokenUrl", "value": "https://idp.example/oauth2/token"},
            {"name": "clientId", "value": "shop"},
            {"name": "scope", "value": "read write"},
            {"name": "clientSecret", "secret": True},
        ],
    }
    assert values["Leave a note ünüsual.yml"] == {
        "info": {"name": "Leave a note – ünüsual", "type": "http", "seq": 1},
        "http": {
            "method": "POST",
            "url": "{{baseUrl}}/a",
            "params": [{"name": "q", "value": "x", "disabled": True, "type": "query"}],
            "headers": [
                {
                    "name": "X-Way",
                    "value": "up",
                    "description": "Where",
                    "disabled": True,
                },
                {"name": "Content-Type", "value": "text/plain"},
            ],
            "body": {"type": "text", "data": "two\nlines"},
            "auth": "inherit",
        },
        "docs": {"content": "As text.", "type": "text/markdown"},
    }
    assert values["Second.yml"] == {
        "info": {"name": "Second", "type": "http", "seq": 2},
        "http": {"method": "POST", "url": "{{baseUrl}}/a", "auth": "inherit"},
    }


def test_the_whole_of_a_postman_request() -> None:
    text = postman(_collection(_one(NOTE), _one({"summary": "Second"})))
    assert "ünüsual" in text
    first, second = json.loads(text)["item"]
    assert first == {
        "name": "Leave a note – ünüsual",
        "request": {
            "method": "POST",
            "header": [
                {
                    "key": "X-Way",
                    "value": "up",
                    "description": "Where",
                    "disabled": True,
                },
                {"key": "Content-Type", "value": "text/plain"},
            ],
            "url": {
                "raw": "{{baseUrl}}/a",
                "host": ["{{baseUrl}}"],
                "path": ["a"],
                "query": [{"key": "q", "value": "x", "disabled": True}],
            },
            "description": "As text.",
            "body": {"mode": "raw", "raw": "two\nlines"},
        },
        "response": [],
    }
    assert second == {
        "name": "Second",
        "request": {
            "method": "POST",
            "header": [],
            "url": {"raw": "{{baseUrl}}/a", "host": ["{{baseUrl}}"], "path": ["a"]},
        },
        "response": [],
    }


def test_a_description_of_the_api_is_in_both() -> None:
    described = replace(_collection(), description="All of it")
    assert json.loads(postman(described))["info"] == {
        "name": "Petstore 1.0.0",
        "description": "All of it",
        "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
    }
    root = yaml.safe_load(bruno(described)["opencollection.yml"])
    assert root["docs"] == {"content": "All of it", "type": "text/markdown"}
    assert root["info"] == {"name": "Petstore", "version": "1.0.0"}


def test_a_text_as_json_has_quotes_and_a_multipart_draft_has_its_fields() -> None:
    content = {"application/json": {"example": "word"}}
    assert _one({"requestBody": {"content": content}}).body.text == '"word"'
    schema = {"type": "object", "properties": {"n": {"type": "string", "example": "3"}}}
    operation = {
        "requestBody": {"content": {"multipart/form-data": {"schema": schema}}},
        "responses": {"200": {"description": "ok"}},
    }
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"post": operation}},
    }
    conf = "type: REST\noperations:\n- {target: /a, verb: POST}\n"
    draft = drafts(conf, json.dumps(document).encode()).draft
    assert (
        draft.body.count('Content-Disposition: form-data; name="n"\r\n\r\n3\r\n') == 1
    )
