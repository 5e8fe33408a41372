"""Authorization responses and their modes (OAuth 2.0 Multiple Response Types §2.1, Form Post).

Each response, also an error, contains `state` and `iss` (RFC 9207). A mode is one function and one
name in RESPONSE_MODES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.authorization.request import AuthorizationRequest
from kapi.identity.minting.signer import Signer
from kapi.identity.pages import form_post_page, see_other
from kapi.identity.protocol.forms import with_query
from kapi.identity.protocol.http import Answer

JARM_TYPE = "oauth-authz-resp+jwt"
"""A separate type, so that no verifier accepts the response as a token."""
_JARM_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Responses:
    """The values that authorization responses need."""

    issuer: str
    base_url: str
    """The URL of the provider's root."""
    signer: Signer


Mode = Callable[[Responses, AuthorizationRequest, Mapping[str, str]], Answer]


def respond(
    responses: Responses, request: AuthorizationRequest, parameters: Mapping[str, str]
) -> Answer:
    """Send parameters to the client in the mode of its request."""
    sent = dict(parameters)
    if request.state is not None:
        sent["state"] = request.state
    sent["iss"] = responses.issuer
    return RESPONSE_MODES[request.response_mode](responses, request, sent)


def refuse(
    responses: Responses, request: AuthorizationRequest, error: OAuthError
) -> Answer:
    """Send an error to the client."""
    return respond(
        responses, request, {"error": error.error, "error_description": error.detail}
    )


def query(
    _: Responses, request: AuthorizationRequest, parameters: Mapping[str, str]
) -> Answer:
    """In the query of the redirect URI, after its own parameters."""
    return see_other(with_query(request.redirect_uri, parameters))


def fragment(
    _: Responses, request: AuthorizationRequest, parameters: Mapping[str, str]
) -> Answer:
    """In the fragment, which is not sent to servers."""
    return see_other(f"{request.redirect_uri}#{urlencode(parameters)}")


def form_post(
    responses: Responses, request: AuthorizationRequest, parameters: Mapping[str, str]
) -> Answer:
    """By a page whose form posts them."""
    return form_post_page(responses.base_url, request.redirect_uri, parameters)


def signed(mode: Mode) -> Mode:
    """The mode with all parameters in one signed JWT (JARM §2.3)."""

    def answer(
        responses: Responses,
        request: AuthorizationRequest,
        parameters: Mapping[str, str],
    ) -> Answer:
        claims = {
            **parameters,
            "aud": request.client.id,
            "exp": request.now + _JARM_SECONDS,
        }
        algorithm = request.client.settings.authorization_signed_response_alg or "RS256"
        return mode(
            responses,
            request,
            {"response": responses.signer.sign(claims, JARM_TYPE, algorithm)},
        )

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
"""Modes that send the parameters to servers and their logs."""
SIGNED_MODES = tuple(name for name in RESPONSE_MODES if name.endswith("jwt"))
"""The modes of JARM."""


def default_mode(*, front: bool, signed: bool) -> str:
    """The mode of a request that names none (Multiple Response Types §5, JARM §2.3.4).

    `front`: the response contains tokens.
    """
    if signed:
        return "jwt"
    if front:
        return "fragment"
    return "query"
