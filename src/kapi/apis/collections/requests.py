"""The requests of an API, one for each operation, with example values. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from kapi.apis.definitions.examples import SentExample, parameter_example, sent_example
from kapi.apis.definitions.openapi_operations import JSON, OpenApiReader
from kapi.apis.model.rules import plain_target, target_key
from kapi.dataclass import dataclass
from kapi.typed import items, mapping

BASE_URL: Final = "baseUrl"
TOKEN_URL: Final = "tokenUrl"  # noqa: S105 - the name of a variable
CLIENT_ID: Final = "clientId"
CLIENT_SECRET: Final = "clientSecret"  # noqa: S105 - the name of a variable
SCOPE: Final = "scope"
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_OTHERS: Final = frozenset(("accept", "content-type", "authorization"))
"""Headers that are not parameters (OpenAPI 3.1 §4.8.12.1)."""
_WHOLE_SEGMENT: Final = re.compile(r"\{([^{}/]+)\}")


def variable(name: str) -> str:
    """A reference to a variable of the client."""
    return f"{{{{{name}}}}}"


@dataclass(frozen=True, slots=True)
class Value:
    """A parameter or a field of a form, with an example value."""

    name: str
    value: str
    place: str = ""
    """path, query, header; empty for a field of a form."""
    required: bool = True
    description: str = ""

    def written(self, key: str) -> dict[str, Any]:
        """As the programs write it; `key` is their word for its name."""
        made: dict[str, Any] = {key: self.name, "value": self.value}
        if self.description:
            made["description"] = self.description
        if not self.required:
            made["disabled"] = True
        return made


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request: a text, or the fields of a form."""

    content_type: str
    text: str = ""
    fields: tuple[Value, ...] = ()

    @property
    def is_json(self) -> bool:
        """Whether the text is JSON."""
        return JSON.match(self.content_type) is not None

    @property
    def is_form(self) -> bool:
        """Whether it has fields instead of a text."""
        return self.content_type in _FORMS

    @property
    def is_multipart(self) -> bool:
        """Whether the fields are the parts of a multipart body."""
        return self.content_type == _FORMS[1]


@dataclass(frozen=True, slots=True)
class Called:
    """An operation that a collection has."""

    verb: str
    target: str
    is_open: bool = False
    """Whether it is called without a token."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. A segment of the path that is `:name` is the parameter of this name."""

    name: str
    folder: str
    method: str
    path: str
    description: str = ""
    values: tuple[Value, ...] = ()
    body: Body | None = None
    is_open: bool = False

    @property
    def url(self) -> str:
        """The address, which begins with a variable, with the required query parameters."""
        url = variable(BASE_URL) + self.path
        sent = [
            f"{item.name}={item.value}" for item in self.at("query") if item.required
        ]
        if sent:
            url += "?" + "&".join(sent)
        return url

    def at(self, place: str) -> list[Value]:
        """The values of one place; of the path those that are a segment of it."""
        found = [item for item in self.values if item.place == place]
        if place == "path":
            segments = self.path.split("/")
            found = [item for item in found if f":{item.name}" in segments]
        return found

    def headers(self, key: str) -> list[dict[str, Any]]:
        """The headers as the programs write them, with the type of a body that is a text."""
        made = [item.written(key) for item in self.at("header")]
        if self.body and not self.body.is_form:
            made.append({key: "Content-Type", "value": self.body.content_type})
        return made


@dataclass(frozen=True, slots=True)
class Collection:
    """The requests of one API and how a client gets its token. It contains no secret."""

    name: str
    version: str
    base_url: str
    token_url: str
    client_id: str
    scopes: tuple[str, ...]
    requests: tuple[Request, ...]
    description: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The values that requests refer to, without the secret."""
        return {
            BASE_URL: self.base_url,
            TOKEN_URL: self.token_url,
            CLIENT_ID: self.client_id,
            SCOPE: " ".join(self.scopes),
        }

    @property
    def folders(self) -> dict[str, list[Request]]:
        """The requests by the name of their folder, which is empty for those at the top."""
        found: dict[str, list[Request]] = {}
        for request in self.requests:
            found.setdefault(request.folder, []).append(request)
        return found


def declared(document: Mapping[str, Any]) -> tuple[Called, ...]:
    """All operations of a document that says completely which need a token."""
    source = OpenApiReader(document)
    found = []
    for (verb, _), operation in source.operations.items():
        security = operation.get("security", document.get("security"))
        found.append(Called(verb, operation["path"], is_open=not items(security)))
    return tuple(found)


def secured(document: Mapping[str, Any]) -> tuple[Called, ...]:
    """All operations of a document, with a token: the conf may say something else."""
    return tuple(replace(item, is_open=False) for item in declared(document))


def requests_of(
    document: Mapping[str, Any], called: Iterable[Called]
) -> tuple[Request, ...]:
    """A request for each operation. One that the document lacks has no parameters and no body."""
    source = OpenApiReader(document)
    made = []
    for item in called:
        key = target_key(plain_target(item.target))
        made.append(_request(source, item, source.operations.get((item.verb, key), {})))
    return tuple(made)


def _request(
    source: OpenApiReader, called: Called, operation: Mapping[str, Any]
) -> Request:
    values: list[Value] = []
    if operation:
        values += _values(source, operation)
    path = plain_target(str(operation.get("path", called.target)))
    names = operation.get("summary") or operation.get("operationId")
    return Request(
        name=_plain(str(names or f"{called.verb} {path}")),
        folder=_plain(str(next(iter(items(operation.get("tags"))), ""))),
        method=called.verb,
        path=_path(path, values),
        description=_plain(str(operation.get("description", ""))),
        values=tuple(values),
        body=_body(sent_example(source, operation)) if operation else None,
        is_open=called.is_open,
    )


def _values(source: OpenApiReader, operation: Mapping[str, Any]) -> Iterator[Value]:
    for parameter in source.parameters(operation):
        place = parameter.get("in")
        name = str(parameter["name"])
        if place not in ("path", "query", "header"):
            continue
        if place == "header" and name.lower() in _OTHERS:
            continue
        example = parameter_example(source, parameter)
        for value in items(example) or [example]:
            yield Value(
                _plain(name),
                _text(value),
                place,
                place == "path" or parameter.get("required") is True,
                _plain(str(parameter.get("description", ""))),
            )


def _path(path: str, values: Iterable[Value]) -> str:
    """The path with `:name` for a parameter, or its value if it is only a part of a segment."""
    known = {item.name: item.value for item in values if item.place == "path"}
    segments = []
    for segment in path.split("/"):
        whole = _WHOLE_SEGMENT.fullmatch(segment)
        if whole and whole[1] in known:
            segments.append(f":{whole[1]}")
            continue
        segments.append(
            _WHOLE_SEGMENT.sub(lambda found: known.get(found[1], found[1]), segment)
        )
    return "/".join(segments)


def _body(example: SentExample) -> Body | None:
    if not example.content_type:
        return None
    kind = example.content_type.split(";")[0].strip().lower()
    if kind in _FORMS:
        fields = [
            Value(_plain(str(k)), _text(v)) for k, v in mapping(example.value).items()
        ]
        return Body(kind, fields=tuple(fields))
    if isinstance(example.value, str) and not JSON.match(kind):
        return Body(kind, _plain(example.value))
    return Body(
        kind,
        _plain(json.dumps(example.value, indent=2, ensure_ascii=False, default=str)),
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _plain(value)
    return _plain(json.dumps(value, ensure_ascii=False, default=str))


def _plain(text: str) -> str:
    """The text of a document without references to variables of the client."""
    return text.replace("{{", "{ {")
