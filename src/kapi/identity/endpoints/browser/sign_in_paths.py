"""The other resources at APK's sign-in paths: the style sheet, health, an error page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.pages import STYLE_PATH, error_page, style
from kapi.identity.protocol.http import Answer, Request, json_answer
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET",)
quick = True
cross_origin = False
_HEALTH = "/authenticationEndpoint/health"
_A_YEAR = 31_536_000


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """All paths below the two segments that are not of a page."""
    return (STYLE_PATH, _HEALTH, "/authenticationEndpoint/", "/commonauth/")


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


def needs(provider: Provider) -> str:
    """The URL of the provider's root."""
    return provider.base_url


def answer(base_url: str, request: Request) -> Answer:
    """The file, or a page."""
    if request.path == STYLE_PATH:
        headers = (
            ("content-type", "text/css; charset=utf-8"),
            ("cache-control", f"public, max-age={_A_YEAR}, immutable"),
        )
        return Answer(200, (*headers, ("x-content-type-options", "nosniff")), style())
    if request.path == _HEALTH:
        return json_answer({"healthy": "true"})
    error = OAuthError(
        "not_found",
        "Sign-in begins in an application, which sends you here. This address has no page.",
        status=404,
    )
    return error_page(base_url, error)
