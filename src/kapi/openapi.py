"""Pieces of the OpenAPI 3.1 documents that we serve of ourselves: the identity provider's and the system APIs'. Pure.

What exists (paths, methods, the first line of each description) is read from what is registered, so it cannot lie; what a
request holds and which answers come is said in one row for each operation, refusals by their names in a catalogue. Tests send
requests made from the documents and refuse any answer that they do not name; others make every example happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FORM, JSON, HTML, YAML, TEXT = (
    "application/x-www-form-urlencoded",
    "application/json",
    "text/html",
    "application/yaml",
    "text/plain",
)
MULTIPART = "multipart/form-data"
HTML_PATH = "/openapi.html"
"""Where people read the document, on either host."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason to say no, as a catalogue has it by name: the status, when it comes, and a body as it comes."""

    status: int
    when: str
    example: Mapping[str, Any] | None = None
    """None: the body is a page."""
    schema: str = ""
    """Name of the schema of the body; empty: the document's own."""


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
    summary: str = ""
    """In a reader's words; empty: the first line of what the code says."""
    also: str = ""
    """A further media type of the answer."""
    security: str = ""
    """Name of the security scheme; empty: none."""
    refuses: tuple[str, ...] = ()
    """Names of refusals of its own, besides those that its body and its security scheme bring."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the code says of an operation: its text (the first line is the summary), its group, the parameters of its path."""

    text: str
    tag: str
    parameters: Sequence[str] = ()


def operation(
    row: Row,
    described: Described,
    method: str,
    refusals: Iterable[tuple[str, Refusal]],
    schema: str,
) -> dict[str, Any]:
    """The Operation Object. `refusals` are all of this operation, by name; `schema` is that of bodies that name no other."""
    first, _, rest = described.text.strip().partition("\n")
    made: dict[str, Any] = {
        "tags": [described.tag],
        "summary": row.summary or first.rstrip("."),
        "responses": {},
    }
    if rest.strip() and not row.summary:
        made["description"] = " ".join(rest.split())
    listed = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in described.parameters
    ]
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
    if described.parameters:
        made["responses"]["307"] = {
            "description": "The path had an encoded slash; Location says how to write it"
        }
    if listed:
        made["parameters"] = listed
    if row.media_type and method not in {"get", "delete"}:
        made["requestBody"] = {
            "content": {row.media_type: {"schema": _body(row)}},
            "required": row.media_type == TEXT or any(name.endswith("!") for name in row.takes),
        }
    answered = {"$ref": f"#/components/schemas/{row.schema}"} if row.schema else {}
    for status, media_type in row.answers.items():
        content = (
            {media_type: {"schema": answered if media_type in {JSON, YAML} else {"type": "string"}}}
            if media_type
            else None
        )
        if content and row.also:
            content[row.also] = {"schema": {"type": "string"}}
        made["responses"][str(status)] = {
            "description": _WORDS.get(status, "Done"),
            **({"content": content} if content else {}),
        }
    for refused, response in _refused(refusals, schema).items():
        made["responses"].setdefault(refused, response)
    if row.security:
        made["security"] = [{row.security: []}]
    return made


def document(
    title: str, about: str, server: str, paths: Mapping[str, Any], components: Mapping[str, Any]
) -> dict[str, Any]:
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


def _refused(refusals: Iterable[tuple[str, Refusal]], schema: str) -> dict[str, Any]:
    """Response Objects by status: reasons that share one are examples of it."""
    made: dict[str, Any] = {}
    for name, refusal in sorted(refusals, key=lambda item: item[1].status):
        response = made.setdefault(str(refusal.status), {"description": "", "content": {}})
        response["description"] = f"{response['description']}; {refusal.when}".removeprefix("; ")
        if refusal.example is None:
            response["content"][HTML] = {"schema": {"type": "string"}}
            continue
        reference = {"$ref": f"#/components/schemas/{refusal.schema or schema}"}
        shown = response["content"].setdefault(JSON, {"schema": reference, "examples": {}})
        if reference != shown["schema"] and reference not in shown["schema"].get("anyOf", ()):
            shown["schema"] = {
                "anyOf": [*shown["schema"].get("anyOf", (shown["schema"],)), reference]
            }
        shown["examples"][name] = {"summary": refusal.when, "value": refusal.example}
    return made


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
    if row.media_type == TEXT:
        return {"type": "string"}
    files = row.media_type == MULTIPART
    properties = {
        name.rstrip("!"): {
            "description": what,
            **(
                {"type": "string", "format": "binary"}
                if files
                else {"type": "string"}
                if row.media_type == FORM
                else {}
            ),
        }
        for name, what in row.takes.items()
    }
    needed = [name.rstrip("!") for name in row.takes if name.endswith("!")]
    return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}
