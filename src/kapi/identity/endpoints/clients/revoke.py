"""Token revocation (RFC 7009). The gateway and the system APIs refuse the token within a second.

A refresh token revokes its whole authorization, an access token itself only. `token_type_hint` is
not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.client_authentication import authenticate_client, methods_supported
from kapi.identity.client_authentication.method import ClientAuthentication
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.forms import check_media_type, parse_form
from kapi.identity.protocol.http import ANY_ORIGIN, NO_STORE, Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.identity.tokens.access_tokens import OwnAccessTokens, read_own
from kapi.store.audit import SIGN_IN, SUCCESS, Event
from kapi.store.families import Families
from kapi.store.records import key_of

methods = ("POST",)
quick = False
PATH = "/oauth2/revoke"
_REASON = "revoked by the client"
_NOT_YOURS = "The token was issued to another client"


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (PATH,)


def metadata(published: Published) -> Mapping[str, Any]:
    """Its address, and the client authentication methods."""
    return {
        "revocation_endpoint": f"{published.base_url}{PATH}",
        "revocation_endpoint_auth_methods_supported": methods_supported(
            published.identity
        ),
    }


@dataclass(frozen=True, slots=True)
class Revocation:
    """The values that token revocation needs."""

    clients: ClientAuthentication
    tokens: OwnAccessTokens
    families: Families
    record: Record
    """Appends to the audit log."""


def needs(provider: Provider) -> Revocation:
    """The values for clients and tokens."""
    return Revocation(
        provider.client_authentication,
        provider.own_access_tokens,
        provider.families,
        provider.record,
    )


def answer(given: Revocation, request: Request) -> Answer:
    """Revoke a token; 200 also for a token that is unknown or expired (§2.2)."""
    check_media_type(request.header("content-type") or "")
    form = parse_form(request.body)
    client = authenticate_client(
        given.clients, form.values, request.credentials, request.now
    )
    token = form.need("token")
    own = read_own(given.tokens, token, request.now)
    if own is None:
        _revoke_refresh_token(given, request, client, token)
    elif own.client_id != client.id:
        raise OAuthError("invalid_grant", _NOT_YOURS)
    elif own.expires_at > request.now:
        issuer = given.tokens.stored_issuer
        given.tokens.revocations.revoke(own.jti, own.expires_at, _REASON, issuer=issuer)
        _tell(given, request, client, own.jti)
    return Answer(200, (*NO_STORE, *ANY_ORIGIN))


def _revoke_refresh_token(
    given: Revocation, request: Request, client: Client, token: str
) -> None:
    now = request.now
    record = given.families.of_refresh(key_of(token), now)
    if record is None:
        return
    family = given.families.get(record.family, now)
    if family is None:
        return
    if family.payload["client_id"] != client.id:
        raise OAuthError("invalid_grant", _NOT_YOURS)
    issuer = given.tokens.stored_issuer
    given.families.revoke(family.key, issuer, now, _REASON)
    _tell(given, request, client, "", "a refresh token, with its authorization")


def _tell(
    given: Revocation, request: Request, client: Client, target: str, detail: str = ""
) -> None:
    """An entry of the audit log, in the class of sign-ins: a client may revoke many tokens."""
    given.record(
        Event(
            "token.revoke",
            SUCCESS,
            target=target,
            detail=detail,
            client=client.id,
            address=request.network,
            class_=SIGN_IN,
        )
    )
