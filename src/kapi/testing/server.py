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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from kapi.identity.provider import Provider
from kapi.testing.addresses import Addresses
from kapi.testing.control import Control
from kapi.testing.debugger.debugger import Debugger
from kapi.testing.http.calls import App, Call, Reply, json_reply, serving
from kapi.testing.http.requests import request_of, run
from kapi.testing.issuer import Issuer
from kapi.testing.powers.stock import stock
from kapi.testing.stores import Stores
from kapi.testing.vendors.vendor import Vendor

Seed = Mapping[str, Any] | str | Path
"""Members, or the text or the path of a YAML file (`seed_files.py`)."""
Judge = Callable[[str], list[Mapping[str, Any]]]
BASE_URL = "https://idp.kapi.test"
"""Of a server without a socket; `.test` is reserved (RFC 6761 §6.2)."""
DEFAULT = "default"
MOST_ISSUERS = 1000
_PREFIX = "/issuers/"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_DEBUGGER = re.compile(r"/testing(?:/issuers/([^/]+))?/debugger(?:/callback)?")
_INSERTED = re.compile(r"(/\.well-known/[a-z-]+)/issuers/([^/]+)(/.*)?")
"""RFC 8414 §3.1: the path of the issuer is after the well-known name."""


class Server:
    """Many issuers. Use it as a context, or call `close`."""

    def __init__(
        self,
        base_url: str = BASE_URL,
        seed: Seed | None = None,
        *,
        level: str = "strict",
        platform: Provider | None = None,
        judge: Judge | None = None,
    ) -> None:
        """`seed` and `level` (strictness) are those of issuers that name none.

        `platform` is the provider of a running platform; it becomes the issuer `default`. `judge`
        tells which deployed APIs let a token in.
        """
        self.judge = judge
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
        self._debugger = Debugger(self.base_url, self.issuer)
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
        seed: Seed | None = None,
        level: str = "",
        url: str = "",
        base_url: str = "",
        base_urls: Sequence[str] = (),
        front_url: str = "",
        vendor: Vendor | None = None,
    ) -> Issuer:
        """The issuer with this name, made on first use; without a name, a fresh one.

        `url` is its issuer identifier if not its address; see `Addresses` for the others, and
        `emulate` for `vendor`. Raises ValueError, SettingsError.
        """
        with self._lock:
            name = name or f"issuer-{next(self._numbers)}"
            if name in self._issuers:
                return self._issuers[name]
            self._must_be_free(name)
            own = f"{self.base_url}{_PREFIX}{name}"
            if name == DEFAULT:
                own = self.base_url
                url = url or self._own_issuer
            self._issuers[name] = Issuer(
                name,
                Addresses(
                    url or base_url or own, base_url or own, tuple(base_urls), front_url
                ),
                self._stores,
                self._seed if seed is None else seed,
                level or self._level,
                self._platform if name == DEFAULT else None,
                vendor,
            )
            return self._issuers[name]

    def _must_be_free(self, name: str) -> None:
        """Raise ValueError for a name that no further issuer can have."""
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name[:80]!r} cannot be the name of an issuer: use A-Z a-z 0-9 - _"
            )
        if len(self._issuers) >= MOST_ISSUERS:
            raise ValueError(f"there are {MOST_ISSUERS} issuers already; delete some")

    def emulate(
        self,
        preset: str,
        name: str = "",
        *,
        seed: Seed | None = None,
        level: str = "vendor",
        opaque: bool | None = None,
        **parameters: str,
    ) -> Issuer:
        """An issuer that looks like an identity provider: `emulate("auth0", domain="a.auth0.com")`.

        `parameters` are those of the preset, as in `kapi issuer add`; `name` is the preset's unless
        given. Its identifier is the provider's; it is at `/issuers/NAME`, and at the provider's
        hosts for requests that are sent here. `opaque` decides the form of access tokens; None is
        the provider's default. Raises ValueError, SettingsError.
        """
        vendor = Vendor(preset, parameters, opaque=opaque)
        name = name or preset
        with self._lock:
            if name in self._issuers:
                raise ValueError(
                    f"there is an issuer {name!r} already; give another name"
                )
            return self.issuer(
                name, seed=seed, level=level, url=vendor.issuer, vendor=vendor
            )

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
        if found := _DEBUGGER.fullmatch(call.path):
            return await self._debugger(call, found[1] or DEFAULT)
        if call.path == "/testing" or call.path.startswith("/testing/"):
            return await self._control(call)
        try:
            issuer, path = self._route(call)
        except ValueError as error:
            return json_reply(
                {"error": "not_found", "error_description": str(error)}, 404
            )
        return await issuer.answer(replace(call, path=path))

    def _route(self, call: Call) -> tuple[Issuer, str]:
        """The issuer of a call, and the path below it. Raises ValueError."""
        if found := _INSERTED.fullmatch(call.path):
            return self.issuer(found[2]), f"{found[1]}{found[3] or ''}"
        if call.path.startswith(_PREFIX):
            name, _, rest = call.path.removeprefix(_PREFIX).partition("/")
            return self.issuer(name), f"/{rest}"
        return self._of_host(call.header("host"), call.path), call.path

    def _of_host(self, host: str, path: str) -> Issuer:
        """An issuer by the host: its own, or the first label below that of the server."""
        own = urlsplit(self.base_url)
        found = (
            []
            if host == own.netloc
            else [item for item in self.issuers() if host in item.hosts]
        )
        # Vendors share hosts: www.googleapis.com has keys of several.
        for issuer in found:
            if issuer.has_path(path):
                return issuer
        if found and found[0].name != DEFAULT:
            return found[0]
        name, _, rest = host.partition(".")
        if rest and rest.partition(":")[0] == own.hostname:
            base = f"{own.scheme}://{host}"
            return self.issuer(name, base_url=base)
        return self.default
