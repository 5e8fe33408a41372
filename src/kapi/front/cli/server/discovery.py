"""Which provider a platform takes tokens from, and where its endpoints are.

Protected resource metadata of the system APIs (RFC 9728) names the issuers. The metadata of an
issuer (RFC 8414, OpenID Connect Discovery 1.0) is at its own address; that of an inbuilt provider
may be only at the port of its gateway. It is taken only if it names the same issuer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.front.cli.server.base import authority

RESOURCE = "/.well-known/oauth-protected-resource"
_DOCUMENTS = ("openid-configuration", "oauth-authorization-server")

Fetch = Callable[[str], Mapping[str, Any]]
"""The object at a URL. Raises KapiError."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The endpoints of an issuer; an empty one is absent."""

    issuer: str
    token_endpoint: str
    device_endpoint: str
    revocation_endpoint: str


def provider_of(server: str, chosen: str, fetch: Fetch) -> Provider:
    """The chosen issuer, or else the first one that the platform names. Raises KapiError."""
    metadata = fetch(f"{server}{RESOURCE}")
    issuers = [str(item) for item in metadata.get("authorization_servers") or ()]
    if chosen and chosen not in issuers:
        raise KapiError(
            "provider",
            f"{server} does not trust the issuer {chosen}",
            hint=f"It trusts: {', '.join(issuers) or 'none'}.",
        )
    if not issuers:
        raise KapiError(
            "provider",
            f"{server} names no issuer",
            hint="See `kapi issuer list` of the platform.",
        )
    issuer = chosen or issuers[0]
    port = urlsplit(server).port or 443
    faults = []
    for url in _addresses(issuer, port):
        try:
            found = fetch(url)
        except KapiError as error:
            faults.append(f"{url}: {error.title}")
            continue
        if found.get("issuer") == issuer and found.get("token_endpoint"):
            return _provider(issuer, found)
        faults.append(f"{url}: its issuer is {str(found.get('issuer'))[:200]}")
    raise KapiError(
        "provider",
        f"no metadata of the issuer {issuer}",
        "\n  ".join(faults),
        "Check that this machine reaches the provider.",
    )


def _addresses(issuer: str, port: int) -> Iterator[str]:
    """Where the metadata may be, its own port first."""
    parts = urlsplit(issuer)
    host, path = parts.hostname or "", parts.path.rstrip("/")
    own = parts.port or 443
    for here in dict.fromkeys((own, port)):
        origin = f"https://{authority(host, here)}"
        yield f"{origin}{path}/.well-known/{_DOCUMENTS[0]}"
        if path:
            yield f"{origin}/.well-known/{_DOCUMENTS[1]}{path}"
        yield f"{origin}/.well-known/{_DOCUMENTS[0]}"


def _provider(issuer: str, found: Mapping[str, Any]) -> Provider:
    def endpoint(name: str) -> str:
        return str(found.get(name) or "")

    return Provider(
        issuer,
        endpoint("token_endpoint"),
        endpoint("device_authorization_endpoint"),
        endpoint("revocation_endpoint"),
    )
