"""Why the identity provider says no: each reason once, with its answer as it comes. Rows of `descriptions.py` name them.

A test makes every one of them happen and compares the bodies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kapi.openapi import FORM, HTML, Refusal, Row


def _oauth(status: int, when: str, error: str, description: str, **more: object) -> Refusal:
    return Refusal(status, when, {"error": error, "error_description": description, **more})


REFUSALS: Mapping[str, Refusal] = {
    "page": Refusal(400, "a page says what is wrong and what to do"),
    "invalid_request": _oauth(
        400,
        "a parameter is missing, malformed or stands twice",
        "invalid_request",
        "A parameter stands more than once (RFC 6749 3.2)",
    ),
    "invalid_media_type": _oauth(
        400,
        "the body is no form",
        "invalid_request",
        "The body must be application/x-www-form-urlencoded in UTF-8 (RFC 6749 3.2)",
    ),
    "unsupported_grant_type": _oauth(
        400,
        "the grant is not offered",
        "unsupported_grant_type",
        "This grant type is not supported; the discovery document lists those that are",
    ),
    "unauthorized_client": _oauth(
        400,
        "the client has not this grant",
        "unauthorized_client",
        "The client may not use this grant type",
    ),
    "unauthorized_device": _oauth(
        400,
        "the client has not this grant",
        "unauthorized_client",
        "The client may not use the device code grant",
    ),
    "unauthorized_ciba": _oauth(
        400,
        "the client has not this grant, or is public",
        "unauthorized_client",
        "The client may not use CIBA; a public client never may",
    ),
    "invalid_grant": _oauth(
        400,
        "a code, token or assertion is unknown, expired, used, or another client's",
        "invalid_grant",
        "The code is unknown or expired, or was issued to another client",
    ),
    "not_yours": _oauth(
        400,
        "the token is another client's",
        "invalid_grant",
        "The token was issued to another client",
    ),
    "invalid_scope": _oauth(
        400,
        "a scope is malformed or more than the client may have",
        "invalid_scope",
        "The client may not ask for the scope c",
    ),
    "invalid_target": _oauth(
        400,
        "a resource is malformed or not allowed",
        "invalid_target",
        "resource must be an absolute URI without a fragment (RFC 8707 2)",
    ),
    "invalid_authorization_details": _oauth(
        400,
        "authorization_details are malformed or not allowed",
        "invalid_authorization_details",
        "authorization_details: it must be a JSON list of 1 to 20 objects, at most 8192 characters",
    ),
    "invalid_dpop_proof": _oauth(
        400,
        "a DPoP proof is missing or wrong",
        "invalid_dpop_proof",
        "This client must send a DPoP proof (RFC 9449)",
    ),
    "use_dpop_nonce": _oauth(
        400,
        "the DPoP proof lacks a nonce",
        "use_dpop_nonce",
        "Put the nonce of the DPoP-Nonce header into the proof and try again",
    ),
    "authorization_pending": _oauth(
        400, "the person has not decided", "authorization_pending", "The person has not decided yet"
    ),
    "slow_down": _oauth(400, "polled too soon", "slow_down", "Wait 10 seconds between polls"),
    "expired_token": _oauth(
        400, "nobody decided in time", "expired_token", "Nobody decided in time; begin anew"
    ),
    "access_denied": _oauth(
        400, "the person said no", "access_denied", "The person did not allow it"
    ),
    "unsupported_response_type": _oauth(
        400,
        "response_type is not code",
        "unsupported_response_type",
        "response_type must be one of code",
    ),
    "invalid_request_object": _oauth(
        400,
        "a signed request is wrong",
        "invalid_request_object",
        "The request object is refused: it is not a signed JWT of at most 16384 characters",
    ),
    "unknown_user_id": _oauth(
        400, "the hint names nobody", "unknown_user_id", "The hint names nobody here"
    ),
    "invalid_binding_message": _oauth(
        400,
        "the message is too long or not printable",
        "invalid_binding_message",
        "binding_message has at most 64 printable characters",
    ),
    "invalid_client_metadata": _oauth(
        400,
        "what the client says of itself is not allowed",
        "invalid_client_metadata",
        "password grant type not supported.",
        code=100153,
    ),
    "invalid_redirect_uri": _oauth(
        400,
        "a redirect URI is not allowed",
        "invalid_redirect_uri",
        "ftp://x.example/: it must be absolute, with a scheme that leads to the client",
    ),
    "invalid_client": _oauth(
        401,
        "the client is unknown or not who it says",
        "invalid_client",
        "Unknown client, wrong client secret, or another method than it is registered for (Basic takes both form-encoded, RFC 6749 2.3.1)",
    ),
    "no_token": _oauth(
        401,
        "no access token was sent",
        "invalid_token",
        "Send an access token: Authorization: Bearer ...",
    ),
    "invalid_token": _oauth(
        401,
        "the access token is not good",
        "invalid_token",
        "The access token is unknown, expired or revoked",
    ),
    "not_a_person": _oauth(
        401,
        "the access token is a client's own",
        "invalid_token",
        "The access token is not about a person",
    ),
    "no_registration_token": _oauth(
        401,
        "no token, or a wrong one",
        "invalid_token",
        "Registration needs an initial access token, or an access token with the scope kapi:clients",
    ),
    "wrong_registration_token": _oauth(
        401,
        "no token, a wrong one, or no such client",
        "invalid_token",
        "Send the registration_access_token of this client",
    ),
    "registration_scope": _oauth(
        403,
        "the access token lacks a scope",
        "insufficient_scope",
        "The access token needs the scope kapi:clients",
    ),
    "insufficient_scope": _oauth(
        403,
        "the access token lacks a scope",
        "insufficient_scope",
        "The access token needs the scope openid",
    ),
    "too_slow": _oauth(
        408,
        "the body did not arrive within ten seconds",
        "invalid_request",
        "The body did not arrive in time",
    ),
    "too_many_proofs": _oauth(
        429,
        "public clients at this address have sent ten thousand DPoP proofs within five minutes; Retry-After says when one ends",
        "temporarily_unavailable",
        "Too many DPoP proofs from this address; try again in 300 seconds",
    ),
    "too_many_waiting": _oauth(
        429,
        "this client, or for a public client this address, has a thousand that nobody has used; Retry-After says when one ends",
        "temporarily_unavailable",
        "Too many requests of this client or this address wait to be used; try again in 90 seconds",
    ),
    "too_large": _oauth(
        413,
        "the body has more than 64 kB",
        "invalid_request",
        "The body is larger than 65536 bytes",
    ),
}


def refusals_of(row: Row, method: str) -> Iterator[tuple[str, Refusal]]:
    """Those of an operation: its own, then what its body and its security scheme bring."""
    names = list(row.refuses)
    if HTML in row.answers.values():
        names.append("page")
    elif row.media_type == FORM:
        names += ["invalid_request", "invalid_media_type"]
    if row.security == "client":
        names.append("invalid_client")
    if method != "GET":
        names += ["too_slow", "too_large"]
    for name in dict.fromkeys(names):
        yield name, REFUSALS[name]
