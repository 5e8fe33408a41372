"""The OpenAPI document of the system APIs: the routes that are registered, with one row for each (`kapi/openapi.py`)."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import VERSIONS
from kapi.front.web.openapi.rows import ROWS, refusals_of
from kapi.identity.protocol.http import Headers
from kapi.openapi import HTML_PATH, JSON, YAML, Described, Row, document, operation
from kapi.settings import Settings

INTERNAL = (
    "/.well-known/oauth-protected-resource/",
    "/definitions/",
    "/enforcer/",
    "/metrics",
    "/.wellknown/",
    "/1.0.0/",
)
"""What the gateway does not let in, older names of what is described, and longer ones."""
_VERSION = re.compile("/(" + "|".join(map(re.escape, VERSIONS)) + ")(?=/|$)")
_TEXT = {"type": "string"}
_SCHEMAS: Mapping[str, Any] = {
    "Problem": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": ["integer", "string"], "description": "APK's number"},
            "message": _TEXT,
            "description": _TEXT,
            "moreInfo": {"type": "object", "description": "each mistake, and where it is"},
            "hint": {"type": "string", "description": "what to do next"},
            "diagnostics": {
                "type": "array",
                "items": {"type": "object"},
                "description": "mistakes with code, line and column",
            },
        },
        "description": "As in APK. With `Accept: application/problem+json` the answer is that of RFC 9457.",
    },
    "NotificationError": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": _TEXT},
        "description": "As in APK.",
    },
}


class OpenApi:
    """The document of these routes, and the paths that show it."""

    def __init__(self, server: str, routes: Iterable[Route]) -> None:
        self._server = server
        self._routes = (*routes, *self.routes())

    def routes(self) -> list[Route]:
        """As JSON, as YAML, and as a page."""
        shown = (("/openapi.json", self.json), ("/openapi.yaml", self.yaml), (HTML_PATH, self.html))
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
        return json.dumps(value), yaml.safe_dump(value, sort_keys=False, allow_unicode=True)

    def value(self) -> dict[str, Any]:
        """The document as a value."""
        paths: dict[str, dict[str, Any]] = {}
        for route in self._routes:
            path = re.sub(r":path}", "}", route.path)
            if path.startswith(INTERNAL) or _VERSION.search(path):
                continue
            for method in (route.methods or set()) - {"HEAD"}:
                described_as = Described(
                    inspect.getdoc(route.endpoint) or "", _tag(path), re.findall(r"{(\w+)}", path)
                )
                row = ROWS.get((method, path), Row())
                paths.setdefault(path, {})[method.lower()] = operation(
                    row, described_as, method.lower(), refusals_of(row, path), "Problem"
                )
        about = (
            "Deploy APIs and run the platform. Every path under /api/ also answers with a version"
            " in it, such as /api/deployer/1.2.0/apis."
        )
        schemes = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "stsAuthKey": {"type": "apiKey", "in": "header", "name": "stsAuthKey"},
        }
        return document(
            "kapi system APIs",
            about,
            self._server,
            paths,
            {"schemas": _SCHEMAS, "securitySchemes": schemes},
        )


def described(settings: Settings, routes: Sequence[Route]) -> list[Route]:
    """The routes, and those that show their document."""
    return [*routes, *OpenApi(settings.gateway.origin(settings.gateway.api_host), routes).routes()]


def _tag(path: str) -> str:
    """Groups for readers: by the API of the path."""
    segments = path.split("/")
    if segments[1] != "api":
        return "Documents"
    return {"deployer": "Deploying", "configurator": "Deploying", "api-keys": "API keys"}.get(
        segments[2], segments[2].capitalize()
    )
