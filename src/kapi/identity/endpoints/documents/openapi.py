"""The OpenAPI document of the identity provider: the endpoints, with their catalogue entries."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import orjson

from kapi.identity.endpoints.endpoint import Endpoint
from kapi.identity.grants import token_grants
from kapi.identity.openapi import CATALOGUE, NOT_DESCRIBED, TAGS, refusals_of
from kapi.identity.protocol.documents import document_answer
from kapi.identity.protocol.http import ANY_ORIGIN, Answer, Headers, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.identity.token_endpoint import PATHS, TokenEndpoint
from kapi.openapi import HTML, HTML_PATH, JSON, YAML, Described, Row
from kapi.openapi.document import document, operation

_JSON_PATH, _YAML_PATH = "/openapi.json", "/openapi.yaml"
_NOTE = "This identity provider is for tests only."
_ABOUT = (
    "OAuth 2.0 and OpenID Connect. Issuer: {issuer}."
    " Non-production: some of its credentials are published."
)
_SECURITY_SCHEMES = {
    "client": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


class OpenapiDocument:
    """The endpoint of the document, made with the other endpoints; it also describes itself."""

    methods = ("GET",)
    quick = True

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.__name__, self.__doc__ = __name__, __doc__
        self._endpoints = endpoints

    def paths(self, published: Published) -> tuple[str, ...]:  # noqa: ARG002 - the contract
        """As JSON, as YAML, and as a page."""
        return (_JSON_PATH, _YAML_PATH, HTML_PATH)

    def metadata(self, published: Published) -> Mapping[str, Any]:
        """For people who write clients (RFC 8414 §2)."""
        return {"service_documentation": f"{published.base_url}{HTML_PATH}"}

    def needs(self, provider: Provider) -> Published:
        """What the documents are made from."""
        return provider.published

    def answer(self, published: Published, request: Request) -> Answer:
        """Answer with the OpenAPI document of the provider."""
        content = orjson.dumps(described(published, (*self._endpoints, self)))
        headers, rendered = _rendered(content, request.path)
        return document_answer(rendered, request, headers)


def described(published: Published, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document about these endpoints and the token endpoint, as a value."""
    about_token = Described(inspect.getdoc(TokenEndpoint.answer) or "", TAGS["clients"])
    token = {"post": _operation(_token_row(published), "POST", about_token)}
    made: dict[str, dict[str, Any]] = dict.fromkeys(PATHS, token)
    for endpoint in endpoints:
        made |= _described_endpoint(published, endpoint)
    about = _ABOUT.format(issuer=published.issuer)
    components = {"schemas": CATALOGUE.schemas, "securitySchemes": _SECURITY_SCHEMES}
    return document(
        "kapi identity provider", about, published.base_url, made, components
    )


def _token_row(published: Published) -> Row:
    """The token endpoint, with the parameters of the grants that are offered."""
    row = CATALOGUE.operations["token POST"]
    takes = dict(row.takes)
    for grant in token_grants(published.identity):
        takes |= grant.facts.parameters
    return replace(row, takes=takes)


def _described_endpoint(
    published: Published, endpoint: Endpoint
) -> dict[str, dict[str, Any]]:
    """The paths of one endpoint."""
    *_, folder, name = getattr(endpoint, "__name__", "").split(".")
    if name in NOT_DESCRIBED:
        return {}
    text = (inspect.getdoc(endpoint) or "").partition("\n\n")[0]
    made: dict[str, dict[str, Any]] = {}
    for path in endpoint.paths(published):
        described_as, shown = Described(text, TAGS[folder]), path
        if path.endswith("/"):
            described_as, shown = (
                Described(text, TAGS[folder], ("client_id",)),
                f"{path}{{client_id}}",
            )
        made[shown] = {
            method.lower(): _operation(_row(name, method, path), method, described_as)
            for method in endpoint.methods
        }
    return made


def _row(name: str, method: str, path: str) -> Row:
    row = CATALOGUE.operations[f"{name} {method}"]
    media_type = {_YAML_PATH: YAML, HTML_PATH: HTML}.get(path)
    if media_type is None:
        return row
    return Row(answers={200: media_type, 304: ""}, summary=row.summary)


def _operation(row: Row, method: str, described_as: Described) -> dict[str, Any]:
    return operation(
        row, described_as, method.lower(), refusals_of(row, method), "OAuthError"
    )


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
