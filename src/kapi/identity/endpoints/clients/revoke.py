"""Token revocation (RFC 7009). What is revoked is refused by the gateway and the system APIs within a second.

A refresh token takes its whole authorization with it; an access token falls alone. The hint is only a hint: the token says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.client_authentication import authenticate_client, methods_supported
from kapi.identity.protocol.forms import check_media_type, parse_form
from kapi.identity.protocol.http import ANY_ORIGIN, NO_STORE, Answer, Request
from kapi.identity.provider import Provider
from kapi.identity.tokens.access_tokens import read_own
from kapi.identity.tokens.person_tokens import revoke_family
from kapi.store.records import key_of

methods = ("POST",)
quick = False
PATH = "/oauth2/revoke"
_REASON = "revoked by the client"
_NOT_YOURS = "The token was issued to another client"


def paths(provider: Provider) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """One."""
    return (PATH,)


def metadata(provider: Provider) -> Mapping[str, Any]:
    """Where it is, and how callers authenticate."""
    return {
        "revocation_endpoint": f"{provider.base_url}{PATH}",
        "revocation_endpoint_auth_methods_supported": methods_supported(provider.settings.identity),
    }


def answer(provider: Provider, request: Request) -> Answer:
    """Revoke; a token that is unknown or over is as good as revoked (§2.2)."""
    check_media_type(request.header("content-type") or "")
    form = parse_form(request.body)
    client = authenticate_client(provider, form.values, request.credentials, request.now)
    token = form.need("token")
    own = read_own(provider, token, request.now)
    if own is not None:
        if own.client_id != client.id:
            raise OAuthError("invalid_grant", _NOT_YOURS)
        if own.expires_at > request.now:
            provider.revocations.revoke(
                own.jti, own.expires_at, _REASON, issuer=provider.settings.identity.issuer
            )
    elif (record := provider.families.of_refresh(key_of(token), request.now)) is not None:
        family = provider.families.get(record.family, request.now)
        if family is not None:
            if family.payload["client_id"] != client.id:
                raise OAuthError("invalid_grant", _NOT_YOURS)
            revoke_family(provider, family.key, request.now, _REASON)
    return Answer(200, (*NO_STORE, *ANY_ORIGIN))
