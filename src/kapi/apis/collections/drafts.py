"""The draft of one call of a deployed API, from its conf and definition. Pure.

For callers who fill it in before it is sent: the page *Try it* of the console. Runs in the pool for
large documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Final
from urllib.parse import urlencode

import yaml

from kapi.apis.collections.requests import Body, Called, Value, requests_of
from kapi.apis.definitions import parse_definition
from kapi.apis.definitions.openapi_operations import OpenApiReader
from kapi.apis.kinds import DEFAULT, Kind, kind_of
from kapi.apis.kinds.rest import REST
from kapi.apis.model.rules import plain_target, target_key
from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.typed import items, mapping

REST_OF_PATH: Final = "*"
"""The name of the parameter that a target with `*` at its end has."""
_BOUNDARY: Final = "boundary-of-the-form"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Draft:
    """A call of one operation, with example values."""

    name: str
    """Verb and target, as in the conf."""
    method: str
    template: str
    """The path below the base path; `{name}` is a parameter."""
    values: tuple[Value, ...] = ()
    content_type: str = ""
    body: str = ""
    is_open: bool = False
    """Whether it needs no token."""
    scopes: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_body(self) -> bool:
        """Whether its method may have a body."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Drafts:
    """What can be called at an API: the names of all operations, and the draft of one."""

    type: str
    names: tuple[str, ...]
    draft: Draft | None
    has_sandbox: bool = False


def drafts(conf_text: str, definition: bytes, chosen: str = "") -> Drafts:
    """The operations of a deployed API, and the draft of the chosen one, else of the first.

    There is no draft for an API without operations and for gRPC, which forms cannot send.
    """
    conf = mapping(yaml.load(conf_text, _LOADER))  # noqa: S506 - a safe loader
    kind = kind_of(str(conf.get("type", "")).upper()) or DEFAULT
    operations = {
        f"{item.get('verb')} {item.get('target')}": item for item in _operations(conf)
    }
    name = chosen or next(iter(operations), "")
    operation = operations.get(name)
    draft = None
    if operation is not None:
        draft = _draft(kind, name, operation, definition)
    sandbox = bool(mapping(conf.get("endpointConfigurations")).get("sandbox"))
    return Drafts(kind.type, tuple(operations), draft, sandbox)


def _operations(conf: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from map(mapping, items(conf.get("operations")))


def _draft(
    kind: Kind, name: str, operation: Mapping[str, Any], definition: bytes
) -> Draft | None:
    verb, target = str(operation.get("verb")), str(operation.get("target"))
    is_open = operation.get("secured") is False
    scopes = _scopes(operation)
    if kind == REST:
        return _request(Called(verb, target, is_open=is_open), name, scopes, definition)
    message = kind.message(verb, target)
    if message is None:
        return None
    headers = {"Accept": "application/json, text/event-stream"}
    body = json.dumps(message, indent=2)
    return Draft(
        name, "POST", "", (), "application/json", body, is_open, scopes, headers
    )


def _request(
    called: Called, name: str, scopes: tuple[str, ...], definition: bytes
) -> Draft:
    """The draft of an operation that method and path name."""
    document = _document(definition)
    (request,) = requests_of(document, [called])
    template = _template(document, called.verb, called.target)
    values = tuple(_values(template, request.values))
    content_type, body = _body(request.body)
    return Draft(
        name, called.verb, template, values, content_type, body, called.is_open, scopes
    )


def _scopes(operation: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes that are enough."""
    scopes = items(operation.get("scopes"))
    alternatives = items(operation.get("scopeAlternatives"))
    if alternatives:
        scopes = [*scopes, *items(alternatives[0])]
    return tuple(dict.fromkeys(map(str, scopes)))


def _document(definition: bytes) -> Mapping[str, Any]:
    """The OpenAPI document; empty if this version cannot read it any more."""
    try:
        return mapping(parse_definition(definition, REST.type).document)
    except KapiError:
        return {}


def _template(document: Mapping[str, Any], method: str, target: str) -> str:
    """The path with the names of the definition, whose values are known."""
    known = OpenApiReader(document).operations
    operation = known.get((method, target_key(plain_target(target))), {})
    return plain_target(str(operation.get("path", target)))


def _values(template: str, values: Iterable[Value]) -> Iterator[Value]:
    """The parameters; those of the path in its order, even if the definition lacks them."""
    given = {(item.place, item.name): item for item in values}
    for part in template.split("{")[1:]:
        name = part.partition("}")[0]
        yield given.pop(("path", name), Value(name, "", "path"))
    if template.endswith(REST_OF_PATH):
        yield Value(
            REST_OF_PATH, "", "path", required=False, description="The rest of the path"
        )
    for item in given.values():
        if item.place != "path":
            yield item


def _body(body: Body | None) -> tuple[str, str]:
    """Media type and text."""
    if body is None:
        return "", ""
    fields = {item.name: item.value for item in body.fields}
    if body.is_multipart:
        return f"{body.content_type}; boundary={_BOUNDARY}", _multipart(fields)
    if body.is_form:
        return body.content_type, urlencode(fields)
    return body.content_type, body.text


def _multipart(fields: Mapping[str, str]) -> str:
    parts = []
    for name, value in fields.items():
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
        parts.append(f"{head}\r\n\r\n{value}\r\n")
    return f"{''.join(parts)}--{_BOUNDARY}--\r\n"
