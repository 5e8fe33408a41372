"""Calls of the system APIs by the console: as whom, with what, and what a refusal is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

import asgi
from kapi.front.web.console.calling import Answered, Refused, SystemApis
from kapi.front.web.console.sessions import OPERATOR, READER, Session
from kapi.front.web.http.access import CALLER
from kapi.front.web.system.protected_resources import SYSTEM_SCOPES


def browser(**headers: str) -> Request:
    sent = []
    for name, value in headers.items():
        sent.append((name.replace("_", "-").encode(), value.encode()))
    return Request({"type": "http", "method": "GET", "path": "/", "headers": sent})


@pytest.mark.parametrize("of_platform", [True, False])
def test_system_apis_are_called_as_the_person(*, of_platform: bool) -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    session = Session(
        "rita", "rita", "acme", of_platform=of_platform, role=READER, secret="s"
    )
    apis = SystemApis(lambda: app, session, browser(x_forwarded_for="192.0.2.1"))
    asgi.run(apis.get("/api/logs", limit="1", api=""))
    (scope,) = seen
    caller = scope[CALLER]
    assert (caller.subject, caller.organization) == ("rita", "acme")
    assert ("kapi:users" in caller.scopes) is of_platform
    assert caller.scopes <= set(SYSTEM_SCOPES)
    assert scope["query_string"] == b"limit=1"
    assert (b"x-forwarded-for", b"192.0.2.1") in scope["headers"]
    with pytest.raises(Refused) as refused:
        asgi.run(apis.call("POST", "/api/deployer/apis/undeploy", "apiId=1"))
    assert refused.value.status == 403
    assert len(seen) == 1


OLIVIA = Session(
    "olivia", "olivia", "acme", of_platform=False, role=OPERATOR, secret="s"
)


class Answering:
    """A system API with one answer, and what it was asked."""

    def __init__(self, status: int, *body: bytes) -> None:
        self.status = status
        self.body = body
        self.scope: dict[str, Any] = {}
        self.received: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.received = scope, await receive()
        headers = [(b"ETag", b'"1"')]
        await send(
            {"type": "http.response.start", "status": self.status, "headers": headers}
        )
        for piece in self.body:
            await send({"type": "http.response.body", "body": piece})

    def call(self, request: Request, *asked: str, **more: Any) -> Answered:
        apis = SystemApis(lambda: self, OLIVIA, request)
        answered: Answered = asgi.run(apis.call(*asked, **more))
        return answered


def test_a_call_is_sent_on_with_what_names_its_caller() -> None:
    app = Answering(200, b'{"a":', b"1}")
    sent = {"x_forwarded_for": "192.0.2.1", "x_request_id": "r1", "user_agent": "b"}
    request = browser(
        cookie="a=b", accept_language="de", authorization="Bearer x", **sent
    )
    request.scope["client"], request.scope["server"] = ("192.0.2.9", 7), ("here", 443)
    more = {"body": b"{}", "media_type": "application/json", "if_match": '"0"'}
    answered = app.call(request, "PATCH", "/api/a%20b", "c=d", **more)
    assert (answered.status, answered.value, answered.headers) == (
        200,
        {"a": 1},
        {"etag": '"1"'},
    )
    scope = app.scope
    assert (scope["type"], scope["method"], scope["scheme"]) == (
        "http",
        "PATCH",
        "https",
    )
    assert (scope["path"], scope["raw_path"]) == ("/api/a b", b"/api/a%20b")
    assert scope["query_string"] == b"c=d"
    assert (scope["client"], scope["server"]) == (("192.0.2.9", 7), ("here", 443))
    assert dict(scope["headers"]) == {
        b"host": b"console",
        b"accept": b"application/json",
        b"content-type": b"application/json",
        b"if-match": b'"0"',
        b"x-forwarded-for": b"192.0.2.1",
        b"x-request-id": b"r1",
        b"user-agent": b"b",
    }
    assert app.received == {"type": "http.request", "body": b"{}", "more_body": False}


@pytest.mark.parametrize(
    ("status", "is_refused"), [(302, False), (400, True), (503, True)]
)
def test_an_error_of_a_system_api_is_a_refusal(
    status: int, *, is_refused: bool
) -> None:
    app = Answering(status, b'{"code": 7}')
    if not is_refused:
        assert app.call(browser(), "GET", "/api/a").status == status
        return
    with pytest.raises(Refused) as refused:
        app.call(browser(), "GET", "/api/a")
    assert (refused.value.status, refused.value.problem) == (status, {"code": 7})


@pytest.mark.parametrize("name", ["a%2fb", "a%2Fb"])
def test_no_object_has_a_slash_in_its_name(name: str) -> None:
    app = Answering(200, b"{}")
    with pytest.raises(Refused) as refused:
        app.call(browser(), "GET", f"/api/users/{name}")
    assert (refused.value.status, app.scope) == (404, {})
    app.call(browser(), "DELETE", "/api/applications/a/keys", rest="a/b")
    assert app.scope["raw_path"] == b"/api/applications/a/keys/a%2Fb"


def test_a_system_api_that_waits_for_more_sees_no_end() -> None:
    """The page waits for the answer, so its call is not broken off."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        more = asyncio.ensure_future(receive())
        await asyncio.wait((more,), timeout=0.05)
        status = 500 if more.done() else 200
        more.cancel()
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body"})

    apis = SystemApis(lambda: app, OLIVIA, browser())
    answered = asgi.run(apis.call("GET", "/api/a"))
    assert (answered.status, answered.body, answered.headers) == (200, b"", {})
