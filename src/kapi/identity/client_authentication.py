"""Client authentication at the token endpoint (RFC 6749 §2.3.1, RFC 7617): HTTP Basic or the form, exactly one of them."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from kapi.errors import OAuthError
from kapi.identity.clients import Client, Clients

METHODS = ("client_secret_basic", "client_secret_post")
"""Registered names (RFC 8414 §2); discovery says the same."""
CHALLENGE = 'Basic realm="kapi", charset="UTF-8"'


def authenticate_client(clients: Clients, authorization: str | None, form: Mapping[str, str]) -> Client:
    """The client that is calling.

    Raises OAuthError: invalid_request for two methods or a malformed one, invalid_client (401 with a challenge) otherwise.
    """
    in_form = "client_secret" in form
    if authorization is not None:
        if in_form:
            raise OAuthError("invalid_request", "Use one client authentication method per request: header or body (RFC 6749 2.3)")
        client_id, secret = _basic(authorization)
        if form.get("client_id", client_id) != client_id:
            raise OAuthError("invalid_request", "client_id in the body differs from the one in the Authorization header")
    elif in_form and "client_id" in form:
        client_id, secret = form["client_id"], form["client_secret"]
    else:
        raise _invalid_client("Client authentication is missing: send HTTP Basic, or client_id and client_secret in the body")
    client = clients.authenticate(client_id, secret)
    if client is None:
        raise _invalid_client("Unknown client, or wrong client secret (each is form-encoded before Basic is built, RFC 6749 2.3.1)")
    return client


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise _invalid_client("The Authorization header must use the Basic scheme here")
    try:
        decoded = binascii.a2b_base64(encoded.strip(" ").encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError) as error:
        raise _invalid_client("The Basic credentials are not base64") from error
    client_id, colon, secret = decoded.partition(b":")
    if not colon:
        raise _invalid_client("The Basic credentials have no colon between client id and secret")
    return _form_decoded(client_id), _form_decoded(secret)


def _form_decoded(value: bytes) -> str:
    if b"%" in value or b"+" in value:
        value = unquote_to_bytes(value.replace(b"+", b" "))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid_client("The Basic credentials are not UTF-8") from error


def _invalid_client(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, status=401, challenge=CHALLENGE)
