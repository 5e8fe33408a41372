"""`client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1, RFC 7617)."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from kapi.errors import OAuthError
from kapi.identity.client_authentication.attempt import Attempt, invalid_client
from kapi.identity.client_authentication.method import ClientAuthentication, Method
from kapi.identity.clients.clients import Client

_MISTAKE = (
    "Unknown client, wrong client secret, or another method than it is registered for"
    " (Basic takes both form-encoded, RFC 6749 2.3.1)"
)


def same_secret(
    authentication: ClientAuthentication,  # noqa: ARG001 - the shape of a proof
    client: Client,
    attempt: Attempt,
    now: int,  # noqa: ARG001
) -> bool:
    """Whether it is the client's secret; in constant time."""
    return client.has_secret(attempt.secret)


def from_header(authorization: str, form: Mapping[str, str]) -> Attempt:
    """The attempt in an Authorization header. Raises OAuthError."""
    client_id, secret = basic_credentials(authorization)
    if form.get("client_id", client_id) != client_id:
        raise OAuthError(
            "invalid_request",
            "client_id in the body differs from the one in the Authorization header",
        )
    return Attempt(
        client_id, (CLIENT_SECRET_BASIC.name,), secret=secret, mistake=_MISTAKE
    )


def from_form(form: Mapping[str, str]) -> Attempt:
    """The attempt in a form with client id and secret."""
    return Attempt(
        form["client_id"],
        (CLIENT_SECRET_POST.name,),
        secret=form["client_secret"],
        mistake=_MISTAKE,
    )


def basic_credentials(authorization: str) -> tuple[str, str]:
    """Client id and secret of an Authorization header, decoded. Raises OAuthError."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise invalid_client("The Authorization header must use the Basic scheme here")
    try:
        decoded = binascii.a2b_base64(
            encoded.strip(" ").encode("ascii"), strict_mode=True
        )
    except (ValueError, UnicodeEncodeError) as error:
        raise invalid_client("The Basic credentials are not base64") from error
    client_id, colon, secret = decoded.partition(b":")
    if not colon:
        raise invalid_client(
            "The Basic credentials have no colon between client id and secret"
        )
    return _form_decoded(client_id), _form_decoded(secret)


def _form_decoded(value: bytes) -> str:
    if b"%" in value or b"+" in value:
        value = unquote_to_bytes(value.replace(b"+", b" "))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid_client("The Basic credentials are not UTF-8") from error


CLIENT_SECRET_BASIC = Method(
    name="client_secret_basic",
    proves=same_secret,
    uses_secret=True,
    needs_keys=False,
    registrable=True,
    document_clients=False,
    fapi=False,
)
CLIENT_SECRET_POST = Method(
    name="client_secret_post",
    proves=same_secret,
    uses_secret=True,
    needs_keys=False,
    registrable=True,
    document_clients=False,
    fapi=False,
)
