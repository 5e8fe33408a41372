"""The OpenAPI document of the identity provider: what is registered, with the rows of `descriptions.py`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from kapi.identity.protocol.descriptions import NOT_DESCRIBED, ROWS, SCHEMAS, TAGS, TOKEN
from kapi.identity.protocol.documents import document_answer
from kapi.identity.protocol.http import ANY_ORIGIN, Answer, Headers, Request
from kapi.identity.protocol.refusals import refusals_of
from kapi.identity.provider import Provider
from kapi.openapi import HTML, HTML_PATH, JSON, YAML, Described, Row, document, operation

methods = ("GET",)
quick = True
_JSON_PATH, _YAML_PATH = "/openapi.json", "/openapi.yaml"
_NOTE = "This identity provider is for tests only."
_TOKENS = "Tokens"


def paths(provider: Provider) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """As JSON, as YAML, and as a page."""
    return (_JSON_PATH, _YAML_PATH, HTML_PATH)


def metadata(provider: Provider) -> Mapping[str, Any]:
    """For people who write clients (RFC 8414 §2)."""
    return {"service_documentation": f"{provider.base_url}{HTML_PATH}"}


def answer(provider: Provider, request: Request) -> Answer:
    """The document."""
    headers, content = _rendered(orjson.dumps(described(provider)), request.path)
    return document_answer(content, request, headers)


def described(provider: Provider) -> dict[str, Any]:
    """The document as a value."""
    from kapi.identity.endpoints import ENDPOINTS
    from kapi.identity.protocol.token_endpoint import PATHS, TokenEndpoint

    made: dict[str, dict[str, Any]] = {}
    for path in PATHS:
        made[path] = {
            "post": _operation(
                TOKEN, "POST", Described(inspect.getdoc(TokenEndpoint.answer) or "", _TOKENS)
            )
        }
    for endpoint in ENDPOINTS:
        name = getattr(endpoint, "__name__", "").rpartition(".")[2]
        if name in NOT_DESCRIBED:
            continue
        about = (inspect.getdoc(endpoint) or "").partition("\n\n")[0]
        for path in endpoint.paths(provider):
            shown, parameters = (
                (f"{path}{{client_id}}", ("client_id",)) if path.endswith("/") else (path, ())
            )
            described_as = Described(about, TAGS.get(name, _TOKENS), parameters)
            made[shown] = {
                method.lower(): _operation(_row(name, method, path), method, described_as)
                for method in endpoint.methods
            }
    identity = provider.settings.identity
    about = f"OAuth 2.0 and OpenID Connect. Issuer: {identity.issuer}. Non-production: some of its credentials are published."
    schemes = {
        "client": {"type": "http", "scheme": "basic"},
        "bearer": {"type": "http", "scheme": "bearer"},
    }
    return document(
        "kapi identity provider",
        about,
        provider.base_url,
        made,
        {"schemas": SCHEMAS, "securitySchemes": schemes},
    )


def _row(name: str, method: str, path: str) -> Row:
    shown = {_YAML_PATH: YAML, HTML_PATH: HTML}
    return (
        Row(answers={200: shown[path], 304: ""}, summary=ROWS[name][method].summary)
        if path in shown
        else ROWS[name][method]
    )


def _operation(row: Row, method: str, described_as: Described) -> dict[str, Any]:
    return operation(row, described_as, method.lower(), refusals_of(row, method), "OAuthError")


@cache
def _rendered(content: bytes, path: str) -> tuple[Headers, bytes]:
    if path == _JSON_PATH:
        return (("content-type", JSON), *ANY_ORIGIN), content
    if path == HTML_PATH:
        from kapi.identity.pages.reference import reference_page

        return reference_page(orjson.loads(content), _NOTE)
    import yaml

    text = yaml.safe_dump(orjson.loads(content), sort_keys=False, allow_unicode=True)
    return (("content-type", YAML), *ANY_ORIGIN), text.encode("utf-8")
