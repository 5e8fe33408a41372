"""The page at `/` of the provider's host. The gateway answers requests for JSON with 404."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.pages import ACCOUNT_PATH
from kapi.identity.pages.home import home_page
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET",)
quick = True
cross_origin = False
PATH = "/"
_TEXTS = (
    (
        "This host signs people in and issues access tokens."
        " Sign-in begins in an application, which sends you here."
    ),
    (
        "Programs find the addresses of OAuth 2.0 and OpenID Connect in"
        " `/.well-known/openid-configuration`."
    ),
)
_LINKS = (
    ("See and change your account", ACCOUNT_PATH),
    ("Connect a device", "/device"),
    ("See what applications ask of you", "/authenticationEndpoint/approvals"),
    ("Sign out", "/oauth2/logout"),
    ("Read the OpenAPI document", "/openapi.html"),
    ("See the addresses for programs", "/.well-known/openid-configuration"),
)


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (PATH,)


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


def needs(provider: Provider) -> None:
    """None: the page is the same for all providers."""


def answer(given: None, request: Request) -> Answer:  # noqa: ARG001
    """Answer with the page."""
    headers, body = home_page(
        "Identity provider", _TEXTS, _LINKS, "This sign-in is for tests only."
    )
    return Answer(200, headers, body)
