"""Which paths of our own hosts go to which of our own processes: the one list."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from kapi.gateway.envoy.names import CONTROL, IDENTITY
from kapi.settings import Settings


@dataclass(frozen=True, slots=True)
class SystemRoute:
    """All below `/segment` on `host` goes to `cluster`. A host that begins with `*.` stands for all below it that are not named."""

    host: str
    segment: str
    cluster: str
    below: str = ""
    """Only what begins with this, after the segment."""


IDENTITY_SEGMENTS = (
    "oauth2",
    ".well-known",
    "health",
    "authenticationEndpoint",
    "commonauth",
    "dcr",
    "device",
    "connect",
    "oidc",
    "openapi.json",
    "openapi.yaml",
    "openapi.html",
)
CONTROL_SEGMENTS = ("api", "health", "ready", "openapi.json", "openapi.yaml", "openapi.html", ".wellknown", ".well-known", "1.0.0")


def system_routes(settings: Settings) -> tuple[SystemRoute, ...]:
    """The routes of the system hosts; each must also hold when no API is deployed."""
    # OpenID Connect Discovery appends its path to the issuer's own.
    of_issuer = urlsplit(settings.identity.issuer).path.strip("/").partition("/")[0]
    segments = dict.fromkeys((*IDENTITY_SEGMENTS, *((of_issuer,) if of_issuer else ())))
    identity = [SystemRoute(settings.identity.host.lower(), segment, IDENTITY) for segment in segments if settings.identity.enabled]
    hosts = dict.fromkeys((settings.gateway.api_host.lower(), "localhost"))
    control = [SystemRoute(host, segment, CONTROL) for host in hosts for segment in CONTROL_SEGMENTS]
    # Any host of the gateway: which authorization servers an API trusts (RFC 9728).
    resources = SystemRoute(f"*.{settings.gateway.domain.lower()}", ".well-known", CONTROL, "/oauth-protected-resource")
    return (*identity, *control, resources)
