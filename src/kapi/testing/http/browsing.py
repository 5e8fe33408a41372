"""A person at the pages of an issuer, without a browser: signs in, allows, and comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

from kapi.testing.http.calls import Call, Headers, Reply

_MOST_PAGES = 12
_FORM = (("content-type", "application/x-www-form-urlencoded"),)
Answer = Callable[[Call], Awaitable[Reply]]


class Browsing:
    """One visit: keeps cookies, and fills in the forms of the provider."""

    def __init__(self, answer: Answer, base_url: str, person: dict[str, str]) -> None:
        """`person` has `username`, `password` and `organization`."""
        self._answer = answer
        self._base_url = base_url
        self._person = person
        self._cookies: dict[str, str] = {}

    async def authorize(self, url: str) -> str:
        """Open an authorization request; returns where the client's answer goes.

        Raises ValueError if a page does not lead on.
        """
        reply = await self._get(url)
        for _ in range(_MOST_PAGES):
            location = reply.header("location")
            if location and not self._is_own(location):
                return location
            if location:
                reply = await self._get(location)
                continue
            forms = _forms(reply.text)
            if reply.status != 200 or not forms:
                raise ValueError(
                    f"the provider answered {reply.status}: {reply.text[:400]}"
                )
            action, fields = forms[0]
            reply = await self._send("POST", action, self._filled(fields))
        raise ValueError("the pages of the provider do not end")

    def _filled(self, fields: dict[str, str]) -> dict[str, str]:
        known = {name: value for name, value in self._person.items() if name in fields}
        decision = {} if known else {"decision": "allow"}
        return {**fields, **known, **decision}

    def _is_own(self, location: str) -> bool:
        return location.startswith(("/", f"{self._base_url}/"))

    async def _get(self, url: str) -> Reply:
        return await self._send("GET", url)

    async def _send(
        self, method: str, url: str, form: dict[str, str] | None = None
    ) -> Reply:
        prefix = urlsplit(self._base_url).path
        parts = urlsplit(url)
        path = parts.path.removeprefix(prefix) or "/"
        headers: Headers = (
            ("cookie", "; ".join(f"{n}={v}" for n, v in self._cookies.items())),
        )
        body = b""
        if form is not None:
            headers, body = (*headers, *_FORM), urlencode(form).encode()
        reply = await self._answer(Call(method, path, parts.query, headers, body))
        for name, value in reply.headers:
            if name == "set-cookie":
                pair = value.partition(";")[0]
                self._cookies[pair.partition("=")[0]] = pair.partition("=")[2]
        return reply


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known: dict[str, Any] = dict(attrs)
        if tag == "form":
            self.found.append((known.get("action") or "", {}))
        elif tag == "input" and self.found and known.get("name"):
            self.found[-1][1][known["name"]] = known.get("value") or ""


def _forms(text: str) -> list[tuple[str, dict[str, str]]]:
    reader = _Forms()
    reader.feed(text)
    return reader.found
