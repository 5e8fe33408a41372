"""Calls of system APIs in this process, by a caller of an organization."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request

from asgi import run
from kapi.errors import Problem
from kapi.front.web.http.access import Access
from kapi.front.web.http.problems import answer
from kapi.identity.issuers.verify import Principal

PLATFORM = "default"


class CallerOf(Access):
    """Knows each caller as one of this organization; empty: of none. Each scope is there."""

    def __init__(self, organization: str = "") -> None:
        self._organization = PLATFORM
        self._caller = organization

    def principal(self, request: Request, *any_of: str) -> Principal:
        assert any_of
        principal = Principal("someone", "tool", frozenset(any_of), self._caller)
        self._refuse_part(principal, any_of)
        return principal


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of a system API."""

    status: int
    headers: Mapping[str, str]
    value: Any
    """Its JSON value; None without a body."""


def system_call(
    apis: Iterable[Any], method: str, path: str, value: Any = None, **query: str
) -> tuple[int, Any]:
    """Status and JSON value of the answer."""
    answered = system_answer(apis, method, path, value, {}, **query)
    return answered.status, answered.value


def system_answer(
    apis: Iterable[Any],
    method: str,
    path: str,
    value: Any = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    **query: str,
) -> Answered:
    """The answer; bytes are sent as they are, other values as JSON."""
    sent: list[Any] = []
    app = Starlette(
        routes=[route for api in apis for route in api.routes()],
        exception_handlers={Problem: answer},
    )
    body = b""
    if isinstance(value, bytes):
        body = value
    elif value is not None:
        body = json.dumps(value).encode()
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [
            (name.lower().encode(), text.encode()) for name, text in headers.items()
        ],
        "query_string": urlencode(query).encode(),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    run(app(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent)
    received = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
    return Answered(
        sent[0]["status"], received, json.loads(content) if content else None
    )
