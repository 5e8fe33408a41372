"""Gets the access token that a call is tried with: of a client, by the client credentials grant.

RFC 6749 §4.4. The provider decides, as for any request of that client.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.console.sessions import Session
from kapi.front.web.console.sign_in import Provider
from kapi.settings import ClientSettings

_GRANT: Final = "client_credentials"
_IN_BODY: Final = "client_secret_post"
_METHODS: Final = frozenset(("", "client_secret_basic", _IN_BODY))


class ClientTokens:
    """Gets tokens for the clients that a person tries an API with."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._known = {}
        for client in provider.settings.identity.clients:
            if _is_simple(client):
                self._known[client.id] = client

    def known(self, session: Session) -> tuple[str, ...]:
        """The clients whose secret the person need not type: those of the settings.

        None for people of other organizations than the platform's.
        """
        if not session.of_platform:
            return ()
        return tuple(self._known)

    def token(
        self, session: Session, request: Request, client: tuple[str, str], scope: str
    ) -> str:
        """An access token. `client` is its id, and its secret if the person typed one.

        Raises Problem 400 with the provider's reason.
        """
        name, secret = client
        in_body = False
        if not secret and name in self.known(session):
            chosen = self._known[name]
            secret = chosen.secret
            in_body = chosen.token_endpoint_auth_method == _IN_BODY
        if not name or not secret:
            raise _no_token(name, "Its secret is not known here: type it.")
        form = {"grant_type": _GRANT}
        if scope:
            form["scope"] = scope
        host = self._provider.host(request)
        answer = self._provider.asked(host, form, (name, secret), in_body=in_body)
        token = answer.get("access_token")
        if not isinstance(token, str):
            reason = (
                answer.get("error_description") or answer.get("error") or "no reason"
            )
            raise _no_token(name, f"The provider says: {reason}.")
        return token


def _is_simple(client: ClientSettings) -> bool:
    """Whether it gets bearer tokens with its secret."""
    bound = (
        client.dpop_bound_access_tokens
        or client.tls_client_certificate_bound_access_tokens
    )
    if bound or not client.secret or _GRANT not in client.grants:
        return False
    return client.token_endpoint_auth_method in _METHODS


def _no_token(client: str, detail: str) -> Problem:
    return Problem.of(
        error_codes.INVALID_SYSTEM_REQUEST,
        f"The client {client[:80]} got no token",
        detail=detail,
        hint="Choose another client, or ask for other scopes.",
    )
