"""Authorization responses: how parameters reach the client (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).

`state` and `iss` (RFC 9207) go with every response, errors too. One mode = one function and one name in RESPONSE_MODES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from kapi.errors import OAuthError
from kapi.identity.authorization.request import AuthorizationRequest
from kapi.identity.pages import form_post_page, see_other
from kapi.identity.protocol.http import Answer
from kapi.identity.provider import Provider

JARM_TYPE = "oauth-authz-resp+jwt"
"""A type of its own, so that no verifier takes such an answer for a token."""
_JARM_SECONDS = 600

Mode = Callable[[Provider, AuthorizationRequest, Mapping[str, str]], Answer]


def respond(
    provider: Provider, request: AuthorizationRequest, parameters: Mapping[str, str]
) -> Answer:
    """Send parameters to the client in the way it asked for."""
    state = {} if request.state is None else {"state": request.state}
    issuer = {"iss": provider.settings.identity.issuer}
    return RESPONSE_MODES[request.response_mode](
        provider, request, {**parameters, **state, **issuer}
    )


def refuse(provider: Provider, request: AuthorizationRequest, error: OAuthError) -> Answer:
    """Send an error to the client."""
    return respond(provider, request, {"error": error.error, "error_description": error.detail})


def query(_: Provider, request: AuthorizationRequest, parameters: Mapping[str, str]) -> Answer:
    """In the query of the redirect URI, after what stands there."""
    uri = request.redirect_uri
    joint = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return see_other(f"{uri}{joint}{urlencode(parameters)}")


def fragment(_: Provider, request: AuthorizationRequest, parameters: Mapping[str, str]) -> Answer:
    """In the fragment: servers on the way do not see it."""
    return see_other(f"{request.redirect_uri}#{urlencode(parameters)}")


def form_post(
    provider: Provider, request: AuthorizationRequest, parameters: Mapping[str, str]
) -> Answer:
    """By a page whose form posts them."""
    return form_post_page(provider, request.redirect_uri, parameters)


def signed(mode: Mode) -> Mode:
    """The same way with all parameters in one JWT (JARM §2.3): nobody on the way can change or mix them."""

    def answer(
        provider: Provider, request: AuthorizationRequest, parameters: Mapping[str, str]
    ) -> Answer:
        claims = {**parameters, "aud": request.client.id, "exp": request.now + _JARM_SECONDS}
        algorithm = request.client.settings.authorization_signed_response_alg or "RS256"
        return mode(provider, request, {"response": provider.sign(claims, JARM_TYPE, algorithm)})

    return answer


RESPONSE_MODES: dict[str, Mode] = {
    "query": query,
    "fragment": fragment,
    "form_post": form_post,
    "jwt": signed(query),
    "query.jwt": signed(query),
    "fragment.jwt": signed(fragment),
    "form_post.jwt": signed(form_post),
}
QUERY_MODES = ("query", "query.jwt")
"""Modes that put the parameters where servers and logs see them."""
SIGNED_MODES = tuple(name for name in RESPONSE_MODES if name.endswith("jwt"))
"""The modes of JARM."""


def default_mode(*, front: bool, signed: bool) -> str:
    """The mode of a request that names none (Multiple Response Types §5, JARM §2.3.4); `front`: the response carries tokens."""
    if signed:
        return "jwt"
    return "fragment" if front else "query"
