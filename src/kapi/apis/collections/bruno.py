"""A collection of Bruno: a folder of YAML files in the format OpenCollection 1.0.0. Pure.

Bruno reads it from version 3 on: https://docs.usebruno.com/opencollection-yaml/overview.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from kapi.apis.collections.requests import (
    CLIENT_ID,
    CLIENT_SECRET,
    SCOPE,
    TOKEN_URL,
    Body,
    Collection,
    Request,
    variable,
)

ENVIRONMENT: Final = "kapi"
_UNSAFE: Final = re.compile(r"[^\w .-]+")
_LONGEST_NAME: Final = 80


def bruno(collection: Collection) -> dict[str, str]:
    """The files of the collection: their texts by their paths in its folder."""
    files = {
        "opencollection.yml": _yaml(_root(collection)),
        f"environments/{ENVIRONMENT}.yml": _yaml(_environment(collection)),
    }
    for folder, requests in collection.folders.items():
        place = ""
        if folder:
            place = _free(files, _file_name(folder), "/folder.yml").removesuffix(
                "folder.yml"
            )
            made = {
                "info": {"name": folder, "type": "folder"},
                "request": {"auth": "inherit"},
            }
            files[f"{place}folder.yml"] = _yaml(made)
        for number, request in enumerate(requests, 1):
            name = _free(files, place + _file_name(request.name), ".yml")
            files[name] = _yaml(_request(request, number))
    return files


def _free(files: dict[str, str], start: str, end: str) -> str:
    """A path that no file has, letters of another case included."""
    taken = {name.lower() for name in files}
    number = 1
    name = start + end
    while name.lower() in taken:
        number += 1
        name = f"{start} {number}{end}"
    return name


def _file_name(text: str) -> str:
    words = " ".join(_UNSAFE.sub(" ", text).split())
    return words.strip(" .")[:_LONGEST_NAME].strip(" .") or "request"


def _root(collection: Collection) -> dict[str, Any]:
    made: dict[str, Any] = {
        "opencollection": "1.0.0",
        "info": {"name": collection.name, "version": collection.version},
        "request": {"auth": _auth()},
        "bundled": False,
    }
    if collection.description:
        made["docs"] = {"content": collection.description, "type": "text/markdown"}
    return made


def _auth() -> dict[str, Any]:
    """Client credentials (RFC 6749 §4.4), with the secret in a variable."""
    return {
        "type": "oauth2",
        "flow": "client_credentials",
        "accessTokenUrl": variable(TOKEN_URL),
        "credentials": {
            "clientId": variable(CLIENT_ID),
            "clientSecret": variable(CLIENT_SECRET),
            "placement": "basic_auth_header",
        },
        "scope": variable(SCOPE),
        "tokenConfig": {"id": "kapi", "placement": {"header": "Bearer"}},
        "settings": {"autoFetchToken": True, "autoRefreshToken": False},
    }


def _environment(collection: Collection) -> dict[str, Any]:
    given: list[dict[str, Any]] = []
    for name, value in collection.variables.items():
        given.append({"name": name, "value": value})
    given.append({"name": CLIENT_SECRET, "secret": True})
    return {"name": ENVIRONMENT, "variables": given}


def _request(request: Request, number: int) -> dict[str, Any]:
    http: dict[str, Any] = {"method": request.method, "url": request.url}
    parameters = [
        {**item.written("name"), "type": item.place}
        for item in request.at("path") + request.at("query")
    ]
    if parameters:
        http["params"] = parameters
    if headers := request.headers("name"):
        http["headers"] = headers
    if request.body:
        http["body"] = _body(request.body)
    if not request.is_open:
        http["auth"] = "inherit"
    made = {"info": {"name": request.name, "type": "http", "seq": number}, "http": http}
    if request.description:
        made["docs"] = {"content": request.description, "type": "text/markdown"}
    return made


def _body(body: Body) -> dict[str, Any]:
    if body.is_multipart:
        fields = [{**item.written("name"), "type": "text"} for item in body.fields]
        return {"type": "multipart-form", "data": fields}
    if body.is_form:
        return {
            "type": "form-urlencoded",
            "data": [item.written("name") for item in body.fields],
        }
    return {"type": "json" if body.is_json else "text", "data": body.text}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text_node)


def _yaml(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text
