"""A collection of Postman, format 2.1.0. Pure.

The schema: https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html. newman gets
no token itself: it takes the variable `accessToken`.
"""

from __future__ import annotations

import json
from typing import Any, Final

from kapi.apis.collections.requests import (
    BASE_URL,
    CLIENT_ID,
    CLIENT_SECRET,
    SCOPE,
    TOKEN_URL,
    Body,
    Collection,
    Request,
    variable,
)

_SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_ACCESS_TOKEN: Final = "accessToken"  # noqa: S105 - the name of a variable


def postman(collection: Collection) -> str:
    """The collection as the text of one file."""
    given = {**collection.variables, CLIENT_SECRET: "", _ACCESS_TOKEN: ""}
    made = {
        "info": {
            "name": f"{collection.name} {collection.version}".strip(),
            "description": collection.description,
            "schema": _SCHEMA,
        },
        "auth": _auth(),
        "variable": [
            {"key": key, "value": value, "type": "string"}
            for key, value in given.items()
        ],
        "item": list(_items(collection)),
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _items(collection: Collection) -> list[dict[str, Any]]:
    found = []
    for folder, requests in collection.folders.items():
        made = [_item(request) for request in requests]
        if folder:
            made = [{"name": folder, "item": made}]
        found += made
    return found


def _auth() -> dict[str, Any]:
    """Client credentials (RFC 6749 §4.4), with the secret in a variable."""
    given = {
        "grant_type": "client_credentials",
        "accessTokenUrl": variable(TOKEN_URL),
        "clientId": variable(CLIENT_ID),
        "clientSecret": variable(CLIENT_SECRET),
        "scope": variable(SCOPE),
        "client_authentication": "header",
        "addTokenTo": "header",
        "headerPrefix": "Bearer",
        "accessToken": variable(_ACCESS_TOKEN),
    }
    members = [
        {"key": key, "value": value, "type": "string"} for key, value in given.items()
    ]
    return {"type": "oauth2", "oauth2": members}


def _item(request: Request) -> dict[str, Any]:
    made: dict[str, Any] = {
        "method": request.method,
        "header": request.headers("key"),
        "url": _url(request),
    }
    if request.description:
        made["description"] = request.description
    if request.is_open:
        made["auth"] = {"type": "noauth"}
    if request.body:
        made["body"] = _body(request.body)
    return {"name": request.name, "request": made, "response": []}


def _url(request: Request) -> dict[str, Any]:
    made: dict[str, Any] = {
        "raw": request.url,
        "host": [variable(BASE_URL)],
        "path": request.path.removeprefix("/").split("/"),
    }
    for member, place in (("query", "query"), ("variable", "path")):
        if values := [item.written("key") for item in request.at(place)]:
            made[member] = values
    return made


def _body(body: Body) -> dict[str, Any]:
    if body.is_form:
        mode = "formdata" if body.is_multipart else "urlencoded"
        return {
            "mode": mode,
            mode: [{**item.written("key"), "type": "text"} for item in body.fields],
        }
    made: dict[str, Any] = {"mode": "raw", "raw": body.text}
    if body.is_json:
        made["options"] = {"raw": {"language": "json"}}
    return made
