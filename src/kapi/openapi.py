"""Pieces of the OpenAPI 3.1 documents that we serve of ourselves: the identity provider's and the system APIs'. Pure.

What exists (paths, methods, the first line of each description) is read from what is registered, so it cannot lie; what a
request holds and which answers come is said in one row for each operation. Tests send requests made from the documents and
refuse any answer that they do not name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FORM, JSON, HTML, YAML, TEXT = "application/x-www-form-urlencoded", "application/json", "text/html", "application/yaml", "text/plain"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: what it takes, and the answers besides errors."""

    takes: Mapping[str, str] = field(default_factory=dict)
    """Names of form fields, JSON members or query parameters, and what they are; a name that ends in `!` is needed."""
    media_type: str = ""
    """Of the body; empty: `takes` are query parameters."""
    answers: Mapping[int, str] = field(default_factory=lambda: {200: JSON})
    """Status and media type; an empty media type has no body."""
    schema: str = ""
    """Name of the schema of the JSON answer; empty: any JSON."""
    security: str = ""
    """Name of the security scheme; empty: none."""


def operation(row: Row, described: str, method: str, errors: Mapping[str, Any], parameters: Sequence[str] = ()) -> dict[str, Any]:
    """The Operation Object. `errors` are the responses that may come at any time; `parameters` those of the path."""
    first, _, rest = described.strip().partition("\n")
    made: dict[str, Any] = {"summary": first.rstrip("."), "responses": {}}
    if rest.strip():
        made["description"] = " ".join(rest.split())
    listed = [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in parameters]
    if row.takes and not row.media_type:
        listed += [
            {
                "name": name.rstrip("!"),
                "in": "query",
                "description": what,
                "required": name.endswith("!"),
                "schema": {"type": "string"},
            }
            for name, what in row.takes.items()
        ]
    if listed:
        made["parameters"] = listed
    if row.media_type and method not in {"get", "delete"}:
        made["requestBody"] = {
            "content": {row.media_type: {"schema": _body(row)}},
            "required": any(name.endswith("!") for name in row.takes),
        }
    schema = {"$ref": f"#/components/schemas/{row.schema}"} if row.schema else {}
    for status, media_type in row.answers.items():
        content = {media_type: {"schema": schema if media_type in {JSON, YAML} else {"type": "string"}}} if media_type else None
        made["responses"][str(status)] = {"description": _WORDS.get(status, "Done"), **({"content": content} if content else {})}
    made["responses"] |= errors
    if row.security:
        made["security"] = [{row.security: []}]
    return made


def document(title: str, about: str, server: str, paths: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document."""
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


_WORDS = {
    200: "Done",
    201: "Made",
    202: "Accepted",
    204: "Done; nothing to say",
    303: "Go on at Location",
    304: "Not changed",
    503: "Not ready; try again",
}


def _body(row: Row) -> dict[str, Any]:
    files = row.media_type == MULTIPART
    properties = {
        name.rstrip("!"): {
            "description": what,
            **({"type": "string", "format": "binary"} if files else {"type": "string"} if row.media_type == FORM else {}),
        }
        for name, what in row.takes.items()
    }
    needed = [name.rstrip("!") for name in row.takes if name.endswith("!")]
    return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}
