"""Which paths of our own hosts go to which of our own processes: the one list."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from kapi.dataclass import dataclass
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
CONSOLE_SEGMENT = "console"
"""Of the console's host: all its pages are below it."""


def system_routes(context: RenderContext) -> tuple[SystemRoute, ...]:
    """The routes of the system hosts; each must also hold when no API is deployed."""
    # By identity: to hash a context takes longer than to make its routes.
    known, routes = _latest[0]
    if known is not context:
        routes = _system_routes(context)
        _latest[0] = (context, routes)
    return routes


_latest: list[tuple[RenderContext | None, tuple[SystemRoute, ...]]] = [(None, ())]
"""The context that was asked for last, and its routes."""


def _system_routes(context: RenderContext) -> tuple[SystemRoute, ...]:
    # OpenID Connect Discovery appends its path to the issuer's own.
    of_issuer = urlsplit(context.provider.issuer).path.strip("/").partition("/")[0]
    segments = dict.fromkeys((*IDENTITY_SEGMENTS, of_issuer))
    if context.provider.testing:
        segments |= dict.fromkeys(TESTING_SEGMENTS)
    identity: list[SystemRoute] = []
    if context.provider.enabled:
        for host in context.provider.hosts:
            identity += [
                SystemRoute(host, segment, IDENTITY)
                for segment in filter(None, segments)
            ]
            identity += [
                SystemRoute(host, segment, CONTROL) for segment in HEALTH_SEGMENTS
            ]
    control = [
        SystemRoute(host, segment, CONTROL)
        for host in context.gateway.api_hosts
        for segment in CONTROL_SEGMENTS
    ]
    # Any host of the gateway: which authorization servers an API trusts (RFC 9728).
    resources = [
        SystemRoute(f"*.{domain}", ".well-known", CONTROL, "/oauth-protected-resource")
        for domain in context.gateway.domains
    ]
    return (*identity, *control, *resources, *_home_pages(context), *_console(context))


def _console(context: RenderContext) -> Iterable[SystemRoute]:
    """The console's pages; its `/` leads to them."""
    for host in context.console_hosts:
        yield SystemRoute(host, ROOT, CONTROL)
        yield SystemRoute(host, CONSOLE_SEGMENT, CONTROL)


def _home_pages(context: RenderContext) -> Iterable[SystemRoute]:
    """The page at `/`.

    On the hosts of APIs, clients that accept any type get the 404 of the gateway.
    """
    if context.provider.enabled:
        for host in context.provider.hosts:
            yield SystemRoute(host, ROOT, IDENTITY)
    for host in context.gateway.api_hosts:
        yield SystemRoute(host, ROOT, CONTROL)
    for domain in context.gateway.domains:
        yield SystemRoute(f"*.{domain}", ROOT, CONTROL, browsers_only=True)
