"""The OpenAPI document of the system APIs: the registered routes and their catalogue."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import VERSIONS
from kapi.front.web.openapi.catalogue import CATALOGUE, refusals_of
from kapi.identity.protocol.http import Headers
from kapi.openapi import HTML_PATH, JSON, YAML, Described, Row
from kapi.openapi.document import document, operation
from kapi.settings import Settings

INTERNAL = (
    "/.well-known/oauth-protected-resource/",
    "/definitions/",
    "/enforcer/",
    "/metrics",
    "/.wellknown/",
    "/1.0.0/",
)
"""Paths that are not described: internal ones, and aliases of described paths."""
_VERSION = re.compile("/(" + "|".join(map(re.escape, VERSIONS)) + ")(?=/|$)")
_TAGS = {"deployer": "Deploying", "configurator": "Deploying", "api-keys": "API keys"}
_ABOUT = (
    "Deploy APIs and run the platform. Every path under /api/ also answers with a version"
    " in it, such as /api/deployer/1.2.0/apis."
)
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "stsAuthKey": {"type": "apiKey", "in": "header", "name": "stsAuthKey"},
}


class OpenApi:
    """The document of these routes, and the routes that serve it."""

    def __init__(self, server: str, routes: Iterable[Route]) -> None:
        self._server = server
        self._routes = (*routes, *self.routes())

    def routes(self) -> list[Route]:
        """Routes of the document as JSON, as YAML and as a page."""
        shown = (
            ("/openapi.json", self.json),
            ("/openapi.yaml", self.yaml),
            (HTML_PATH, self.html),
        )
        return [Route(path, endpoint, methods=["GET"]) for path, endpoint in shown]

    async def json(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's shape
        """The document as JSON."""
        return Response(self._texts[0], media_type=JSON)

    async def yaml(self, request: Request) -> Response:  # noqa: ARG002
        """The document as YAML."""
        return Response(self._texts[1], media_type=YAML)

    async def html(self, request: Request) -> Response:  # noqa: ARG002
        """The document as a page to read."""
        headers, content = self._page
        return Response(content, headers=dict(headers))

    @cached_property
    def _page(self) -> tuple[Headers, bytes]:
        from kapi.identity.pages.reference import reference_page

        return reference_page(self.value())

    @cached_property
    def _texts(self) -> tuple[str, str]:
        import yaml

        value = self.value()
        return json.dumps(value), yaml.safe_dump(
            value, sort_keys=False, allow_unicode=True
        )

    def value(self) -> dict[str, Any]:
        """The document as a value."""
        paths: dict[str, dict[str, Any]] = {}
        for route in self._routes:
            path = re.sub(r":path}", "}", route.path)
            if path.startswith(INTERNAL) or _VERSION.search(path):
                continue
            methods = (route.methods or set()) - {"HEAD"}
            for method in methods:
                paths.setdefault(path, {})[method.lower()] = _operation(
                    route, path, method
                )
        components = {
            "schemas": CATALOGUE.schemas,
            "securitySchemes": _SECURITY_SCHEMES,
        }
        return document("kapi system APIs", _ABOUT, self._server, paths, components)


def _operation(route: Route, path: str, method: str) -> dict[str, Any]:
    """The Operation Object of a route."""
    text = inspect.getdoc(route.endpoint) or ""
    described_as = Described(text, _tag(path), re.findall(r"{(\w+)}", path))
    row = CATALOGUE.operations.get(f"{method} {path}", Row())
    refusals = refusals_of(row, path)
    return operation(row, described_as, method.lower(), refusals, "Problem")


def described(settings: Settings, routes: Sequence[Route]) -> list[Route]:
    """The routes, and those that serve their document."""
    return [
        *routes,
        *OpenApi(settings.gateway.origin(settings.gateway.api_host), routes).routes(),
    ]


def _tag(path: str) -> str:
    """The group that the document shows an operation in."""
    segments = path.split("/")
    if segments[1] != "api":
        return "Documents"
    return _TAGS.get(segments[2], segments[2].capitalize())
