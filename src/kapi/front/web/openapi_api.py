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

from kapi.front.web.access import VERSIONS
from kapi.openapi import JSON, MULTIPART, TEXT, YAML, Row, document, operation
from kapi.settings import Settings

_NOTHING = {204: ""}
_MADE = {201: JSON}
ROWS: Mapping[tuple[str, str], Row] = {
    ("GET", "/openapi.json"): Row(),
    ("GET", "/openapi.yaml"): Row(answers={200: YAML}),
    ("GET", "/health"): Row(),
    ("GET", "/ready"): Row(answers={200: JSON, 503: JSON}),
    ("POST", "/api/configurator/apis/generate-configuration"): Row(
        {"definition": "a file", "url": "or its address", "apiType": "REST, GRAPHQL, GRPC"}, MULTIPART, {200: YAML}
    ),
    ("POST", "/api/deployer/apis/deploy"): Row(
        {"apkConfiguration!": "the apk-conf", "definitionFile!": "its definition"}, MULTIPART, {200: YAML}, security="bearer"
    ),
    ("POST", "/api/deployer/apis/undeploy"): Row({"apiId!": "which"}, answers={202: TEXT}, security="bearer"),
    ("POST", "/api/configurator/apis/generate-k8s-resources"): Row({}, MULTIPART, {501: JSON}),
    ("GET", "/api/deployer/apis"): Row(security="bearer"),
    ("POST", "/api/notification/notify"): Row({"type!": "TOKEN_REVOCATION"}, security="stsAuthKey"),
    ("GET", "/api/secrets"): Row(security="bearer"),
    ("PUT", "/api/secrets/{name}/{key}"): Row(answers=_NOTHING, security="bearer"),
    ("DELETE", "/api/secrets/{name}/{key}"): Row(answers=_NOTHING, security="bearer"),
    ("GET", "/api/issuers"): Row(security="bearer"),
    ("POST", "/api/issuers"): Row({"name!": "a name", "issuer": "its `iss`", "preset": "a preset"}, JSON, _MADE, security="bearer"),
    ("GET", "/api/issuers/{name}"): Row(security="bearer"),
    ("PUT", "/api/issuers/{name}"): Row({"issuer": "its `iss`", "preset": "a preset"}, JSON, security="bearer"),
    ("DELETE", "/api/issuers/{name}"): Row(answers=_NOTHING, security="bearer"),
    ("POST", "/api/issuers/{name}/test"): Row({"token": "a token of it"}, JSON, security="bearer"),
    ("GET", "/api/metrics"): Row(answers={200: TEXT}, security="bearer"),
    ("GET", "/api/users"): Row(security="bearer"),
    ("POST", "/api/users"): Row({"username!": "", "password!": "", "organizations": "", "groups": ""}, JSON, _MADE, security="bearer"),
    ("GET", "/api/users/{username}"): Row(security="bearer"),
    ("DELETE", "/api/users/{username}"): Row(answers=_NOTHING, security="bearer"),
    ("PUT", "/api/users/{username}/password"): Row({"password!": "the new one"}, JSON, _NOTHING, security="bearer"),
    ("GET", "/api/keys"): Row(security="bearer"),
    ("POST", "/api/keys"): Row({"algorithm": "RS256, …"}, JSON, _MADE, security="bearer"),
    ("POST", "/api/keys/rotate"): Row(
        {"algorithm": "RS256, …", "now": "true or false", "emergency": "true or false"}, JSON, _MADE, security="bearer"
    ),
    ("POST", "/api/keys/{kid}/activate"): Row(security="bearer"),
    ("DELETE", "/api/keys/{kid}"): Row(answers=_NOTHING, security="bearer"),
    ("GET", "/api/clients"): Row(security="bearer"),
    ("POST", "/api/clients"): Row({"client_name": "", "grant_types": "", "redirect_uris": ""}, JSON, _MADE, security="bearer"),
    ("GET", "/api/clients/{client_id}"): Row(security="bearer"),
    ("DELETE", "/api/clients/{client_id}"): Row(answers=_NOTHING, security="bearer"),
    ("GET", "/api/api-keys"): Row(security="bearer"),
    ("POST", "/api/api-keys"): Row({"apis!": "a list of ids"}, JSON, _MADE, security="bearer"),
    ("DELETE", "/api/api-keys/{id}"): Row(answers=_NOTHING, security="bearer"),
    ("GET", "/api/applications"): Row(security="bearer"),
    ("POST", "/api/applications"): Row({"name!": "", "tier": ""}, JSON, _MADE, security="bearer"),
    ("DELETE", "/api/applications/{id}"): Row(answers=_NOTHING, security="bearer"),
    ("POST", "/api/applications/{id}/keys"): Row({"issuer": "", "clientId": ""}, JSON, _MADE, security="bearer"),
    ("DELETE", "/api/applications/{id}/keys/{key}"): Row(answers=_NOTHING, security="bearer"),
    ("GET", "/api/subscriptions"): Row(security="bearer"),
    ("POST", "/api/subscriptions"): Row({"application!": "", "api!": "", "tier": ""}, JSON, _MADE, security="bearer"),
    ("PATCH", "/api/subscriptions/{id}"): Row({"state": ""}, JSON, security="bearer"),
    ("DELETE", "/api/subscriptions/{id}"): Row(answers=_NOTHING, security="bearer"),
    ("GET", "/.well-known/oauth-protected-resource"): Row(),
    ("GET", "/.well-known/jwks.json"): Row(answers={200: JSON, 503: JSON}),
}
"""By method and path without a version; each also answers with a version in its path."""
INTERNAL = ("/.well-known/oauth-protected-resource/", "/definitions/", "/enforcer/", "/metrics", "/.wellknown/", "/1.0.0/")
"""What the gateway does not let in, older names of what is described, and longer ones."""
_VERSION = re.compile("/(" + "|".join(map(re.escape, VERSIONS)) + ")(?=/|$)")
_PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {}, "message": {"type": "string"}, "description": {"type": "string"}, "moreInfo": {"type": "object"}},
}


class OpenApi:
    """The document of these routes, and the two paths that show it."""

    def __init__(self, server: str, routes: Iterable[Route]) -> None:
        self._server = server
        self._routes = (*routes, *self.routes())

    def routes(self) -> list[Route]:
        """As JSON and as YAML."""
        return [Route("/openapi.json", self.json, methods=["GET"]), Route("/openapi.yaml", self.yaml, methods=["GET"])]

    async def json(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's shape
        """The document as JSON."""
        return Response(self._texts[0], media_type=JSON)

    async def yaml(self, request: Request) -> Response:  # noqa: ARG002
        """The document as YAML."""
        return Response(self._texts[1], media_type=YAML)

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
                about = inspect.getdoc(route.endpoint) or ""
                names = re.findall(r"{(\w+)}", path)
                paths.setdefault(path, {})[method.lower()] = operation(
                    ROWS.get((method, path), Row()), about, method.lower(), _ERRORS, names
                )
        about = (
            "Deploy APIs and run the platform. Every path under /api/ also answers with a version in it, such as /api/deployer/1.2.0/apis."
        )
        schemes = {"bearer": {"type": "http", "scheme": "bearer"}, "stsAuthKey": {"type": "apiKey", "in": "header", "name": "stsAuthKey"}}
        return document("kapi system APIs", about, self._server, paths, {"schemas": {"Problem": _PROBLEM}, "securitySchemes": schemes})


def described(settings: Settings, routes: Sequence[Route]) -> list[Route]:
    """The routes, and those that show their document."""
    server = f"https://{settings.gateway.api_host}:{settings.gateway.port}"
    return [*routes, *OpenApi(server, routes).routes()]


_ERRORS: Mapping[str, Any] = {
    "307": {"description": "The path had an encoded slash; the gateway says how to write it"},
    "4XX": {"description": "Refused, with the reason", "content": {JSON: {"schema": {}}}},
    "503": {
        "description": "The gateway did not confirm; nothing has changed",
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}
