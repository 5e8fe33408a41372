"""A person in front of a browser without scripts: keeps cookies, follows redirects, fills in forms.
Over any way to send a request.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import asgi

ORIGIN = re.compile(r"https://idp\.(?:am\.wso2\.com|localhost)(:\d+)?(?=/)")
Sent = Callable[[str, str, bytes, dict[str, str]], "Page"]
"""Sends method, path with query, body, headers."""


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        return self.header("location")

    @property
    def parameters(self) -> dict[str, str]:
        """Of the redirect: query and fragment."""
        parts = urlsplit(self.location)
        return {
            name: values[0]
            for name, values in parse_qs(
                parts.query + "&" + parts.fragment, keep_blank_values=True
            ).items()
        }

    def forms(self) -> list[dict[str, Any]]:
        reader = _Forms()
        reader.feed(self.text)
        return reader.found


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(
                {"action": known.get("action", ""), "fields": {}, "buttons": []}
            )
        elif tag == "input" and "name" in known:
            self.found[-1]["fields"][known["name"]] = known.get("value", "")
        elif tag == "button" and "name" in known:
            self.found[-1]["buttons"].append((known["name"], known.get("value", "")))


@dataclass(slots=True)
class Person:
    send: Sent
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Page:
        """One request, with cookies."""
        sent = {**self.headers, **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(
                f"{name}={value}" for name, value in self.cookies.items()
            )
        if method == "POST":
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        page = self.send(method, ORIGIN.sub("", path), body, sent)
        for name, value in page.headers:
            if name == "set-cookie":
                pair, _, attributes = value.partition(";")
                cookie, _, content = pair.partition("=")
                assert "Secure" in attributes
                assert "HttpOnly" in attributes
                assert "SameSite=Lax" in attributes
                if "Max-Age=0" in attributes:
                    self.cookies.pop(cookie, None)
                else:
                    self.cookies[cookie] = content
        return page

    def open(self, path: str, **headers: str) -> Page:
        """Follow redirects for as long as they stay at the provider."""
        return self.followed(self.ask("GET", path, **headers))

    def submit(self, page: Page, number: int = 0, **fields: str) -> Page:
        """Send a form of the page."""
        form = page.forms()[number]
        body = urlencode({**form["fields"], **fields}).encode()
        return self.followed(self.ask("POST", form["action"], body))

    def sign_in(
        self,
        page: Page,
        username: str = "org1user",
        password: str = "",
        organization: str = "org1",
    ) -> Page:
        return self.submit(
            page,
            username=username,
            password=password or username,
            organization=organization,
        )

    def followed(self, page: Page) -> Page:
        for _ in range(10):
            if page.status != 303 or not page.location.startswith("/"):
                return page
            page = self.ask("GET", page.location)
        raise AssertionError("too many redirects")


@dataclass(frozen=True, slots=True)
class Pkce:
    verifier: str = field(
        default_factory=lambda: (
            base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        )
    )

    @property
    def challenge(self) -> str:
        return (
            base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest())
            .rstrip(b"=")
            .decode()
        )


def authorize_path(
    client_id: str,
    redirect_uri: str | None,
    pkce: Pkce | None = None,
    **more: str | None,
) -> str:
    parameters: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": "s t&ä",
        **more,
    }
    if pkce is not None:
        parameters = {
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
        } | parameters
    return "/oauth2/authorize?" + urlencode(
        {name: value for name, value in parameters.items() if value is not None}
    )


def over_asgi(app: Any) -> Sent:
    """Sends to an ASGI application in this process."""

    def send(method: str, path: str, body: bytes, headers: dict[str, str]) -> Page:
        events = [{"type": "http.request", "body": body, "more_body": False}]
        got: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return events.pop(0) if events else {"type": "http.disconnect"}

        async def reply(message: dict[str, Any]) -> None:
            got.append(message)

        target, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": target,
            "query_string": query.encode("latin-1"),
            "headers": [
                (name.replace("_", "-").encode(), value.encode("latin-1"))
                for name, value in headers.items()
            ],
        }
        asgi.run(app(scope, receive, reply))
        return Page(
            got[0]["status"],
            [
                (name.decode(), value.decode("latin-1"))
                for name, value in got[0]["headers"]
            ],
            b"".join(message["body"] for message in got[1:]),
        )

    return send


def over_https(
    port: int,
    host: str = "idp.am.wso2.com",
    *,
    keep: bool = False,
    address: str = "127.0.0.1",
) -> Sent:
    """Sends through the gateway on this port; its development certificate is not checked.

    With `keep`, each thread sends all its requests over one connection.
    """
    context = ssl._create_unverified_context()
    kept = threading.local()

    def opened() -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(address, port, context=context, timeout=30)

    def send(method: str, path: str, body: bytes, headers: dict[str, str]) -> Page:
        if keep and not hasattr(kept, "connection"):
            kept.connection = opened()
        connection = kept.connection if keep else opened()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(
                method, path, body or None, {"host": f"{host}:{port}", **named}
            )
            answer = connection.getresponse()
            return Page(
                answer.status,
                [(name.lower(), value) for name, value in answer.getheaders()],
                answer.read(),
            )
        finally:
            if not keep:
                connection.close()

    return send


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
