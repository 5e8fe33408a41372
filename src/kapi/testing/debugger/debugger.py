"""The debugger over HTTP: the page, its steps, and the redirect URI of its authorization requests.

`/testing/debugger` is for the issuer `default`, `/testing/issuers/NAME/debugger` for another one.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kapi.identity.pages import SHUT, style
from kapi.testing.debugger.session import Session, Sessions
from kapi.testing.debugger.steps import STEPS, Run, redeem
from kapi.testing.http.calls import Call, Reply
from kapi.testing.issuer import Issuer

if TYPE_CHECKING:
    from jinja2 import Template

_COOKIE = "kapi-debugger"
_METHODS = ("client_secret_basic", "client_secret_post", "none")
_CALLBACK = "/testing/debugger/callback"


class Debugger:
    """The page of all issuers of a server."""

    def __init__(self, base_url: str, issuer: Callable[[str], Issuer]) -> None:
        """`issuer` finds an issuer by its name."""
        self._base_url = base_url
        self._issuer = issuer
        self._sessions = Sessions()

    async def __call__(self, call: Call, name: str) -> Reply:
        """Answer a call to the page of an issuer, or to the redirect URI."""
        if call.path == _CALLBACK:
            return await self._redirected(call)
        session = self._sessions.of(_cookie(call), name)
        if call.method != "POST":
            return self._page(call, session)
        if not self._is_own(call):
            text = b"requests of other sites are refused: see the header Origin\n"
            return Reply(403, (("content-type", "text/plain"),), text)
        return await self._step(call, session)

    async def _step(self, call: Call, session: Session) -> Reply:
        run = self._run(session, call.form)
        await run.prepare()
        found = STEPS.get(call.form.get("step", ""))
        address = ""
        if found is not None:
            address = await found[1](run)
        return self._see_other(address or f"{call.path}#messages", session)

    async def _redirected(self, call: Call) -> Reply:
        answer = call.parameters
        session = self._sessions.known(answer.get("state", "").partition(".")[0])
        if session is None or session.key != _cookie(call):
            text = b"no request of this browser waits for this answer: its state is unknown\n"
            return Reply(400, (("content-type", "text/plain"),), text)
        run = self._run(session, {})
        await run.prepare()
        await redeem(run, answer)
        return self._see_other(f"{_path_of(session.issuer)}#messages", session)

    def _run(self, session: Session, form: Mapping[str, str]) -> Run:
        issuer = self._issuer(session.issuer)
        return Run(issuer, session, form, f"{self._base_url}{_CALLBACK}")

    def _is_own(self, call: Call) -> bool:
        """Whether the page itself sent the form, at an address that is this server's."""
        own = urlsplit(self._base_url)
        # The gateway may have taken the port out of the host.
        host = call.header("host").partition(":")[0]
        if host and host != own.hostname:
            return False
        return urlsplit(call.header("origin")).netloc == own.netloc

    def _page(self, call: Call, session: Session) -> Reply:
        issuer = self._issuer(session.issuer)
        form: dict[str, Any] = {
            "issuer": issuer.url,
            "action": call.path,
            "client": session.client,
            "method": session.method,
            "methods": _METHODS,
            "scope": "openid",
            "extra": "",
            "steps": [(name, label) for name, (label, _) in STEPS.items()],
            "messages": session.messages,
            "link": session.link,
            "css": _css(),
        }
        body = _template().render(form).encode()
        digest = b64encode(hashlib.sha256(_css().encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self';"
            " frame-ancestors 'none'; base-uri 'none'"
        )
        headers = (
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", policy),
            ("cache-control", "no-store"),
            *SHUT,
        )
        return self._with_cookie(Reply(200, headers, body), session)

    def _see_other(self, address: str, session: Session) -> Reply:
        headers = (("location", address), ("cache-control", "no-store"))
        return self._with_cookie(Reply(303, headers), session)

    def _with_cookie(self, reply: Reply, session: Session) -> Reply:
        secure = " Secure;" if self._base_url.startswith("https:") else ""
        cookie = (
            f"{_COOKIE}={session.key}; Path=/testing;{secure} HttpOnly; SameSite=Lax"
        )
        return reply.with_header("set-cookie", cookie)


def _path_of(name: str) -> str:
    return (
        "/testing/debugger"
        if name == "default"
        else f"/testing/issuers/{name}/debugger"
    )


def _cookie(call: Call) -> str:
    for piece in call.header("cookie").split(";"):
        name, _, value = piece.strip().partition("=")
        if name == _COOKIE:
            return value
    return ""


@cache
def _css() -> str:
    own = resources.files(__package__ or "").joinpath("page.css").read_text("utf-8")
    return style().decode() + own


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = resources.files(__package__ or "").joinpath("page.html").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
