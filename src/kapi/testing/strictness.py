"""The strictness of one issuer: what it demands of clients.

`strict` (the default) demands what RFC 9700 and OAuth 2.1 demand: PKCE of every client. `certified`
demands what OpenID Connect demands: PKCE when the client began with it. `vendor` is the level of
emulated providers: as `certified`, with the lifetimes and errors of the vendor. `lenient` accepts
any client id, any secret and any redirect URI, as careless mocks do: to see what a client sends,
not to test it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from kapi.identity.clients.clients import Clients
from kapi.identity.provider import Provider
from kapi.settings import ClientSettings, IdentitySettings
from kapi.testing.http.calls import Call

LEVELS = ("strict", "certified", "vendor", "lenient")
_REDIRECT = re.compile(r"https?://[^\s#]+|[a-z][a-z0-9+.-]*:/[^\s#]*")
_GRANTS = (
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
)


def with_level(identity: IdentitySettings, level: str) -> IdentitySettings:
    """The settings at this level. Raises ValueError."""
    if level not in LEVELS:
        raise ValueError(f"{level!r} is not a level; known: {', '.join(LEVELS)}")
    if level == "strict":
        clients = tuple(map(_with_pkce, identity.clients))
        return replace(identity, clients=clients)
    if level in {"certified", "vendor"}:
        return replace(identity, front_channel_tokens=True)
    return replace(identity, front_channel_tokens=True, password_grant=True)


def _with_pkce(client: ClientSettings) -> ClientSettings:
    if "authorization_code" not in client.grants:
        return client
    return replace(client, require_pkce=True)


class Admission:
    """For a lenient issuer: makes the client of a call one that is registered just so."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def admit(self, provider: Provider, call: Call) -> None:
        """Register the client of the call with the secret and the redirect URI that it sends."""
        client_id = call.client
        if not client_id or call.parameters.get("client_assertion"):
            return
        known = {item.id: item for item in provider.settings.identity.clients}
        before = known.get(
            client_id, ClientSettings(client_id, grants=(*_GRANTS, "password"))
        )
        after = _as_sent(before, call)
        if after == known.get(client_id):
            return
        register(provider, after, self._salt)


def register(provider: Provider, client: ClientSettings, salt: bytes) -> None:
    """Let the provider know a client, in its memory alone; one with the same id is replaced."""
    known = {item.id: item for item in provider.settings.identity.clients}
    if known.get(client.id) == client:
        return
    known[client.id] = client
    clients = tuple(known.values())
    identity = replace(provider.settings.identity, clients=clients)
    provider.settings = replace(provider.settings, identity=identity)
    provider.clients = Clients(clients, salt)
    provider.use_clients()


def _as_sent(client: ClientSettings, call: Call) -> ClientSettings:
    redirect = call.parameters.get("redirect_uri", "")
    if (
        redirect
        and redirect not in client.redirect_uris
        and _REDIRECT.fullmatch(redirect)
    ):
        client = replace(client, redirect_uris=(*client.redirect_uris, redirect))
    secret = call.form.get("client_secret", "")
    if call.basic:
        secret = call.basic[1]
    if call.endpoint == "authorize":
        return client
    if not secret:
        return replace(client, secret="", token_endpoint_auth_method="none")  # noqa: S106
    return replace(client, secret=secret, token_endpoint_auth_method="")
