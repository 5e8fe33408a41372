"""Client authentication (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2), the same at every endpoint that clients call.

One method = one function and one name in METHODS. A request uses one method, and a client only the one it is registered for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kapi.errors import OAuthError
from kapi.identity.client_authentication import assertions, secrets, tls
from kapi.identity.client_authentication.attempt import Attempt, invalid_client
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.http import Credentials
from kapi.identity.provider import Provider

Method = Callable[[Provider, Client, Attempt, int], bool]
"""Whether the attempt proves that the caller is this client; may raise OAuthError invalid_client with the reason."""


def _none(provider: Provider, client: Client, attempt: Attempt, now: int) -> bool:  # noqa: ARG001 - the shape of a method
    """A public client names itself and proves nothing."""
    return not client.digest


METHODS: Mapping[str, Method] = {
    "client_secret_basic": secrets.same_secret,
    "client_secret_post": secrets.same_secret,
    "client_secret_jwt": assertions.client_secret_jwt,
    "private_key_jwt": assertions.private_key_jwt,
    "tls_client_auth": tls.tls_client_auth,
    "self_signed_tls_client_auth": tls.self_signed_tls_client_auth,
    "none": _none,
}
"""By the registered names (RFC 8414 §2); discovery says the same."""
_EITHER_SECRET = ("client_secret_basic", "client_secret_post")
SYMMETRIC_METHODS = (*_EITHER_SECRET, "client_secret_jwt")


def methods_of(client: Client) -> tuple[str, ...]:
    """The methods a client may use: the registered one; with none registered, Basic and the form alike."""
    method = client.settings.token_endpoint_auth_method
    return (method,) if method else _EITHER_SECRET


def authenticate_client(
    provider: Provider, form: Mapping[str, str], credentials: Credentials, now: int
) -> Client:
    """The client that is calling.

    Raises OAuthError: invalid_request for two methods or a malformed one, invalid_client (401 with a challenge) otherwise.
    """
    attempt = _attempt(form, credentials)
    client = _named(provider, attempt, now)
    if client is None:
        secrets.same_secret(provider, provider.clients.nobody, attempt, now)
        raise invalid_client(attempt.mistake)
    method = next((name for name in attempt.methods if name in methods_of(client)), None)
    if method is None or not METHODS[method](provider, client, attempt, now):
        raise invalid_client(attempt.mistake)
    return client


def _named(provider: Provider, attempt: Attempt, now: int) -> Client | None:
    """The client that the attempt names. One that publishes its metadata has no secret, so a secret never makes us fetch."""
    if set(attempt.methods) <= set(_EITHER_SECRET):
        return provider.known_client(attempt.client_id)
    try:
        return provider.client(attempt.client_id, now)
    except OAuthError as error:
        raise invalid_client(error.detail) from error


def _attempt(form: Mapping[str, str], credentials: Credentials) -> Attempt:
    """What the request tries; exactly one method."""
    by_header, by_secret, by_assertion = (
        credentials.authorization is not None,
        "client_secret" in form,
        "client_assertion" in form or "client_assertion_type" in form,
    )
    if by_header + by_secret + by_assertion > 1:
        raise OAuthError(
            "invalid_request", "Use one client authentication method per request (RFC 6749 2.3)"
        )
    if credentials.authorization is not None:
        return secrets.from_header(credentials.authorization, form)
    if by_assertion:
        return assertions.from_form(form)
    if "client_id" not in form:
        raise invalid_client(
            "Client authentication is missing: send HTTP Basic, or client_id and client_secret in the body"
        )
    if by_secret:
        return secrets.from_form(form)
    mistake = "Client authentication is missing: this client is not known, is not public, or has no certificate in this connection"
    return Attempt(
        form["client_id"],
        ("none", *tls.METHODS),
        certificate=credentials.certificate,
        mistake=mistake,
    )
