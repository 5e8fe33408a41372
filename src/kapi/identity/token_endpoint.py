"""The token endpoint (RFC 6749 §3.2) as five numbered steps. Called by `front/web/oauth.py` with the parsed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from kapi.errors import OAuthError
from kapi.identity.client_authentication import authenticate_client
from kapi.identity.clients import Clients
from kapi.identity.grants import Grant
from kapi.identity.scopes import granted_scope
from kapi.identity.tokens import Minter

MAY_REPEAT = frozenset({"resource", "audience"})
"""RFC 8707 §2, RFC 8693 §2.1; any other parameter stands at most once (RFC 6749 §3.2)."""
_MOST_PARAMETERS = 100


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A successful answer (RFC 6749 §5.1); `expires_in` in seconds."""

    access_token: str
    expires_in: int
    scope: str


class TokenEndpoint:
    """The pipeline, bound to clients, grants and keys."""

    def __init__(self, clients: Clients, grants: Sequence[Grant], minter: Minter) -> None:
        self._clients = clients
        self._grants = {grant.grant_type: grant for grant in grants}
        self._minter = minter

    def answer(self, body: bytes, authorization: str | None, now: int) -> TokenAnswer:
        """Answer a token request. Raises OAuthError."""
        form = parse_form(body)
        # 1. who is asking
        client = authenticate_client(self._clients, authorization, form)
        # 2. for which grant, and may the client use it
        grant = self._grant(form, client.grants)
        # 3. for which scopes
        scope = granted_scope(client, form.get("scope"))
        # 4. what the grant itself demands
        token = grant.authorize(client, form, scope)
        # 5. the token
        return TokenAnswer(self._minter.mint(token, now), self._minter.lifetime, token.scope)

    def _grant(self, form: Mapping[str, str], allowed: frozenset[str]) -> Grant:
        wanted = form.get("grant_type")
        if wanted is None:
            raise OAuthError("invalid_request", "grant_type is missing")
        grant = self._grants.get(wanted)
        if grant is None:
            raise OAuthError("unsupported_grant_type", "This grant type is not supported; the discovery document lists those that are")
        if wanted not in allowed:
            raise OAuthError("unauthorized_client", "The client may not use this grant type")
        return grant


def parse_form(body: bytes) -> dict[str, str]:
    """The parameters of a form body; those without a value count as omitted (RFC 6749 §3.2).

    Raises OAuthError invalid_request for a broken form or a repeated parameter.
    """
    try:
        text = body.decode("ascii")
        pairs = (
            parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MOST_PARAMETERS) if text else []
        )
    except ValueError as error:
        raise OAuthError("invalid_request", "The body is not application/x-www-form-urlencoded text in UTF-8") from error
    form: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen and name not in MAY_REPEAT:
            raise OAuthError("invalid_request", "A parameter stands more than once (RFC 6749 3.2)")
        seen.add(name)
        if value:
            form.setdefault(name, value)
    return form
