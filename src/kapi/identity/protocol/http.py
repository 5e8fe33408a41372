"""A request and an answer as values, so that every endpoint is a plain function that tests call without a socket.

`front/web/identity/app.py` makes the one from ASGI and sends the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Any

import orjson

from kapi.errors import OAuthError

Headers = tuple[tuple[str, str], ...]

ANY_ORIGIN: Headers = (("access-control-allow-origin", "*"),)
NO_STORE: Headers = (("cache-control", "no-store"), ("pragma", "no-cache"))
"""On every answer that holds a token or a secret (RFC 6749 §5.1)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower-case; `query` and `body` are as they came; `now` in seconds since the epoch."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    now: int

    def header(self, name: str) -> str | None:
        """The value of a header, or None. Raises OAuthError invalid_request when it stands more than once."""
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            raise OAuthError("invalid_request", f"More than one {name} header")
        return found[0] if found else None

    @property
    def peer(self) -> str:
        """The address of the caller as the gateway saw it: the last one of X-Forwarded-For, which the gateway itself adds."""
        found = [value for key, value in self.headers if key == "x-forwarded-for"]
        return found[-1].rpartition(",")[2].strip() if found else ""

    @property
    def network(self) -> str:
        """Whose address `peer` is, for limits: an IPv6 address stands for its /64, since one caller has all of that."""
        return network_of(self.peer)

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name; of two with one name the first."""
        made: dict[str, str] = {}
        for key, value in self.headers:
            if key == "cookie":
                for piece in value.split(";"):
                    name, equals, content = piece.strip().partition("=")
                    if equals:
                        made.setdefault(name, content)
        return made

    @property
    def credentials(self) -> Credentials:
        """What it says about who is calling. Raises OAuthError invalid_request for a header that stands twice."""
        proofs = tuple(value for key, value in self.headers if key == "dpop")
        certificate = self.header("x-kapi-client-certificate")
        return Credentials(
            self.header("authorization"), proofs, certificate, self.method, self.path, self.network
        )


def network_of(address: str) -> str:
    """An IPv4 address as it is, the /64 of an IPv6 address; see `Request.network`."""
    if ":" not in address:
        return address
    try:
        return str(IPv6Network((address, 64), strict=False))
    except ValueError:
        return address


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about who is calling, besides its form: header values, and where it was sent for DPoP."""

    authorization: str | None = None
    proofs: tuple[str, ...] = ()
    """The values of all DPoP headers."""
    certificate: str | None = None
    """What the gateway says of the client certificate of the connection; see `certificates.py`."""
    method: str = "POST"
    path: str = ""
    network: str = ""
    """Where it came from; see `Request.network`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def json_answer(value: Any, status: int = 200, headers: Headers = NO_STORE) -> Answer:
    """A JSON answer; not to be stored unless `headers` say otherwise."""
    return Answer(
        status, (("content-type", "application/json"), *headers, *ANY_ORIGIN), orjson.dumps(value)
    )


def error_answer(error: OAuthError) -> Answer:
    """An OAuth error as JSON (RFC 6749 §5.2)."""
    extra = (
        *((("www-authenticate", error.challenge),) if error.challenge else ()),
        *((("allow", error.allow),) if error.allow else ()),
    )
    return json_answer(
        {"error": error.error, "error_description": error.detail, **error.members},
        error.status,
        (*NO_STORE, *extra, *error.headers),
    )
