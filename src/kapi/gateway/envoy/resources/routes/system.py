"""Which paths of our own hosts go to which of our own processes: the one list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import CONTROL, IDENTITY


@dataclass(frozen=True, slots=True)
class SystemRoute:
    """All below `/segment` on `host` goes to `cluster`.

    A host that begins with `*.` matches all hosts below it that no other route names.
    """

    host: str
    segment: str
    cluster: str
    below: str = ""
    """Only what begins with this, after the segment."""
    browsers_only: bool = False
    """For the root: only requests that ask for a page by name, not those that take anything."""


ROOT = ""
"""Segment of the path `/`."""
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
HEALTH_SEGMENTS = ("livez", "readyz")
"""Of each host of the platform: the health of all of it."""
TESTING_SEGMENTS = ("testing", "issuers")
"""Of the provider's host, with `identity.testing` only."""
CONTROL_SEGMENTS = (
    "api",
    "health",
    "ready",
    *HEALTH_SEGMENTS,
    "openapi.json",
    "openapi.yaml",
    "openapi.html",
    ".wellknown",
    ".well-known",
    "1.0.0",
)


def system_routes(context: RenderContext) -> tuple[SystemRoute, ...]:
    """The routes of the system hosts; each must also hold when no API is deployed."""
    # OpenID Connect Discovery appends its path to the issuer's own.
    of_issuer = urlsplit(context.provider.issuer).path.strip("/").partition("/")[0]
    segments = dict.fromkeys((*IDENTITY_SEGMENTS, of_issuer))
    if context.provider.testing:
        segments |= dict.fromkeys(TESTING_SEGMENTS)
    identity: list[SystemRoute] = []
    if context.provider.enabled:
        host = context.provider.host.lower()
        for segment in segments:
            if segment:
                identity.append(SystemRoute(host, segment, IDENTITY))
        identity += [SystemRoute(host, segment, CONTROL) for segment in HEALTH_SEGMENTS]
    hosts = dict.fromkeys((context.gateway.api_host.lower(), "localhost"))
    control = [
        SystemRoute(host, segment, CONTROL) for host in hosts for segment in CONTROL_SEGMENTS
    ]
    # Any host of the gateway: which authorization servers an API trusts (RFC 9728).
    resources = SystemRoute(
        f"*.{context.gateway.domain.lower()}", ".well-known", CONTROL, "/oauth-protected-resource"
    )
    return (*identity, *control, resources, *_home_pages(context, hosts))


def _home_pages(context: RenderContext, control_hosts: Iterable[str]) -> Iterable[SystemRoute]:
    """The page at `/`.

    On the hosts of APIs, clients that accept any type get the 404 of the gateway.
    """
    if context.provider.enabled:
        yield SystemRoute(context.provider.host.lower(), ROOT, IDENTITY)
    yield from (SystemRoute(host, ROOT, CONTROL) for host in control_hosts)
    yield SystemRoute(f"*.{context.gateway.domain.lower()}", ROOT, CONTROL, browsers_only=True)
