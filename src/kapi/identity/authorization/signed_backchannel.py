"""Signed authentication requests of CIBA (OpenID Connect CIBA Core §7.1.1): parameters in a JWT.

Called by the backchannel authentication endpoint.
"""

from __future__ import annotations

from kapi.errors import OAuthError
from kapi.identity.authorization.request import RequestChecks
from kapi.identity.authorization.request_objects import form_of, is_audience
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.forms import Form
from kapi.jose.algorithms import ASYMMETRIC
from kapi.jose.jwt import (
    InvalidJwt,
    check_signature,
    check_times,
    numeric_date,
    read_jwt,
    text_claim,
)
from kapi.settings.identity.profiles import accepted_algorithms
from kapi.store.records import Record, key_of

LONGEST_SECONDS = 3600
_OUTSIDE = frozenset(
    {
        "request",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
    }
)
"""The request itself, and what authenticates the client."""
_TYPES = ("", "jwt", "oauth-authz-req+jwt")
_SEEN = "signed-backchannel-request"


def request_parameters(
    checks: RequestChecks, client: Client, form: Form, now: int
) -> Form:
    """The parameters of an authentication request: those of its `request`, else of the form.

    Raises OAuthError invalid_request, also when the client registered
    `backchannel_authentication_request_signing_alg` and the request is not signed.
    """
    signed = form.get("request")
    registered = client.settings.backchannel_authentication_request_signing_alg
    if signed is None:
        if registered:
            raise OAuthError(
                "invalid_request", "This client must sign its requests (CIBA Core 4)"
            )
        return form
    beside = sorted(set(form.values) - _OUTSIDE)
    if beside:
        detail = (
            f"{', '.join(beside)[:200]} must be in the signed request, not beside it"
        )
        raise OAuthError("invalid_request", f"{detail} (CIBA Core 7.1.1)")
    try:
        return _verified(checks, client, signed, registered, now)
    except InvalidJwt as error:
        detail = f"The signed request is refused: {error}"
        raise OAuthError("invalid_request", detail) from error


def _verified(
    checks: RequestChecks, client: Client, signed: str, registered: str, now: int
) -> Form:
    accepted = accepted_algorithms(client.settings, registered, ASYMMETRIC)
    jwt = read_jwt(signed, algorithms=accepted, types=_TYPES)
    check_signature(jwt, checks.registry.keys_of(client, jwt.header.get("kid"), now))
    claims = jwt.claims
    if claims.get("iss") != client.id:
        raise InvalidJwt("iss must be the client id")
    issuer = checks.issuer
    if not is_audience(claims.get("aud"), issuer):
        raise InvalidJwt(f"aud must be the issuer, {issuer}")
    for name in ("iat", "nbf"):
        if numeric_date(claims, name) is None:
            raise InvalidJwt(f"{name} is missing")
    expires = check_times(claims, now, LONGEST_SECONDS)
    if "request" in claims:
        raise InvalidJwt("it must not contain another request")
    parameters = form_of(claims)
    digest = key_of(f"{client.id}\n{text_claim(claims, 'jti', 255)}")
    if not checks.records.add(
        _SEEN, Record(digest, "", {}, max(expires, now) + 60), now
    ):
        raise InvalidJwt("its jti was used before")
    return parameters
