"""Client authentication (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2), the same at all endpoints.

A method is one `Method` beside its proof, and one name in METHODS. A request uses one method, and a
client only the registered one.
"""

from __future__ import annotations

from collections.abc import Mapping

from kapi.errors import OAuthError
from kapi.identity.client_authentication import assertions, secrets, tls
from kapi.identity.client_authentication.attempt import Attempt, invalid_client
from kapi.identity.client_authentication.method import ClientAuthentication, Method
from kapi.identity.client_authentication.public import NONE
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.http import Credentials
from kapi.settings import IdentitySettings

METHODS: tuple[Method, ...] = (
    secrets.CLIENT_SECRET_BASIC,
    secrets.CLIENT_SECRET_POST,
    assertions.CLIENT_SECRET_JWT,
    assertions.PRIVATE_KEY_JWT,
    tls.TLS_CLIENT_AUTH,
    tls.SELF_SIGNED_TLS_CLIENT_AUTH,
    NONE,
)
_BY_NAME: Mapping[str, Method] = {method.name: method for method in METHODS}
_EITHER_SECRET = (secrets.CLIENT_SECRET_BASIC.name, secrets.CLIENT_SECRET_POST.name)
_WITHOUT_PROOF_IN_FORM = (
    NONE.name,
    tls.TLS_CLIENT_AUTH.name,
    tls.SELF_SIGNED_TLS_CLIENT_AUTH.name,
)


def methods_supported(identity: IdentitySettings) -> list[str]:
    """The methods that these settings offer, for discovery (RFC 8414 §2)."""
    found = []
    for method in METHODS:
        if method.offered(identity):
            found.append(method.name)
    return found


def methods_of(client: Client) -> tuple[str, ...]:
    """The methods that a client may use: the registered one, by default both with a secret."""
    method = client.settings.token_endpoint_auth_method
    if method:
        return (method,)
    return _EITHER_SECRET


def authenticate_client(
    authentication: ClientAuthentication,
    form: Mapping[str, str],
    credentials: Credentials,
    now: int,
) -> Client:
    """The authenticated client.

    Raises OAuthError: invalid_request for two methods or a malformed one, invalid_client (401 with
    a challenge) otherwise.
    """
    attempt = _attempt(form, credentials)
    client = _named(authentication, attempt, now)
    if client is None:
        secrets.same_secret(
            authentication, authentication.registry.clients.unknown, attempt, now
        )
        raise invalid_client(attempt.mistake)
    try:
        _prove(authentication, client, attempt, now)
    except OAuthError as error:
        error.client = client.id
        raise
    return client


def _prove(
    authentication: ClientAuthentication, client: Client, attempt: Attempt, now: int
) -> None:
    """Check the proof of a known client. Raises OAuthError."""
    allowed = methods_of(client)
    method = next((name for name in attempt.methods if name in allowed), None)
    if method is None:
        raise invalid_client(attempt.mistake)
    if not _BY_NAME[method].proves(authentication, client, attempt, now):
        raise invalid_client(attempt.mistake)


def _named(
    authentication: ClientAuthentication, attempt: Attempt, now: int
) -> Client | None:
    """The client that the attempt names. With a secret, no metadata document is fetched."""
    if set(attempt.methods) <= set(_EITHER_SECRET):
        return authentication.registry.known_client(attempt.client_id)
    try:
        return authentication.registry.client(attempt.client_id, now)
    except OAuthError as error:
        raise invalid_client(error.detail) from error


def _attempt(form: Mapping[str, str], credentials: Credentials) -> Attempt:
    """The attempt of a request, with exactly one method."""
    by_header = credentials.authorization is not None
    by_secret = "client_secret" in form
    by_assertion = "client_assertion" in form or "client_assertion_type" in form
    if by_header + by_secret + by_assertion > 1:
        raise OAuthError(
            "invalid_request",
            "Use one client authentication method per request (RFC 6749 2.3)",
        )
    if credentials.authorization is not None:
        return secrets.from_header(credentials.authorization, form)
    if by_assertion:
        return assertions.from_form(form)
    if "client_id" not in form:
        raise invalid_client(
            "Client authentication is missing:"
            " send HTTP Basic, or client_id and client_secret in the body"
        )
    if by_secret:
        return secrets.from_form(form)
    mistake = (
        "Client authentication is missing:"
        " this client is not known, is not public, or has no certificate in this connection"
    )
    return Attempt(
        form["client_id"],
        _WITHOUT_PROOF_IN_FORM,
        certificate=credentials.certificate,
        mistake=mistake,
    )
