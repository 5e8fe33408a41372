"""A server of test issuers: any number, by path or by host, made on demand, isolated.

In this process it is an ASGI application. `sockets.py` serves it on a port, and with
`identity.testing` an identity worker serves it behind the gateway (`app/identity.py`).

`/issuers/NAME/…`   the issuer NAME; the first request makes it
`NAME.HOST`         the same, by host
`/testing/…`        the powers over HTTP (`control.py`)
anything else       the issuer `default`
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self
from urllib.parse import urlsplit

from kapi.identity.provider import Provider
from kapi.testing.control import Control
from kapi.testing.http.calls import App, Call, Reply, json_reply, serving
from kapi.testing.http.requests import request_of, run
from kapi.testing.issuer import Issuer
from kapi.testing.powers.stock import stock
from kapi.testing.stores import Stores

BASE_URL = "https://idp.kapi.test"
"""Of a server without a socket; `.test` is reserved (RFC 6761 §6.2)."""
DEFAULT = "default"
MOST_ISSUERS = 1000
_PREFIX = "/issuers/"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_INSERTED = re.compile(r"(/\.well-known/[a-z-]+)/issuers/([^/]+)(/.*)?")
"""RFC 8414 §3.1: the path of the issuer is after the well-known name."""


class Server:
    """Many issuers. Use it as a context, or call `close`."""

    def __init__(
        self,
        base_url: str = BASE_URL,
        seed: Mapping[str, Any] | None = None,
        *,
        level: str = "strict",
        platform: Provider | None = None,
    ) -> None:
        """`seed` and `level` (strictness) are those of issuers that name none.

        `platform` is the provider of a running platform; it becomes the issuer `default`.
        """
        stock().begin()
        self.base_url = base_url.rstrip("/")
        self._seed = seed
        self._level = level
        self._platform = platform
        self._stores = Stores()
        self._issuers: dict[str, Issuer] = {}
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._control = Control(self)
        self.app: App = serving(self.answer)
        """The ASGI application."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete all issuers."""
        with self._lock:
            for issuer in self._issuers.values():
                issuer.close()
            self._issuers.clear()
            self._stores.close()

    @property
    def default(self) -> Issuer:
        """The issuer at the root of the server."""
        return self.issuer(DEFAULT)

    def issuer(
        self,
        name: str = "",
        *,
        seed: Mapping[str, Any] | None = None,
        level: str = "",
        url: str = "",
        base_url: str = "",
    ) -> Issuer:
        """The issuer with this name, made on first use; without a name, a fresh one.

        `url` is its issuer identifier if that is not its address; `base_url` the address of its
        endpoints. Raises ValueError, SettingsError.
        """
        with self._lock:
            name = name or f"issuer-{next(self._numbers)}"
            if name in self._issuers:
                return self._issuers[name]
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name[:80]!r} cannot be the name of an issuer: use A-Z a-z 0-9 - _"
                )
            if len(self._issuers) >= MOST_ISSUERS:
                raise ValueError(f"there are {MOST_ISSUERS} issuers already; delete some")
            own = f"{self.base_url}{_PREFIX}{name}"
            if name == DEFAULT:
                own = self.base_url
                url = url or self._own_issuer
            made = Issuer(
                name,
                url or base_url or own,
                self._stores,
                self._seed if seed is None else seed,
                level or self._level,
                base_url or own,
                self._platform if name == DEFAULT else None,
            )
            self._issuers[name] = made
            return made

    @property
    def _own_issuer(self) -> str:
        """The issuer identifier of the platform's provider; empty without one."""
        if self._platform is None:
            return ""
        return self._platform.settings.identity.issuer

    def remove(self, name: str) -> None:
        """Delete an issuer. Raises LookupError."""
        with self._lock:
            found = self._issuers.pop(name, None)
        if found is None:
            raise LookupError(f"there is no issuer {name!r}")
        found.close()

    def issuers(self) -> list[Issuer]:
        """All issuers."""
        with self._lock:
            return list(self._issuers.values())

    def request(self, method: str, path: str, **parts: Any) -> Reply:
        """One request to the server in this process; see `Issuer.request`."""
        reply: Reply = run(self.answer(request_of(method, path, **parts)))
        return reply

    async def answer(self, call: Call) -> Reply:
        """Answer a call: find the issuer, and take its place out of the path."""
        if call.path == "/testing" or call.path.startswith("/testing/"):
            return await self._control(call)
        try:
            issuer, path = self._route(call)
        except ValueError as error:
            return json_reply({"error": "not_found", "error_description": str(error)}, 404)
        return await issuer.answer(replace(call, path=path))

    def _route(self, call: Call) -> tuple[Issuer, str]:
        """The issuer of a call, and the path below it. Raises ValueError."""
        if found := _INSERTED.fullmatch(call.path):
            return self.issuer(found[2]), f"{found[1]}{found[3] or ''}"
        if call.path.startswith(_PREFIX):
            name, _, rest = call.path.removeprefix(_PREFIX).partition("/")
            return self.issuer(name), f"/{rest}"
        return self._of_host(call.header("host")), call.path

    def _of_host(self, host: str) -> Issuer:
        """An issuer by the host: its own, or the first label below that of the server."""
        own = urlsplit(self.base_url)
        for issuer in self.issuers():
            if issuer.name != DEFAULT and urlsplit(issuer.base_url).netloc == host != own.netloc:
                return issuer
        name, _, rest = host.partition(".")
        if rest and rest.partition(":")[0] == own.hostname:
            base = f"{own.scheme}://{host}"
            return self.issuer(name, base_url=base)
        return self.default
