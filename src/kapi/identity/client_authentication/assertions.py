"""`client_secret_jwt` and `private_key_jwt` (RFC 7523 §2.2, OpenID Connect Core §9).

The client signs a JWT for each request. `aud` is this provider only: the issuer, or the address of
an endpoint (OpenID Connect Core §9). A client with `client_assertion_audience = "issuer"` must send
the issuer as one string (draft-ietf-oauth-rfc7523bis, FAPI 2.0 Security Profile §5.3.2.1). A `jti`
is accepted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.client_authentication.attempt import Attempt, invalid_client
from kapi.identity.client_authentication.method import ClientAuthentication, Method
from kapi.identity.clients.clients import Client
from kapi.jose.algorithms import ASYMMETRIC, SYMMETRIC
from kapi.jose.jwt import (
    InvalidJwt,
    Jwt,
    check_hmac,
    check_signature,
    check_times,
    read_jwt,
    text_claim,
)
from kapi.settings.identity.profiles import accepted_algorithms
from kapi.store.records import Record, key_of
from kapi.typed import listed

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_SECONDS = 3600
_TYPES = ("", "jwt", "client-authentication+jwt")
_SEEN = "client-assertion"


def from_form(form: Mapping[str, str]) -> Attempt:
    """The attempt in a form; the client is the issuer of the assertion. Raises OAuthError."""
    if (
        form.get("client_assertion_type") != ASSERTION_TYPE
        or "client_assertion" not in form
    ):
        raise OAuthError(
            "invalid_request",
            f"Send client_assertion, and client_assertion_type {ASSERTION_TYPE}",
        )
    assertion = form["client_assertion"]
    try:
        jwt = read_jwt(assertion, algorithms=(*ASYMMETRIC, *SYMMETRIC), types=_TYPES)
        client_id = text_claim(jwt.claims, "iss", 2048)
        if jwt.claims.get("sub") != client_id:
            raise InvalidJwt("iss and sub must both be the client id")
    except InvalidJwt as error:
        raise _refused(error) from error
    if form.get("client_id", client_id) != client_id:
        raise OAuthError(
            "invalid_request",
            "client_id in the body differs from the one in the assertion",
        )
    method = PRIVATE_KEY_JWT
    if jwt.header["alg"] in SYMMETRIC:
        method = CLIENT_SECRET_JWT
    mistake = "Unknown client, or another method than it is registered for"
    return Attempt(client_id, (method.name,), assertion=assertion, mistake=mistake)


def private_key_jwt(
    authentication: ClientAuthentication, client: Client, attempt: Attempt, now: int
) -> bool:
    """Signed with a registered key of the client. Raises OAuthError with the reason."""
    try:
        jwt = _read(client, attempt, ASYMMETRIC)
        check_signature(
            jwt, authentication.registry.keys_of(client, jwt.header.get("kid"), now)
        )
        _check_claims(authentication, client, jwt.claims, now)
    except InvalidJwt as error:
        raise _refused(error) from error
    return True


def client_secret_jwt(
    authentication: ClientAuthentication, client: Client, attempt: Attempt, now: int
) -> bool:
    """Signed with the client's secret. Raises OAuthError invalid_client with the reason."""
    try:
        check_hmac(_read(client, attempt, SYMMETRIC), client.hmac_key)
        _check_claims(
            authentication, client, _read(client, attempt, SYMMETRIC).claims, now
        )
    except InvalidJwt as error:
        raise _refused(error) from error
    return True


def _read(client: Client, attempt: Attempt, algorithms: Sequence[str]) -> Jwt:
    settings = client.settings
    accepted = accepted_algorithms(
        settings, settings.token_endpoint_auth_signing_alg, algorithms
    )
    return read_jwt(attempt.assertion, algorithms=accepted, types=_TYPES)


def _check_claims(
    authentication: ClientAuthentication,
    client: Client,
    claims: Mapping[str, Any],
    now: int,
) -> None:
    _check_audience(authentication, client, claims.get("aud"))
    expires = check_times(claims, now, LONGEST_SECONDS)
    digest = key_of(f"{client.id}\n{text_claim(claims, 'jti', 255)}")
    seen = Record(digest, "", {}, max(expires, now) + 60)
    if not authentication.records.add(_SEEN, seen, now):
        raise InvalidJwt("its jti was used before")


def _check_audience(
    authentication: ClientAuthentication, client: Client, audience: Any
) -> None:
    issuer = authentication.issuer
    if audience == issuer:
        return
    if client.settings.client_assertion_audience == "issuer":
        raise InvalidJwt(f"aud must be the issuer as one string, {issuer}")
    # With the name of another server in the list, the assertion could be replayed there.
    names = listed(audience)
    if not names or not all(_is_ours(authentication, item) for item in names):
        raise InvalidJwt(
            f"aud must be the issuer, {issuer}, or the address of the token endpoint"
        )


def _is_ours(authentication: ClientAuthentication, item: Any) -> bool:
    if not isinstance(item, str):
        return False
    return item == authentication.issuer or item.startswith(
        f"{authentication.base_url}/"
    )


def _refused(error: InvalidJwt) -> OAuthError:
    return invalid_client(f"The client assertion is refused: {error}")


CLIENT_SECRET_JWT = Method(
    name="client_secret_jwt",
    proves=client_secret_jwt,
    uses_secret=True,
    needs_keys=False,
    registrable=False,  # a registered secret is kept as a digest, which cannot check an HMAC
    document_clients=False,
    fapi=False,
)
PRIVATE_KEY_JWT = Method(
    name="private_key_jwt",
    proves=private_key_jwt,
    uses_secret=False,
    needs_keys=True,
    registrable=True,
    document_clients=True,
    fapi=True,
)
