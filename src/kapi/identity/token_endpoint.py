"""The token endpoint (RFC 6749 §3.2) as five numbered steps. Called by `front/web/oauth.py` with the parsed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.client_authentication import authenticate_client
from kapi.identity.forms import Form
from kapi.identity.grants import Grant
from kapi.identity.issuance import TokenRequest
from kapi.identity.provider import Provider
from kapi.identity.scopes import granted_scope

PATHS = ("/oauth2/token", "/oauth2/1.0.0/token", "/oauth2/1.1.0/token", "/oauth2/1.2.0/token")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the headers of a request say about who is calling."""

    authorization: str | None = None


class TokenEndpoint:
    """The pipeline, bound to a provider and its grants."""

    def __init__(self, provider: Provider, grants: Sequence[Grant]) -> None:
        self._provider = provider
        self._grants = {grant.grant_type: grant for grant in grants}

    def quick(self, form: Form) -> bool:
        """Whether answering only computes, so that it may be done in the event loop."""
        grant = self._grants.get(form.values.get("grant_type", ""))
        return grant is None or grant.quick

    def answer(self, form: Form, credentials: Credentials, now: int) -> Mapping[str, Any]:
        """The members of a successful answer (RFC 6749 §5.1). Raises OAuthError."""
        # 1. who is asking
        client = authenticate_client(self._provider.clients, credentials.authorization, form.values)
        # 2. for which grant, and may the client use it
        grant = self._grant(form, client.grants)
        # 3. for which scopes
        scope = granted_scope(client, form.values.get("scope"))
        # 4. what the grant itself demands
        issued = grant.authorize(self._provider, TokenRequest(client, form, scope, now))
        # 5. the token
        token, _ = self._provider.minter.mint(issued.access, now)
        return {
            "access_token": token,
            "token_type": issued.token_type,
            "expires_in": issued.access.lifetime,
            "scope": issued.access.scope,
            **issued.extra,
        }

    def _grant(self, form: Form, allowed: frozenset[str]) -> Grant:
        wanted = form.need("grant_type")
        grant = self._grants.get(wanted)
        if grant is None:
            raise OAuthError("unsupported_grant_type", "This grant type is not supported; the discovery document lists those that are")
        if wanted not in allowed:
            raise OAuthError("unauthorized_client", "The client may not use this grant type")
        return grant
