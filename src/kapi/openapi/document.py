"""Builds OpenAPI documents from what the code and the catalogue say about each operation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kapi.openapi import (
    FORM,
    HTML,
    JSON,
    MULTIPART,
    TEXT,
    YAML,
    Described,
    Refusal,
    Row,
)

_STATUS_TEXTS = {
    200: "Done",
    201: "Made",
    202: "Accepted",
    204: "Done; nothing to say",
    303: "Go on at Location",
    304: "Not changed",
    503: "Not ready; try again",
}
_ETAG = {
    "ETag": {
        "description": "Of the object; send it in If-Match",
        "schema": {"type": "string"},
    }
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "ETag of the object as it was read; another object is not changed",
    "schema": {"type": "string"},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "`*`, for a new object; for a GET the ETag that the caller has",
    "schema": {"type": "string"},
}
_CONDITIONS = {"get": (_IF_NONE_MATCH,)}
"""Parameter Objects of the preconditions of a request, by method; the others have both."""
_ENCODED_SLASH = {
    "description": "The path had an encoded slash; Location says how to write it"
}


def document(
    title: str,
    about: str,
    server: str,
    paths: Mapping[str, Any],
    components: Mapping[str, Any],
) -> dict[str, Any]:
    """The OpenAPI Object (OpenAPI 3.1 §4.8.1)."""
    from kapi import __version__

    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": __version__,
            "description": about,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "paths": dict(sorted(paths.items())),
        "components": components,
    }


def operation(
    row: Row,
    described: Described,
    method: str,
    refusals: Iterable[tuple[str, Refusal]],
    schema: str,
) -> dict[str, Any]:
    """The Operation Object.

    `refusals` are all refusals of the operation, by name. `schema` is the schema of a refusal that
    names none.
    """
    summary, _, rest = described.text.strip().partition("\n")
    made: dict[str, Any] = {
        "tags": [described.tag],
        "summary": row.summary or summary.rstrip("."),
        "responses": _responses(row, described, refusals, schema),
    }
    if rest.strip() and not row.summary:
        made["description"] = " ".join(rest.split())
    parameters = _parameters(row, described)
    if row.conditional and described.parameters:
        parameters += _CONDITIONS.get(method, (_IF_MATCH, _IF_NONE_MATCH))
    if parameters:
        made["parameters"] = parameters
    if row.media_type and method not in {"get", "delete"}:
        made["requestBody"] = {
            "content": {row.media_type: {"schema": _body_schema(row)}},
            "required": row.media_type == TEXT or bool(_required(row)),
        }
    if row.security:
        made["security"] = [{row.security: []}]
    return made


def _parameters(row: Row, described: Described) -> list[dict[str, Any]]:
    """Parameter Objects of the path and the query."""
    listed: list[dict[str, Any]] = []
    for name in described.parameters:
        schema = {"type": "string", "minLength": 1}
        listed.append({"name": name, "in": "path", "required": True, "schema": schema})
    if row.media_type:
        return listed
    for marked, what in row.takes.items():
        listed.append(
            {
                "name": marked.rstrip("!"),
                "in": "query",
                "description": what,
                "required": marked.endswith("!"),
                "schema": {"type": "string"},
            }
        )
    return listed


def _responses(
    row: Row, described: Described, refusals: Iterable[tuple[str, Refusal]], schema: str
) -> dict[str, Any]:
    """The Responses Object. An answer of the row comes before a refusal with the same status."""
    made: dict[str, Any] = {}
    if described.parameters:
        made["307"] = _ENCODED_SLASH
    for status, media_type in row.answers.items():
        response: dict[str, Any] = {"description": _STATUS_TEXTS.get(status, "Done")}
        if media_type:
            response["content"] = _content(row, media_type)
            if row.conditional:
                response["headers"] = _ETAG
        made[str(status)] = response
    for refused, response in _refused(refusals, schema).items():
        made.setdefault(refused, response)
    return made


def _content(row: Row, media_type: str) -> dict[str, Any]:
    """The Media Type Objects of an answer."""
    schema: dict[str, Any] = {"type": "string"}
    if media_type in {JSON, YAML}:
        schema = {"$ref": f"#/components/schemas/{row.schema}"} if row.schema else {}
    content = {media_type: {"schema": schema}}
    if row.also:
        content[row.also] = {"schema": {"type": "string"}}
    return content


def _refused(refusals: Iterable[tuple[str, Refusal]], schema: str) -> dict[str, Any]:
    """Response Objects by status. Refusals with the same status are examples of one response."""
    made: dict[str, Any] = {}
    for name, refusal in sorted(refusals, key=lambda item: item[1].status):
        response = made.setdefault(
            str(refusal.status), {"description": "", "content": {}}
        )
        response["description"] = (
            f"{response['description']}; {refusal.when}".removeprefix("; ")
        )
        if refusal.example is None:
            response["content"][HTML] = {"schema": {"type": "string"}}
            continue
        reference = {"$ref": f"#/components/schemas/{refusal.schema or schema}"}
        shown = response["content"].setdefault(
            JSON, {"schema": reference, "examples": {}}
        )
        shown["schema"] = _either(shown["schema"], reference)
        shown["examples"][name] = {"summary": refusal.when, "value": refusal.example}
    return made


def _either(schema: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema that accepts what either accepts."""
    known = schema.get("anyOf", [schema])
    if other in known:
        return schema
    return {"anyOf": [*known, other]}


def _body_schema(row: Row) -> dict[str, Any]:
    """The Schema Object of the request body."""
    if row.media_type == TEXT:
        return {"type": "string"}
    kind: dict[str, str] = {}
    if row.media_type == MULTIPART:
        kind = {"type": "string", "format": "binary"}
    elif row.media_type == FORM:
        kind = {"type": "string"}
    properties = {
        name.rstrip("!"): {"description": what, **kind}
        for name, what in row.takes.items()
    }
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    required = _required(row)
    if required:
        schema["required"] = required
    return schema


def _required(row: Row) -> list[str]:
    found = []
    for name in row.takes:
        if name.endswith("!"):
            found.append(name.rstrip("!"))
    return found
