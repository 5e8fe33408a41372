"""A request and an answer as values, so that an endpoint is a function without a socket.

`front/web/identity/app.py` makes the request from ASGI and sends the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Network
from typing import Any

import orjson

from kapi.dataclass import dataclass
from kapi.errors import OAuthError

Headers = tuple[tuple[str, str], ...]

ANY_ORIGIN: Headers = (("access-control-allow-origin", "*"),)
NO_STORE: Headers = (("cache-control", "no-store"), ("pragma", "no-cache"))
"""On each answer that contains a token or a secret (RFC 6749 §5.1)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are in lower case; `now` is in seconds since the epoch."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    now: int

    def values(self, name: str) -> list[str]:
        """The values of all headers with this name."""
        found = []
        for key, value in self.headers:
            if key == name:
                found.append(value)
        return found

    def header(self, name: str) -> str | None:
        """The value of a header, or None. Raises OAuthError invalid_request for more than one."""
        found = self.values(name)
        if not found:
            return None
        if len(found) > 1:
            raise OAuthError("invalid_request", f"More than one {name} header")
        return found[0]

    @property
    def peer(self) -> str:
        """The address of the caller: the last one of X-Forwarded-For, which the gateway adds."""
        found = self.values("x-forwarded-for")
        if not found:
            return ""
        return found[-1].rpartition(",")[2].strip()

    @property
    def network(self) -> str:
        """The network of `peer`, for limits: the /64 of an IPv6 address has one owner."""
        return network_of(self.peer)

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name; the first of two with one name."""
        made: dict[str, str] = {}
        for value in self.values("cookie"):
            for piece in value.split(";"):
                name, equals, content = piece.strip().partition("=")
                if equals:
                    made.setdefault(name, content)
        return made

    @property
    def credentials(self) -> Credentials:
        """The credentials in the headers. Raises OAuthError for a repeated header."""
        proofs = tuple(self.values("dpop"))
        certificate = self.header("x-kapi-client-certificate")
        return Credentials(
            self.header("authorization"),
            proofs,
            certificate,
            self.method,
            self.path,
            self.network,
        )


def network_of(address: str) -> str:
    """The IPv4 address, or the /64 network of an IPv6 address; see `Request.network`."""
    if ":" not in address:
        return address
    try:
        return str(IPv6Network((address, 64), strict=False))
    except ValueError:
        return address


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials in the headers of a request, and its method and path for DPoP."""

    authorization: str | None = None
    proofs: tuple[str, ...] = ()
    """The values of all DPoP headers."""
    certificate: str | None = None
    """The client certificate of the connection, from the gateway; see `certificates.py`."""
    method: str = "POST"
    path: str = ""
    network: str = ""
    """The network of the caller; see `Request.network`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response of the provider."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def json_answer(value: Any, status: int = 200, headers: Headers = NO_STORE) -> Answer:
    """A JSON answer that must not be stored, or with other `headers`."""
    return Answer(
        status,
        (("content-type", "application/json"), *headers, *ANY_ORIGIN),
        orjson.dumps(value),
    )


def error_answer(error: OAuthError) -> Answer:
    """An OAuth error as JSON (RFC 6749 §5.2)."""
    headers = [*NO_STORE]
    if error.challenge:
        headers.append(("www-authenticate", error.challenge))
    if error.allow:
        headers.append(("allow", error.allow))
    return json_answer(
        {"error": error.error, "error_description": error.detail, **error.members},
        error.status,
        (*headers, *error.headers),
    )
