"""Calls the system APIs as the person who is signed in, within the process.

The one way from the pages to the platform: the endpoints check scopes and organization as they do
for callers with a token, and the audit log names the person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

import orjson
from starlette.requests import Request

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.front.web.console.sessions import OPERATOR, Session
from kapi.front.web.http.access import CALLER
from kapi.front.web.http.draining import App, Message
from kapi.front.web.http.problems import body_of
from kapi.front.web.system.protected_resources import SYSTEM_SCOPES
from kapi.identity.clients.console_client import CONSOLE_CLIENT
from kapi.identity.issuers.verify import Principal

OWN_SCOPES: Final = frozenset(("apk:api_create", "kapi:logs", "kapi:audit"))
"""Of people of other organizations than the platform's: what concerns their own only."""
_SENT_ON: Final = (b"x-forwarded-for", b"x-request-id", b"user-agent")
_READS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of a system API."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        """The JSON value of the response body."""
        return orjson.loads(self.body)


class Refused(Exception):
    """A system API refused a call. `problem` is its JSON body."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.problem = problem


class SystemApis:
    """The system APIs, as one person may call them."""

    def __init__(
        self, app: Callable[[], App], session: Session, request: Request
    ) -> None:
        """`request` is the one of the browser; its client address is sent on."""
        self._app = app
        self._session = session
        self._request = request

    async def get(self, path: str, **query: str) -> Any:
        """The value of a GET. Raises Refused."""
        sought = {}
        for name, value in query.items():
            if value:
                sought[name] = value
        return (await self.call("GET", path, urlencode(sought))).value

    async def call(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        media_type: str = "",
        *,
        rest: str = "",
        if_match: str = "",
    ) -> Answered:
        """The answer. Raises Refused for an error, and for a change by a person who only reads.

        Names in `path` are percent-encoded. One with a slash leads nowhere: no object has it.
        `rest` is a last part that may have slashes. With `if_match`, an ETag, an object that
        was changed since is not changed (RFC 9110 §13.1.1).
        """
        if "%2f" in path.lower():
            raise _refusal(
                Problem.of(error_codes.NOT_FOUND, detail="No object has such a name.")
            )
        if method not in _READS and self._session.role != OPERATOR:
            raise read_only()
        if rest:
            path = f"{path}/{quote(rest, safe='')}"
        scope = self._scope(method, path, query, self._headers(media_type, if_match))
        answered = await _answer(self._app(), scope, body)
        if answered.status >= 400:
            raise Refused(answered.status, answered.value)
        return answered

    def _scope(
        self, method: str, path: str, query: str, headers: list[tuple[bytes, bytes]]
    ) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "client": self._request.scope.get("client"),
            "server": self._request.scope.get("server"),
            CALLER: _principal(self._session),
        }

    def _headers(self, media_type: str, if_match: str) -> list[tuple[bytes, bytes]]:
        headers = [(b"host", b"console"), (b"accept", b"application/json")]
        for header, value in ((b"content-type", media_type), (b"if-match", if_match)):
            if value:
                headers.append((header, value.encode("latin-1")))
        for name, content in self._request.headers.raw:
            if name in _SENT_ON:
                headers.append((name, content))
        return headers


def read_only() -> Refused:
    """The refusal of a change by a person who may only read."""
    return refused("Your role is read-only: an operator can do this.")


def refused(detail: str) -> Refused:
    """The refusal of what the person has no right to."""
    return _refusal(Problem.of(error_codes.SCOPE_MISSING, detail=detail))


def _refusal(problem: Problem) -> Refused:
    """The refusal that a system API would answer."""
    return Refused(problem.status, body_of(problem))


def _principal(session: Session) -> Principal:
    scopes = OWN_SCOPES
    if session.of_platform:
        scopes = frozenset(SYSTEM_SCOPES)
    return Principal(
        subject=session.subject,
        client_id=CONSOLE_CLIENT,
        scopes=scopes,
        organization=session.organization,
    )


async def _answer(app: App, scope: dict[str, Any], body: bytes) -> Answered:
    sent: list[Message] = []
    waiting: list[Message] = [
        {"type": "http.request", "body": body, "more_body": False}
    ]

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        # The page waits for the answer: its caller does not disconnect.
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    headers = {}
    for name, value in sent[0].get("headers", ()):
        headers[name.decode("latin-1").lower()] = value.decode("latin-1")
    return Answered(
        sent[0]["status"],
        headers,
        b"".join(message.get("body", b"") for message in sent[1:]),
    )
