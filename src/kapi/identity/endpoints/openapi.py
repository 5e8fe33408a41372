"""The OpenAPI document of the identity provider: what is registered, with the rows of `descriptions.py`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from kapi.identity.descriptions import NOT_DESCRIBED, ROWS, SCHEMAS, TOKEN
from kapi.identity.documents import document_answer
from kapi.identity.http import Answer, Request
from kapi.identity.provider import Provider
from kapi.openapi import HTML, JSON, YAML, Row, document, operation

methods = ("GET",)
quick = True
_JSON_PATH, _YAML_PATH = "/openapi.json", "/openapi.yaml"


def paths(provider: Provider) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """As JSON and as YAML."""
    return (_JSON_PATH, _YAML_PATH)


def metadata(provider: Provider) -> Mapping[str, Any]:
    """For people who write clients (RFC 8414 §2)."""
    return {"service_documentation": f"{provider.base_url}{_JSON_PATH}"}


def answer(provider: Provider, request: Request) -> Answer:
    """The document."""
    content = _rendered(orjson.dumps(described(provider)))[request.path == _YAML_PATH]
    return document_answer(content, request, YAML if request.path == _YAML_PATH else JSON)


def described(provider: Provider) -> dict[str, Any]:
    """The document as a value."""
    from kapi.identity.endpoints import ENDPOINTS
    from kapi.identity.token_endpoint import PATHS, TokenEndpoint

    made: dict[str, dict[str, Any]] = {}
    for path in PATHS:
        made[path] = {"post": operation(TOKEN, inspect.getdoc(TokenEndpoint.answer) or "", "post", _errors(JSON))}
    for endpoint in ENDPOINTS:
        name = getattr(endpoint, "__name__", "").rpartition(".")[2]
        if name in NOT_DESCRIBED:
            continue
        about = (inspect.getdoc(endpoint) or "").partition("\n\n")[0]
        media_type = JSON if getattr(endpoint, "cross_origin", True) else HTML
        for path in endpoint.paths(provider):
            shown, parameters = (f"{path}{{client_id}}", ("client_id",)) if path.endswith("/") else (path, ())
            made[shown] = {
                method.lower(): operation(_row(name, method, path), about, method.lower(), _errors(media_type), parameters)
                for method in endpoint.methods
            }
    identity = provider.settings.identity
    about = f"OAuth 2.0 and OpenID Connect. Issuer: {identity.issuer}. Non-production: some of its credentials are published."
    schemes = {"client": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"}}
    return document("kapi identity provider", about, provider.base_url, made, {"schemas": SCHEMAS, "securitySchemes": schemes})


def _row(name: str, method: str, path: str) -> Row:
    return Row(answers={200: YAML, 304: ""}) if path == _YAML_PATH else ROWS[name][method]


def _errors(media_type: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": "#/components/schemas/OAuthError"} if media_type == JSON else {"type": "string"}
    return {"4XX": {"description": "Refused, with the reason", "content": {media_type: {"schema": schema}}}}


@cache
def _rendered(content: bytes) -> tuple[bytes, bytes]:
    import yaml

    return content, yaml.safe_dump(orjson.loads(content), sort_keys=False, allow_unicode=True).encode("utf-8")
